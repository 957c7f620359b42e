// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Revocation: ends a partition's access to memory on all cores (design decision D3).
//!
//! # References
//! Arm DDI 0487, "TLB maintenance instructions"; "Using break-before-make when updating translation table
//! entries"; Cortex-A72 MPCore Software Developers Errata Notice, 1319367.

use core::arch::asm;

use aarch64_cpu::registers::{Readable, SCTLR_EL1, TCR_EL1, VTTBR_EL2, Writeable};

use crate::barrier::isb;

/// `TCR_EL1.EPD0` and `EPD1`: no table walks.
const NO_WALKS: u64 = 1 << 7 | 1 << 23;
/// `SCTLR_EL1.M`.
const MMU: u64 = 1;

/// Runs `clear`, which clears the entries of the stage-2 root page that `vttbr` names, and removes what any core
/// holds of their translations. After the return no access that they allowed reaches memory.
///
/// The registers of the EL1&0 regime of this core may belong to another VMID meanwhile: walks go off and
/// stage 1 on first, as in the world switch (Cortex-A72 1319367 and its kin). The event at the end wakes
/// cores of the partition that wait for one; their next access to memory, or instruction fetch, traps.
///
/// # Timing
/// `clear`, a fixed number of instructions, and the broadcast's completion on the other cores.
pub fn revoke(vttbr: u64, clear: impl FnOnce()) {
    let (tcr, sctlr, own) = (TCR_EL1.get(), SCTLR_EL1.get(), VTTBR_EL2.get());
    TCR_EL1.set(tcr | NO_WALKS);
    isb();
    SCTLR_EL1.set(sctlr | MMU);
    isb();
    VTTBR_EL2.set(vttbr);
    isb();
    clear();
    // SAFETY: invalidation discards only copies of translations (DDI 0487, "TLB maintenance instructions"). The
    // barriers name memory, so the stores of `clear` are made before.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi vmalls12e1is",
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
    VTTBR_EL2.set(own);
    isb();
    SCTLR_EL1.set(sctlr);
    isb();
    TCR_EL1.set(tcr);
    isb();
    // SAFETY: an event only ends waits.
    unsafe { asm!("sev", options(nostack)) };
}
