// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks between partitions at work (design decision D7): calls of guests, boosts, revocation.
//!
//! `bulkhead_policy::lock::arbiter` decides; here its answers become vCPUs that run, wait and wake. While somebody
//! waits for a lock, its bit in [`CONTENDED`] of the owner's core makes that core look before it returns to any
//! guest: `take_turn` charges the owner for the time since the last look, revokes past the hold, and lets a
//! boosted owner run whatever slot it is. EL2's timer fires when the hold, the budget or the slot ends.
//! Implements: BH-LOCK-020, BH-LOCK-021.

use core::sync::atomic::{AtomicU32, Ordering};

use bulkhead_abi::hypercall;
use bulkhead_abi::lock::{MAX_LOCKS, MAX_PARTICIPANTS, Owner, Word, registers};
use bulkhead_abi::stats::LockStats;
use bulkhead_arch::barrier::counter;
use bulkhead_arch::lock::TicketLock;
use bulkhead_policy::lock::arbiter::{Arbiter, Participant, Released, Rules, Waited};
use bulkhead_policy::schedule::ticks;
use bulkhead_policy::sysreg::Direction;
use bulkhead_types::system::System;
use bulkhead_types::tables::{Channel, channel_flag};

use crate::core_state::{LocalVcpu, PerCore, Readiness, Running};
use crate::gic::kick_if_running;
use crate::shared::{MAX_CORES, NOBODY, PARTITIONS, set_running};
use crate::{core_field, sliced, view};

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
    let core = usize::try_from(core)
        .ok()
        .and_then(|c| running.system.cores.get(c));
    if let Some(core) = core {
        crate::gic_cpu::kick(&running.distributor, core);
    }
}

