// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Barriers, TLB maintenance, sleep and the counter.

use core::arch::asm;
use core::sync::atomic::AtomicU32;

/// Context synchronisation.
#[inline(always)]
pub fn isb() {
    // SAFETY: a barrier has no effect but order.
    unsafe { asm!("isb", options(nostack)) };
}

/// Completes all accesses of this core before anything after it.
#[inline(always)]
pub fn dsb_sy() {
    // SAFETY: a barrier has no effect but order.
    unsafe { asm!("dsb sy", options(nostack)) };
}

/// Orders all memory accesses before it against all after it, inner shareable.
#[inline(always)]
pub fn dmb_ish() {
    // SAFETY: a barrier has no effect but order.
    unsafe { asm!("dmb ish", options(nostack)) };
}

/// The counter, read in order with the instructions around it.
///
/// # Units
/// Ticks of `CNTFRQ_EL0`.
#[inline(always)]
pub fn counter() -> u64 {
    let value: u64;
    // SAFETY: reads a counter; the ISB keeps the read from being made early (DDI 0487, "The system counter").
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) value, options(nostack)) };
    value
}

/// Sleeps until an interrupt or event is pending, whatever is masked.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: WFI only suspends execution; DSB first, so that nothing is left half done (DDI 0487, "Wait For Interrupt").
    unsafe { asm!("dsb sy", "wfi", "isb", options(nostack)) };
}

/// Sleeps until another core sends an event; one that was sent since the last sleep ends it at once.
#[inline(always)]
pub fn wait_for_event() {
    // SAFETY: WFE only suspends execution; DSB first, so that nothing is left half done (DDI 0487, "Wait For Event").
    unsafe { asm!("dsb sy", "wfe", "isb", options(nostack)) };
}

/// Sends an event to all cores: what was written before is visible to whoever it wakes.
#[inline(always)]
pub fn send_event() {
    // SAFETY: SEV only sets event registers; DSB first (DDI 0487, "Wait For Event").
    unsafe { asm!("dsb sy", "sev", options(nostack)) };
}

/// Sends an event to the calling core alone: its next sleep until an event ends at once.
#[inline(always)]
pub fn keep_event() {
    // SAFETY: SEVL only sets the core's own event register.
    unsafe { asm!("sevl", options(nostack)) };
}

/// Sleeps until `word` is no longer `seen`, or until an event; returns at once when it is not any more. The store that
/// changes it clears this core's exclusive monitor, which is an event (DDI 0487, "The Event Register").
#[inline(always)]
pub fn wait_for_change(word: &AtomicU32, seen: u32) {
    // SAFETY: reads a word that is valid for reads, and suspends execution; the exclusive monitor holds nothing across
    // the return.
    unsafe {
        asm!(
            "ldaxr {now:w}, [{word}]",
            "cmp {now:w}, {seen:w}",
            "b.ne 2f",
            "wfe",
            "2:",
            "clrex",
            now = out(reg) _,
            word = in(reg) word.as_ptr(),
            seen = in(reg) seen,
            options(nostack)
        );
    }
}

/// Invalidates all stage-1 and stage-2 TLB entries of the current VMID on all cores, and the instruction caches.
///
/// # Timing
/// Five instructions; completes before the return.
pub fn invalidate_current_vmid() {
    // SAFETY: TLB and instruction-cache invalidation discards only copies (DDI 0487, "TLB maintenance instructions").
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi vmalls12e1is",
            "dsb ish",
            "ic ialluis",
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
}

/// Makes `root` EL2's translation table and forgets every translation of the old one.
///
/// # Safety
/// 1. `root` is the physical address of a level-1 table that maps the running code, the stack and all data that
///    this core uses at EL2 to the same addresses as before.
pub unsafe fn set_el2_root(root: u64) {
    // SAFETY: (1) by the caller's promise execution continues at the same addresses; TLBI ALLE2 removes what
    // the old root had allowed (DDI 0487, "TLBI ALLE2").
    unsafe {
        asm!(
            "dsb ish",
            "msr ttbr0_el2, {root}",
            "isb",
            "tlbi alle2",
            "dsb nsh",
            "isb",
            root = in(reg) root,
            options(nostack)
        );
    }
}
