// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an access gets that reaches an emulated device in a form that the hardware does not describe.
//!
//! Pairs, writeback, SIMD, exclusives, atomics and instruction fetches come without a valid syndrome (`ISV` = 0). EL2
//! decodes no instructions: the device refuses them as a bus would, by an external abort. Cache maintenance by
//! address finds nothing cached there, and does nothing. Any other address is no device: that is a memory fault.

use crate::fault::AccessKind;
use crate::trap::Trap;

/// What EL2 does with an abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Step over the instruction.
    Skip,
    /// Enter EL1's synchronous exception vector with this syndrome; the address is that of `FAR_EL2`.
    Inject(u64),
    /// A memory fault.
    Fault,
}

/// `ESR_EL1.EC` of an instruction abort and of a data abort from a lower exception level; from EL1 one more.
const INSTRUCTION: u64 = 0x20;
const DATA: u64 = 0x24;
/// `ESR_EL2.IL` and `WnR`, which the guest's syndrome keeps.
const IL: u64 = 1 << 25;
const WNR: u64 = 1 << 6;
/// `DFSC` and `IFSC` of a synchronous external abort, not on a table walk.
const EXTERNAL: u64 = 0x10;

/// Answers an abort that is not described, at an address that EL2 emulates. `pstate` is the guest's `SPSR_EL2`.
///
/// Implements: BH-TRAP-021.
///
/// # References
/// Arm DDI 0487, "ISS encoding for an exception from a Data Abort" (ISV, DFSC), "… from an Instruction Abort".
pub const fn at_device(trap: Trap, esr: u64, pstate: u64) -> Answer {
    // PSTATE.M: EL0 in either state is 0b00000 or an AArch32 mode.
    let from_el1 = matches!(pstate & 0x1f, 0b0_0100 | 0b0_0101);
    let (class, write) = match trap {
        Trap::DataAbortNoSyndrome { access, fault, .. } if fault.is_translation() => match access {
            AccessKind::CacheMaintenance => return Answer::Skip,
            AccessKind::Read | AccessKind::Write => (DATA, esr & WNR),
        },
        Trap::InstructionAbort { fault, .. } if fault.is_translation() => (INSTRUCTION, 0),
        Trap::DataAbortNoSyndrome { .. }
        | Trap::InstructionAbort { .. }
        | Trap::Hypercall { .. }
        | Trap::Smc { .. }
        | Trap::Wait(_)
        | Trap::SystemRegister(_)
        | Trap::DataAbort(_)
        | Trap::WalkAbort { .. }
        | Trap::FloatingPoint
        | Trap::Hidden
        | Trap::IllegalState
        | Trap::Aarch32
        | Trap::Other { .. } => return Answer::Fault,
    };
    let class = if from_el1 { class | 1 } else { class };
    Answer::Inject(class << 26 | esr & IL | write | EXTERNAL)
}
