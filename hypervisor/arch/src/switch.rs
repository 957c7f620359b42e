// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The world switch: EL1 and EL0 system registers, virtual GIC interface, floating point.
//!
//! Straight-line code: the number of instructions does not depend on the state. General registers are saved
//! and loaded by the vectors.
//!
//! While the registers of the EL1&0 regime belong to two vCPUs, a speculated address translation instruction
//! must not fill the TLB from the tables of one under the VMID of the other (Cortex-A53 1530924, A55 1530923,
//! A57 1319537, A72 1319367, A76 1165522): table walks go off first (`TCR_EL1.EPD0`, `EPD1`), then stage 1 goes
//! on, so that nothing is translated flat either, and `SCTLR_EL1` and `TCR_EL1` of the next vCPU come last.
//!
//! Implements: BH-TIM-001, BH-CORE-010.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::context::{Control, El1State, FpState, GicState, VcpuContext};

global_asm!(
    ".section .text.switch, \"ax\"",
    ".macro SAVE2 a, b, offset",
    "mrs x2, \\a",
    "mrs x3, \\b",
    "stp x2, x3, [x1, #\\offset]",
    ".endm",
    ".macro LOAD2 a, b, offset",
    "ldp x2, x3, [x1, #\\offset]",
    "msr \\a, x2",
    "msr \\b, x3",
    ".endm",
    ".arch_extension fp",
    ".arch_extension simd",
    ".macro SAVE_EL1",
    "add x1, x0, #{EL1}",
    "SAVE2 sp_el0, sp_el1, 0",
    "SAVE2 elr_el1, spsr_el1, 16",
    "SAVE2 sctlr_el1, cpacr_el1, 32",
    "SAVE2 ttbr0_el1, ttbr1_el1, 48",
    "SAVE2 tcr_el1, mair_el1, 64",
    "SAVE2 amair_el1, vbar_el1, 80",
    "SAVE2 esr_el1, far_el1, 96",
    "SAVE2 afsr0_el1, afsr1_el1, 112",
    "SAVE2 contextidr_el1, tpidr_el0, 128",
    "SAVE2 tpidrro_el0, tpidr_el1, 144",
    "SAVE2 par_el1, csselr_el1, 160",
    "SAVE2 cntkctl_el1, cntv_cval_el0, 176",
    "SAVE2 cntv_ctl_el0, cntp_cval_el0, 192",
    "mrs x2, cntp_ctl_el0",
    "str x2, [x1, #208]",
    // Stop the timers: the lines of the vCPU that leaves go low before anything of the next is loaded.
    "msr cntv_ctl_el0, xzr",
    "msr cntp_ctl_el0, xzr",
    ".endm",
    ".macro SAVE_FP",
    "add x1, x0, #{FP}",
    "stp q0, q1, [x1, #0]",
    "stp q2, q3, [x1, #32]",
    "stp q4, q5, [x1, #64]",
    "stp q6, q7, [x1, #96]",
    "stp q8, q9, [x1, #128]",
    "stp q10, q11, [x1, #160]",
    "stp q12, q13, [x1, #192]",
    "stp q14, q15, [x1, #224]",
    "stp q16, q17, [x1, #256]",
    "stp q18, q19, [x1, #288]",
    "stp q20, q21, [x1, #320]",
    "stp q22, q23, [x1, #352]",
    "stp q24, q25, [x1, #384]",
    "stp q26, q27, [x1, #416]",
    "stp q28, q29, [x1, #448]",
    "stp q30, q31, [x1, #480]",
    "mrs x2, fpcr",
    "mrs x3, fpsr",
    "add x1, x1, #512",
    "stp x2, x3, [x1]",
    ".endm",
    ".macro LOAD_CONTROL",
    "mrs x2, tcr_el1",
    "orr x2, x2, #(1 << 7)",
    "orr x2, x2, #(1 << 23)",
    "msr tcr_el1, x2",
    "isb",
    "mrs x2, sctlr_el1",
    "orr x2, x2, #1",
    "msr sctlr_el1, x2",
    "isb",
    "add x1, x0, #{CONTROL}",
    "LOAD2 hcr_el2, vtcr_el2, 0",
    "LOAD2 vttbr_el2, vmpidr_el2, 16",
    "LOAD2 vpidr_el2, cnthctl_el2, 32",
    "LOAD2 mdcr_el2, cptr_el2, 48",
    ".endm",
    ".macro LOAD_EL1",
    "ldr x2, [x1, #80]",
    "msr cntvoff_el2, x2",
    "isb",
    "add x1, x0, #{EL1}",
    "LOAD2 sp_el0, sp_el1, 0",
    "LOAD2 elr_el1, spsr_el1, 16",
    "ldr x2, [x1, #40]",
    "msr cpacr_el1, x2",
    "LOAD2 ttbr0_el1, ttbr1_el1, 48",
    "ldr x2, [x1, #72]",
    "msr mair_el1, x2",
    "LOAD2 amair_el1, vbar_el1, 80",
    "LOAD2 esr_el1, far_el1, 96",
    "LOAD2 afsr0_el1, afsr1_el1, 112",
    "LOAD2 contextidr_el1, tpidr_el0, 128",
    "LOAD2 tpidrro_el0, tpidr_el1, 144",
    "LOAD2 par_el1, csselr_el1, 160",
    "LOAD2 cntkctl_el1, cntv_cval_el0, 176",
    "LOAD2 cntv_ctl_el0, cntp_cval_el0, 192",
    "ldr x2, [x1, #208]",
    "msr cntp_ctl_el0, x2",
    "isb",
    "ldr x2, [x1, #32]",
    "msr sctlr_el1, x2",
    "isb",
    "ldr x2, [x1, #64]",
    "msr tcr_el1, x2",
    ".endm",
    ".macro LOAD_FP",
    "add x1, x0, #{FP}",
    "ldp q0, q1, [x1, #0]",
    "ldp q2, q3, [x1, #32]",
    "ldp q4, q5, [x1, #64]",
    "ldp q6, q7, [x1, #96]",
    "ldp q8, q9, [x1, #128]",
    "ldp q10, q11, [x1, #160]",
    "ldp q12, q13, [x1, #192]",
    "ldp q14, q15, [x1, #224]",
    "ldp q16, q17, [x1, #256]",
    "ldp q18, q19, [x1, #288]",
    "ldp q20, q21, [x1, #320]",
    "ldp q22, q23, [x1, #352]",
    "ldp q24, q25, [x1, #384]",
    "ldp q26, q27, [x1, #416]",
    "ldp q28, q29, [x1, #448]",
    "ldp q30, q31, [x1, #480]",
    "add x1, x1, #512",
    "ldp x2, x3, [x1]",
    "msr fpcr, x2",
    "msr fpsr, x3",
    "isb",
    ".endm",
    ".global bulkhead_world_save",
    "bulkhead_world_save:",
    "SAVE_EL1",
    "add x1, x0, #{GIC}",
    "SAVE2 S3_4_C12_C11_7, S3_4_C12_C8_0, 0",
    "mrs x2, S3_4_C12_C9_0",
    "str x2, [x1, #16]",
    "SAVE2 S3_4_C12_C12_0, S3_4_C12_C12_1, 32",
    "SAVE2 S3_4_C12_C12_2, S3_4_C12_C12_3, 48",
    "msr S3_4_C12_C12_0, xzr",
    "msr S3_4_C12_C12_1, xzr",
    "msr S3_4_C12_C12_2, xzr",
    "msr S3_4_C12_C12_3, xzr",
    "msr S3_4_C12_C11_0, xzr",
    "SAVE_FP",
    "ret",
    ".global bulkhead_world_load",
    "bulkhead_world_load:",
    "LOAD_CONTROL",
    // HSTR_EL2, ICH_HCR_EL2.
    "LOAD2 hstr_el2, S3_4_C12_C11_0, 64",
    "LOAD_EL1",
    "add x1, x0, #{GIC}",
    "LOAD2 S3_4_C12_C11_7, S3_4_C12_C8_0, 0",
    "ldr x2, [x1, #16]",
    "msr S3_4_C12_C9_0, x2",
    "LOAD2 S3_4_C12_C12_0, S3_4_C12_C12_1, 32",
    "LOAD2 S3_4_C12_C12_2, S3_4_C12_C12_3, 48",
    "LOAD_FP",
    "ret",
    // With a GICv2 the virtual interface is memory-mapped: its driver saves and loads it.
    ".section .text.switch_v2, \"ax\"",
    ".global bulkhead_world_save_v2",
    "bulkhead_world_save_v2:",
    "SAVE_EL1",
    "SAVE_FP",
    "ret",
    ".global bulkhead_world_load_v2",
    "bulkhead_world_load_v2:",
    "LOAD_CONTROL",
    "ldr x2, [x1, #64]",
    "msr hstr_el2, x2",
    "LOAD_EL1",
    "LOAD_FP",
    "ret",
    EL1 = const offset_of!(VcpuContext, el1),
    GIC = const offset_of!(VcpuContext, gic),
    FP = const offset_of!(VcpuContext, fp),
    CONTROL = const offset_of!(VcpuContext, control),
);

