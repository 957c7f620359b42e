// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Critical sections of a partition with one vCPU: interrupts masked at the processor.

use aarch64_cpu::registers::{DAIF, Readable};

struct MaskInterrupts;
critical_section::set_impl!(MaskInterrupts);

// SAFETY: 1. The partition has one vCPU, so that nothing runs between `acquire` and `release` when IRQs are
// masked: the only other code of the partition is the interrupt handler. 2. `release` unmasks only what the
// matching `acquire` found unmasked, so sections nest.
unsafe impl critical_section::Impl for MaskInterrupts {
    unsafe fn acquire() -> bool {
        let unmasked = !DAIF.is_set(DAIF::I);
        mask();
        unmasked
    }

    unsafe fn release(unmasked: bool) {
        if unmasked {
            unmask();
        }
    }
}

/// Masks IRQs.
pub(super) fn mask() {
    // SAFETY: sets PSTATE.I only; as a compiler barrier it keeps memory accesses on their side.
    unsafe { core::arch::asm!("msr daifset, #2", options(nostack, preserves_flags)) };
}

/// Unmasks IRQs.
pub(super) fn unmask() {
    // SAFETY: clears PSTATE.I only: the interrupt handler touches shared state in critical sections only.
    unsafe { core::arch::asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
}
