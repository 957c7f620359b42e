// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The performance counter that measures a core's memory traffic: its last one, kept from EL1 by
//! `MDCR_EL2.HPMN`, running by `MDCR_EL2.HPME`.
//!
//! It counts at EL1 and EL0 only, and overflows from 32 bits.
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

fn bit() -> u64 {
    1 << last()
}

/// Makes the counter count an event and raise the interrupt when it overflows.
///
/// `event` is a number of `PMEVTYPER<n>_EL0.evtCount`, 16 bits.
pub fn start(event: u32) {
    r::pmselr::write(last());
    isb();
    r::pmxevtyper::write(u64::from(event & 0xffff));
    r::pmcntenset::write(bit());
    r::pmintenset::write(bit());
    r::pmcr::write(r::pmcr::read() | ENABLE);
    isb();
}

/// Gives the core a whole budget: the counter overflows after so many events. What was left expires.
pub fn renew(budget: u32) {
    r::pmselr::write(last());
    isb();
    r::pmxevcntr::write(u64::from(budget.wrapping_neg()));
    settle();
}

/// Takes the overflow back, so that the interrupt is no longer raised.
pub fn settle() {
    r::pmovsclr::write(bit());
    isb();
}