// The literal offsets above, checked against the structures.
const _: () = {
    assert!(offset_of!(El1State, sctlr) == 32 && offset_of!(El1State, tcr) == 64);
    assert!(offset_of!(El1State, cpacr) == 40 && offset_of!(El1State, mair) == 72);
    assert!(offset_of!(El1State, amair) == 80 && offset_of!(El1State, esr) == 96);
    assert!(offset_of!(El1State, afsr0) == 112 && offset_of!(El1State, contextidr) == 128);
    assert!(offset_of!(El1State, tpidrro_el0) == 144 && offset_of!(El1State, par) == 160);
    assert!(offset_of!(El1State, cntkctl) == 176 && offset_of!(El1State, cntv_ctl) == 192);
    assert!(offset_of!(El1State, cntp_ctl) == 208);
    assert!(offset_of!(GicState, ap1r0) == 16 && offset_of!(GicState, lr) == 32);
    assert!(offset_of!(Control, vttbr) == 16 && offset_of!(Control, vpidr) == 32);
    assert!(offset_of!(Control, mdcr) == 48 && offset_of!(Control, hstr) == 64);
    assert!(offset_of!(Control, cntvoff) == 80 && offset_of!(FpState, fpcr) == 512);
};

unsafe extern "C" {
    fn bulkhead_world_save(context: *mut VcpuContext);
    fn bulkhead_world_load(context: *const VcpuContext);
    fn bulkhead_world_save_v2(context: *mut VcpuContext);
    fn bulkhead_world_load_v2(context: *const VcpuContext);
}