/// Publishes what was counted in the block of the calling core, which is the system core.
pub fn publish(running: &Running) {
    for (number, _) in entries(&running.system) {
        let counts = LOCKS
            .get(number)
            .map(|l| l.with(running.index, |lock| lock.arbiter.counted()));
        let Some(Ok(counts)) = counts else { continue };
        let size = size_of::<LockStats>();
        let base = core_field!(locks).wrapping_add(number.wrapping_mul(size));
        for (at, value) in [
            counts.acquired,
            counts.contended,
            counts.boosts,
            0,
            counts.revoked,
        ]
        .into_iter()
        .enumerate()
        {
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

impl PerCore {
    /// LOCK_WAIT: gives the result and the word.
    pub fn lock_wait(&mut self, lock: u32) -> (i64, u64) {
        let refused = (hypercall::DENIED, 0);
        let Some((vcpu, running)) = self.current() else {
            return refused;
        };
        let number = usize::try_from(lock).unwrap_or(usize::MAX);
        let me = entry(&running.system, number).and_then(|e| as_owner(e, vcpu));
        let Some(me) = me.filter(|_| !owns_another(running, vcpu, number)) else {
            return refused;
        };
        vcpu.shared.lock_wake.fetch_and(!vcpu.bit(), Ordering::SeqCst);
        match with(running, number, |arbiter, word| arbiter.wait(me, word)) {
            Some(Waited::Taken(word)) => {
                vcpu.waits = None;
                (hypercall::SUCCESS, word.bits())
            }
            Some(Waited::Queued(_)) => {
                vcpu.waits = Some(number);
                vcpu.readiness = Readiness::Waiting;
                (hypercall::LOCK_AGAIN, 0)
            }
            Some(Waited::Again) => (hypercall::LOCK_AGAIN, 0),
            Some(Waited::Refused) | None => refused,
        }
    }

    /// LOCK_RELEASE.
    pub fn lock_release(&mut self, lock: u32, word: u64) -> i64 {
        let Some((vcpu, running)) = self.current() else {
            return hypercall::DENIED;
        };
        let number = usize::try_from(lock).unwrap_or(usize::MAX);
        let Some(entry) = entry(&running.system, number) else {
            return hypercall::DENIED;
        };
        let Some(me) = as_owner(entry, vcpu) else {
            return hypercall::DENIED;
        };
        let mine = Word::from_bits(word);
        let released = with(running, number, |arbiter, word| arbiter.release(me, mine, word));
        match released {
            Some(Released::To(next)) => {
                wake(running, entry, next);
                hypercall::SUCCESS
            }
            Some(Released::Lost) | None => hypercall::DENIED,
        }
    }

    /// The lock whose registers an address is among, and the offset there; `None` when it is not one.
    pub fn lock_registers(&mut self, ipa: u64) -> Option<(u32, u64)> {
        let (vcpu, running) = self.current()?;
        let partition = vcpu.entry.partition;
        entries(&running.system).find_map(|(number, entry)| {
            position(entry, partition)?;
            let offset = ipa.checked_sub(entry.ipa.wrapping_add(registers::SIZE))?;
            (offset < registers::SIZE).then_some((u32::try_from(number).ok()?, offset))
        })
    }

    /// An access to the registers of a lock; `None` when the address is not one.
    pub fn lock_access(&mut self, ipa: u64, direction: Direction, stored: u64) -> Option<u64> {
        let (number, offset) = self.lock_registers(ipa)?;
        Some(match (offset, direction) {
            (registers::TRY, Direction::Read) => self.lock_try(number),
            (registers::WAIT, Direction::Read) => self.lock_wait(number).1,
            (registers::RELEASE, Direction::Write) => {
                let kept = self.lock_release(number, stored) == hypercall::SUCCESS;
                if let Some((vcpu, _)) = self.current() {
                    vcpu.lock_status = u64::from(!kept);
                }
                0
            }
            (registers::STATUS, Direction::Read) => self.current().map_or(0, |(vcpu, _)| vcpu.lock_status),
            (_, Direction::Read | Direction::Write) => 0,
        })
    }

    fn lock_try(&mut self, lock: u32) -> u64 {
        let Some((vcpu, running)) = self.current() else {
            return 0;
        };
        let number = usize::try_from(lock).unwrap_or(usize::MAX);
        let me = entry(&running.system, number).and_then(|e| as_owner(e, vcpu));
        let taken = me.and_then(|me| with(running, number, |_, word| bulkhead_abi::lock::try_take(word, me)));
        match taken {
            Some(bulkhead_abi::lock::Taken::Yes(word)) => word.bits(),
            Some(bulkhead_abi::lock::Taken::No) | None => 0,
        }
    }

    /// Whether a vCPU that waits for a lock has it, or has been woken for another reason of the lock.
    pub fn lock_woken(&mut self, local: usize) -> bool {
        let Some(running) = self.running.as_ref() else {
            return false;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return false;
        };
        let Some(number) = vcpu.waits else { return false };
        if let Some(entry) = entry(&running.system, number) {
            let next = with(running, number, |arbiter, word| arbiter.examine(word));
            wake(running, entry, next.flatten());
        }
        let woken = vcpu.shared.lock_wake.fetch_and(!vcpu.bit(), Ordering::SeqCst) & vcpu.bit() != 0;
        if woken {
            vcpu.waits = None;
            vcpu.readiness = Readiness::Ready;
        }
        woken
    }

    /// A vCPU stops for good: its locks are its successors'.
    pub fn locks_died(&mut self, local: usize) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        vcpu.waits = None;
        for (number, entry) in entries(&running.system) {
            let Some(me) = as_owner(entry, vcpu) else { continue };
            let next = with(running, number, |arbiter, word| arbiter.died(me, word));
            wake(running, entry, next.flatten());
        }
    }

    /// Whether locks ask nothing of this core.
    pub fn locks_quiet(&self) -> bool {
        self.running
            .as_ref()
            .is_none_or(|r| r.clock.is_none() && r.owner == r.slot && contended(r.index) == 0)
    }

    /// Decides whose turn it is: that of the slot's vCPU, or of the owner of a lock for which somebody waits.
    pub fn take_turn(&mut self) {
        if self.locks_quiet() {
            return;
        }
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
        if let Some((_, _, clock, _)) = chosen
            && clock.boosted
            && !before.is_some_and(|b| b.boosted && b.lock == clock.lock && b.owner == clock.owner)
        {
            let _ = with(running, clock.lock, |arbiter, _| arbiter.boosted());
        }
        sliced::arm_until(running, chosen.map(|(_, _, _, limit)| now.wrapping_add(limit)));
        if owner != running.owner {
            running.owner = owner;
            let global = owner.and_then(|o| self.vcpus.get(o)).and_then(Option::as_ref);
            set_running(running.index, global.map_or(NOBODY, |v| v.global));
        }
    }
}

/// Charges the owner for the time since the last look.
fn charge(running: &Running, clock: Clock, now: u64) {
    let ticks = now.saturating_sub(clock.since);
    let frame = running.position.map_or(0, |p| p.frame());
    let next = with(running, clock.lock, |arbiter, word| {
        arbiter.charge(clock.owner, ticks, clock.boosted, frame, word)
    });
    if let (Some(entry), Some(next)) = (entry(&running.system, clock.lock), next.flatten()) {
        defmt::warn!("lock {=usize}: revoked past its hold", clock.lock);
        wake(running, entry, Some(next));
    }
}

/// Whether a vCPU owns a lock beside `lock`: who waits owns nothing, so that no two wait for each other.
fn owns_another(running: &Running, vcpu: &LocalVcpu, lock: usize) -> bool {
    entries(&running.system)
        .filter(|(number, _)| *number != lock)
        .any(|(_, entry)| {
            let Some(me) = as_owner(entry, vcpu) else {
                return false;
            };
            let memory = view::lock(entry);
            let word = memory.words().first().map(|w| w.load(Ordering::Relaxed));
            word.is_some_and(|w| Word::from_bits(w).owner() == Some(me))
        })
}
