// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a vCPU is while it does not run.
//!
//! Assembly in `vectors.rs` and `switch.rs` addresses these fields by `offset_of!`, so their order is free
//! except where pairs are loaded together; the asserts below say so.

use core::mem::offset_of;

/// EL1 and EL0 registers that the world switch saves and loads, in this order.
///
/// # References
/// Arm DDI 0487, "AArch64 System register descriptions".
#[repr(C)]
#[derive(Clone, Copy)]
pub struct El1State {
    /// `SP_EL0`.
    pub sp_el0: u64,
    /// `SP_EL1`.
    pub sp_el1: u64,
    /// `ELR_EL1`.
    pub elr: u64,
    /// `SPSR_EL1`.
    pub spsr: u64,
    /// `SCTLR_EL1`.
    pub sctlr: u64,
    /// `CPACR_EL1`.
    pub cpacr: u64,
    /// `TTBR0_EL1`.
    pub ttbr0: u64,
    /// `TTBR1_EL1`.
    pub ttbr1: u64,
    /// `TCR_EL1`.
    pub tcr: u64,
    /// `MAIR_EL1`.
    pub mair: u64,
    /// `AMAIR_EL1`.
    pub amair: u64,
    /// `VBAR_EL1`.
    pub vbar: u64,
    /// `ESR_EL1`.
    pub esr: u64,
    /// `FAR_EL1`.
    pub far: u64,
    /// `AFSR0_EL1`.
    pub afsr0: u64,
    /// `AFSR1_EL1`.
    pub afsr1: u64,
    /// `CONTEXTIDR_EL1`.
    pub contextidr: u64,
    /// `TPIDR_EL0`.
    pub tpidr_el0: u64,
    /// `TPIDRRO_EL0`.
    pub tpidrro_el0: u64,
    /// `TPIDR_EL1`.
    pub tpidr_el1: u64,
    /// `PAR_EL1`.
    pub par: u64,
    /// `CSSELR_EL1`.
    pub csselr: u64,
    /// `CNTKCTL_EL1`.
    pub cntkctl: u64,
    /// `CNTV_CVAL_EL0`.
    pub cntv_cval: u64,
    /// `CNTV_CTL_EL0`.
    pub cntv_ctl: u64,
    /// `CNTP_CVAL_EL0`.
    pub cntp_cval: u64,
    /// `CNTP_CTL_EL0`.
    pub cntp_ctl: u64,
    /// Keeps the pairs even.
    pub reserved: u64,
}

/// Virtual CPU interface of the GIC.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GicState {
    /// `ICH_VMCR_EL2`.
    pub vmcr: u64,
    /// `ICH_AP0R0_EL2`.
    pub ap0r0: u64,
    /// `ICH_AP1R0_EL2`.
    pub ap1r0: u64,
    /// 1: the list registers are still those that the vCPU had when it was taken off the core; 0: they are empty, and
    /// the model has all.
    pub kept: u64,
    /// `ICH_LR0_EL2` to `ICH_LR3_EL2`.
    pub lr: [u64; 4],
}

/// Control words of EL2 for this vCPU, from the blob; loaded, never saved.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Control {
    /// `HCR_EL2`.
    pub hcr: u64,
    /// `VTCR_EL2`.
    pub vtcr: u64,
    /// `VTTBR_EL2`.
    pub vttbr: u64,
    /// `VMPIDR_EL2`.
    pub vmpidr: u64,
    /// `VPIDR_EL2`.
    pub vpidr: u64,
    /// `CNTHCTL_EL2`.
    pub cnthctl: u64,
    /// `MDCR_EL2`.
    pub mdcr: u64,
    /// `CPTR_EL2`.
    pub cptr: u64,
    /// `HSTR_EL2`.
    pub hstr: u64,
    /// `ICH_HCR_EL2`.
    pub ich_hcr: u64,
    /// `CNTVOFF_EL2`.
    pub cntvoff: u64,
    /// Keeps the pairs even.
    pub reserved: u64,
}

/// Floating-point and SIMD registers.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct FpState {
    /// `Q0` to `Q31`.
    pub q: [u128; 32],
    /// `FPCR`.
    pub fpcr: u64,
    /// `FPSR`.
    pub fpsr: u64,
}

/// The interrupt that the vector may list again by itself (GICv3): the last that EL2 listed, while nothing has
/// been done since but the guest's own work.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Repeat {
    /// INTID; 0: none.
    pub intid: u32,
    /// INTID + 1 of an interrupt that the vector acknowledged and did not list; 0: none.
    pub acknowledged: u32,
    /// Its list register, as `ICH_ELRSR_EL2` shows it.
    pub free: u64,
    /// What that becomes.
    pub lr: u64,
    /// Second word of the event that tells the injection.
    pub event: u64,
}

