// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What locks between partitions take from tasks: boosts of others, and waits. Implements: BH-LOCK-025.

use bulkhead_model::lock::{Lock, Participant};
use bulkhead_model::system::System;

use crate::response::Load;

/// A wait that nothing bounds, ns: longer than any deadline.
const UNBOUNDED: u64 = 3_600_000_000_000;

/// What locks take from the vCPU of a partition on a core in each major frame: boosts of others and its own waits.
///
/// `switch` is the time of a world switch, of which each boost costs one that no budget contains, that back to the
/// slot's vCPU; it may end behind a call of the firmware. EL2 begins a frame up to `late` ns after the slot table's.
pub(crate) fn load(system: &System, partition: usize, core: usize, switch: u64, late: u64) -> Load {
    if system.schedule.core(core).is_none() {
        // No partition with a core of its own takes a lock.
        return Load::each_frame(0, 1, 0);
    }
    let end = switch.saturating_add(system.firmware(core));
    let time = boosts(system, partition, core, end).saturating_add(waits(system, partition));
    Load::each_frame(time, system.schedule.major_frame.value, late)
}

/// Longest time in ns for which owners of other partitions run on a core ahead of its slot table in a major frame, each
/// boost with what its end costs.
fn boosts(system: &System, partition: usize, core: usize, end: u64) -> u64 {
    let other = |p: &Participant| {
        let there = system.partitions[p.partition.value].vcpu_on(core).is_some();
        p.partition.value != partition && there
    };
    let locks = system.locks.iter();
    locks.fold(0, |sum, lock| {
        let back = lock.takings(other).saturating_mul(end);
        sum.saturating_add(lock.boosts(other)).saturating_add(back)
    })
}

/// Longest wait in ns of a partition for its locks in a major frame: each time for the owner, who has the hold, for all
/// that the others may take meanwhile, and for owners of other locks that are boosted on the cores of these.
fn waits(system: &System, partition: usize) -> u64 {
    let wait = |lock: &Lock| {
        let Some(own) = lock.participants.iter().find(|p| p.partition.value == partition) else {
            return 0;
        };
        if !lock.inherits {
            return UNBOUNDED;
        }
        let others = lock.boosts(|p| p.partition.value != partition);
        let before = elsewhere(system, lock, partition);
        // What ends a hold, a boost or a slot there may have to wait for the firmware.
        let firmware = cores(system, lock, partition)
            .into_iter()
            .map(|core| system.firmware(core));
        let firmware = firmware.max().unwrap_or(0);
        let takings = lock.takings(|p| p.partition.value != partition).saturating_add(1);
        let once = lock.hold.value.saturating_add(others).saturating_add(before);
        let once = once.saturating_add(firmware.saturating_mul(takings));
        once.saturating_mul(own.acquisitions.into())
    };
    let waits = system.locks.iter().map(wait);
    waits.fold(0, u64::saturating_add)
}

/// Longest time in ns for which owners of other locks keep one of `lock` from running in a major frame, when it is not
/// `partition`: a boost goes before the slot, and before a boost for a less urgent waiter.
fn elsewhere(system: &System, lock: &Lock, partition: usize) -> u64 {
    let cores = cores(system, lock, partition);
    let there = |p: &Participant| {
        let partition = &system.partitions[p.partition.value];
        cores.iter().any(|core| partition.vcpu_on(*core).is_some())
    };
    let others = system.locks.iter().filter(|l| l.name.value != lock.name.value);
    others.fold(0, |sum, other| sum.saturating_add(other.boosts(there)))
}

/// Cores of the participants of a lock other than `partition`.
fn cores(system: &System, lock: &Lock, partition: usize) -> Vec<usize> {
    let owners = lock.participants.iter();
    let owners = owners.filter(|p| p.partition.value != partition);
    let cores = owners.flat_map(|p| system.partitions[p.partition.value].core_list());
    cores.map(|core| core.value).collect()
}
