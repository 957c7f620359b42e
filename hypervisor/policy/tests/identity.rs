// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a guest reads of its processor, against the Arm ARM's names of the fields that must not be seen.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_policy::identity::{is_identity, shown};
use bulkhead_policy::sysreg::SysRegId;
use proptest::prelude::*;

/// CRm, op2, lowest bit and the feature: DDI 0487, "AArch64 System register descriptions".
const HIDDEN: &[(u32, u32, u32, &str)] = &[
    (4, 0, 8, "EL2"),
    (4, 0, 12, "EL3"),
    (4, 0, 28, "RAS"),
    (4, 0, 32, "SVE"),
    (4, 0, 36, "SEL2"),
    (4, 0, 40, "MPAM"),
    (4, 0, 44, "AMU"),
    (4, 0, 52, "RME"),
    (4, 1, 8, "MTE"),
    (4, 1, 12, "RAS_frac"),
    (4, 1, 16, "MPAM_frac"),
    (4, 1, 24, "SME"),
    (4, 1, 36, "NMI"),
    (4, 1, 44, "GCS"),
    (5, 0, 4, "TraceVer"),
    (5, 0, 8, "PMUVer"),
    (5, 0, 32, "PMSVer"),
    (5, 0, 40, "TraceFilt"),
    (5, 0, 44, "TraceBuffer"),
    (5, 0, 48, "MTPMU"),
    (5, 0, 52, "BRBE"),
    (6, 0, 24, "TME"),
    (6, 1, 4, "APA"),
    (6, 1, 8, "API"),
    (6, 1, 24, "GPA"),
    (6, 1, 28, "GPI"),
    (6, 1, 60, "LS64"),
    (6, 2, 8, "GPA3"),
    (6, 2, 12, "APA3"),
    (6, 2, 16, "MOPS"),
    (7, 0, 56, "FGT"),
    (7, 0, 60, "ECV"),
    (7, 1, 8, "VH"),
    (7, 1, 16, "LO"),
    (7, 1, 40, "HCX"),
    (7, 2, 24, "NV"),
    (1, 0, 20, "AArch32 AMU"),
    (1, 0, 28, "AArch32 RAS"),
    (1, 2, 24, "AArch32 PerfMon"),
    (1, 2, 16, "AArch32 MMapTrc"),
];

/// Registers of hidden features, whole: ID_AA64ZFR0, SMFR0, DFR1, AFR0, AFR1, MMFR3, MMFR4, ID_AFR0, ID_DFR1, and what
/// is reserved.
const EMPTY: &[(u32, u32)] = &[
    (4, 2),
    (4, 3),
    (4, 4),
    (4, 5),
    (4, 6),
    (4, 7),
    (5, 1),
    (5, 2),
    (5, 3),
    (5, 4),
    (5, 5),
    (5, 6),
    (5, 7),
    (6, 3),
    (6, 7),
    (7, 3),
    (7, 4),
    (7, 7),
    (1, 3),
    (3, 3),
    (3, 5),
    (3, 7),
];

fn register(crm: u32, op2: u32) -> SysRegId {
    SysRegId::new(3, 0, 0, crm, op2)
}

/// Verifies: BH-TRAP-020.
#[test]
fn hidden_features_read_as_not_implemented() {
    for (crm, op2, at, name) in HIDDEN {
        let seen = shown(register(*crm, *op2), u64::MAX) >> at & 15;
        assert_eq!(seen, 0, "{name}");
    }
    for (crm, op2) in EMPTY {
        assert_eq!(shown(register(*crm, *op2), u64::MAX), 0, "C{crm} {op2}");
    }
}

/// What Linux needs on a Cortex-A72 is as the core says. Verifies: BH-TRAP-020.
#[test]
fn a_cortex_a72() {
    for (crm, op2, raw, seen) in [
        // EL0 in both states, EL1 in AArch64 alone, no EL2, GIC.
        (4, 0, 0x0100_2222, 0x0100_0012),
        // Debug of Armv8 with two breakpoints and watchpoints instead of six and four; no PMU.
        (5, 0, 0x1030_5106, 0x0010_1006),
        (6, 0, 0x1_1120, 0x1_1120),
        (7, 0, 0x1124, 0x0124),
    ] {
        assert_eq!(shown(register(crm, op2), raw), seen, "C{crm} {op2}");
    }
}

#[test]
fn the_main_id_registers_do_not_trap() {
    assert!(!is_identity(SysRegId::new(3, 0, 0, 0, 0)) && !is_identity(SysRegId::new(3, 1, 0, 1, 0)));
    assert!(is_identity(register(1, 0)) && is_identity(register(7, 7)));
}

proptest! {
    /// No field is ever shown larger than it is. Verifies: BH-TRAP-020.
    #[test]
    fn nothing_is_promised(crm in 1u32..8, op2 in 0u32..8, raw: u64) {
        let seen = shown(register(crm, op2), raw);
        for at in (0..64).step_by(4) {
            prop_assert!(seen >> at & 15 <= raw >> at & 15);
        }
    }
}
