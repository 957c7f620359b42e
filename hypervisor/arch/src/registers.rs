// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System registers that `aarch64-cpu` does not define, by their encodings.
//!
//! # References
//! Arm IHI 0069 (GIC architecture), "AArch64 System register descriptions"; Arm DDI 0487, "AArch64 System
//! register encoding".

macro_rules! register {
    (@read $encoding:literal) => {
        /// Reads the register.
        #[inline(always)]
        pub fn read() -> u64 {
            let value: u64;
            // SAFETY: (1) the encoding names an EL2-accessible register; (2) reading it changes no memory.
            unsafe { core::arch::asm!(concat!("mrs {}, ", $encoding), out(reg) value, options(nostack)) };
            value
        }
    };
    (@write $encoding:literal) => {
        /// Writes the register.
        #[inline(always)]
        pub fn write(value: u64) {
            // SAFETY: (1) the encoding names an EL2-accessible register; (2) it affects interrupt delivery
            // or a lower exception level, never the translation or execution of EL2 itself.
            unsafe { core::arch::asm!(concat!("msr ", $encoding, ", {}"), in(reg) value, options(nostack)) };
        }
    };
    (@both $encoding:literal) => {
        register!(@read $encoding);
        register!(@write $encoding);
    };
    ($(#[$doc:meta])* $name:ident, $encoding:literal, $access:ident) => {
        $(#[$doc])*
        pub mod $name {
            register!(@$access $encoding);
        }
    };
}

register!(/// `ICC_IAR0_EL1`: acknowledges a Group 0 interrupt.
    icc_iar0, "S3_0_C12_C8_0", read);
register!(/// `ICC_EOIR0_EL1`: priority drop of a Group 0 interrupt.
    icc_eoir0, "S3_0_C12_C8_1", write);
register!(/// `ICC_IAR1_EL1`: acknowledges a Group 1 interrupt.
    icc_iar1, "S3_0_C12_C12_0", read);
register!(/// `ICC_EOIR1_EL1`: priority drop of a Group 1 interrupt.
    icc_eoir1, "S3_0_C12_C12_1", write);
register!(/// `ICC_DIR_EL1`: deactivates an interrupt.
    icc_dir, "S3_0_C12_C11_1", write);
register!(/// `ICC_RPR_EL1`: running priority.
    icc_rpr, "S3_0_C12_C11_3", read);
register!(/// `ICC_PMR_EL1`: priority mask.
    icc_pmr, "S3_0_C4_C6_0", both);
register!(/// `ICC_BPR0_EL1`: binary point of Group 0.
    icc_bpr0, "S3_0_C12_C8_3", both);
register!(/// `ICC_BPR1_EL1`: binary point of Group 1.
    icc_bpr1, "S3_0_C12_C12_3", both);
register!(/// `ICC_AP0R0_EL1`: active priorities of Group 0.
    icc_ap0r0, "S3_0_C12_C8_4", both);
register!(/// `ICC_AP1R0_EL1`: active priorities of Group 1.
    icc_ap1r0, "S3_0_C12_C9_0", both);
register!(/// `ICC_CTLR_EL1`.
    icc_ctlr, "S3_0_C12_C12_4", both);
register!(/// `ICC_SRE_EL1`.
    icc_sre_el1, "S3_0_C12_C12_5", both);
register!(/// `ICC_SRE_EL2`.
    icc_sre_el2, "S3_4_C12_C9_5", both);
register!(/// `ICC_IGRPEN0_EL1`.
    icc_igrpen0, "S3_0_C12_C12_6", both);
register!(/// `ICC_IGRPEN1_EL1`.
    icc_igrpen1, "S3_0_C12_C12_7", both);
register!(/// `ICC_SGI1R_EL1`: generates a Group 1 SGI.
    icc_sgi1r, "S3_0_C12_C11_5", write);
register!(/// `ICC_SGI0R_EL1`: generates a Group 0 SGI.
    icc_sgi0r, "S3_0_C12_C11_7", write);
register!(/// `ICH_HCR_EL2`.
    ich_hcr, "S3_4_C12_C11_0", both);
register!(/// `ICH_VMCR_EL2`.
    ich_vmcr, "S3_4_C12_C11_7", both);
register!(/// `ICH_ELRSR_EL2`: list registers that are free.
    ich_elrsr, "S3_4_C12_C11_5", read);
register!(/// `ICH_LR0_EL2`.
    ich_lr0, "S3_4_C12_C12_0", both);
register!(/// `ICH_LR1_EL2`.
    ich_lr1, "S3_4_C12_C12_1", both);
register!(/// `ICH_LR2_EL2`.
    ich_lr2, "S3_4_C12_C12_2", both);
register!(/// `ICH_LR3_EL2`.
    ich_lr3, "S3_4_C12_C12_3", both);
register!(/// `ICH_AP0R0_EL2`.
    ich_ap0r0, "S3_4_C12_C8_0", both);
register!(/// `ICH_AP1R0_EL2`.
    ich_ap1r0, "S3_4_C12_C9_0", both);
register!(/// `CNTHP_CVAL_EL2`: EL2's physical timer, compare value.
    cnthp_cval, "S3_4_C14_C2_2", both);
register!(/// `CNTHP_CTL_EL2`: EL2's physical timer, control.
    cnthp_ctl, "S3_4_C14_C2_1", both);
register!(/// `PMCR_EL0`: performance monitors, control.
    pmcr, "S3_3_C9_C12_0", both);
register!(/// `PMCNTENSET_EL0`: switches event counters on.
    pmcntenset, "S3_3_C9_C12_1", write);
register!(/// `PMOVSCLR_EL0`: overflow status, written ones clear.
    pmovsclr, "S3_3_C9_C12_3", both);
register!(/// `PMSELR_EL0`: selects an event counter.
    pmselr, "S3_3_C9_C12_5", write);
register!(/// `PMXEVTYPER_EL0`: event and filter of the selected counter.
    pmxevtyper, "S3_3_C9_C13_1", write);
register!(/// `PMXEVCNTR_EL0`: the selected counter.
    pmxevcntr, "S3_3_C9_C13_2", both);
register!(/// `PMINTENSET_EL1`: lets overflows raise the interrupt.
    pmintenset, "S3_0_C9_C14_1", write);
register!(/// `MDSCR_EL1`: monitor debug system control.
    mdscr, "S2_0_C0_C2_2", write);
register!(/// `ISR_EL1`: pending interrupts.
    isr, "S3_0_C12_C1_0", read);
register!(/// `ESR_EL2`.
    esr_el2, "S3_4_C5_C2_0", read);
register!(/// `FAR_EL2`.
    far_el2, "S3_4_C6_C0_0", read);
register!(/// `HPFAR_EL2`.
    hpfar_el2, "S3_4_C6_C0_4", read);
