// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything of this partition that is not safe Rust.

use core::arch::{asm, global_asm};
use core::sync::atomic::AtomicU64;

/// What the second vCPU counts in, on a page of its own: it writes it with its MMU off, past the caches of the
/// first, which on hardware would have to invalidate before it reads.
#[repr(align(4096))]
pub(crate) struct Counter(pub(crate) AtomicU64);

#[unsafe(export_name = "stubborn_counter")]
pub(crate) static COUNTER: Counter = Counter(AtomicU64::new(0));

// `x0` is the letter. Of a capital one bit 5 is clear: it sleeps after each count.
//
// It runs with its MMU off, so that its stores to the redistributor are those of a device.
global_asm!(
    ".section .text.stubborn, \"ax\"",
    ".global stubborn_second",
    "stubborn_second:",
    "msr daifset, #0xf",
    "and w9, w0, #0x20",
    "orr w0, w0, #0x20",
    // p: ICC_PMR_EL1: every interrupt masked.
    "cmp w0, #'p'",
    "b.ne 1f",
    "msr S3_0_C4_C6_0, xzr",
    "isb",
    "b 4f",
    // k: ICC_BPR1_EL1: no interrupt preempts another; ICC_AP1R0_EL1: every priority active.
    "1: cmp w0, #'k'",
    "b.ne 2f",
    "mov w1, #7",
    "msr S3_0_C12_C12_3, x1",
    "mov w1, #-1",
    "msr S3_0_C12_C9_0, x1",
    "isb",
    "b 4f",
    // e: ICC_PMR_EL1, ICC_CTLR_EL1.EOImode, ICC_IGRPEN1_EL1, GICR_ISENABLER0 of vCPU 1: its SGI 1 may come.
    "2: cmp w0, #'e'",
    "b.ne 4f",
    "mov w1, #0xff",
    "msr S3_0_C4_C6_0, x1",
    "mov w1, #2",
    "msr S3_0_C12_C12_4, x1",
    "mov w3, #1",
    "msr S3_0_C12_C12_7, x3",
    "ldr x2, =0x080d0100",
    "str w1, [x2]",
    "dsb sy",
    "isb",
    // ICC_SGI1R_EL1: SGI 1 to itself.
    "ldr x1, =0x01000002",
    "msr S3_0_C12_C11_5, x1",
    "isb",
    // ICC_IAR1_EL1 until it is there; ICC_EOIR1_EL1 drops its priority and leaves it active.
    "3: mrs x1, S3_0_C12_C12_0",
    "cmp w1, #1",
    "b.ne 3b",
    "dsb sy",
    "msr S3_0_C12_C12_1, x1",
    "isb",
    "4: ldr x2, =stubborn_counter",
    "5: ldr x1, [x2]",
    "add x1, x1, #1",
    "str x1, [x2]",
    "cbnz w9, 5b",
    "dsb sy",
    "wfi",
    "b 5b",
    ".ltorg",
);

unsafe extern "C" {
    safe static stubborn_second: u8;
}

/// Where the second vCPU begins.
pub(crate) fn second() -> u64 {
    // Lossless: both are 64 bits wide on this target.
    core::ptr::from_ref(&stubborn_second).addr() as u64
}

/// Loads from an IPA where the partition has nothing, past its own translation.
pub(crate) fn load_from_nothing() -> ! {
    // SAFETY: 1. The code is mapped at its own address, so that it continues with the MMU off. 2. It does not
    // come back, so that nothing is lost in the caches.
    unsafe {
        asm!(
            "msr daifset, #0xf",
            "mrs x0, sctlr_el1",
            "bic x0, x0, #1",
            "msr sctlr_el1, x0",
            "isb",
            "mov x1, #0x10000000",
            "ldr x0, [x1]",
            "2: b 2b",
            options(noreturn)
        )
    }
}
