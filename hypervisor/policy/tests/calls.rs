// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guest calls against the tables of Arm DEN0022 (PSCI) and Arm DEN0028 (SMCCC).
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_abi::hypercall;
use bulkhead_policy::psci::{
    CpuOn, Entry, Power, PsciCall, PsciError, affinity_info, cpu_on, cpu_suspend, features, system_reset2,
};
use bulkhead_policy::smccc::{Call, VendorCall, decode};
use proptest::prelude::*;

/// Function identifiers from DEN0022, "PSCI functions", with and without a 64-bit form.
const IMPLEMENTED: &[u32] = &[
    0x8400_0000,
    0x8400_0001,
    0xC400_0001,
    0x8400_0002,
    0x8400_0003,
    0xC400_0003,
    0x8400_0004,
    0xC400_0004,
    0x8400_0006,
    0x8400_0008,
    0x8400_0009,
    0x8400_000A,
    0x8400_0012,
    0xC400_0012,
];

fn psci(id: u32) -> Option<PsciCall> {
    match decode(&[u64::from(id), 0x11_0000_0001, 0x22_0000_0002, 0x33_0000_0003]) {
        Call::Psci(call) => Some(call),
        Call::Smccc(_) | Call::Vendor(_) | Call::Unknown => None,
    }
}

/// Verifies: BH-PSCI-001.
#[test]
fn identifiers_and_argument_widths() {
    let narrow = CpuOn {
        target: 1,
        entry: 2,
        context: 3,
    };
    let wide = CpuOn {
        target: 0x11_0000_0001,
        entry: 0x22_0000_0002,
        context: 0x33_0000_0003,
    };
    assert_eq!(psci(0x8400_0000), Some(PsciCall::Version));
    assert_eq!(psci(0x8400_0001), Some(PsciCall::CpuSuspend { power_state: 1 }));
    assert_eq!(psci(0xC400_0001), Some(PsciCall::CpuSuspend { power_state: 1 }));
    assert_eq!(psci(0x8400_0002), Some(PsciCall::CpuOff));
    assert_eq!(psci(0x8400_0003), Some(PsciCall::CpuOn(narrow)));
    assert_eq!(psci(0xC400_0003), Some(PsciCall::CpuOn(wide)));
    assert_eq!(
        psci(0x8400_0004),
        Some(PsciCall::AffinityInfo { target: 1, level: 2 })
    );
    assert_eq!(
        psci(0xC400_0004),
        Some(PsciCall::AffinityInfo {
            target: 0x11_0000_0001,
            level: 2
        })
    );
    assert_eq!(psci(0x8400_0006), Some(PsciCall::MigrateInfoType));
    assert_eq!(psci(0x8400_0008), Some(PsciCall::SystemOff));
    assert_eq!(psci(0x8400_0009), Some(PsciCall::SystemReset));
    assert_eq!(psci(0x8400_000A), Some(PsciCall::Features { function: 1 }));
    assert_eq!(psci(0x8400_0012), Some(PsciCall::SystemReset2 { reset_type: 1 }));
    assert_eq!(psci(0xC400_0012), Some(PsciCall::SystemReset2 { reset_type: 1 }));
}

#[test]
fn bits_above_the_identifier_do_not_matter() {
    assert_eq!(
        decode(&[0xffff_ffff_8400_0000, 0, 0, 0]),
        Call::Psci(PsciCall::Version)
    );
}

