// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What keeps the branch and data predictions that one vCPU trained from steering the next one's speculation.
//!
//! # References
//! Arm DDI 0487, "CFP RCTX", "DVP RCTX", "CPP RCTX"; Arm DEN0070, "SMCCC_ARCH_WORKAROUND_1".

use core::arch::asm;

/// Operand of the restriction instructions: all ASIDs, Non-secure, EL0.
const EL0: u64 = 1 << 16 | 1 << 26;
/// The same, EL1.
const EL1: u64 = EL0 | 1 << 24;

/// Restricts all predictions that EL1 and EL0 of the VMID in `vttbr` (bits 63:48) trained (FEAT_SPECRES).
///
/// # Timing
/// Six instructions and two barriers.
pub fn restrict(vttbr: u64) {
    let vmid = vttbr >> 48 << 32;
    // SAFETY: the instructions (CFP, DVP, CPP RCTX) change predictions only; boot found that the core has them.
    unsafe {
        asm!(
            "sys #3, c7, c3, #4, {el0}",
            "sys #3, c7, c3, #4, {el1}",
            "sys #3, c7, c3, #5, {el0}",
            "sys #3, c7, c3, #5, {el1}",
            "sys #3, c7, c3, #7, {el0}",
            "sys #3, c7, c3, #7, {el1}",
            "dsb sy",
            "isb",
            el0 = in(reg) vmid | EL0,
            el1 = in(reg) vmid | EL1,
            options(nostack)
        );
    }
}

/// Lets the firmware discard this core's branch predictions (`SMCCC_ARCH_WORKAROUND_1`).
pub fn discard_by_firmware() {
    // SAFETY: (1) boot found that the firmware has this call, which takes no argument and changes no memory
    // that software sees; (2) SMCCC keeps x18 to x30 and the stack pointer.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") 0x8000_8000_u64 => _,
            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _, out("x7") _,
            out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
            out("x15") _, out("x16") _, out("x17") _,
            options(nostack)
        );
    }
}
