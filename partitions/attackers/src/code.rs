// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Code that is made at run time and executed past the partition's own translation; forms of access; the canary's hold.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// `ret`, `isb`.
const RET: u32 = 0xd65f_03c0;
pub(crate) const ISB: u32 = 0xd503_3fdf;
/// Instructions that a piece of code may have, `ret` apart.
pub(crate) const MOST: usize = 1022;
/// Bytes between the forms.
const FORM: u64 = 16;

/// A piece of code.
#[repr(C, align(4096))]
pub(crate) struct Code([AtomicU32; MOST + 2]);

/// What the canary holds, by word; `attacker_hold` knows the places.
#[repr(C, align(4096))]
pub(crate) struct Hold(pub(crate) [AtomicU64; 512]);

impl Code {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU32::new(RET) }; MOST + 2])
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> u64 {
        // Lossless: both are 64 bits wide on this target.
        core::ptr::from_ref(self).addr() as u64
    }

    /// Puts instructions there, and a return behind them; those that do not fit are left out.
    pub(crate) fn put(&self, instructions: impl Iterator<Item = u32>) {
        for (place, instruction) in self.0.iter().zip(instructions.take(MOST).chain([RET])) {
            place.store(instruction, Ordering::Relaxed);
        }
        clean(self.address(), size_of::<Self>() as u64);
    }
}

