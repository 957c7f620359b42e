// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks with priority inheritance between partitions: the word that they share, and its uncontended use.
//!
//! A lock is a page that its participants and EL2 map Normal Non-cacheable: the [`Word`] at offset 0, the record
//! that it guards from [`RECORD`] on. Taking a free lock and giving back one that nobody waits for are one
//! compare-and-swap each, without EL2. A participant that finds the lock taken may go on without it, or call
//! EL2 ([`crate::hypercall::LOCK_WAIT`]), which marks the word so that the owner gives it back through EL2
//! ([`crate::hypercall::LOCK_RELEASE`]), too. Who cannot call EL2 (a process of a Linux) uses the registers of
//! [`registers`] in the page after the lock's.
//!
//! Each taking gets a number of its own, so that an owner whose lock was revoked cannot give back the lock of
//! its successor. What the word says is a claim of everybody who can write it.
//!
//! Implements: BH-LOCK-001.

/// The atomics of locks: those of `core`, or those of the model checker that explores all their orders.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
}

use atomic::{AtomicU64, Ordering};

/// Offset of the guarded record in the lock's page.
pub const RECORD: usize = 64;
/// Bytes of the guarded record.
pub const RECORD_SIZE: usize = 4096 - RECORD;
/// Participants that a lock can have.
pub const MAX_PARTICIPANTS: usize = 8;
/// Locks that a system can have.
pub const MAX_LOCKS: usize = 6;
/// Tries of a compare-and-swap: one fails when another participant was faster, or for no reason at all.
pub const TRIES: u32 = 8;

/// Registers of a lock for those who cannot call EL2, offsets in the page after the lock's; 64 bits each.
pub mod registers {
    /// Read: takes the lock if it is free; the word then, else 0.
    pub const TRY: u64 = 0x00;
    /// Read: waits for the lock until the next interrupt at most; the word when it was taken, 0 to read again.
    pub const WAIT: u64 = 0x08;
    /// Write: gives the lock back; the word that taking it gave.
    pub const RELEASE: u64 = 0x10;
    /// Read: what the caller's last release came to: 0 it was given back, 1 it had been revoked before.
    pub const STATUS: u64 = 0x18;
    /// Bytes of the registers.
    pub const SIZE: u64 = 4096;
}

/// A participant's vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Position among the lock's participants.
    pub participant: u8,
    /// Index of the vCPU in its partition.
    pub vcpu: u8,
}

/// The lock's word.
///
/// Bits 7:0 position of the owner among the participants plus one, 0 when free; 15:8 the owner's vCPU; 16 somebody
/// waits; 17 the owner before died or was revoked, so that the record may be half written; 63:32 number of the
/// taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u64);

/// Bits of [`Word`]: the owner's position plus one.
pub const OWNER: u64 = 0xff;
/// Bits of [`Word`]: the owner's vCPU.
pub const VCPU: u64 = 0xff << 8;
/// Bit of [`Word`]: somebody waits.
pub const WAITERS: u64 = 1 << 16;
/// Bit of [`Word`]: the owner before died or was revoked.
pub const DIED: u64 = 1 << 17;
/// What each taking adds to [`Word`].
pub const ONE_TAKING: u64 = 1 << 32;
/// Bits of [`Word`]: number of the taking.
pub const TAKING: u64 = 0xffff_ffff << 32;

impl Word {
    /// The word in a value that memory holds.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The value.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Who owns the lock, as the word says.
    pub const fn owner(self) -> Option<Owner> {
        let [participant, vcpu, ..] = self.0.to_le_bytes();
        match participant.checked_sub(1) {
            Some(participant) => Some(Owner { participant, vcpu }),
            None => None,
        }
    }

    /// Whether nobody owns it.
    pub const fn is_free(self) -> bool {
        self.0 & OWNER == 0
    }

    /// Whether its owner has to give it back through EL2.
    pub const fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    /// Whether the owner before this one died or was revoked.
    pub const fn owner_died(self) -> bool {
        self.0 & DIED != 0
    }

    /// Number of the taking, modulo 2^32.
    pub const fn taking(self) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// The word when `owner` takes the lock next. Whether the owner before died stays said.
    pub const fn taken_by(self, owner: Owner) -> Self {
        let taking = (self.0 & TAKING).wrapping_add(ONE_TAKING);
        let [low, high] = [owner.participant.wrapping_add(1), owner.vcpu];
        Self(taking | self.0 & DIED | u64::from_le_bytes([low, high, 0, 0, 0, 0, 0, 0]))
    }

    /// The word when its owner has given the lock back.
    pub const fn released(self) -> Self {
        Self(self.0 & TAKING)
    }

    /// The word when its owner is gone: free, and the next owner learns of it.
    pub const fn abandoned(self) -> Self {
        Self(self.0 & TAKING | DIED)
    }

    /// The word when somebody waits.
    pub const fn with_waiters(self) -> Self {
        Self(self.0 | WAITERS)
    }
}

/// What became of an attempt to take the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the caller's; the word is what gives it back. Look at [`Word::owner_died`].
    Yes(Word),
    /// Another owns it, or was faster.
    No,
}

/// Takes the lock if it is free: one compare-and-swap, no call, no wait.
pub fn try_take(word: &AtomicU64, me: Owner) -> Taken {
    for _ in 0..TRIES {
        let seen = Word(word.load(Ordering::Relaxed));
        if !seen.is_free() {
            return Taken::No;
        }
        let mine = seen.taken_by(me);
        if swap(word, seen, mine, Ordering::Acquire) {
            return Taken::Yes(mine);
        }
    }
    Taken::No
}

/// What became of a lock that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It is free.
    Free,
    /// EL2 has to be called: somebody waits.
    Call,
    /// It was no longer the caller's: revoked because it was held for too long, so that what was written since
    /// may have met another owner's writes.
    Lost,
}

/// Gives back what [`try_take`] or EL2 gave: one compare-and-swap when nobody waits.
pub fn try_give(word: &AtomicU64, mine: Word) -> Given {
    if mine.has_waiters() {
        return Given::Call;
    }
    for _ in 0..TRIES {
        if swap(word, mine, mine.released(), Ordering::Release) {
            return Given::Free;
        }
        let seen = Word(word.load(Ordering::Relaxed));
        if seen.owner() != mine.owner() || seen.taking() != mine.taking() {
            return Given::Lost;
        }
        if seen.has_waiters() {
            return Given::Call;
        }
    }
    Given::Call
}

/// One attempt: a loop around an exclusive store would be as long as its other users like.
pub fn swap(word: &AtomicU64, old: Word, new: Word, order: Ordering) -> bool {
    word.compare_exchange_weak(old.0, new.0, order, Ordering::Relaxed)
        .is_ok()
}
