// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks between partitions at work (design decision D7): calls of guests, boosts, revocation.
//!
//! `bulkhead_policy::lock::arbiter` decides; here its answers become vCPUs that run, wait and wake. While somebody
//! waits for a lock, its bit in [`CONTENDED`] of the owner's core makes that core look before it returns to any
//! guest ([`turn`]). What guests ask for is in [`calls`].
//! Implements: BH-LOCK-021.

mod calls;
mod turn;

use core::sync::atomic::{AtomicU32, Ordering};

use bulkhead_abi::lock::{MAX_LOCKS, MAX_PARTICIPANTS, Owner};
use bulkhead_abi::stats::LockStats;
use bulkhead_abi::trace::Kind;
use bulkhead_arch::lock::TicketLock;
use bulkhead_policy::lock::arbiter::{Arbiter, Participant, Rules};
use bulkhead_policy::schedule::ticks;
use bulkhead_types::system::System;
use bulkhead_types::tables::{Channel, channel_flag};

use crate::core_state::{LocalVcpu, Running};
use crate::gic::kick_if_running;
use crate::shared::{MAX_CORES, NOBODY, PARTITIONS};
use crate::{core_field, view};

pub use turn::{Clock, Turn};

/// EL2's part of a lock.
struct Lock {
    arbiter: Arbiter,
    /// Whether the blob's rules are in it.
    ready: bool,
    /// Core that has its bit in [`CONTENDED`].
    home: u32,
}

/// By number.
static LOCKS: [TicketLock<Lock>; MAX_LOCKS] = [const {
    TicketLock::new(Lock {
        arbiter: Arbiter::new(Rules {
            hold: 0,
            inherits: false,
            participants: [None; MAX_PARTICIPANTS],
        }),
        ready: false,
        home: NOBODY,
    })
}; MAX_LOCKS];

/// Bit *n* for a core: somebody waits for lock *n*, whose owner's vCPU is of that core.
static CONTENDED: [AtomicU32; MAX_CORES] = [const { AtomicU32::new(0) }; MAX_CORES];

fn bit(lock: usize) -> u32 {
    u32::try_from(lock)
        .ok()
        .and_then(|l| 1u32.checked_shl(l))
        .unwrap_or(0)
}

fn contended(core: u32) -> u32 {
    let core = usize::try_from(core).ok().and_then(|c| CONTENDED.get(c));
    core.map_or(0, |bits| bits.load(Ordering::SeqCst))
}

/// The locks of the system, by number.
fn entries(system: &System<'static>) -> impl Iterator<Item = (usize, &'static Channel)> {
    let locks = system
        .channels
        .iter()
        .filter(|c| c.flags & channel_flag::LOCK != 0);
    locks.take(MAX_LOCKS).enumerate()
}

