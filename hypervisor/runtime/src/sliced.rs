// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slot table at work (design decision D5).
//!
//! EL2's physical timer fires at the end of the current slot. `on_slot_timer` then finds the slot that the
//! counter is in: usually the next; if whole slots were passed over they are counted as missed and not run
//! late. What runs in a slot is found by `PerCore::pick`. Implements: BH-SCHED-003, BH-SCHED-025.

use bulkhead_abi::health::Error;
use bulkhead_abi::trace::{self, Kind};
use bulkhead_arch::aarch64_cpu::registers::{CNTHP_CTL_EL2, Writeable};
use bulkhead_arch::barrier::{counter, isb};
use bulkhead_arch::registers;
use bulkhead_policy::schedule::{Occupant, Position};

use crate::core_state::{PerCore, Running};
use crate::health::{self, Blame, Event};
use crate::shared::{self, NOBODY};
use crate::stats::Account;
use crate::{core_field, housekeeping, vcpu_field};

/// Programs EL2's timer for the end of the slot, of the budget's period, for the system slot's next step, or for
/// counter value `limit`, whichever is earliest.
#[inline(always)]
pub fn arm_until(running: &Running, limit: Option<u64>) {
    let Some(position) = running.position else { return };
    let look = running.regulator.as_ref();
    let look = look.map_or(position.end(), |r| r.look_at(&position));
    let look = crate::view::handoff().epoch.wrapping_add(look);
    let look = running.step.map_or(look, |step| step.min(look));
    registers::cnthp_cval::write(limit.map_or(look, |limit| limit.min(look)));
    CNTHP_CTL_EL2.set(1);
    isb();
}

impl PerCore {
    /// Waits for the epoch and begins the first slot of the first frame.
    pub fn start_slots(&mut self) {
        let epoch = crate::view::handoff().epoch;
        registers::cnthp_cval::write(epoch);
        CNTHP_CTL_EL2.set(1);
        isb();
        // The core sleeps until the timer's condition holds: its interrupt is pending, not taken.
        while counter() < epoch {
            bulkhead_arch::barrier::wait_for_interrupt();
        }
        let first = {
            let Some(running) = self.running.as_mut() else {
                return;
            };
            running.ledger = crate::stats::Ledger::open(running.stats, epoch);
            running.start_budget();
            running
                .timetable
                .as_ref()
                .map(bulkhead_policy::schedule::Timetable::first)
        };
        if let Some(first) = first {
            self.begin_slot(first);
        }
    }

    /// The slot timer fired.
    pub fn on_slot_timer(&mut self) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let (Some(timetable), Some(position)) = (running.timetable.as_ref(), running.position) else {
            return;
        };
        let now = counter().wrapping_sub(crate::view::handoff().epoch);
        let vcpus = &self.vcpus;
        let mut passed: u64 = 0;
        let next = timetable.arrive(&position, now, |occupant, count| {
            passed = passed.saturating_add(count);
            if let Occupant::Vcpu(global) | Occupant::Shared(global) = occupant
                && let Some(vcpu) = vcpus.iter().flatten().find(|v| v.global == global)
            {
                vcpu.stats.add64(vcpu_field!(slots_missed), count);
            }
        });
        if passed > 0 {
            let event = Event {
                error: Error::DeadlineOverrun,
                blame: Blame::Core,
                detail: [passed, 0, 0],
            };
            health::report(running, &event);
        }
        if next == position {
            running.renew_budget(now);
            housekeeping::carry_on(running);
            arm_until(running, None);
            self.decide_again();
        } else {
            self.begin_slot(next);
        }
    }

    fn begin_slot(&mut self, position: Position) {
        if self.running.as_ref().is_some_and(|r| r.sharing.is_some()) {
            self.end_sharing();
        } else {
            self.end_slot();
            self.unload();
        }
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let frame_begins = running.position.is_none_or(|p| p.frame() != position.frame());
        if frame_begins {
            running
                .stats
                .write64(core_field!(frames), position.frame().wrapping_add(1));
        }
        running.stats.add64(core_field!(slots), 1);
        running.position = Some(position);
        running.interrupts = 0;
        let now = running.ledger.charge(Account::El2);
        running.renew_budget(now.wrapping_sub(crate::view::handoff().epoch));
        running.step = None;
        let keeps_house = housekeeping::is_due(running, &position);
        if keeps_house {
            housekeeping::begin(running, &position, now);
        }
        arm_until(running, None);
        let lateness = position.lateness(now.wrapping_sub(crate::view::handoff().epoch));
        let worst = running.stats.read64(core_field!(worst_slot_lateness));
        running
            .stats
            .write64(core_field!(worst_slot_lateness), worst.max(lateness));
        let (owner, global) = match position.occupant() {
            Occupant::Vcpu(global) | Occupant::Shared(global) => (
                self.vcpus
                    .iter()
                    .position(|v| v.as_ref().is_some_and(|v| v.global == global)),
                global,
            ),
            Occupant::System | Occupant::Standby | Occupant::Idle => (None, NOBODY),
        };
        running.owner = owner;
        running.slot = owner;
        shared::set_running(running.index, global);
        if let Some(Some(vcpu)) = owner.and_then(|o| self.vcpus.get_mut(o)) {
            vcpu.used = false;
            vcpu.stats.add64(vcpu_field!(slots_granted), 1);
        }
        if frame_begins {
            crate::locks::observe(running);
            if let Some(keeper) = running.keeper.as_ref().filter(|keeper| keeper.succeeds()) {
                keeper.look(running);
            }
        }
        let shown = if keeps_house {
            u32::from(trace::SYSTEM)
        } else {
            global
        };
        running.note(
            Kind::Slot,
            shown,
            u32::try_from(position.index()).unwrap_or(0),
            lateness,
        );
        health::takes_global(running);
        if let Occupant::Shared(_) = position.occupant() {
            self.begin_sharing(&position);
        } else {
            self.feed_console(owner);
        }
    }

    /// Accounts for the slot that ends.
    fn end_slot(&mut self) {
        let owner = self.running.as_ref().and_then(|r| r.slot);
        if let Some(Some(vcpu)) = owner.and_then(|o| self.vcpus.get(o))
            && vcpu.used
        {
            vcpu.stats.add64(vcpu_field!(slots_used), 1);
        }
    }
}
