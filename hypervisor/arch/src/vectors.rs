// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's run-time exception vectors.
//!
//! An exception from a lower level saves the general registers into the context that `TPIDR_EL2` names,
//! counts itself in that vCPU's statistics, and calls one function of the run-time part, which returns the
//! context to continue with. An exception from EL2 itself is an error of this program: it keeps all registers in the
//! core's statistics ([`El2Crash`]), takes a stack apart, so that the failed one stays as it was,
//! and calls `bulkhead_on_fatal`, which never returns; only an SError in the window of [`crate::errors`]
//! returns there. EL2 runs with all interrupts masked.
//!
//! The functions called, defined by the run-time part with `extern "C"`:
//! `bulkhead_on_sync(esr) -> *const VcpuContext`, `bulkhead_on_irq()`, `bulkhead_on_fiq()`,
//! `bulkhead_on_serror(esr)` alike, `bulkhead_on_fatal(vector, esr, elr, far) -> !`; and
//! `bulkhead_stack_top`, an absolute symbol: offset of the stack's top in a per-core block.
//!
//! An interrupt of a sliced core that repeats is listed by the vector itself ([`Repeat`]): its few instructions are
//! charged to the vCPU that it came to.
//!
//! The null hypercall, which changes nothing but `x0`, is answered in the vector itself: it is counted, its few
//! instructions are charged to its caller, and the trace does not show it.
//!
//! Implements: BH-CORE-001 (every entry is counted per vCPU and exception class).
//!
//! # References
//! Arm DDI 0487, "Exception vectors"; "ESR_EL2".

use core::arch::global_asm;
use core::mem::offset_of;

use aarch64_cpu::registers::{HCR_EL2, ReadWriteable};

use bulkhead_abi::crash::{EL2_CRASH_OFFSET, El2Crash};
use bulkhead_abi::hypercall;
use bulkhead_abi::stats::{CORE_STATS_SIZE, CoreStats};
use bulkhead_abi::trace::{EVENTS, Event, RING_OFFSET};

use crate::context::{Repeat, VcpuContext};

/// `ESR_EL2` of `HVC #0`: EC 0x16, IL.
const HVC0: u32 = 0x16 << 26 | 1 << 25;

/// Bytes of a per-core block; blocks are aligned to this.
pub const PER_CORE_STRIDE: usize = 0x8000;

/// Offset in a per-core block of the top of the stack on which EL2's own errors are handled: 2 KiB above the guard page.
const EMERGENCY_STACK: usize = 0x1800;

