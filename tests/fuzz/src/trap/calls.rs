// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a call, a claimed ring index or a reading of the ledger may mean.

use bulkhead_abi::hypercall::{LEDGER_AGAIN, NOT_SUPPORTED, SUCCESS};
use bulkhead_abi::stats::MAX_VCPUS_PER_CORE;
use bulkhead_policy::ledger::Reading;
use bulkhead_policy::psci::{self, Power, PsciCall};
use bulkhead_policy::ring::Ring;
use bulkhead_policy::smccc::{self, Call};

use crate::bytes::Bytes;

/// Bytes of the ring that is claimed about.
const RING: u32 = 4096;

/// Decodes calls and claims.
pub(super) fn check(bytes: &mut Bytes<'_>) {
    match bytes.u8() & 3 {
        0 | 1 => call(bytes),
        2 => ring(bytes),
        _ => ledger(bytes),
    }
}

/// The functions that PSCI_FEATURES answers for are those that are decoded; the upper half of `x0` means nothing, and
/// neither do the upper halves of a 32-bit function's arguments.
fn call(bytes: &mut Bytes<'_>) {
    let near = [
        0x8400_0000,
        0xc400_0000,
        0x8600_0000,
        0xc600_0000,
        0x8000_0000,
        0xc500_0000,
    ];
    let kind = bytes.u8();
    let id = match near.get(usize::from(kind)) {
        Some(base) => base | u64::from(bytes.u8()),
        None => u64::from(bytes.u32()),
    };
    let arguments = [bytes.u64(), bytes.u64(), bytes.u64()];
    let [x1, x2, x3] = arguments;
    let decoded = smccc::decode(&[id, x1, x2, x3]);
    assert_eq!(
        decoded,
        smccc::decode(&[id | u64::from(bytes.u32()) << 32, x1, x2, x3])
    );
    let is_psci = matches!(decoded, Call::Psci(_));
    if is_psci && id >> 30 & 1 == 0 {
        let halves = arguments.map(|argument| argument & 0xffff_ffff);
        let [x1, x2, x3] = halves;
        assert_eq!(
            decoded,
            smccc::decode(&[id, x1, x2, x3]),
            "a 32-bit function read 64 bits"
        );
    }
    let function = u32::try_from(id).unwrap();
    let featured = psci::features(function);
    assert!(featured == SUCCESS || featured == NOT_SUPPORTED);
    assert!(
        is_psci == (featured == SUCCESS) || function == smccc::function::SMCCC_VERSION,
        "PSCI_FEATURES of {function:#x}: {featured}, decoded {decoded:?}"
    );
    power(decoded, bytes);
}

/// CPU_ON names a vCPU that is there and was off; AFFINITY_INFO says one of three things.
fn power(call: Call, bytes: &mut Bytes<'_>) {
    const VCPUS: u32 = 3;
    let states = bytes.take::<3>().map(|byte| Power::from_bits(u32::from(byte)));
    let state = |vcpu: u32| states[usize::try_from(vcpu).unwrap()];
    match call {
        Call::Psci(PsciCall::CpuOn(request)) => {
            let started = psci::cpu_on(&request, VCPUS, psci::Entry::Executable, state);
            let good = request.target < u64::from(VCPUS) && request.entry & 3 == 0;
            let off = good && state(u32::try_from(request.target).unwrap()) == Power::Off;
            assert_eq!(started.is_ok(), off, "{request:?} with {states:?}");
            assert!(started.is_err() || started.map(u64::from) == Ok(request.target));
        }
        Call::Psci(PsciCall::AffinityInfo { target, level }) => {
            let answer = psci::affinity_info(target, level, VCPUS, state);
            assert!(answer.is_err() || answer.is_ok_and(|answer| (0..=2).contains(&answer)));
            assert!(level != 0 || answer.is_ok() == (target < u64::from(VCPUS)));
        }
        Call::Psci(PsciCall::CpuSuspend { power_state }) => {
            assert_eq!(psci::cpu_suspend(power_state).is_ok(), power_state >> 17 == 0);
        }
        Call::Psci(_) | Call::Smccc(_) | Call::Vendor(_) | Call::Unknown => {}
    }
}

/// No claim leads out of a ring.
fn ring(bytes: &mut Bytes<'_>) {
    let (head, tail) = (bytes.u32(), bytes.u32());
    let used = Ring::<RING>::used(head, tail);
    assert_eq!(
        u64::from(used) + u64::from(Ring::<RING>::free(head, tail)),
        u64::from(RING)
    );
    let chunks = Ring::<RING>::chunks(tail, used);
    let inside = |at: u64, size: u64| at + size <= u64::from(RING);
    assert!(
        chunks
            .iter()
            .all(|chunk| inside(chunk.offset.into(), chunk.length.into()))
    );
    assert_eq!(chunks.iter().map(|chunk| chunk.length).sum::<u32>(), used);
}

/// A reading is shown if its accounts are its elapsed time, and else nothing of it.
fn ledger(bytes: &mut Bytes<'_>) {
    let mut reading = Reading {
        elapsed: 0,
        el2: bytes.u64(),
        idle: bytes.u64(),
        run: [0; MAX_VCPUS_PER_CORE],
        whose: [None; MAX_VCPUS_PER_CORE],
    };
    for account in &mut reading.run {
        *account = u64::from(bytes.u32());
    }
    let run: u128 = reading.run.iter().copied().map(u128::from).sum();
    let sum = u128::from(reading.el2) + u128::from(reading.idle) + run;
    let torn = u64::from(bytes.u8() & 3);
    reading.elapsed = u64::try_from(sum & u128::from(u64::MAX))
        .unwrap()
        .wrapping_add(torn);
    let (answer, values) = reading.answer();
    if torn == 0 {
        assert_eq!((answer, values[0]), (SUCCESS, reading.elapsed));
        assert_eq!(values[1..3], [reading.el2, reading.idle]);
    } else {
        assert_eq!(
            (answer, values),
            (LEDGER_AGAIN, [0; 17]),
            "a torn ledger is shown"
        );
    }
}
