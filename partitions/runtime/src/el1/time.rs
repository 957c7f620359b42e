// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual counter and timer.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable};

use super::critical;
use crate::periodic::{ns_to_ticks, ticks_to_ns};

/// Number of the virtual timer's PPI: INTID 27.
pub(super) const PPI: u32 = 11;

defmt::timestamp!("{=u64:us}", now() / 1000);

fn ticks() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Counter time in ns.
#[must_use]
pub fn now() -> u64 {
    ticks_to_ns(ticks(), CNTFRQ_EL0.get())
}

/// Waits for the counter time `release` in ns, in WFI; interrupts are served meanwhile.
pub fn sleep_until(release: u64) {
    while !doze_until(release) {}
}

/// Waits for the counter time `release` in ns or for an interrupt, which is served, and tells whether the time has
/// come.
pub fn doze_until(release: u64) -> bool {
    let compare = ns_to_ticks(release, CNTFRQ_EL0.get());
    critical::mask();
    let sleeps = ticks() < compare;
    if sleeps {
        CNTV_CVAL_EL0.set(compare);
        CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET);
        barrier::isb(barrier::SY);
        // An interrupt that is pending, though masked, ends the wait: none is slept through.
        aarch64_cpu::asm::wfi();
    }
    critical::unmask();
    barrier::isb(barrier::SY);
    !sleeps
}

/// Keeps the processor busy for `duration` ns; interrupts are served meanwhile.
pub fn spin(duration: u64) {
    let end = now().saturating_add(duration);
    while now() < end {
        core::hint::spin_loop();
    }
}

/// The timer's interrupt: it stays quiet until it is set again.
pub(super) fn on_interrupt() {
    CNTV_CTL_EL0.set(0);
}
