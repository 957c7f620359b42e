// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encodings of the system registers that EL2 traps, by their Arm ARM names.
//!
//! # References
//! Arm ARM, "AArch64 System register descriptions"; Arm IHI 0069, "AArch64 System register descriptions".
#![allow(missing_docs)] // The name is the documentation.

use crate::sysreg::SysRegId;

/// INTID that means "no interrupt".
pub const SPURIOUS_INTID: u64 = 1023;
/// `OSLSR_EL1`: `OSLM` = 0b10 (bits 3 and 0), the OS Lock is implemented; `OSLK` = 0, unlocked.
pub const OSLSR_IMPLEMENTED_UNLOCKED: u64 = 1 << 3;

/// `ICC_SRE_EL1`: `SRE`, `DFB`, `DIB`: system registers always, no bypass.
pub const SRE_SYSTEM_REGISTERS: u64 = 7;

pub const ICC_PMR_EL1: SysRegId = SysRegId::new(3, 0, 4, 6, 0);
pub const ICC_IAR0_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 0);
pub const ICC_EOIR0_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 1);
pub const ICC_HPPIR0_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 2);
pub const ICC_BPR0_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 3);
pub const ICC_AP0R0_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 4);
pub const ICC_AP0R1_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 5);
pub const ICC_AP0R2_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 6);
pub const ICC_AP0R3_EL1: SysRegId = SysRegId::new(3, 0, 12, 8, 7);
pub const ICC_DIR_EL1: SysRegId = SysRegId::new(3, 0, 12, 11, 1);
pub const ICC_RPR_EL1: SysRegId = SysRegId::new(3, 0, 12, 11, 3);
pub const ICC_SGI1R_EL1: SysRegId = SysRegId::new(3, 0, 12, 11, 5);
pub const ICC_ASGI1R_EL1: SysRegId = SysRegId::new(3, 0, 12, 11, 6);
pub const ICC_SGI0R_EL1: SysRegId = SysRegId::new(3, 0, 12, 11, 7);
pub const ICC_CTLR_EL1: SysRegId = SysRegId::new(3, 0, 12, 12, 4);
pub const ICC_SRE_EL1: SysRegId = SysRegId::new(3, 0, 12, 12, 5);
pub const ICC_IGRPEN0_EL1: SysRegId = SysRegId::new(3, 0, 12, 12, 6);

pub const ACTLR_EL1: SysRegId = SysRegId::new(3, 0, 1, 0, 1);

pub const OSLSR_EL1: SysRegId = SysRegId::new(2, 0, 1, 1, 4);

pub const PMINTENSET_EL1: SysRegId = SysRegId::new(3, 0, 9, 14, 1);
pub const PMINTENCLR_EL1: SysRegId = SysRegId::new(3, 0, 9, 14, 2);
pub const PMMIR_EL1: SysRegId = SysRegId::new(3, 0, 9, 14, 6);

pub const DC_ISW: SysRegId = SysRegId::new(1, 0, 7, 6, 2);
pub const DC_CSW: SysRegId = SysRegId::new(1, 0, 7, 10, 2);
pub const DC_CISW: SysRegId = SysRegId::new(1, 0, 7, 14, 2);

/// Debug registers: `MDSCR_EL1`, breakpoints, watchpoints, OS lock, claim tags, debug communication channel.
/// Trace registers (op1 = 1) are not among them.
pub const fn is_debug(register: SysRegId) -> bool {
    matches!(register.operands(), (2, 0, 0 | 1 | 7, _, _) | (2, 3, 0, _, _))
}

/// PMU registers that EL0 may be given: `PMCR_EL0` (so `N` = 0: no event counter) to `PMOVSSET_EL0`,
/// `PMEVCNTR<n>_EL0`, `PMEVTYPER<n>_EL0`, `PMCCFILTR_EL0`.
pub const fn is_el0_pmu(register: SysRegId) -> bool {
    matches!(
        register.operands(),
        (3, 3, 9, 12, _) | (3, 3, 9, 13, 0..=2) | (3, 3, 9, 14, 0 | 3) | (3, 3, 14, 8..=15, _)
    )
}