global_asm!(
    ".section .text.vectors, \"ax\"",
    ".macro FROM_GUEST target",
    ".balign 128",
    "stp x0, x1, [sp, #-16]!",
    "mrs x0, tpidr_el2",
    "b \\target",
    ".endm",
    // The vCPU that was loaded never runs again: its registers are free.
    ".macro FROM_EL2 number",
    ".balign 128",
    "msr tpidr_el0, x0",
    "mov x0, #\\number",
    "b bulkhead_fatal",
    ".endm",
    // x0 = where x0 would lie.
    ".macro SAVE_X2_X29",
    "stp x2, x3, [x0, #16]",
    "stp x4, x5, [x0, #32]",
    "stp x6, x7, [x0, #48]",
    "stp x8, x9, [x0, #64]",
    "stp x10, x11, [x0, #80]",
    "stp x12, x13, [x0, #96]",
    "stp x14, x15, [x0, #112]",
    "stp x16, x17, [x0, #128]",
    "stp x18, x19, [x0, #144]",
    "stp x20, x21, [x0, #160]",
    "stp x22, x23, [x0, #176]",
    "stp x24, x25, [x0, #192]",
    "stp x26, x27, [x0, #208]",
    "stp x28, x29, [x0, #224]",
    ".endm",
    // Saves x2..x30, then x0 and x1 from the stack, the return address and state. x0 = context.
    ".macro SAVE_GUEST",
    "SAVE_X2_X29",
    "str x30, [x0, #240]",
    "ldp x2, x3, [sp], #16",
    "stp x2, x3, [x0]",
    "mrs x2, elr_el2",
    "mrs x3, spsr_el2",
    "stp x2, x3, [x0, #{PC}]",
    "ldr x4, [x0, #{COUNTERS}]",
    ".endm",
    ".macro COUNT index",
    "ldr x6, [x4, #(8 * \\index)]",
    "add x6, x6, #1",
    "str x6, [x4, #(8 * \\index)]",
    ".endm",
    ".global bulkhead_vectors",
    ".balign 2048",
    "bulkhead_vectors:",
    "FROM_EL2 0",
    "FROM_EL2 1",
    "FROM_EL2 2",
    "FROM_EL2 3",
    "FROM_EL2 4",
    "FROM_EL2 5",
    "FROM_EL2 6",
    ".balign 128",
    // An SError: inside the window of `errors` it is that routine's result, whose scratch registers these are.
    "mrs x1, elr_el2",
    "mov x0, #7",
    "adr x2, bulkhead_error_window",
    "cmp x1, x2",
    "b.lo 9f",
    "adr x2, bulkhead_error_window_last",
    "cmp x1, x2",
    "b.hi 9f",
    "mrs x0, esr_el2",
    "adr x1, bulkhead_error_window_end",
    "msr elr_el2, x1",
    "mrs x1, spsr_el2",
    "orr x1, x1, #(1 << 8)",
    "msr spsr_el2, x1",
    "eret",
    "dsb nsh",
    "isb",
    "9: msr tpidr_el0, xzr",
    "b bulkhead_fatal",
    "FROM_GUEST bulkhead_sync",
    "FROM_GUEST bulkhead_irq",
    "FROM_GUEST bulkhead_fiq",
    "FROM_GUEST bulkhead_serror",
    "FROM_GUEST bulkhead_sync",
    "FROM_GUEST bulkhead_irq",
    "FROM_GUEST bulkhead_fiq",
    "FROM_GUEST bulkhead_serror",
    ".balign 128",
    "bulkhead_sync:",
    // The null hypercall is answered here: ESR_EL2 is an HVC #0 of 32 bits and w0 its function, both told by
    // their upper byte once the rest is compared with zero or one.
    "mrs x1, esr_el2",
    "ror x1, x1, #24",
    "cmp x1, #({HVC0} >> 24)",
    "b.ne 1f",
    "ldr w1, [sp]",
    "sub w1, w1, #({NULL} & 0xffffff)",
    "ror w1, w1, #24",
    "cmp w1, #({NULL} >> 24)",
    "b.ne 1f",
    "ldr x0, [x0, #{COUNTERS}]",
    "ldr x1, [x0, #(8 * {EC_HVC})]",
    "add x1, x1, #1",
    "str x1, [x0, #(8 * {EC_HVC})]",
    "ldr x1, [sp, #8]",
    "add sp, sp, #16",
    "mov x0, #0",
    "eret",
    "dsb nsh",
    "isb",
    "1:",
    "SAVE_GUEST",
    "mrs x0, esr_el2",
    "ubfx x5, x0, #26, #6",
    "ldr x6, [x4, x5, lsl #3]",
    "add x6, x6, #1",
    "str x6, [x4, x5, lsl #3]",
    "bl bulkhead_on_sync",
    ".global bulkhead_resume",
    "bulkhead_resume:",
    "msr tpidr_el2, x0",
    "ldp x2, x3, [x0, #{PC}]",
    "msr elr_el2, x2",
    "msr spsr_el2, x3",
    "ldp x2, x3, [x0, #16]",
    "ldp x4, x5, [x0, #32]",
    "ldp x6, x7, [x0, #48]",
    "ldp x8, x9, [x0, #64]",
    "ldp x10, x11, [x0, #80]",
    "ldp x12, x13, [x0, #96]",
    "ldp x14, x15, [x0, #112]",
    "ldp x16, x17, [x0, #128]",
    "ldp x18, x19, [x0, #144]",
    "ldp x20, x21, [x0, #160]",
    "ldp x22, x23, [x0, #176]",
    "ldp x24, x25, [x0, #192]",
    "ldp x26, x27, [x0, #208]",
    "ldp x28, x29, [x0, #224]",
    "ldr x30, [x0, #240]",
    "ldp x0, x1, [x0]",
    "eret",
    "dsb nsh",
    "isb",
    // The interrupt that was listed last is listed again here, when its list register is free: everything in the
    // model is as that injection left it, or `Repeat` would be empty. An injection is counted and traced.
    "bulkhead_irq:",
    "ldr w1, [x0, #{REPEAT_INTID}]",
    "cbz w1, 2f",
    "stp x2, x3, [sp, #-16]!",
    "mrs x2, S3_0_C12_C12_0",
    "dsb sy",
    "cmp w1, w2",
    "b.ne 1f",
    "mrs x3, S3_4_C12_C11_5",
    "ldr x1, [x0, #{REPEAT_FREE}]",
    "tst x3, x1",
    "b.eq 1f",
    "msr S3_0_C12_C12_1, x2",
    "ldr x2, [x0, #{REPEAT_LR}]",
    "tbnz x1, #0, 3f",
    "tbnz x1, #1, 4f",
    "tbnz x1, #2, 5f",
    "msr S3_4_C12_C12_3, x2",
    "b 6f",
    "5: msr S3_4_C12_C12_2, x2",
    "b 6f",
    "4: msr S3_4_C12_C12_1, x2",
    "b 6f",
    "3: msr S3_4_C12_C12_0, x2",
    "6:",
    "ldr x1, [x0, #{COUNTERS}]",
    "ldr x3, [x1, #(8 * 64)]",
    "add x3, x3, #1",
    "str x3, [x1, #(8 * 64)]",
    "and x1, x1, #{STATS_MASK}",
    "ldr x0, [x0, #{REPEAT_EVENT}]",
    "ldr x3, [x1, #{TRACED}]",
    "ubfiz x2, x3, #4, #{EVENTS_BITS}",
    "add x2, x2, x1",
    "add x2, x2, #{RING}",
    "mrs x3, cntpct_el0",
    "stp x3, x0, [x2]",
    "dmb ishst",
    "ldr x3, [x1, #{TRACED}]",
    "add x3, x3, #1",
    "str x3, [x1, #{TRACED}]",
    "ldp x2, x3, [sp], #16",
    "ldp x0, x1, [sp], #16",
    "eret",
    "dsb nsh",
    "isb",
    "1:",
    "add w2, w2, #1",
    "str w2, [x0, #{REPEAT_TAKEN}]",
    "ldp x2, x3, [sp], #16",
    "2:",
    "SAVE_GUEST",
    "COUNT 64",
    "bl bulkhead_on_irq",
    "b bulkhead_resume",
    "bulkhead_fiq:",
    "SAVE_GUEST",
    "COUNT 65",
    "bl bulkhead_on_fiq",
    "b bulkhead_resume",
    "bulkhead_serror:",
    "SAVE_GUEST",
    "COUNT 66",
    "mrs x0, esr_el2",
    "bl bulkhead_on_serror",
    "b bulkhead_resume",
    "bulkhead_fatal:",
    // x0 is the vector, TPIDR_EL0 was x0. The lowest bit of TPIDR_EL2 says that this is so for the first time: then
    // all registers are kept in the core's statistics, found without the stack pointer, which may be what is broken.
    "msr tpidrro_el0, x0",
    "msr sp_el1, x1",
    "mrs x0, tpidr_el2",
    "tbnz x0, #0, 1f",
    "orr x0, x0, #1",
    "msr tpidr_el2, x0",
    "and x0, x0, #{STRIDE_MASK}",
    "ldr x1, =__per_core_start",
    "sub x0, x0, x1",
    "ldr x1, =__stats_start",
    "add x0, x0, x1",
    "add x0, x0, #({EL2_CRASH} & 0xfff)",
    "add x0, x0, #({EL2_CRASH} >> 12), lsl #12",
    "SAVE_X2_X29",
    "mov x1, sp",
    "stp x30, x1, [x0, #240]",
    "mrs x1, tpidr_el0",
    "mrs x2, sp_el1",
    "stp x1, x2, [x0]",
    "mrs x1, elr_el2",
    "mrs x2, spsr_el2",
    "stp x1, x2, [x0, #256]",
    // The other end of the block: what was on the stack stays as it was.
    "mrs x5, tpidr_el2",
    "and x5, x5, #{STRIDE_MASK}",
    "add x5, x5, #({EMERGENCY} >> 12), lsl #12",
    "add sp, x5, #({EMERGENCY} & 0xfff)",
    "b 2f",
    "1:",
    // An error of what handles an error: start over at the stack's top of this core's block.
    "mrs x5, tpidr_el2",
    "and x5, x5, #{STRIDE_MASK}",
    "ldr x6, =bulkhead_stack_top",
    "ldr x6, [x6]",
    "add sp, x5, x6",
    "2:",
    "mrs x0, tpidrro_el0",
    "mrs x1, esr_el2",
    "mrs x2, elr_el2",
    "mrs x3, far_el2",
    "b bulkhead_on_fatal",
    ".ltorg",
    PC = const offset_of!(VcpuContext, pc),
    COUNTERS = const offset_of!(VcpuContext, counters),
    REPEAT_INTID = const offset_of!(VcpuContext, repeat) + offset_of!(Repeat, intid),
    REPEAT_TAKEN = const offset_of!(VcpuContext, repeat) + offset_of!(Repeat, acknowledged),
    REPEAT_FREE = const offset_of!(VcpuContext, repeat) + offset_of!(Repeat, free),
    REPEAT_LR = const offset_of!(VcpuContext, repeat) + offset_of!(Repeat, lr),
    REPEAT_EVENT = const offset_of!(VcpuContext, repeat) + offset_of!(Repeat, event),
    STATS_MASK = const !(CORE_STATS_SIZE as u64 - 1) as i64,
    TRACED = const offset_of!(CoreStats, traced),
    EVENTS_BITS = const EVENTS.trailing_zeros(),
    RING = const RING_OFFSET,
    HVC0 = const HVC0,
    EC_HVC = const HVC0 >> 26,
    NULL = const hypercall::NULL,
    EL2_CRASH = const EL2_CRASH_OFFSET,
    EMERGENCY = const EMERGENCY_STACK,
    STRIDE_MASK = const !(PER_CORE_STRIDE as u64 - 1) as i64,
);