/// Cleans and invalidates lines, so that code and data are the same with the MMU on and off.
pub(crate) fn clean(start: u64, bytes: u64) {
    let types: u64;
    // SAFETY: CTR_EL0 is readable at EL1 and has no side effect (DDI 0487, "CTR_EL0").
    unsafe { asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags)) };
    // DminLine, IminLine: words of the smallest lines, as powers of two.
    let line = 4usize << (types >> 16 & 15).min(types & 15);
    for address in (start..start + bytes).step_by(line) {
        // SAFETY: the range is one of this program's own; maintenance changes no data.
        unsafe { asm!("dc civac, {0}", "ic ivau, {0}", in(reg) address, options(nostack)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb sy", "isb", options(nostack)) };
}

/// What a piece of code came to.
#[derive(Clone, Copy)]
pub(crate) struct Ran {
    /// `x0` and `x1` afterwards.
    pub(crate) values: [u64; 2],
    /// `ESR_EL1` and `FAR_EL1` of the last exception that it met at EL1.
    pub(crate) exception: Option<(u64, u64)>,
}

global_asm!(
    ".section .text.attacker, \"ax\"",
    ".arch_extension fp",
    ".arch_extension simd",
    ".balign 4",
    // x0, x1 values, x3 code; gives x0, x1, x2 ESR_EL1 or 0, x4 FAR_EL1.
    "attacker_run:",
    "mrs x9, daif",
    "msr daifset, #0xf",
    "mrs x10, sctlr_el1",
    "mrs x11, vbar_el1",
    "mrs x14, cpacr_el1",
    "orr x12, x14, #(3 << 20)",
    "msr cpacr_el1, x12",
    "adr x12, attacker_vectors",
    "msr vbar_el1, x12",
    "bic x12, x10, #1",
    "dsb sy",
    "msr sctlr_el1, x12",
    "isb",
    "mov x13, xzr",
    "mov x16, x30",
    "adr x15, 1f",
    "blr x3",
    "1: mov x30, x16",
    "dsb sy",
    "isb",
    "msr vbar_el1, x11",
    "msr cpacr_el1, x14",
    "msr sctlr_el1, x10",
    "isb",
    "msr daif, x9",
    "mov x2, x13",
    "mov x4, x12",
    "ret",
    // Forms of access to the address in x0, in the order of `forms::FORMS`.
    ".balign 16",
    "attacker_forms:",
    ".macro FORM instruction:vararg",
    ".balign 16",
    "\\instruction",
    "ret",
    ".endm",
    "FORM ldp x5, x6, [x0]",
    "FORM ldp w5, w6, [x0]",
    "FORM stp x5, x6, [x0]",
    "FORM stp w5, w6, [x0]",
    "FORM ldr x5, [x0], #8",
    "FORM str x5, [x0, #8]!",
    "FORM ldrb w5, [x0], #1",
    "FORM ldpsw x5, x6, [x0]",
    "FORM ldr s0, [x0]",
    "FORM str d0, [x0]",
    "FORM ldr q0, [x0]",
    "FORM ldp q0, q1, [x0]",
    "FORM ld1 {{v0.4s}}, [x0]",
    "FORM st1 {{v0.b}}[0], [x0]",
    "FORM ldxr x5, [x0]",
    "FORM ldaxr w5, [x0]",
    "FORM ldxp x5, x6, [x0]",
    "FORM dc civac, x0",
    "FORM dc cvac, x0",
    "FORM dc ivac, x0",
    "FORM ic ivau, x0",
    "FORM prfm pldl1keep, [x0]",
    // x0: block of `Hold`.
    "attacker_hold:",
    "stp x19, x20, [x0, #0]",
    "stp x21, x22, [x0, #16]",
    "stp x23, x24, [x0, #32]",
    "stp x25, x26, [x0, #48]",
    "stp x27, x28, [x0, #64]",
    "stp x29, x30, [x0, #80]",
    "mov x1, sp",
    "str x1, [x0, #96]",
    "mrs x1, sctlr_el1",
    "mrs x2, vbar_el1",
    "stp x1, x2, [x0, #104]",
    "mrs x3, daif",
    "mrs x4, cpacr_el1",
    "stp x3, x4, [x0, #120]",
    "msr daifset, #0xf",
    "adr x2, attacker_vectors",
    "msr vbar_el1, x2",
    "bic x1, x1, #1",
    "dc civac, x0",
    "add x2, x0, #64",
    "dc civac, x2",
    "add x2, x2, #64",
    "dc civac, x2",
    "dsb sy",
    "msr sctlr_el1, x1",
    "mov x1, #(3 << 20)",
    "msr cpacr_el1, x1",
    "isb",
    "mov sp, x0",
    "add x1, sp, #768",
    ".irp n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30",
    "ldr q\\n, [x1], #16",
    ".endr",
    ".irp n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
    "ldr q\\n, [x1], #16",
    ".endr",
    "ldr x9, [sp, #200]",
    "add x1, sp, #1792",
    "blr x9",
    "ldr x9, [sp, #208]",
    "add x2, sp, #2816",
    "blr x9",
    "ldr x1, [sp, #192]",
    "add x0, sp, #256",
    ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "ldr x\\n, [x0, #(8 * \\n)]",
    ".endr",
    "1: mrs x0, cntpct_el0",
    "cmp x0, x1",
    "b.lo 1b",
    "add x0, sp, #512",
    ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "str x\\n, [x0, #(8 * \\n)]",
    ".endr",
    "ldr x9, [sp, #208]",
    "add x2, sp, #3328",
    "blr x9",
    "ldr x9, [sp, #200]",
    "add x1, sp, #2304",
    "blr x9",
    "mov x1, #(3 << 20)",
    "msr cpacr_el1, x1",
    "isb",
    "add x1, sp, #1280",
    ".irp n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30",
    "str q\\n, [x1], #16",
    ".endr",
    ".irp n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
    "str q\\n, [x1], #16",
    ".endr",
    "mov x0, sp",
    "dsb sy",
    "ldp x1, x2, [x0, #104]",
    "ldp x3, x4, [x0, #120]",
    "msr vbar_el1, x2",
    "msr cpacr_el1, x4",
    "ldr x4, [x0, #96]",
    "mov sp, x4",
    "ldp x19, x20, [x0, #0]",
    "ldp x21, x22, [x0, #16]",
    "ldp x23, x24, [x0, #32]",
    "ldp x25, x26, [x0, #48]",
    "ldp x27, x28, [x0, #64]",
    "ldp x29, x30, [x0, #80]",
    "msr sctlr_el1, x1",
    "isb",
    "msr daif, x3",
    "ret",
);

unsafe extern "C" {
    safe static attacker_forms: u8;
    fn attacker_hold(block: *const Hold);
}

/// Executes what lies at an address with `x0` and `x1`, the MMU off, every exception caught.
///
/// What lies there may use `x0` to `x8`, which the attack that put it there sees to.
pub(crate) fn run_at(address: u64, x0: u64, x1: u64) -> Ran {
    let (a, b, syndrome, far): (u64, u64, u64, u64);
    // SAFETY: 1. The routine keeps everything but the registers that are named, the FP registers, which compiled code
    // does not use, and what the code at the address changes. 2. The image is mapped at its own address, interrupts
    // are masked and no stack is used while the MMU is off. 3. An exception comes back behind the call.
    unsafe {
        asm!(
            "bl attacker_run",
            inout("x0") x0 => a,
            inout("x1") x1 => b,
            out("x2") syndrome,
            inout("x3") address => _,
            out("x4") far,
            out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
            out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x30") _,
        );
    }
    Ran {
        values: [a, b],
        exception: (syndrome != 0).then_some((syndrome, far)),
    }
}

/// Where form `n` of `forms::FORMS` lies.
pub(crate) fn form(n: u64) -> u64 {
    core::ptr::from_ref(&attacker_forms).addr() as u64 + n * FORM
}

/// Sets all registers, waits, reads them: see `canary`.
pub(crate) fn hold(block: &Hold) {
    let start = core::ptr::from_ref(block).addr() as u64;
    let bytes = size_of::<Hold>() as u64;
    clean(start, bytes);
    // SAFETY: 1. The block is valid, aligned and atomic, and names code that was put there for it. 2. The routine keeps
    // what its caller may rely on; FP registers are not used by compiled code.
    unsafe { attacker_hold(block) };
    clean(start, bytes);
}
