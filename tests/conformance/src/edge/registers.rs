// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System registers and barriers that the suite uses at EL1.
//!
//! Every function is safe: none of them can break memory safety of a program whose tables stay as they are.

use core::arch::asm;

macro_rules! read {
    ($name:ident, $register:literal) => {
        pub(crate) fn $name() -> u64 {
            let value;
            // SAFETY: reading this register has no effect on memory; the ISB orders it behind what came before.
            unsafe {
                asm!("isb", concat!("mrs {}, ", $register), out(reg) value, options(nostack, preserves_flags));
            }
            value
        }
    };
}

macro_rules! write {
    ($name:ident, $register:literal) => {
        pub(crate) fn $name(value: u64) {
            // SAFETY: this register concerns interrupts and timers only; the DSB lets device accesses before it
            // take effect first, the ISB lets it take effect before what follows.
            unsafe {
                asm!("dsb sy", concat!("msr ", $register, ", {}"), "isb", in(reg) value, options(nostack, preserves_flags));
            }
        }
    };
}

macro_rules! instruction {
    ($name:ident, $instruction:literal) => {
        pub(crate) fn $name() {
            // SAFETY: a barrier, a hint, or a change of PSTATE.I only; as a compiler barrier it keeps memory
            // accesses on their side, and what the interrupt handler shares is atomic.
            unsafe { asm!($instruction, options(nostack, preserves_flags)) };
        }
    };
}

instruction!(mask_interrupts, "msr daifset, #2");
instruction!(unmask_interrupts, "msr daifclr, #2");
instruction!(wait_for_interrupt, "dsb sy\nwfi");
instruction!(synchronise, "dsb sy\nisb");

read!(affinity, "mpidr_el1");
read!(interrupt_status, "isr_el1");
read!(cpu, "tpidr_el1");

// Arm IHI 0069, "AArch64 System register descriptions".
read!(icc_iar1, "s3_0_c12_c12_0");
write!(write_icc_eoir1, "s3_0_c12_c12_1");
read!(icc_hppir1, "s3_0_c12_c12_2");
read!(icc_bpr1, "s3_0_c12_c12_3");
write!(write_icc_bpr1, "s3_0_c12_c12_3");
read!(icc_ctlr, "s3_0_c12_c12_4");
write!(write_icc_ctlr, "s3_0_c12_c12_4");
read!(icc_sre, "s3_0_c12_c12_5");
write!(write_icc_sre, "s3_0_c12_c12_5");
read!(icc_igrpen1, "s3_0_c12_c12_7");
write!(write_icc_igrpen1, "s3_0_c12_c12_7");
write!(write_icc_dir, "s3_0_c12_c11_1");
read!(icc_rpr, "s3_0_c12_c11_3");
write!(write_icc_sgi1r, "s3_0_c12_c11_5");
write!(write_icc_ap1r0, "s3_0_c12_c9_0");
read!(icc_pmr, "s3_0_c4_c6_0");
write!(write_icc_pmr, "s3_0_c4_c6_0");

// Arm DDI 0487, "Generic Timer registers".
read!(cntfrq, "cntfrq_el0");
read!(cntvct, "cntvct_el0");
read!(cntpct, "cntpct_el0");
read!(cntv_ctl, "cntv_ctl_el0");
write!(write_cntv_ctl, "cntv_ctl_el0");
read!(cntv_cval, "cntv_cval_el0");
write!(write_cntv_cval, "cntv_cval_el0");
read!(cntv_tval, "cntv_tval_el0");
write!(write_cntv_tval, "cntv_tval_el0");
read!(cntp_ctl, "cntp_ctl_el0");
write!(write_cntp_ctl, "cntp_ctl_el0");
read!(cntp_cval, "cntp_cval_el0");
write!(write_cntp_cval, "cntp_cval_el0");
read!(cntp_tval, "cntp_tval_el0");
write!(write_cntp_tval, "cntp_tval_el0");