impl Repeat {
    /// None.
    pub const NONE: Self = Self {
        intid: 0,
        acknowledged: 0,
        free: 0,
        lr: 0,
        event: 0,
    };
}

/// One vCPU.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct VcpuContext {
    /// `X0` to `X30`, saved in the vectors.
    pub x: [u64; 31],
    /// Where the guest continues (`ELR_EL2`).
    pub pc: u64,
    /// Its state there (`SPSR_EL2`).
    pub pstate: u64,
    /// Address of its [`VcpuStats`](../../bulkhead_abi/stats/struct.VcpuStats.html) block, whose first words the vectors count in.
    pub counters: u64,
    /// What the vector may do by itself.
    pub repeat: Repeat,
    /// EL1 and EL0 registers.
    pub el1: El1State,
    /// Virtual CPU interface.
    pub gic: GicState,
    /// EL2's control words.
    pub control: Control,
    /// Floating-point registers.
    pub fp: FpState,
}

const _: () = assert!(offset_of!(VcpuContext, x) == 0);
const _: () = assert!(offset_of!(VcpuContext, fp).is_multiple_of(16));
const _: () = assert!(size_of::<VcpuContext>() <= 1280);

/// `SCTLR_EL1` at reset: MMU, caches and alignment checks off, RES1 bits set.
pub const SCTLR_EL1_RESET: u64 = 0x30d0_0800;
/// `SPSR_EL2` of a vCPU at reset: EL1h, all interrupts masked.
pub const PSTATE_RESET: u64 = 0x3c5;

impl VcpuContext {
    /// All registers zero: the state that [`VcpuContext::reset`] completes.
    pub const ZERO: Self = Self {
        x: [0; 31],
        pc: 0,
        pstate: PSTATE_RESET,
        counters: 0,
        repeat: Repeat::NONE,
        el1: El1State {
            sp_el0: 0,
            sp_el1: 0,
            elr: 0,
            spsr: 0,
            sctlr: SCTLR_EL1_RESET,
            cpacr: 0,
            ttbr0: 0,
            ttbr1: 0,
            tcr: 0,
            mair: 0,
            amair: 0,
            vbar: 0,
            esr: 0,
            far: 0,
            afsr0: 0,
            afsr1: 0,
            contextidr: 0,
            tpidr_el0: 0,
            tpidrro_el0: 0,
            tpidr_el1: 0,
            par: 0,
            csselr: 0,
            cntkctl: 0,
            cntv_cval: 0,
            cntv_ctl: 0,
            cntp_cval: 0,
            cntp_ctl: 0,
            reserved: 0,
        },
        gic: GicState {
            vmcr: 0,
            ap0r0: 0,
            ap1r0: 0,
            kept: 0,
            lr: [0; 4],
        },
        control: Control {
            hcr: 0,
            vtcr: 0,
            vttbr: 0,
            vmpidr: 0,
            vpidr: 0,
            cnthctl: 0,
            mdcr: 0,
            cptr: 0,
            hstr: 0,
            ich_hcr: 0,
            cntvoff: 0,
            reserved: 0,
        },
        fp: FpState {
            q: [0; 32],
            fpcr: 0,
            fpsr: 0,
        },
    };

    /// Puts the vCPU into the architecture's reset state at `pc` with `x0`; control words and counters stay.
    pub fn reset(&mut self, pc: u64, x0: u64) {
        let (control, counters) = (self.control, self.counters);
        *self = Self::ZERO;
        self.control = control;
        self.counters = counters;
        self.pc = pc;
        self.x[0] = x0;
    }

    /// General register `index` as an instruction names it: 31 is the zero register.
    pub fn register(&self, index: u8) -> u64 {
        self.x.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Sets general register `index`; 31 is the zero register.
    pub fn set_register(&mut self, index: u8, value: u64) {
        if let Some(x) = self.x.get_mut(usize::from(index)) {
            *x = value;
        }
    }

    /// Continues after the instruction that trapped with syndrome `esr`: 32 bits long, or 16 (`ESR_EL2.IL` = 0,
    /// a T32 instruction at EL0).
    pub fn skip_instruction(&mut self, esr: u64) {
        let length = if esr & (1 << 25) == 0 { 2 } else { 4 };
        self.pc = self.pc.wrapping_add(length);
    }
}
