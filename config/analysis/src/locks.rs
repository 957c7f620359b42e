// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What locks between partitions take from tasks: boosts of others, and waits. Implements: BH-LOCK-025.

use bulkhead_model::lock::{Lock, Participant};
use bulkhead_model::system::System;

/// A wait that nothing bounds, ns: longer than any deadline.
const UNBOUNDED: u64 = 3_600_000_000_000;

/// Longest time in ns for which owners of other partitions run on a core ahead of its slot table in a major frame.
/// It may all fall into one slot, at any place of it, so every slot is taken to lose it.
pub(crate) fn boosts(system: &System, partition: usize, core: usize) -> u64 {
    let other = |p: &Participant| {
        let there = system.partitions[p.partition.value].vcpu_on(core).is_some();
        p.partition.value != partition && there
    };
    let locks = system.locks.iter();
    locks.fold(0, |sum, lock| sum.saturating_add(lock.boosts(other)))
}

/// Longest wait in ns of a partition for its locks in a major frame: each time for the owner, who has the hold, and
/// for all that the others may take meanwhile.
pub(crate) fn waits(system: &System, partition: usize) -> u64 {
    let wait = |lock: &Lock| {
        let Some(own) = lock.participants.iter().find(|p| p.partition.value == partition) else {
            return 0;
        };
        if !lock.inherits {
            return UNBOUNDED;
        }
        let others = lock.boosts(|p| p.partition.value != partition);
        let once = lock.hold.value.saturating_add(others);
        once.saturating_mul(own.acquisitions.into())
    };
    let waits = system.locks.iter().map(wait);
    waits.fold(0, u64::saturating_add)
}
