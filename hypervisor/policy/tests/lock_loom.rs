// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shipped locks under every interleaving of at most three threads with a bounded number of preemptions.
//!
//! Built with `--cfg loom`, which exchanges the atomics of `bulkhead_abi::lock` for the model checker's. The
//! environment variable `MORE_PREEMPTIONS` deepens the search. A thread that waits for ever is a deadlock,
//! which the checker reports: a lost wake-up is one.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "A test may fail by panic.")]

#[path = "loom/model.rs"]
mod model;

use bulkhead_abi::lock::atomic::{AtomicU64, Ordering};
use bulkhead_abi::lock::{Given, Owner, Taken, Word, try_give, try_take};
use bulkhead_policy::lock::arbiter::{Arbiter, Participant, Released, Rules, Waited};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use model::model;

const HOLD: u64 = 100;
const A: Owner = Owner {
    participant: 0,
    vcpu: 0,
};
const B: Owner = Owner {
    participant: 1,
    vcpu: 0,
};

/// A lock, EL2's part of it behind the ticket lock's stand-in, and what it guards.
struct Shared {
    word: AtomicU64,
    arbiter: Mutex<Arbiter>,
    /// By participant + vCPU.
    wake: [Notify; 3],
    record: UnsafeCell<u32>,
}

// SAFETY: the checker itself reports two simultaneous uses of `record`, which is what it is there for.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let mut participants = [None; 8];
        for (position, vcpus) in [1, 2].into_iter().enumerate() {
            participants[position] = Some(Participant {
                vcpus,
                priority: 0,
                acquisitions: 2,
            });
        }
        Arc::new(Self {
            word: AtomicU64::new(0),
            arbiter: Mutex::new(Arbiter::new(Rules {
                hold: HOLD,
                inherits: true,
                participants,
            })),
            wake: [Notify::new(), Notify::new(), Notify::new()],
            record: UnsafeCell::new(0),
        })
    }

    fn wake(&self, next: Option<Owner>) {
        if let Some(next) = next {
            self.of(next).notify();
        }
    }

    fn of(&self, owner: Owner) -> &Notify {
        &self.wake[usize::from(owner.participant + owner.vcpu)]
    }

    fn word(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::SeqCst))
    }

    /// What a partition does: the word first, then EL2, asleep until EL2 wakes it. Once it is queued each of the
    /// `others` goes before it once at most.
    fn lock(&self, me: Owner, others: u32) -> Word {
        if let Taken::Yes(mine) = try_take(&self.word, me) {
            return mine;
        }
        let mut queued = None;
        loop {
            let mut arbiter = self.arbiter.lock().unwrap();
            let waited = arbiter.wait(me, &self.word);
            if matches!(waited, Waited::Queued(_)) && queued.is_none() {
                queued = Some(self.word().taking());
            }
            drop(arbiter);
            match waited {
                Waited::Taken(mine) => {
                    let since = queued.map_or(0, |queued| mine.taking() - queued);
                    assert!(since <= others, "overtaken: {since} takings since it was queued");
                    return mine;
                }
                Waited::Queued(_) => self.of(me).wait(),
                Waited::Again => thread::yield_now(),
                Waited::Refused => panic!("a participant is refused"),
            }
        }
    }

    /// Whether the lock was still the caller's.
    fn unlock(&self, me: Owner, mine: Word) -> bool {
        match try_give(&self.word, mine) {
            Given::Free => true,
            Given::Lost => false,
            Given::Call => {
                let released = self.arbiter.lock().unwrap().release(me, mine, &self.word);
                match released {
                    Released::To(next) => {
                        self.wake(next);
                        true
                    }
                    Released::Lost => false,
                }
            }
        }
    }

    fn write(&self) {
        // SAFETY: the checker reports any simultaneous use.
        self.record.with_mut(|r| unsafe { *r += 1 });
    }
}

/// Verifies: BH-LOCK-001, BH-LOCK-002, BH-LOCK-004.
#[test]
fn one_at_a_time_and_nobody_is_forgotten() {
    model(3, || {
        let shared = Shared::new();
        let other = shared.clone();
        let thread = thread::spawn(move || {
            let mine = other.lock(B, 1);
            assert!(!mine.owner_died());
            other.write();
            assert!(other.unlock(B, mine));
        });
        for _ in 0..2 {
            let mine = shared.lock(A, 1);
            assert!(!mine.owner_died());
            shared.write();
            assert!(shared.unlock(A, mine));
        }
        thread.join().unwrap();
        // SAFETY: the other thread has ended.
        assert_eq!(shared.record.with(|r| unsafe { *r }), 3);
        let word = shared.word();
        assert!(word.is_free() && !word.has_waiters());
        assert_eq!(shared.arbiter.lock().unwrap().counts(&shared.word).acquired, 3);
    });
}

/// Three want it; two have to wait. Each goes through once. A vCPU that is not declared is refused.
///
/// Verifies: BH-LOCK-003.
#[test]
fn three_threads_all_get_it() {
    model(2, || {
        let shared = Shared::new();
        let taken = |shared: &Shared, me| {
            let mine = shared.lock(me, 2);
            shared.write();
            assert!(shared.unlock(me, mine));
        };
        let others = [0, 1].map(|vcpu| {
            let shared = shared.clone();
            thread::spawn(move || taken(&shared, Owner { participant: 1, vcpu }))
        });
        let stranger = Owner {
            participant: 1,
            vcpu: 2,
        };
        let waited = shared.arbiter.lock().unwrap().wait(stranger, &shared.word);
        assert_eq!(waited, Waited::Refused);
        taken(&shared, A);
        for other in others {
            other.join().unwrap();
        }
        // SAFETY: the other threads have ended.
        assert_eq!(shared.record.with(|r| unsafe { *r }), 3);
    });
}

