// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's part of a lock between partitions: it is called when the lock's word alone does not suffice.
//!
//! Every function takes the word that the participants share (`bulkhead_abi::lock`). EL2 believes it only as
//! far as it names a declared participant, tries each compare-and-swap [`TRIES`] times, and writes a word that
//! has an owner and waiters without asking: no honest participant changes one. The caller serialises the calls
//! of one lock (a ticket lock), and acts on what they return.
//!
//! While somebody waits, the owner's time is measured: all the time in which it could have run. It runs
//! *boosted*, ahead of the slot table, as long as its budget of *acquisitions* × *hold* a major frame lasts.
//! Past its hold it is revoked. A forged word changes who is boosted, for at most that budget, and neither
//! resets the clock nor hides a waiter: [`Arbiter::examine`] finds what the word withholds.
//!
//! Times are ticks of the counter; frames are numbers of major frames.

use bulkhead_abi::lock::atomic::{AtomicU64, Ordering};
use bulkhead_abi::lock::{MAX_PARTICIPANTS, Owner, TRIES, Word, swap};

/// vCPUs that can wait for a lock at the same time.
pub const MAX_WAITERS: usize = 8;

/// What the spec says of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// vCPUs of its partition.
    pub vcpus: u8,
    /// Its place in the queue: 0 is the most urgent.
    pub priority: u8,
    /// Boosts of a whole hold that it may use in a major frame.
    pub acquisitions: u32,
}

/// What the spec says of a lock.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Longest time that the lock is held while somebody waits, in ticks.
    pub hold: u64,
    /// Whether the owner is boosted while somebody waits.
    pub inherits: bool,
    /// Participants by position.
    pub participants: [Option<Participant>; MAX_PARTICIPANTS],
}

impl Rules {
    fn participant(&self, owner: Owner) -> Option<Participant> {
        let declared = self.participants.get(usize::from(owner.participant))?;
        declared.filter(|p| owner.vcpu < p.vcpus)
    }
}

/// A vCPU in the queue.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    who: Owner,
    priority: u8,
    arrival: u64,
}

/// What EL2 has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Takings, as the word numbers them, with those that EL2 never saw.
    pub acquired: u64,
    /// Waits that began.
    pub contended: u64,
    /// Times that an owner was put ahead of the slot table.
    pub boosts: u64,
    /// Owners that lost the lock: held for too long, died, or named by a word that nobody may write.
    pub revoked: u64,
}

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The lock is the caller's.
    Taken(Word),
    /// The caller is in the queue behind this owner.
    Queued(Owner),
    /// The word would not hold still, or the queue is full: nothing changed.
    Again,
    /// The caller is no participant, or owns the lock and would wait for itself.
    Refused,
}

/// What became of a lock that was given back through EL2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is free, or this waiter's, who has to be woken.
    To(Option<Owner>),
    /// It was not the caller's.
    Lost,
}

/// Who owns a lock for which somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended {
    /// The owner.
    pub owner: Owner,
    /// Whether it may run ahead of the slot table.
    pub boost: bool,
    /// Ticks that it may run before EL2 has to look again.
    pub limit: u64,
    /// Priority of the most urgent waiter.
    pub priority: u8,
}

/// EL2's part of one lock.
pub struct Arbiter {
    rules: Rules,
    waiting: [Option<Waiter>; MAX_WAITERS],
    arrivals: u64,
    /// Given to a waiter who has not yet come for it.
    granted: Option<Word>,
    /// Ticks of owners since EL2 last passed the lock on.
    used: u64,
    frame: u64,
    /// Ticks of boosts in the frame, by participant.
    spent: [u64; MAX_PARTICIPANTS],
    seen: u32,
    counts: Counts,
}

