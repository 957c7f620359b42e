// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The second vCPU: sleeps until it is called by an SGI, and counts. Everything of this partition that is not safe Rust.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_partition::machine::Range;
use smccc::{Hvc, psci};

/// Bytes from redistributor to redistributor: two frames of 64 KiB (Arm IHI 0069, "GIC memory-mapped register access").
const REDISTRIBUTOR: u64 = 0x2_0000;

/// What the second vCPU counts in, on a page of its own: it writes it with its MMU off, past the caches of the first,
/// which on hardware would have to invalidate before it reads.
#[repr(align(4096))]
struct Counter(AtomicU64);

#[unsafe(export_name = "sharers_answers")]
static ANSWERS: Counter = Counter(AtomicU64::new(0));

// x0: its redistributor. It sleeps with interrupts masked; one that is pending ends a WFI all the same.
global_asm!(
    ".section .text.sharers, \"ax\"",
    ".global sharers_second",
    "sharers_second:",
    "msr daifset, #0xf",
    "add x0, x0, #0x10000",
    "mov w1, #-1",
    // GICR_IGROUPR0, then GICR_ISENABLER0 of SGI 1.
    "str w1, [x0, #0x80]",
    "mov w1, #2",
    "str w1, [x0, #0x100]",
    "mov x1, #0xff",
    // ICC_PMR_EL1, ICC_IGRPEN1_EL1.
    "msr S3_0_C4_C6_0, x1",
    "mov x1, #1",
    "msr S3_0_C12_C12_7, x1",
    "isb",
    "ldr x2, =sharers_answers",
    "1: wfi",
    // ICC_IAR1_EL1, ICC_EOIR1_EL1.
    "mrs x0, S3_0_C12_C12_0",
    "cmp x0, #1",
    "b.ne 1b",
    "msr S3_0_C12_C12_1, x0",
    "ldr x1, [x2]",
    "add x1, x1, #1",
    "str x1, [x2]",
    "b 1b",
    ".ltorg",
);

unsafe extern "C" {
    safe static sharers_second: u8;
}

/// Starts the second vCPU.
pub(crate) fn start_second(redistributors: Range) -> Result<(), psci::Error> {
    // Lossless: both are 64 bits wide on this target.
    let entry = core::ptr::from_ref(&sharers_second).addr() as u64;
    psci::cpu_on::<Hvc>(1, entry, redistributors.start + REDISTRIBUTOR)
}

/// How often it answered.
pub(crate) fn answers() -> u64 {
    ANSWERS.0.load(Ordering::Relaxed)
}

/// Sends it SGI 1.
pub(crate) fn call_second() {
    // SAFETY: ICC_SGI1R_EL1 with INTID 1 and the vCPU of affinity 0.0.0.1 touches no memory of this one.
    unsafe { asm!("msr S3_0_C12_C11_5, {}", "isb", in(reg) (1u64 << 24) | 2, options(nostack)) };
}