/// The owner dies with the lock, before or after somebody waits, or while it waits itself.
///
/// Verifies: BH-LOCK-008.
#[test]
fn an_owner_may_die_at_each_step() {
    for step in 0..3 {
        model(3, move || {
            let shared = Shared::new();
            let other = shared.clone();
            let waiter = thread::spawn(move || {
                let mine = other.lock(B, 1);
                let died = mine.owner_died();
                other.write();
                assert!(other.unlock(B, mine));
                died
            });
            match step {
                // Dies with what one compare-and-swap gave it, or while it is nobody.
                0 => {
                    let _ = try_take(&shared.word, A);
                }
                // Dies in the queue, or with what EL2 gave it.
                1 => {
                    let _ = shared.arbiter.lock().unwrap().wait(A, &shared.word);
                }
                // Dies in the middle of giving it back: the word has said no, EL2 was not called.
                _ => {
                    if let Taken::Yes(mine) = try_take(&shared.word, A) {
                        let _ = try_give(&shared.word, mine);
                    }
                }
            }
            let mut arbiter = shared.arbiter.lock().unwrap();
            let held = shared.word().owner() == Some(A);
            let next = arbiter.died(A, &shared.word);
            drop(arbiter);
            shared.wake(next);
            let died = waiter.join().unwrap();
            assert!(!died || held, "the word speaks of a death that nobody died");
            let word = shared.word();
            assert!(word.is_free() && !word.has_waiters());
            // A death that the waiter overtook is told to the next one.
            assert_eq!(word.owner_died(), held && !died);
        });
    }
}

/// The owner dies while up to two wait: both get the lock, and the first of them learns of the death.
///
/// Verifies: BH-LOCK-008.
#[test]
fn one_of_two_waiters_learns_of_a_death() {
    model(2, || {
        let shared = Shared::new();
        assert!(matches!(try_take(&shared.word, A), Taken::Yes(_)));
        let waiters = [0, 1].map(|vcpu| {
            let shared = shared.clone();
            thread::spawn(move || {
                let me = Owner { participant: 1, vcpu };
                let mine = shared.lock(me, 2);
                shared.write();
                assert!(shared.unlock(me, mine));
                mine.owner_died()
            })
        });
        let next = shared.arbiter.lock().unwrap().died(A, &shared.word);
        shared.wake(next);
        let told = waiters.map(|waiter| waiter.join().unwrap());
        assert_ne!(told[0], told[1], "one of them is the next owner");
        // SAFETY: the other threads have ended.
        assert_eq!(shared.record.with(|r| unsafe { *r }), 2);
        let word = shared.word();
        assert!(word.is_free() && !word.has_waiters() && !word.owner_died());
    });
}

/// The owner dies while its core finds that it exceeded its hold: it loses the lock once, and the waiter is told.
///
/// Verifies: BH-LOCK-006, BH-LOCK-008.
#[test]
fn an_owner_may_die_while_it_is_revoked() {
    model(3, || {
        let shared = Shared::new();
        assert!(matches!(try_take(&shared.word, A), Taken::Yes(_)));
        let [one, two] = [shared.clone(), shared.clone()];
        let waiter = thread::spawn(move || {
            let mine = one.lock(B, 1);
            one.write();
            assert!(one.unlock(B, mine), "nobody revoked the waiter");
            mine.owner_died()
        });
        let clock = thread::spawn(move || {
            let mut arbiter = two.arbiter.lock().unwrap();
            let next = arbiter.charge(A, HOLD + 1, true, 0, &two.word);
            drop(arbiter);
            two.wake(next);
        });
        let next = shared.arbiter.lock().unwrap().died(A, &shared.word);
        shared.wake(next);
        clock.join().unwrap();
        assert!(waiter.join().unwrap(), "the waiter is not told");
        assert_eq!(shared.arbiter.lock().unwrap().counts(&shared.word).revoked, 1);
        let word = shared.word();
        assert!(word.is_free() && !word.has_waiters() && !word.owner_died());
    });
}

/// The owner exceeds its hold: the waiter gets the lock and is told, the owner finds that it lost it.
///
/// Verifies: BH-LOCK-006.
#[test]
fn a_revoked_owner_gives_back_nothing() {
    model(3, || {
        let shared = Shared::new();
        let Taken::Yes(mine) = try_take(&shared.word, A) else {
            panic!("a free lock");
        };
        let [one, two] = [shared.clone(), shared.clone()];
        let waiter = thread::spawn(move || {
            let mine = one.lock(B, 1);
            one.write();
            assert!(one.unlock(B, mine), "nobody revoked the waiter");
            mine.owner_died()
        });
        let clock = thread::spawn(move || {
            let next = two
                .arbiter
                .lock()
                .unwrap()
                .charge(A, HOLD + 1, true, 0, &two.word);
            two.wake(next);
            next.is_some()
        });
        let kept = shared.unlock(A, mine);
        let revoked = clock.join().unwrap();
        assert_eq!(waiter.join().unwrap(), revoked);
        assert_eq!(kept, !revoked);
    });
}