const _: () = assert!(HVC0 & 0xff_ffff == 0 && hypercall::NULL & 0xff_ffff < 0x1000);
const _: () = assert!(offset_of!(El2Crash, sp) == 248 && offset_of!(El2Crash, pstate) == 264);
// A core's blocks of both kinds lie at the same distance from the first.
const _: () = assert!(CORE_STATS_SIZE == PER_CORE_STRIDE);
const _: () = assert!(hypercall::SUCCESS == 0);
// The block of a core is found by masking an address in it, and an event by shifting its number.
const _: () = assert!(CORE_STATS_SIZE.is_power_of_two() && size_of::<Event>() == 16);
const _: () = assert!(RING_OFFSET.is_multiple_of(4096) && RING_OFFSET < 1 << 24);
const _: () = assert!(offset_of!(VcpuContext, pstate) == offset_of!(VcpuContext, pc) + 8);

unsafe extern "C" {
    fn bulkhead_resume(context: *const VcpuContext) -> !;
    static bulkhead_vectors: u8;
}

/// Makes the vectors of this module EL2's own on this core, and SErrors exceptions of EL2 from now on.
pub fn install() {
    let address = &raw const bulkhead_vectors as u64;
    // SAFETY: (1) the address is that of a 2 KiB aligned vector table in run-time text, mapped executable in
    // every root; (2) TPIDR_EL2 names a context before any exception from a lower level can come.
    unsafe { core::arch::asm!("msr vbar_el2, {}", "isb", in(reg) address, options(nostack)) };
    // As in the control words of every vCPU.
    HCR_EL2.modify(HCR_EL2::AMO::SET);
    crate::barrier::isb();
}

/// Enters the guest for the first time on this core.
pub fn enter(context: &VcpuContext) -> ! {
    // SAFETY: (1) the context is a vCPU whose system registers are loaded; (2) the EL2 stack is left as it is,
    // and this function never returns, so nothing on it is used again but from its current top downwards.
    unsafe { bulkhead_resume(context) }
}