impl Arbiter {
    /// A lock that nobody has used.
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            waiting: [None; MAX_WAITERS],
            arrivals: 0,
            granted: None,
            used: 0,
            frame: 0,
            spent: [0; MAX_PARTICIPANTS],
            seen: 0,
            counts: Counts {
                acquired: 0,
                contended: 0,
                boosts: 0,
                revoked: 0,
            },
        }
    }

    /// What was counted so far.
    pub const fn counted(&self) -> Counts {
        self.counts
    }

    /// What was counted, with what the word has to add.
    pub fn counts(&mut self, word: &AtomicU64) -> Counts {
        self.observe(Word::from_bits(word.load(Ordering::Relaxed)));
        self.counts
    }

    /// Whether somebody waits.
    pub fn is_contended(&self) -> bool {
        self.waiting.iter().any(Option::is_some)
    }

    /// `me` wants the lock and waits for it.
    ///
    /// Implements: BH-LOCK-002, BH-LOCK-003.
    pub fn wait(&mut self, me: Owner, word: &AtomicU64) -> Waited {
        let Some(declared) = self.rules.participant(me) else {
            return Waited::Refused;
        };
        for _ in 0..TRIES {
            let seen = self.look(word);
            let Some(owner) = seen.owner() else {
                if self.is_contended() {
                    // Honest participants leave no free lock to those who wait. It goes to the first of them.
                    let queued = self.enqueue(me, declared.priority);
                    let _ = self.pass_on(seen, word);
                    if queued {
                        continue;
                    }
                    return Waited::Again;
                }
                let mine = seen.taken_by(me);
                if swap(word, seen, mine, Ordering::Acquire) {
                    self.observe(mine);
                    return Waited::Taken(mine);
                }
                continue;
            };
            if owner == me {
                let waited = self.dequeue(me);
                let granted = self.granted.is_some_and(|g| g.taking() == seen.taking());
                self.granted = None;
                return if waited || granted {
                    Waited::Taken(seen)
                } else {
                    Waited::Refused
                };
            }
            if self.rules.participant(owner).is_none() {
                // The word names nobody: its owner is as good as dead.
                self.counts.revoked = self.counts.revoked.wrapping_add(1);
                let queued = self.enqueue(me, declared.priority);
                let _ = self.pass_on(seen.abandoned(), word);
                if queued {
                    continue;
                }
                return Waited::Again;
            }
            if seen.has_waiters() || swap(word, seen, seen.with_waiters(), Ordering::Relaxed) {
                return if self.enqueue(me, declared.priority) {
                    Waited::Queued(owner)
                } else {
                    Waited::Again
                };
            }
        }
        Waited::Again
    }

    /// `me` gives back what it took as `mine`. Any vCPU of the owner's partition may.
    ///
    /// Implements: BH-LOCK-004.
    pub fn release(&mut self, me: Owner, mine: Word, word: &AtomicU64) -> Released {
        let seen = self.look(word);
        let same = seen.taking() == mine.taking();
        match seen.owner() {
            Some(owner) if same && owner.participant == me.participant => {
                Released::To(self.pass_on(seen.released(), word))
            }
            Some(_) | None => Released::Lost,
        }
    }

    /// The owner could run for `ticks`, `boosted` or in its own slot of major frame `frame`. When that was too
    /// long, it is revoked: gives the waiter whose lock it is now.
    ///
    /// Implements: BH-LOCK-005, BH-LOCK-006.
    pub fn charge(
        &mut self,
        owner: Owner,
        ticks: u64,
        boosted: bool,
        frame: u64,
        word: &AtomicU64,
    ) -> Option<Owner> {
        self.enter(frame);
        if boosted && let Some(spent) = self.spent.get_mut(usize::from(owner.participant)) {
            *spent = spent.saturating_add(ticks);
        }
        let seen = self.look(word);
        if !self.is_contended() || seen.owner() != Some(owner) {
            return None;
        }
        self.used = self.used.saturating_add(ticks);
        if self.used <= self.rules.hold {
            return None;
        }
        self.revoke(seen, word)
    }

    /// Who owns the lock while somebody waits, and what that entitles to in major frame `frame`.
    pub fn contended(&mut self, frame: u64, word: &AtomicU64) -> Option<Contended> {
        self.enter(frame);
        let first = self.first()?;
        let owner = self.look(word).owner()?;
        let declared = self.rules.participant(owner)?;
        let spent = self.spent.get(usize::from(owner.participant)).copied()?;
        let left = self.budget(declared).saturating_sub(spent);
        let boost = self.rules.inherits && left > 0;
        let hold = self.rules.hold.saturating_sub(self.used).saturating_add(1);
        Some(Contended {
            owner,
            boost,
            limit: if boost { hold.min(left) } else { hold },
            priority: first.priority,
        })
    }

    /// An owner was put ahead of the slot table.
    pub fn boosted(&mut self) {
        self.counts.boosts = self.counts.boosts.wrapping_add(1);
    }

    /// Looks at a word that may have been written past EL2; gives the waiter whose lock it is now.
    ///
    /// Implements: BH-LOCK-007, BH-LOCK-009.
    pub fn examine(&mut self, word: &AtomicU64) -> Option<Owner> {
        if !self.is_contended() {
            return None;
        }
        for _ in 0..TRIES {
            let seen = self.look(word);
            let Some(owner) = seen.owner() else {
                return self.pass_on(seen, word);
            };
            if self.rules.participant(owner).is_none() {
                return self.revoke(seen, word);
            }
            if self.waiting.iter().flatten().any(|w| w.who == owner) {
                // It found the lock free and took it past EL2.
                self.dequeue(owner);
                self.granted = Some(seen);
                return Some(owner);
            }
            if seen.has_waiters() || swap(word, seen, seen.with_waiters(), Ordering::Relaxed) {
                return None;
            }
        }
        None
    }

    /// A vCPU stopped: it waits no more, and what it owned is its successor's; gives the waiter whose lock it
    /// is now.
    ///
    /// Implements: BH-LOCK-008.
    pub fn died(&mut self, who: Owner, word: &AtomicU64) -> Option<Owner> {
        self.dequeue(who);
        let seen = self.look(word);
        if seen.owner() == Some(who) {
            return self.revoke(seen, word);
        }
        None
    }

    fn revoke(&mut self, seen: Word, word: &AtomicU64) -> Option<Owner> {
        self.counts.revoked = self.counts.revoked.wrapping_add(1);
        self.pass_on(seen.abandoned(), word)
    }

    /// Makes the lock that of the first waiter, or free as `free` says.
    fn pass_on(&mut self, free: Word, word: &AtomicU64) -> Option<Owner> {
        self.used = 0;
        let Some(next) = self.first() else {
            self.granted = None;
            word.store(free.bits(), Ordering::Release);
            return None;
        };
        self.dequeue(next.who);
        let taken = free.taken_by(next.who);
        let taken = if self.is_contended() {
            taken.with_waiters()
        } else {
            taken
        };
        self.granted = Some(taken);
        self.observe(taken);
        word.store(taken.bits(), Ordering::Release);
        Some(next.who)
    }

    fn first(&self) -> Option<Waiter> {
        let waiting = self.waiting.iter().flatten();
        waiting.min_by_key(|w| (w.priority, w.arrival)).copied()
    }

    /// Whether `who` is in the queue now.
    fn enqueue(&mut self, who: Owner, priority: u8) -> bool {
        if self.waiting.iter().flatten().any(|w| w.who == who) {
            return true;
        }
        let Some(place) = self.waiting.iter_mut().find(|w| w.is_none()) else {
            return false;
        };
        *place = Some(Waiter {
            who,
            priority,
            arrival: self.arrivals,
        });
        self.arrivals = self.arrivals.wrapping_add(1);
        self.counts.contended = self.counts.contended.wrapping_add(1);
        true
    }

    /// Whether `who` was in the queue.
    fn dequeue(&mut self, who: Owner) -> bool {
        for place in &mut self.waiting {
            if place.is_some_and(|w| w.who == who) {
                *place = None;
                return true;
            }
        }
        false
    }

    fn budget(&self, participant: Participant) -> u64 {
        self.rules
            .hold
            .saturating_mul(u64::from(participant.acquisitions))
    }

    fn enter(&mut self, frame: u64) {
        if frame > self.frame {
            self.frame = frame;
            self.spent = [0; MAX_PARTICIPANTS];
        }
    }

    fn look(&mut self, word: &AtomicU64) -> Word {
        let seen = Word::from_bits(word.load(Ordering::Acquire));
        self.observe(seen);
        seen
    }

    /// Counts the takings since the word was last seen; a number that runs backwards was forged.
    fn observe(&mut self, word: Word) {
        let since = word.taking().wrapping_sub(self.seen);
        if since < 1 << 31 {
            self.counts.acquired = self.counts.acquired.wrapping_add(u64::from(since));
            self.seen = word.taking();
        }
    }
}
