// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processor's edge at boot: identification, the counter, address translation tests, caches, and memory
//! that the image header or the blob describes.
//!
//! # References
//! Arm DDI 0487 (Arm ARM), "Address translation instructions", "Cache maintenance instructions", "The Generic
//! Timer in AArch64 state".

use core::arch::asm;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTPCT_EL0, ID_AA64DFR0_EL1, ID_AA64ISAR1_EL1, ID_AA64PFR0_EL1, MIDR_EL1, MPIDR_EL1, PAR_EL1,
    Readable,
};
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::predictors::Means;
use crate::size;

/// Affinity fields of `MPIDR_EL1`.
const AFFINITY: u64 = 0xFF_00FF_FFFF;

/// Affinity of this core, as PSCI takes it.
pub(crate) fn affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// `MIDR_EL1`.
pub(crate) fn midr() -> u64 {
    MIDR_EL1.get()
}

/// What this core can do about predictions.
pub(crate) fn predictors() -> Means {
    Means {
        pfr0: ID_AA64PFR0_EL1.get(),
        isar1: ID_AA64ISAR1_EL1.get(),
        // Firmware without this discovery answers that it does not know the call.
        firmware: smccc::arch::features::<smccc::Smc>(smccc::arch::SMCCC_ARCH_WORKAROUND_1).is_ok(),
    }
}

/// Event counters of this core's performance monitors, 0 when it has none that the architecture describes.
pub(crate) fn event_counters() -> u64 {
    let version = (ID_AA64DFR0_EL1.get() >> 8) & 0xf;
    if version == 0 || version == 0xf {
        return 0;
    }
    let control: u64;
    // SAFETY: the core has PMUv3, so PMCR_EL0 exists; reading it changes nothing.
    unsafe { asm!("mrs {}, pmcr_el0", out(reg) control, options(nomem, nostack, preserves_flags)) };
    (control >> 11) & 0x1f
}

/// Counter frequency in Hz.
pub(crate) fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Counter value, not read ahead of what comes before.
pub(crate) fn counter() -> u64 {
    barrier::isb(barrier::SY);
    CNTPCT_EL0.get()
}

/// Completes every store before it for every observer, devices included.
pub(crate) fn publish() {
    barrier::dsb(barrier::SY);
}

/// Asks `done` until it says yes or `milliseconds` have passed by the counter.
pub(crate) fn wait_for(milliseconds: u64, mut done: impl FnMut() -> bool) -> bool {
    let ticks = (frequency() / 1000).saturating_mul(milliseconds);
    let start = counter();
    while counter().wrapping_sub(start) < ticks {
        if done() {
            return true;
        }
        core::hint::spin_loop();
    }
    done()
}

/// What a test translation asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Whether EL2's current tables allow the access to every page of a range at its own address.
///
/// # Timing
/// Two instructions and a barrier for each page.
pub(crate) fn allows(range: Range, access: Access) -> bool {
    let mut page = range.start & !(PAGE - 1);
    while page < range.end {
        // SAFETY: an address translation instruction writes PAR_EL1 only (DDI 0487, "Address translation
        // instructions"), which nothing else uses.
        unsafe {
            match access {
                Access::Read => asm!("at s1e2r, {}", "isb", in(reg) page, options(nostack)),
                Access::Write => asm!("at s1e2w, {}", "isb", in(reg) page, options(nostack)),
            }
        }
        let result = PAR_EL1.get();
        // PAR_EL1.F = 0, and PA = the page.
        if result & 1 != 0 || result & 0x000F_FFFF_FFFF_F000 != page {
            return false;
        }
        page = page.saturating_add(PAGE);
    }
    true
}

/// Cleans and invalidates a range to the point of coherency.
pub(crate) fn clean_invalidate(range: Range) {
    let line: u64;
    // SAFETY: CTR_EL0 is readable at EL2 and has no side effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) line, options(nomem, nostack, preserves_flags)) };
    let line = 4u64 << ((line >> 16) & 0xF);
    let mut address = range.start & !line.wrapping_sub(1);
    while address < range.end {
        // SAFETY: cleaning and invalidating by address changes no memory content (DDI 0487, "Cache maintenance
        // instructions"); the range is mapped.
        unsafe { asm!("dc civac, {}", in(reg) address, options(nostack, preserves_flags)) };
        address = address.saturating_add(line);
    }
    publish();
}

/// A range of memory as bytes.
///
/// # Safety
/// The range is readable now and for as long as boot runs, is RAM, and is not written meanwhile.
pub(crate) unsafe fn bytes(range: Range) -> &'static [u8] {
    let length = range.end.saturating_sub(range.start);
    // SAFETY: the caller's claim; every bit pattern is a byte.
    unsafe { core::slice::from_raw_parts(with_exposed_provenance(size(range.start)), size(length)) }
}

/// Writes zeros to a range.
///
/// # Safety
/// The range is writable RAM that no reference covers and no other core uses.
pub(crate) unsafe fn zero(range: Range) {
    let length = range.end.saturating_sub(range.start);
    let start: *mut u8 = with_exposed_provenance_mut(size(range.start));
    // SAFETY: the caller's claim.
    unsafe { start.write_bytes(0, size(length)) }
}

/// Copies bytes to `target`.
///
/// # Safety
/// `source.len()` bytes at `target` are writable RAM, no reference covers them, and no other core uses them.
pub(crate) unsafe fn copy(source: &[u8], target: u64) {
    let to: *mut u8 = with_exposed_provenance_mut(size(target));
    // SAFETY: the caller's claim; `source` is a reference, so by that claim the two do not overlap.
    unsafe { to.copy_from_nonoverlapping(source.as_ptr(), source.len()) }
}

/// Enters the run-time part on this core.
///
/// # Safety
/// `entry` is the run-time part's `extern "C" fn(u64) -> !`, mapped executable; everything that it relies on
/// (hand-over, zeroed statistics and per-core blocks) is in place.
pub(crate) unsafe fn enter(entry: u64, core: u64) -> ! {
    let entry: *const () = with_exposed_provenance(size(entry));
    // SAFETY: the caller's claim; a function pointer has the size of a data pointer here.
    let entry: extern "C" fn(u64) -> ! = unsafe { core::mem::transmute(entry) };
    entry(core)
}
