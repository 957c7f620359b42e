// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The performance counters that measure a core's memory traffic: its last ones, kept from EL1 by
//! `MDCR_EL2.HPMN`, running by `MDCR_EL2.HPME`.
//!
//! They count at EL1 and EL0 only, and overflow from 32 bits. The last one raises the interrupt. Each one before it
//! overflows an event later: QEMU looks whether a counter has overflowed one event before it does, and not again
//! before the exception level changes; a second counter makes it look when the first one has.
//!
//! # References
//! Arm DDI 0487, "The Performance Monitors Extension"; "MDCR_EL2", HPME, HPMN; "PMEVTYPER<n>_EL0", NSH.

use crate::barrier::isb;
use crate::registers as r;

/// `PMCR_EL0.E`: the counters below HPMN run, and on some cores none raises its interrupt without it.
const ENABLE: u64 = 1;

/// The last event counter of this core.
fn last() -> u64 {
    ((r::pmcr::read() >> 11) & 0x1f).saturating_sub(1)
}

fn select(counter: u64) {
    r::pmselr::write(counter);
    isb();
}

/// Makes the last `kept` counters, 1 to 31, count an event, and the last one raise the interrupt when it overflows.
///
/// `event` is a number of `PMEVTYPER<n>_EL0.evtCount`.
pub fn start(event: u16, kept: u16) {
    let last = last();
    for back in 0..u64::from(kept & 0x1f) {
        let counter = last.saturating_sub(back);
        select(counter);
        r::pmxevtyper::write(u64::from(event));
        r::pmcntenset::write(1 << counter);
    }
    r::pmintenset::write(1 << last);
    r::pmcr::write(r::pmcr::read() | ENABLE);
    isb();
}

/// Gives the core a whole budget: the last counter overflows after so many events. What was left expires.
///
/// # Timing
/// The same for each of the `kept` counters.
pub fn renew(budget: u32, kept: u16) {
    let last = last();
    for back in 0..u32::from(kept & 0x1f) {
        select(last.saturating_sub(u64::from(back)));
        r::pmxevcntr::write(u64::from(budget.wrapping_add(back).wrapping_neg()));
    }
    settle();
}

/// Takes the overflow back, so that the interrupt is no longer raised.
pub fn settle() {
    r::pmovsclr::write(1 << last());
    isb();
}
