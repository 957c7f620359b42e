// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The second vCPU: sleeps until it is called by an SGI, and counts. The timer's interrupt, taken by hand. Everything of this
//! partition that is not safe Rust.

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

/// INTID of the virtual timer's interrupt.
const TIMER: u64 = 27;

/// From here on interrupts are taken by looking, and their ends are split (`ICC_CTLR_EL1.EOImode`).
pub(crate) fn take_by_hand() {
    // SAFETY: masking interrupts and the ends' mode touch no memory; the runtime's handler never runs again.
    unsafe {
        asm!(
            "msr daifset, #2",
            "mrs {control}, S3_0_C12_C12_4",
            "orr {control}, {control}, #2",
            "msr S3_0_C12_C12_4, {control}",
            "isb",
            control = out(reg) _,
            options(nostack),
        );
    }
}

/// The timer's condition holds from `delay` ticks from now on.
pub(crate) fn fire_after(delay: u64) {
    // SAFETY: the virtual timer touches no memory, and its interrupt is taken by looking.
    unsafe {
        asm!(
            "isb",
            "mrs {now}, cntvct_el0",
            "add {now}, {now}, {delay}",
            "msr cntv_cval_el0, {now}",
            "msr cntv_ctl_el0, {on}",
            "isb",
            now = out(reg) _,
            delay = in(reg) delay,
            on = in(reg) 1u64,
            options(nostack),
        );
    }
}

/// The timer's condition holds no more.
pub(crate) fn stop_timer() {
    // SAFETY: as above.
    unsafe { asm!("msr cntv_ctl_el0, xzr", "isb", options(nostack)) };
}

/// Acknowledges the timer's interrupt and drops its priority, if it comes now. It stays active.
pub(crate) fn takes_timer() -> bool {
    let intid: u64;
    // SAFETY: ICC_IAR1_EL1 touches no memory.
    unsafe { asm!("mrs {}, S3_0_C12_C12_0", "dsb sy", out(reg) intid, options(nostack)) };
    if intid != TIMER {
        return false;
    }
    // SAFETY: ICC_EOIR1_EL1 likewise, of what was acknowledged.
    unsafe { asm!("msr S3_0_C12_C12_1, {}", "isb", in(reg) intid, options(nostack)) };
    true
}

/// Ends the timer's interrupt, which is active.
pub(crate) fn end_timer() {
    // SAFETY: ICC_DIR_EL1 touches no memory.
    unsafe { asm!("msr S3_0_C12_C11_1, {}", "isb", in(reg) TIMER, options(nostack)) };
}
