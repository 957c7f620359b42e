// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a trapped system-register access gets.
//!
//! [`decide`] names the action; EL2 performs it. Registers that the control words do not trap never come here.

use crate::identity;
use crate::registers as r;
use crate::trap::Register;

/// Whether the guest reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `MRS` or a load.
    Read,
    /// `MSR`, a system instruction, or a store.
    Write,
}

/// A system register or instruction: op0, op1, CRn, CRm and op2 at the places of `ESR_EL2.ISS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SysRegId(u32);

impl SysRegId {
    /// Names a register as the Arm ARM lists its encoding; each operand is cut to its width.
    pub const fn new(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Self {
        Self((op0 & 3) << 20 | (op2 & 7) << 17 | (op1 & 7) << 14 | (crn & 15) << 10 | (crm & 15) << 1)
    }

    /// Takes the encoding out of the low half of `ESR_EL2`.
    ///
    /// # References
    /// Arm ARM, "ISS encoding for an exception from MSR, MRS, or System instruction execution in AArch64 state".
    #[inline]
    pub const fn from_syndrome(iss: u32) -> Self {
        Self(iss & 0x003f_fc1e)
    }

    /// op0, op1, CRn, CRm, op2.
    pub const fn operands(self) -> (u32, u32, u32, u32, u32) {
        let Self(iss) = self;
        (
            iss >> 20 & 3,
            iss >> 14 & 7,
            iss >> 10 & 15,
            iss >> 1 & 15,
            iss >> 17 & 7,
        )
    }
}

/// A trapped access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysRegAccess {
    /// What is accessed.
    pub register: SysRegId,
    /// Source or destination.
    pub rt: Register,
    /// Read or write.
    pub direction: Direction,
}

/// How the interrupts of the vCPU work, which decides what its GIC CPU interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Interrupts go to EL1; EL2 applies trapped CPU-interface registers to the physical interface.
    Direct,
    /// EL2 injects through list registers; only SGI generation traps.
    Sliced,
}

/// A GIC CPU-interface register that EL2 carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IccRegister {
    /// `ICC_PMR_EL1`.
    Pmr,
    /// `ICC_CTLR_EL1`.
    Ctlr,
    /// `ICC_RPR_EL1`, read-only.
    Rpr,
    /// `ICC_DIR_EL1`, write-only.
    Dir,
    /// `ICC_SGI1R_EL1`, write-only.
    Sgi1r,
}

/// What EL2 does with a trapped access. All but the last are followed by a step over the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysRegAction {
    /// Carry out an access to the CPU interface.
    Icc(IccRegister),
    /// Put this value into the destination register.
    Value(u64),
    /// Put what [`identity::shown`] makes of the processor's own answer into the destination register.
    Identity,
    /// Do nothing.
    Ignore,
    /// Enter EL1's synchronous exception vector with an exception of unknown reason.
    InjectUndefined,
}

/// Decides on a trapped access.
///
/// Implements: BH-TRAP-002.
///
/// # References
/// Arm IHI 0069, "ICH_HCR_EL2" (TC, TALL0, TDIR), "ICC_SRE_EL2" (Enable); Arm ARM, "MDCR_EL2" (TDA, TDOSA, TDRA,
/// TPM, TPMCR), "HCR_EL2" (TSW, TACR, TIDCP, TID3).
pub const fn decide(access: SysRegAccess, interrupts: Interrupts) -> SysRegAction {
    match access.register {
        r::ICC_SGI1R_EL1 => write_only(access.direction, SysRegAction::Icc(IccRegister::Sgi1r)),
        // No interrupt of a partition is in Group 0 or in another Security state.
        r::ICC_SGI0R_EL1 | r::ICC_ASGI1R_EL1 => write_only(access.direction, SysRegAction::Ignore),
        r::ICC_PMR_EL1 => direct(interrupts, SysRegAction::Icc(IccRegister::Pmr)),
        r::ICC_CTLR_EL1 => direct(interrupts, SysRegAction::Icc(IccRegister::Ctlr)),
        // On a sliced core it traps only while ICH_HCR_EL2.TDIR is set: an active interrupt is in no list register.
        r::ICC_DIR_EL1 => write_only(access.direction, SysRegAction::Icc(IccRegister::Dir)),
        r::ICC_RPR_EL1 => direct(
            interrupts,
            read_only(access.direction, SysRegAction::Icc(IccRegister::Rpr)),
        ),
        r::ICC_IAR0_EL1 | r::ICC_HPPIR0_EL1 => {
            read_only(access.direction, SysRegAction::Value(r::SPURIOUS_INTID))
        }
        r::ICC_SRE_EL1 => match access.direction {
            Direction::Read => SysRegAction::Value(r::SRE_SYSTEM_REGISTERS),
            Direction::Write => SysRegAction::Ignore,
        },
        r::ICC_EOIR0_EL1 => write_only(access.direction, SysRegAction::Ignore),
        r::ICC_BPR0_EL1
        | r::ICC_IGRPEN0_EL1
        | r::ICC_AP0R0_EL1
        | r::ICC_AP0R1_EL1
        | r::ICC_AP0R2_EL1
        | r::ICC_AP0R3_EL1
        | r::ACTLR_EL1
        | r::PMINTENSET_EL1
        | r::PMINTENCLR_EL1
        | r::PMMIR_EL1 => zero(access.direction),
        r::OSLSR_EL1 => read_only(
            access.direction,
            SysRegAction::Value(r::OSLSR_IMPLEMENTED_UNLOCKED),
        ),
        other if identity::is_identity(other) => read_only(access.direction, SysRegAction::Identity),
        r::DC_ISW | r::DC_CSW | r::DC_CISW => write_only(access.direction, SysRegAction::Ignore),
        other if r::is_debug(other) || r::is_el0_pmu(other) => zero(access.direction),
        _ => SysRegAction::InjectUndefined,
    }
}

/// Reads as zero, ignores writes.
const fn zero(direction: Direction) -> SysRegAction {
    match direction {
        Direction::Read => SysRegAction::Value(0),
        Direction::Write => SysRegAction::Ignore,
    }
}

const fn read_only(direction: Direction, action: SysRegAction) -> SysRegAction {
    match direction {
        Direction::Read => action,
        Direction::Write => SysRegAction::InjectUndefined,
    }
}

const fn write_only(direction: Direction, action: SysRegAction) -> SysRegAction {
    match direction {
        Direction::Read => SysRegAction::InjectUndefined,
        Direction::Write => action,
    }
}

const fn direct(interrupts: Interrupts, action: SysRegAction) -> SysRegAction {
    match interrupts {
        Interrupts::Direct => action,
        Interrupts::Sliced => SysRegAction::InjectUndefined,
    }
}
