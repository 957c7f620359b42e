// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose turn it is while somebody waits for a lock: `take_turn` charges the owner for the time since the last look,
//! revokes past the hold, and lets a boosted owner run whatever slot it is. EL2's timer fires when the hold, the budget
//! or the slot ends. Implements: BH-LOCK-020, BH-TRACE-005.

use bulkhead_abi::health::Error;
use bulkhead_abi::lock::Owner;
use bulkhead_abi::trace::Kind;
use bulkhead_arch::barrier::counter;

use super::{bit, contended, entries, entry, place, wake, with};
use crate::core_state::{PerCore, Running};
use crate::health::{self, Blame, Event};
use crate::shared::{NOBODY, set_running};
use crate::sharing::Chosen;
use crate::sliced;

/// In a [`Kind::LockRelease`] event: the owner's hold was over.
const REVOKED: u64 = 1;

/// The owner of a contended lock that runs, or could.
#[derive(Clone, Copy)]
pub struct Clock {
    lock: usize,
    owner: Owner,
    /// Counter when it was charged last.
    since: u64,
    /// Whether it runs ahead of the slot table.
    boosted: bool,
}

/// Whether it is known whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// `Running::owner` has it.
    Taken,
    /// The core looks again, in a path of its own.
    PutOff,
}

impl Clock {
    /// Whether it runs ahead of the slot table.
    pub const fn is_boosted(&self) -> bool {
        self.boosted
    }

    /// Whether the same owner runs for the same lock, in the same way.
    fn is_as(&self, other: &Self) -> bool {
        (self.lock, self.owner, self.boosted) == (other.lock, other.owner, other.boosted)
    }
}

impl PerCore {
    /// Whether locks ask nothing of this core.
    pub fn locks_quiet(&self) -> bool {
        self.running
            .as_ref()
            .is_none_or(|r| r.clock.is_none() && r.owner == r.slot && contended(r.index) == 0)
    }

    /// Decides whose turn it is: that of the slot's vCPU, or of the owner of a lock for which somebody waits. Nobody's yet
    /// where the path ends with a start.
    #[inline]
    pub fn take_turn(&mut self) -> Turn {
        if self.running.as_ref().is_some_and(|r| r.sharing.is_some()) {
            return self.take_shared_turn();
        }
        if !self.locks_quiet() {
            self.take_lock_turn();
        }
        Turn::Taken
    }

    #[inline(never)]
    fn take_shared_turn(&mut self) -> Turn {
        let chosen = self.choose();
        if chosen == Chosen::Starts {
            self.start_apart();
            return Turn::PutOff;
        }
        self.take_lock_turn();
        self.settle(chosen);
        Turn::Taken
    }

    #[inline(never)]
    fn take_lock_turn(&mut self) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let now = counter();
        let before = running.clock.take();
        if let Some(clock) = before {
            charge(running, clock, now);
        }
        let mut chosen: Option<(u8, usize, Clock, u64)> = None;
        let bits = contended(running.index);
        let frame = running.position.map_or(0, |p| p.frame());
        for (number, entry) in entries(&running.system).filter(|(n, _)| bits & bit(*n) != 0) {
            let found = with(running, number, |arbiter, word| arbiter.contended(frame, word)).flatten();
            let Some(found) = found else { continue };
            let Some((global, core, _, _)) = place(running, entry, found.owner) else {
                continue;
            };
            let local = self
                .vcpus
                .iter()
                .position(|v| v.as_ref().is_some_and(|v| v.global == global));
            let Some(local) = local.filter(|_| core == running.index) else {
                continue;
            };
            let own_slot = running.slot == Some(local);
            if !own_slot && !found.boost {
                continue;
            }
            let clock = Clock {
                lock: number,
                owner: found.owner,
                since: now,
                boosted: !own_slot,
            };
            // A boost goes before the slot; among boosts the most urgent waiter's.
            let better = chosen.is_none_or(|(priority, _, other, _)| {
                (!clock.boosted, found.priority) < (!other.boosted, priority)
            });
            if better {
                chosen = Some((found.priority, local, clock, found.limit));
            }
        }
        let owner = chosen.map_or(running.slot, |(_, local, _, _)| Some(local));
        running.clock = chosen.map(|(_, _, clock, _)| clock);
        if let Some(ended) = before.filter(|b| b.boosted && !running.clock.is_some_and(|c| c.is_as(b))) {
            note_boost(running, &ended, 0);
        }
        if let Some((_, _, clock, _)) = chosen
            && clock.boosted
            && !before.is_some_and(|b| b.is_as(&clock))
        {
            let _ = with(running, clock.lock, |arbiter, _| arbiter.boosted());
            note_boost(running, &clock, 1);
        }
        sliced::arm_until(running, chosen.map(|(_, _, _, limit)| now.wrapping_add(limit)));
        if owner != running.owner {
            running.owner = owner;
            if running.sharing.is_some() {
                return;
            }
            let global = owner.and_then(|o| self.vcpus.get(o)).and_then(Option::as_ref);
            set_running(running.index, global.map_or(NOBODY, |v| v.global));
        }
    }
}

/// Charges the owner for the time since the last look; one that held the lock for too long is reported.
/// Implements: BH-HEALTH-020.
fn charge(running: &Running, clock: Clock, now: u64) {
    let ticks = now.saturating_sub(clock.since);
    let frame = running.position.map_or(0, |p| p.frame());
    let next = with(running, clock.lock, |arbiter, word| {
        arbiter.charge(clock.owner, ticks, clock.boosted, frame, word)
    });
    if let (Some(entry), Some(next)) = (entry(&running.system, clock.lock), next.flatten()) {
        note_owner(running, &clock, Kind::LockRelease, REVOKED);
        defmt::warn!("lock {=usize}: revoked past its hold", clock.lock);
        wake(running, entry, Some(next));
        if let Some((_, _, partition, vcpu)) = place(running, entry, clock.owner) {
            let event = Event {
                error: Error::LockHeld,
                blame: Blame::Partition { partition, vcpu },
                detail: [u64::try_from(clock.lock).unwrap_or(u64::MAX), 0, 0],
            };
            health::report(running, &event);
        }
    }
}

/// Writes an event of a lock's owner.
fn note_owner(running: &Running, clock: &Clock, kind: Kind, value: u64) {
    let found = entry(&running.system, clock.lock).and_then(|e| place(running, e, clock.owner));
    if let (Some((global, ..)), Ok(lock)) = (found, u32::try_from(clock.lock)) {
        running.note(kind, global, lock, value);
    }
}

/// An owner begins (1) or ends (0) to run ahead of the slot table.
fn note_boost(running: &Running, clock: &Clock, value: u64) {
    note_owner(running, clock, Kind::Boost, value);
}