/// Verifies: BH-STEAL-002.
#[test]
fn vendor_and_discovery_calls() {
    assert_eq!(decode(&[0xC600_0001, 0, 0, 0]), Call::Vendor(VendorCall::Null));
    assert_eq!(
        decode(&[0xC600_0002, 0, 0, 0]),
        Call::Vendor(VendorCall::MarkSteady)
    );
    assert_eq!(
        decode(&[0xC600_0030, 0xffff_ffff_0000_0003, 0, 0]),
        Call::Vendor(VendorCall::LedgerRead { core: 3 })
    );
    assert_eq!(decode(&[0x8600_FF01, 0, 0, 0]), Call::Vendor(VendorCall::Uid));
    assert_eq!(
        decode(&[0x8600_FF03, 0, 0, 0]),
        Call::Vendor(VendorCall::Revision)
    );
    let answer = |x0, x1, stolen_time| match decode(&[x0, x1, 0, 0]) {
        Call::Smccc(call) => call.result(stolen_time),
        Call::Psci(_) | Call::Vendor(_) | Call::Unknown => panic!("{x0:#x}"),
    };
    let result = |x0, x1| answer(x0, x1, None);
    // DEN0057A: PV_TIME_FEATURES, PV_TIME_ST; here for a vCPU that has stolen time, and for one that has none.
    let page = Some(0x7f_0020_0040);
    for (function, asked, there) in [
        (0x8000_0001, 0xc500_0020, 0),
        (0xc500_0020, 0xc500_0020, 0),
        (0xc500_0020, 0xc500_0021, 0),
        (0xc500_0021, 0, 0x7f_0020_0040),
    ] {
        assert_eq!(answer(function, asked, page), there);
        assert_eq!(answer(function, asked, None), -1);
    }
    assert_eq!(answer(0xc500_0020, 0xc500_0022, page), -1);
    assert_eq!(answer(0x8000_0001, 0xc500_0021, page), -1);
    assert_eq!(result(0x8000_0000, 0), 0x1_0002);
    assert_eq!(result(0x8000_0001, 0x8000_0000), 0);
    assert_eq!(result(0x8000_0001, 0x8000_0001), 0);
    // SMCCC_ARCH_SOC_ID, ARCH_WORKAROUND_1, _2 and _3.
    for other in [0x8000_0002, 0x8000_8000, 0x8000_7fff, 0x8000_3fff] {
        assert_eq!(result(0x8000_0001, other), -1);
    }
}

/// Verifies: BH-PSCI-005.
#[test]
fn features_lists_what_decode_knows() {
    for id in IMPLEMENTED {
        assert!(psci(*id).is_some(), "{id:#x}");
        assert_eq!(features(*id), 0, "{id:#x}");
    }
    assert_eq!(
        features(0x8000_0000),
        0,
        "SMCCC_VERSION is discovered this way (DEN0028, Discovery)"
    );
    for range in [0x8400_0000, 0xC400_0000u32] {
        for id in range..range + 0x100 {
            let known = IMPLEMENTED.contains(&id);
            assert_eq!(psci(id).is_some(), known, "{id:#x}");
            assert_eq!(features(id), if known { 0 } else { -1 }, "{id:#x}");
        }
    }
}

/// DEN0022, "Return error codes".
#[test]
fn error_codes() {
    assert_eq!(PsciError::InvalidParameters.code(), -2);
    assert_eq!(PsciError::AlreadyOn.code(), -4);
    assert_eq!(PsciError::OnPending.code(), -5);
    assert_eq!(PsciError::InvalidAddress.code(), -9);
    assert_eq!(hypercall::NOT_SUPPORTED, -1);
}

/// Verifies: BH-PSCI-004.
#[test]
fn suspend_takes_standby_and_power_down_of_a_vcpu() {
    assert_eq!(cpu_suspend(0), Ok(()));
    assert_eq!(cpu_suspend(1 << 16 | 0x1234), Ok(()), "power-down with a StateID");
    for bit in 17..32 {
        assert_eq!(
            cpu_suspend(1 << bit),
            Err(PsciError::InvalidParameters),
            "bit {bit}"
        );
    }
}

#[test]
fn only_the_warm_reset_type_exists() {
    assert_eq!(system_reset2(0), Ok(()));
    assert_eq!(system_reset2(1), Err(PsciError::InvalidParameters));
    assert_eq!(system_reset2(0x8000_0000), Err(PsciError::InvalidParameters));
}

