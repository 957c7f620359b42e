// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Synchronisation of asynchronous errors (SError), so that each is blamed on the vCPU that was loaded.
//!
//! EL2 runs with SErrors masked. In the window below they are unmasked and synchronised; one that is pending
//! is taken to EL2 (`HCR_EL2.AMO` = 1), where the vector recognises the window by `ELR_EL2` (from
//! `bulkhead_error_window` to `bulkhead_error_window_last`, the addresses to which it can return), hands the
//! syndrome to the caller and ends the window with SErrors masked: at most one is taken in a window. Anywhere
//! else in EL2 an SError stays fatal.
//!
//! The nested exception overwrites `ELR_EL2`, `SPSR_EL2` and `ESR_EL2`: the vectors have saved the first two
//! and passed the third on before any Rust code runs. Implements: BH-CORE-006.
//!
//! # References
//! Arm DDI 0487, "Error Synchronization Barrier"; "Taking error exceptions".

use core::arch::global_asm;
use core::num::NonZeroU64;

global_asm!(
    ".section .text.errors, \"ax\"",
    ".global bulkhead_synchronise_errors",
    "bulkhead_synchronise_errors:",
    "mov x0, xzr",
    "dsb sy",
    "msr daifclr, #4",
    ".global bulkhead_error_window",
    "bulkhead_error_window:",
    // ESB; a core without FEAT_RAS executes a NOP, and DSB and ISB do what it can do.
    "hint #16",
    "isb",
    ".global bulkhead_error_window_last",
    "bulkhead_error_window_last:",
    "msr daifset, #4",
    ".global bulkhead_error_window_end",
    "bulkhead_error_window_end:",
    "ret",
);

unsafe extern "C" {
    fn bulkhead_synchronise_errors() -> u64;
}

/// Takes an SError that is pending on this core; gives its `ESR_EL2`, which is never zero.
///
/// # Timing
/// Six instructions, and the vector's fourteen when one is pending; all accesses of the core complete first.
pub fn synchronise() -> Option<NonZeroU64> {
    // SAFETY: (1) the routine changes registers only that the C ABI lets it change, and so does the vector that
    // an SError enters from its window; (2) SErrors are masked again when it returns, as they were before.
    NonZeroU64::new(unsafe { bulkhead_synchronise_errors() })
}