/// Takes the vCPU whose registers are loaded off the core: saves them, stops its timers, empties the list registers.
///
/// # Timing
/// A fixed number of instructions.
pub fn save(context: &mut VcpuContext) {
    // SAFETY: (1) the context is valid for writes; (2) the routine changes only EL1, EL0, FP and virtual GIC
    // state, none of which compiled EL2 code uses (soft-float target), and scratch registers of the C ABI.
    unsafe { bulkhead_world_save(context) };
}

/// Puts a vCPU onto the core: everything but its general registers.
///
/// # Timing
/// A fixed number of instructions.
pub fn load(context: &VcpuContext) {
    // SAFETY: (1) the context is valid for reads; (2) as for `save`; (3) its control words come from the
    // checked blob, so what they allow EL1 was proved.
    unsafe { bulkhead_world_load(context) };
}

/// As [`save`], where the virtual GIC interface is memory-mapped: it is not touched.
pub fn save_v2(context: &mut VcpuContext) {
    // SAFETY: as for `save`; no register of a GICv3 is named.
    unsafe { bulkhead_world_save_v2(context) };
}

/// As [`load`], where the virtual GIC interface is memory-mapped: it is not touched.
pub fn load_v2(context: &VcpuContext) {
    // SAFETY: as for `load`; no register of a GICv3 is named.
    unsafe { bulkhead_world_load_v2(context) };
}
