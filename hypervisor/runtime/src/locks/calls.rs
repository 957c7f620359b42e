// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What guests ask of locks: to take one, to wait for it, to give it back; and what becomes of who stops.
//! Implements: BH-LOCK-021, BH-TRACE-005.

use core::sync::atomic::Ordering;

use bulkhead_abi::hypercall;
use bulkhead_abi::lock::{Word, registers};
use bulkhead_abi::trace::Kind;
use bulkhead_policy::lock::arbiter::{Released, Waited};
use bulkhead_policy::sysreg::Direction;

use super::{as_owner, entries, entry, position, wake, with};
use crate::core_state::{LocalVcpu, PerCore, Readiness, Running};
use crate::view;

/// In a [`Kind::LockRelease`] event: the owner gave the lock back, or it stopped.
const GIVEN: u64 = 0;
const STOPPED: u64 = 2;

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
                if vcpu.waited.take() == Some(number) {
                    running.note(Kind::LockTake, vcpu.global, lock, 0);
                }
                (hypercall::SUCCESS, word.bits())
            }
            Some(Waited::Queued(_)) => {
                vcpu.waits = Some(number);
                vcpu.readiness = Readiness::Waiting;
                // It calls again whenever an interrupt has ended its sleep: one wait.
                if vcpu.waited.replace(number) != Some(number) {
                    running.note(Kind::LockWait, vcpu.global, lock, 0);
                }
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
                if next.is_some() {
                    running.note(Kind::LockRelease, vcpu.global, lock, GIVEN);
                }
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
    #[inline(always)]
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

    /// A vCPU stops for good: its locks are its successors', and its next life has released none.
    pub fn locks_died(&mut self, local: usize) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        (vcpu.waits, vcpu.waited, vcpu.lock_status) = (None, None, 0);
        for (number, entry) in entries(&running.system) {
            let Some(me) = as_owner(entry, vcpu) else { continue };
            let next = with(running, number, |arbiter, word| arbiter.died(me, word)).flatten();
            if next.is_some() {
                let lock = u32::try_from(number).unwrap_or(u32::MAX);
                running.note(Kind::LockRelease, vcpu.global, lock, STOPPED);
            }
            wake(running, entry, next);
        }
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
