// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks with priority inheritance that this partition shares with others. Implements: BH-LOCK-022.
//!
//! The protocol of the word is [`bulkhead_abi::lock`]; this is the use of it by vCPU 0 of a bare-metal partition.

use core::sync::atomic::AtomicU64;

use bulkhead_abi::hypercall::{DENIED, LOCK_AGAIN, SUCCESS};
use bulkhead_abi::lock::{Given, Owner, RECORD, Taken, Word, try_give, try_take};

use super::{hypercall, shared};
use crate::machine;

/// A lock and the record that it guards.
pub struct Lock {
    word: &'static AtomicU64,
    record: &'static [AtomicU64],
    number: u32,
    me: Owner,
}

/// The lock is somebody else's now: it was held for too long. What was written since may be mixed with what the
/// next owner wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// EL2 refuses to let this partition wait: it is no participant, or owns a lock already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The lock while it is this partition's.
#[must_use = "a lock that is dropped stays taken until it is revoked"]
pub struct Held<'a> {
    lock: &'a Lock,
    word: Word,
}

impl Lock {
    pub(super) fn open(found: &machine::Lock<'_>) -> Option<Self> {
        let words = shared::words(found.range);
        Some(Self {
            word: words.first()?,
            record: words.get(RECORD / 8..)?,
            number: found.number,
            me: Owner {
                participant: found.participant,
                vcpu: 0,
            },
        })
    }

    /// The record that the lock guards. Only who holds the lock should touch it.
    #[must_use]
    pub fn record(&self) -> &'static [AtomicU64] {
        self.record
    }

    /// Takes the lock if it is free; waits for nobody and calls nobody.
    pub fn try_take(&self) -> Option<Held<'_>> {
        match try_take(self.word, self.me) {
            Taken::Yes(word) => Some(Held { lock: self, word }),
            Taken::No => None,
        }
    }

    /// Takes the lock, waiting for its owner, who inherits the waiter's urgency.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn take(&self) -> Result<Held<'_>, Refused> {
        if let Some(held) = self.try_take() {
            return Ok(held);
        }
        loop {
            match hypercall::lock_wait(self.number) {
                (SUCCESS, word) => {
                    return Ok(Held {
                        lock: self,
                        word: Word::from_bits(word),
                    });
                }
                (LOCK_AGAIN, _) => {}
                _ => return Err(Refused),
            }
        }
    }
}

impl Held<'_> {
    /// Whether the owner before died or was revoked, so that the record may be half written.
    #[must_use]
    pub fn owner_died(&self) -> bool {
        self.word.owner_died()
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn give(self) -> Result<(), Lost> {
        match try_give(self.lock.word, self.word) {
            Given::Free => Ok(()),
            Given::Lost => Err(Lost),
            Given::Call => match hypercall::lock_release(self.lock.number, self.word.bits()) {
                DENIED => Err(Lost),
                _ => Ok(()),
            },
        }
    }
}
