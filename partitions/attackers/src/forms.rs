// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses in forms that the hardware does not describe to EL2, and fetches: from emulated devices, from nothing.
//!
//! An emulated device refuses by an external abort with the right syndrome and address; anything else than that has
//! succeeded. Where nothing is, the partition ends; the count is kept over restarts.

use core::sync::atomic::Ordering;

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::code::{Code, Ran, form, run_at};
use crate::edge::kept;

/// What a form does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Load,
    Store,
    /// At the address + 8.
    StoreNext,
    /// Nothing that a device could refuse.
    Quiet,
}

/// In the order of `attacker_forms`: pairs, writeback, sign-extended pairs, SIMD, exclusives, maintenance, prefetch.
const FORMS: [Form; 22] = [
    Form::Load,
    Form::Load,
    Form::Store,
    Form::Store,
    Form::Load,
    Form::StoreNext,
    Form::Load,
    Form::Load,
    Form::Load,
    Form::Store,
    Form::Load,
    Form::Load,
    Form::Load,
    Form::Store,
    Form::Load,
    Form::Load,
    Form::Load,
    Form::Quiet,
    Form::Quiet,
    Form::Quiet,
    Form::Quiet,
    Form::Quiet,
];

/// `ESR_EL1` of a synchronous external abort from EL1, 32-bit instruction: of a load, a store, a fetch.
const LOAD: u64 = 0x25 << 26 | 1 << 25 | 0x10;
const STORE: u64 = LOAD | 1 << 6;
const FETCH: u64 = 0x21 << 26 | 1 << 25 | 0x10;
/// Where the partition has nothing.
const NOTHING: u64 = 0x20_0000_0000;
/// Where the first port of a partition's channels is: this one has none.
const PORT: u64 = 0x0b10_0000;
/// MSR TTBR0_EL1, X0; ISB; TLBI VMALLE1; DSB SY; ISB; MRS X2, SCTLR_EL1; ORR X2, X2, #1; MSR SCTLR_EL1, X2; ISB.
const WALK: [u32; 9] = [
    0xd518_2000,
    0xd503_3fdf,
    0xd508_871f,
    0xd503_3f9f,
    0xd503_3fdf,
    0xd538_1002,
    0xb240_0042,
    0xd518_1002,
    0xd503_3fdf,
];

static CODE: Code = Code::new();

/// Emulated devices: every form, and a fetch.
fn refused(tried: &mut Tried, device: u64) {
    let mut judge = |n: usize, ran: Ran, expected: Option<(u64, u64)>| {
        let unexpected = ran.exception != expected;
        if expected.is_some() || unexpected {
            tried.note(unexpected);
        }
        if unexpected {
            console::line(format_args!("FORM {n} at {device:#x}: {:x?}", ran.exception));
        }
    };
    for (n, kind) in FORMS.iter().enumerate() {
        let ran = run_at(form(n as u64), device, 0);
        let expected = match kind {
            Form::Load => Some((LOAD, device)),
            Form::Store => Some((STORE, device)),
            Form::StoreNext => Some((STORE, device + 8)),
            Form::Quiet => None,
        };
        judge(n, ran, expected);
    }
    judge(FORMS.len(), run_at(device, 0, 0), Some((FETCH, device)));
}

/// The `n`-th thing that ends the partition; `None` after the last.
fn ending(partition: &Partition, n: usize) -> Option<Ran> {
    let machine = &partition.machine;
    let accesses = || FORMS.iter().enumerate().filter(|(_, kind)| **kind != Form::Quiet);
    if let Some((k, _)) = accesses().nth(n) {
        return Some(run_at(form(k as u64), NOTHING, 0));
    }
    let ram_end = machine.ram.start + machine.ram.size;
    let walk = |table| {
        CODE.put(WALK.into_iter());
        run_at(CODE.address(), table, 0)
    };
    match n - accesses().count() {
        // The second register of the pair lies behind the end of RAM.
        0 => Some(run_at(form(0), ram_end - 8, 0)),
        1 => Some(run_at(NOTHING, 0, 0)),
        2 => Some(run_at(machine.edu?.start, 0, 0)),
        3 => Some(walk(NOTHING)),
        4 => Some(walk(machine.distributor.start)),
        // A pair loaded, a pair stored.
        5 => Some(run_at(form(0), PORT, 0)),
        6 => Some(run_at(form(2), PORT, 0)),
        _ => None,
    }
}

pub(crate) fn attack(partition: &Partition) -> Tried {
    let Some((window, _)) = partition.machine.window else {
        return Tried::default();
    };
    let [next, attempts, succeeded, _] = kept(window);
    loop {
        let n = next.fetch_add(1, Ordering::SeqCst);
        if n == 0 {
            let mut tried = Tried::default();
            refused(&mut tried, partition.machine.distributor.start);
            refused(&mut tried, partition.machine.gic.others().start + 0x1_0000);
            attempts.fetch_add(tried.attempts, Ordering::SeqCst);
            succeeded.fetch_add(tried.succeeded, Ordering::SeqCst);
            console::line(format_args!("devices refuse {}", tried.attempts));
            continue;
        }
        attempts.fetch_add(1, Ordering::SeqCst);
        let Some(ran) = usize::try_from(n - 1).ok().and_then(|n| ending(partition, n)) else {
            break;
        };
        succeeded.fetch_add(1, Ordering::SeqCst);
        console::line(format_args!("SURVIVED {n}: {:x?}", ran.exception));
    }
    Tried {
        attempts: attempts.load(Ordering::SeqCst) - 1,
        succeeded: succeeded.load(Ordering::SeqCst),
    }
}

/// FMOV D7, X0; FMOV D31, X0; MOV V31.D[1], X0; LDR X1, [X0].
const HELD: [u32; 4] = [0x9e67_0007, 0x9e67_001f, 0x4e18_1c1f, 0xf940_0001];

/// No attempt: ends the partition with floating-point registers that a test looks for in its crash record.
pub(crate) fn registers_at_the_end() -> Tried {
    CODE.put(HELD.into_iter());
    let _ = run_at(CODE.address(), NOTHING, 0);
    Tried::default()
}