/// A partition as the standard describes one: per vCPU whether it is off, starting or on.
#[derive(Clone, Debug)]
struct Model(Vec<&'static str>);

impl Model {
    fn cpu_on(&mut self, target: u64, good_entry: bool) -> i64 {
        let Some(state) = usize::try_from(target).ok().and_then(|t| self.0.get_mut(t)) else {
            return -2;
        };
        match (*state, good_entry) {
            ("on", _) => -4,
            ("starting", _) => -5,
            (_, false) => -9,
            _ => {
                *state = "starting";
                0
            }
        }
    }

    fn affinity_info(&self, target: u64, level: u32) -> i64 {
        let valid = if level == 0 {
            target < u64::try_from(self.0.len()).unwrap()
        } else {
            target < 256
        };
        match (valid, level) {
            (false, _) | (_, 4..) => -2,
            (_, 1..) => 0,
            _ => match self.0[usize::try_from(target).unwrap()] {
                "on" => 0,
                "off" => 1,
                _ => 2,
            },
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    On { target: u64, entry: u64, mapped: bool },
    Off(usize),
    Started(usize),
    Info { target: u64, level: u32 },
}

fn target() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..6u64, 1 => any::<u64>(), 1 => (0..6u64).prop_map(|t| t << 8 | 1 << 31), 1 => (0..6u64).prop_map(|t| t << 8)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (target(), 0..9u64, prop::bool::weighted(0.8)).prop_map(|(target, low, mapped)| Step::On {
            target,
            entry: 0x4000_0000 + if low < 5 { 0 } else { low },
            mapped
        }),
        (0..4usize).prop_map(Step::Off),
        (0..4usize).prop_map(Step::Started),
        (target(), 0..6u32).prop_map(|(target, level)| Step::Info { target, level }),
    ]
}

proptest! {
    #[test]
    fn unknown_identifiers(id: u32) {
        let known = IMPLEMENTED.contains(&id)
            || [0x8000_0000, 0x8000_0001, 0x8600_FF01, 0x8600_FF03, 0xC600_0001, 0xC600_0002].contains(&id);
        prop_assert_eq!(decode(&[u64::from(id), 0, 0, 0]) != Call::Unknown, known);
    }

    /// Verifies: BH-PSCI-002, BH-PSCI-003.
    #[test]
    fn power_states(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model(vec!["on", "off", "off", "off"]);
        let mut words = [Power::On, Power::Off, Power::Off, Power::Off].map(Power::bits);
        let read = |words: &[u32; 4], k: u32| Power::from_bits(words[usize::try_from(k).unwrap()]);
        for step in steps {
            match step {
                Step::On { target, entry, mapped } => {
                    let request = CpuOn { target, entry, context: 0 };
                    let map = if mapped { Entry::Executable } else { Entry::NotExecutable };
                    let answer = match cpu_on(&request, 4, map, |k| read(&words, k)) {
                        Ok(k) => {
                            let claimed = read(&words, k).claim().unwrap();
                            prop_assert_eq!(claimed.affinity_info(), 2);
                            words[usize::try_from(k).unwrap()] = Power::Pending.bits();
                            0
                        }
                        Err(error) => error.code(),
                    };
                    prop_assert_eq!(answer, model.cpu_on(target, mapped && entry % 4 == 0));
                }
                Step::Off(k) => if model.0[k] == "on" {
                    model.0[k] = "off";
                    words[k] = Power::Off.bits();
                },
                Step::Started(k) => if model.0[k] == "starting" {
                    model.0[k] = "on";
                    words[k] = Power::On.bits();
                },
                Step::Info { target, level } => {
                    let answer = affinity_info(target, level, 4, |k| read(&words, k));
                    prop_assert_eq!(answer.unwrap_or_else(PsciError::code), model.affinity_info(target, level));
                }
            }
        }
    }
}

/// Two callers that saw the vCPU off: one wins, the other is told that it is pending.
#[test]
fn a_claim_is_won_once() {
    let first = Power::Off.claim().unwrap();
    assert_eq!(first.claim(), Err(PsciError::OnPending));
    assert_eq!(Power::Pending.claim(), Err(PsciError::OnPending));
    assert_eq!(Power::On.claim(), Err(PsciError::AlreadyOn));
    for power in [Power::Off, Power::Claimed, Power::Pending, Power::On] {
        assert_eq!(Power::from_bits(power.bits()), power);
    }
}
