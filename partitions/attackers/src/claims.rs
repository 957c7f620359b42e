// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock that is shared with one who never calls: what EL2 must make of its word, which the fuzzer writes as it likes.
//!
//! Written from `bulkhead_abi::lock` and from what `partitions/runtime` is told of the calls; no code of EL2 is used. While the
//! caller stands in the queue EL2 may give it the lock at any time: then the word is not known until a wait has ended.

use bulkhead_abi::hypercall::{DENIED, LOCK_AGAIN, SUCCESS};
use bulkhead_abi::lock::{DIED, ONE_TAKING, OWNER, TAKING, VCPU, WAITERS, registers};
use bulkhead_partition::el1::Partition;

use crate::edge::{Operation, attempt};

/// Its name in the spec.
const LOCK: &str = "fuzzed";
/// Participants, of one vCPU each.
const PARTICIPANTS: u64 = 2;
/// Bytes of the lock's page; its registers are in the next one.
const PAGE: u64 = 4096;
/// Word of the lock's record, in 64-bit words from the lock's page, that keeps the number of the next program over restarts.
const NEXT: u64 = 8;
/// Looks at a lock until it must be the caller's.
const LOOKS: u64 = 100_000;

/// What is known of the lock.
#[derive(Clone, Copy)]
pub(crate) struct Lock {
    /// First address of its page.
    pub(crate) page: u64,
    /// Its number for EL2.
    pub(crate) number: u64,
    /// What the word has for the caller as owner.
    me: u64,
    /// The word; `None` while the caller may be in the queue.
    word: Option<u64>,
    /// What the last release by register came to.
    status: u64,
}

/// A result and a word, where they are known.
type Answer = Option<(i64, u64)>;

impl Lock {
    /// The lock, with a word that nobody owns.
    pub(crate) fn of(partition: &Partition) -> Option<Self> {
        let found = partition.machine.locks.iter().find(|lock| lock.label == LOCK)?;
        let lock = Self {
            page: found.range.start,
            number: found.number.into(),
            me: u64::from(found.participant) + 1,
            word: Some(0),
            status: 0,
        };
        let (_, _) = attempt(Operation::Store, lock.page, 0);
        Some(lock)
    }

    /// Number of the program that is next.
    pub(crate) fn next(&self) -> u64 {
        attempt(Operation::Load, self.page + 8 * NEXT, 0).0
    }

    pub(crate) fn set_next(&self, program: u64) {
        let (_, _) = attempt(Operation::Store, self.page + 8 * NEXT, program);
    }

    /// The word that a participant that takes the lock leaves.
    fn taken(&self, word: u64) -> u64 {
        (word & TAKING).wrapping_add(ONE_TAKING) | word & DIED | self.me
    }

    fn is_declared(word: u64) -> bool {
        word & OWNER <= PARTICIPANTS && word & VCPU == 0
    }

    /// A load of the word, or a store.
    pub(crate) fn access(&mut self, stored: Option<u64>) -> Option<u64> {
        if self.word.is_some() && stored.is_some() {
            self.word = stored;
        }
        self.word
    }

    /// A wait: the result, and the word that was taken.
    pub(crate) fn wait(&mut self, found: u64) -> Answer {
        let Some(word) = self.word else {
            // It was in the queue, and is no more when the lock is its own.
            self.word = Some(found).filter(|found| *found != 0);
            return None;
        };
        let taken = if word & OWNER == 0 {
            self.taken(word)
        } else if !Self::is_declared(word) {
            self.taken(word & TAKING | DIED)
        } else if word & OWNER == self.me {
            // It was given to a waiter under this number, or the caller would wait for itself.
            return Some(if found == word {
                (SUCCESS, word)
            } else {
                (DENIED, 0)
            });
        } else {
            self.word = None;
            return Some((LOCK_AGAIN, 0));
        };
        self.word = Some(taken);
        Some((SUCCESS, taken))
    }

    /// A release with what taking the lock is said to have given.
    pub(crate) fn release(&mut self, mine: u64) -> Option<i64> {
        let word = self.word?;
        if word & OWNER != self.me || (word ^ mine) & TAKING != 0 {
            return Some(DENIED);
        }
        self.word = Some(word & TAKING);
        Some(SUCCESS)
    }

    /// A load of a register, or a store; `None` where nothing is known. Gives 64 bits.
    pub(crate) fn register(&mut self, offset: u64, stored: Option<u64>, found: u64) -> Option<u64> {
        match (offset, stored) {
            (registers::TRY, None) => {
                let word = self.word?;
                if word & OWNER != 0 {
                    return Some(0);
                }
                self.word = Some(self.taken(word));
                self.word
            }
            (registers::WAIT, None) => self.wait(found).map(|(_, word)| word),
            (registers::RELEASE, Some(mine)) => {
                let result = self.release(mine);
                // Unknown until the next release whose result is known.
                self.status = result.map_or(u64::MAX, |result| u64::from(result != SUCCESS));
                Some(0)
            }
            (registers::STATUS, None) => (self.status != u64::MAX).then_some(self.status),
            _ => Some(0),
        }
    }

    /// Waits until the caller is out of the queue; whether it came to that.
    pub(crate) fn settle(&mut self) -> bool {
        let page = self.page;
        let load = |at| attempt(Operation::Load, at, 0).0;
        let free = || attempt(Operation::Store, page, 0);
        if self.word.is_some() {
            return true;
        }
        let is_given = (0..LOOKS).any(|_| {
            let given = load(page + PAGE + registers::WAIT) != 0;
            // A word that names it past EL2 would be refused for ever: it waits for itself.
            if !given && load(page) & OWNER == self.me {
                let (_, _) = free();
            }
            given
        });
        // Nobody else takes it: the next program begins with a free one.
        let (_, _) = free();
        self.word = is_given.then_some(0);
        is_given
    }

    /// First address of its registers.
    pub(crate) fn registers(&self) -> u64 {
        self.page + PAGE
    }
}

const _: () = assert!(WAITERS & (OWNER | TAKING | DIED) == 0);
