// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMC that a partition may make.
//!
//! # References
//! Arm DEN0028, SMC Calling Convention, "Register use in AArch64 SMC and HVC calls", "Preserved registers".

use core::arch::asm;

use bulkhead_policy::firmware::Forward;

/// Calls the firmware; gives `x0` to `x3`.
///
/// # Timing
/// What the spec declares for the function.
pub fn call(forward: &Forward) -> [u64; 4] {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = forward.registers();
    let (r0, r1, r2, r3): (u64, u64, u64, u64);
    // SAFETY: (1) a `Forward` exists only for a function that the verified blob lists for the partition; the checker
    // found that it changes no power state, takes no entry point and is a fast call, or that the spec gives the reason
    // why it touches no memory but the partition's; (2) versions 1.0 to 1.4 of SMCCC keep x18 to x30, the stack pointer
    // and SIMD registers; every other register is an output here.
    unsafe {
        asm!(
            "smc #0",
            inlateout("x0") x0 => r0,
            inlateout("x1") x1 => r1,
            inlateout("x2") x2 => r2,
            inlateout("x3") x3 => r3,
            inlateout("x4") x4 => _, inlateout("x5") x5 => _, inlateout("x6") x6 => _, inlateout("x7") x7 => _,
            lateout("x8") _, lateout("x9") _, lateout("x10") _, lateout("x11") _, lateout("x12") _,
            lateout("x13") _, lateout("x14") _, lateout("x15") _, lateout("x16") _, lateout("x17") _,
            options(nostack)
        );
    }
    [r0, r1, r2, r3]
}
