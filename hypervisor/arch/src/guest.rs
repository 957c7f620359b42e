// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exceptions that EL2 injects into the guest whose registers are loaded.
//!
//! # References
//! Arm DDI 0487, "AArch64 exceptions"; pseudocode `AArch64.TakeException`.

use aarch64_cpu::registers::{ELR_EL1, ESR_EL1, FAR_EL1, Readable, SPSR_EL1, VBAR_EL1, Writeable};

use crate::context::{PSTATE_RESET, VcpuContext};

/// Makes the vCPU continue in its own synchronous exception vector with the given syndrome.
///
/// The context is that of the vCPU whose EL1 registers are loaded on this core; `far` is written when given.
pub fn inject_synchronous(context: &mut VcpuContext, esr: u64, far: Option<u64>) {
    let mode = context.pstate & 0x1f;
    // Vector offsets: from EL1 with SP_EL0 0, from EL1 with SP_ELx 0x200, from AArch64 EL0 0x400, AArch32 EL0 0x600.
    let offset = match mode {
        0b00101 => 0x200,
        0b00100 => 0,
        0b00000 => 0x400,
        _ => 0x600,
    };
    ELR_EL1.set(context.pc);
    SPSR_EL1.set(context.pstate);
    ESR_EL1.set(esr);
    if let Some(far) = far {
        FAR_EL1.set(far);
    }
    context.pc = VBAR_EL1.get().wrapping_add(offset);
    context.pstate = PSTATE_RESET;
}

/// The syndrome of an undefined instruction: EC 0, 32-bit instruction.
pub const UNDEFINED: u64 = 1 << 25;

/// Makes the vCPU take the abort that its access caused as a synchronous external abort: the memory system
/// refused it.
///
/// `esr` is the syndrome of an abort, or of another trap, which becomes an undefined instruction.
pub fn inject_abort(context: &mut VcpuContext, esr: u64, far: u64) {
    const INSTRUCTION_ABORT: u64 = 0x20;
    const DATA_ABORT: u64 = 0x24;
    /// IL and, of a data abort, WnR.
    const KEPT: u64 = 1 << 25 | 1 << 6;
    const EXTERNAL: u64 = 0x10;
    let class = (esr >> 26) & 0x3f;
    if class != INSTRUCTION_ABORT && class != DATA_ABORT {
        inject_synchronous(context, UNDEFINED, None);
        return;
    }
    // EL1h and EL1t: taken without a change of exception level.
    let same_level = u64::from(context.pstate & 0xc == 0x4);
    inject_synchronous(
        context,
        (class | same_level) << 26 | esr & KEPT | EXTERNAL,
        Some(far),
    );
}