fn entry(system: &System<'static>, lock: usize) -> Option<&'static Channel> {
    entries(system).nth(lock).map(|(_, entry)| entry)
}

fn participants(entry: &Channel) -> impl Iterator<Item = &bulkhead_types::tables::Participant> {
    let count = usize::try_from(entry.participant_count).unwrap_or(0);
    entry.participants.iter().take(count)
}

fn position(entry: &Channel, partition: u32) -> Option<u8> {
    let position = participants(entry).position(|p| p.partition == partition)?;
    u8::try_from(position).ok()
}

/// A vCPU as participant of a lock.
fn as_owner(entry: &Channel, vcpu: &LocalVcpu) -> Option<Owner> {
    Some(Owner {
        participant: position(entry, vcpu.entry.partition)?,
        vcpu: u8::try_from(vcpu.entry.index).ok()?,
    })
}

fn rules(running: &Running, entry: &Channel) -> Rules {
    let mut rules = Rules {
        hold: ticks(entry.hold_ns, view::handoff().frequency),
        inherits: entry.flags & channel_flag::INHERITS != 0,
        participants: [None; MAX_PARTICIPANTS],
    };
    for (to, from) in rules.participants.iter_mut().zip(participants(entry)) {
        let partition = usize::try_from(from.partition).ok();
        let partition = partition.and_then(|p| running.system.partitions.get(p));
        *to = partition.map(|p| Participant {
            vcpus: u8::try_from(p.vcpu_count).unwrap_or(u8::MAX),
            priority: u8::try_from(from.priority).unwrap_or(u8::MAX),
            acquisitions: from.acquisitions,
        });
    }
    rules
}

/// Global index and core of an owner's vCPU, with its partition's index and its index in that.
fn place(running: &Running, entry: &Channel, owner: Owner) -> Option<(u32, u32, u32, u32)> {
    let number = participants(entry).nth(usize::from(owner.participant))?.partition;
    let partition = running.system.partitions.get(usize::try_from(number).ok()?)?;
    let index = u32::from(owner.vcpu);
    let vcpus = running.system.vcpus_of_partition(partition);
    let vcpu = vcpus.get(usize::from(owner.vcpu))?;
    Some((partition.vcpu_first.wrapping_add(index), vcpu.core, number, index))
}

/// Wakes a waiter whose lock it is now.
fn wake(running: &Running, entry: &Channel, next: Option<Owner>) {
    let Some((global, core, partition, index)) = next.and_then(|next| place(running, entry, next)) else {
        return;
    };
    let state = usize::try_from(partition).ok().and_then(|p| PARTITIONS.get(p));
    if let Some(state) = state {
        state
            .lock_wake
            .fetch_or(1u32.checked_shl(index).unwrap_or(0), Ordering::SeqCst);
    }
    kick_if_running(running, global.wrapping_sub(index), index, core);
}

/// Runs `section` on EL2's part of a lock, then tells the core of its owner whether somebody waits.
fn with<R>(
    running: &Running,
    lock: usize,
    section: impl FnOnce(&mut Arbiter, &bulkhead_abi::lock::atomic::AtomicU64) -> R,
) -> Option<R> {
    let entry = entry(&running.system, lock)?;
    let memory = view::lock(entry);
    let word = memory.words().first()?;
    let frame = running.position.map_or(0, |p| p.frame());
    let result = LOCKS.get(lock)?.with(running.index, |lock_state| {
        if !lock_state.ready {
            lock_state.arbiter = Arbiter::new(rules(running, entry));
            lock_state.ready = true;
        }
        let result = section(&mut lock_state.arbiter, word);
        let owner = lock_state.arbiter.contended(frame, word);
        let home = owner.and_then(|o| place(running, entry, o.owner));
        let home = home.map_or(NOBODY, |(_, core, _, _)| core);
        let old = core::mem::replace(&mut lock_state.home, home);
        if old != home {
            mark(old, |bits| bits.fetch_and(!bit(lock), Ordering::SeqCst));
            mark(home, |bits| bits.fetch_or(bit(lock), Ordering::SeqCst));
        }
        (
            result,
            old != home && home != NOBODY && home != running.index,
            home,
        )
    });
    let (result, calls, home) = result.ok()?;
    if calls {
        kick(running, home);
    }
    Some(result)
}

fn mark(core: u32, change: impl FnOnce(&AtomicU32) -> u32) {
    if let Some(bits) = usize::try_from(core).ok().and_then(|c| CONTENDED.get(c)) {
        change(bits);
    }
}

fn kick(running: &Running, core: u32) {
    running.note(Kind::Kick, NOBODY, core, 0);
    let core = usize::try_from(core)
        .ok()
        .and_then(|c| running.system.cores.get(c));
    if let Some(core) = core {
        crate::gic_cpu::kick(&running.distributor, core);
    }
}

/// Publishes what was counted in the block of the calling core, which does the housekeeping.
pub fn publish(running: &Running) {
    for (number, _) in entries(&running.system) {
        let counts = LOCKS
            .get(number)
            .map(|l| l.with(running.index, |lock| lock.arbiter.counted()));
        let Some(Ok(counts)) = counts else { continue };
        let size = size_of::<LockStats>();
        let base = core_field!(locks).wrapping_add(number.wrapping_mul(size));
        let values = [counts.acquired, counts.contended, counts.boosts, counts.revoked];
        for (at, value) in values.into_iter().enumerate() {
            let offset = base.wrapping_add(at.wrapping_mul(4));
            running
                .stats
                .write32(offset, u32::try_from(value).unwrap_or(u32::MAX));
        }
    }
}

/// Counts the takings that EL2 did not see, once a frame, on the core of each lock's first participant.
pub fn observe(running: &Running) {
    let first = Owner {
        participant: 0,
        vcpu: 0,
    };
    for (number, entry) in entries(&running.system) {
        if place(running, entry, first).is_some_and(|(_, core, _, _)| core == running.index) {
            let _ = with(running, number, |arbiter, word| arbiter.counts(word));
        }
    }
}
