// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shipped order of ticket locks under every interleaving of at most three threads with a bounded number of
//! preemptions; see `lock_loom.rs`.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "A test may fail by panic.")]

#[path = "loom/model.rs"]
mod model;

use std::sync::atomic::Ordering;

use bulkhead_policy::lock::ticket::{Poisoned, Ticket, Tickets};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::Notify;
use loom::sync::atomic::AtomicU32;
use loom::thread;
use model::model;

/// A lock, and what it guards: how many had it.
struct Shared {
    tickets: Tickets,
    failed: AtomicU32,
    /// Each core's event register.
    events: [Notify; 3],
    record: UnsafeCell<u32>,
}

// SAFETY: the checker itself reports two simultaneous uses of `record`, which is what it is there for.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            tickets: Tickets::new(),
            failed: AtomicU32::new(0),
            events: [Notify::new(), Notify::new(), Notify::new()],
            record: UnsafeCell::new(0),
        })
    }

    /// A core's sleep until the word changes or an event comes.
    fn wait(&self, core: usize, word: &AtomicU32, seen: u32) {
        if word.load(Ordering::Acquire) == seen {
            self.events[core].wait();
        }
    }

    /// What wakes those that sleep: a changed word, or a core that says that it failed.
    fn event(&self, core: usize) {
        for (other, event) in self.events.iter().enumerate() {
            if other != core {
                event.notify();
            }
        }
    }

    fn fail(&self, core: usize) {
        self.failed.fetch_or(1 << core, Ordering::SeqCst);
        self.event(core);
    }

    fn give(&self, core: usize, ticket: Ticket) {
        self.tickets.give(ticket);
        self.event(core);
    }

    /// What a core does, as `TicketLock::with`. Who has it is as many as had it before: nobody is overtaken, so that a
    /// wait is one section of each other core.
    fn with(&self, core: usize) -> Result<(), Poisoned> {
        let number = u32::try_from(core).unwrap();
        self.tickets.claim(number);
        let ticket = self
            .tickets
            .take(&self.failed, |word, seen| self.wait(core, word, seen))?;
        assert_eq!(self.write(), ticket.number);
        self.give(core, ticket);
        self.tickets.withdraw(number);
        Ok(())
    }

    /// How often this was done before.
    fn write(&self) -> u32 {
        // SAFETY: the checker reports any simultaneous use.
        self.record.with_mut(|r| unsafe {
            *r += 1;
            *r - 1
        })
    }
}

/// Verifies: BH-CORE-004.
#[test]
fn one_at_a_time_in_the_order_of_their_tickets() {
    model(2, || {
        let shared = Shared::new();
        let others = [1, 2].map(|core| {
            let shared = shared.clone();
            thread::spawn(move || shared.with(core))
        });
        assert_eq!(shared.with(0), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        // SAFETY: the other threads have ended.
        assert_eq!(shared.record.with(|r| unsafe { *r }), 3);
    });
}

/// Where a core fails.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    /// It claims the lock and has no ticket.
    Claimed,
    /// It has a ticket, and waits if it must.
    Waiting,
    /// It has the lock.
    Holding,
    /// The next ticket is served; its claim stands.
    Given,
}

/// Nobody waits for ever, wherever a core fails, and nobody uses what a failed one was using.
///
/// Verifies: BH-CORE-004.
#[test]
fn a_core_may_fail_at_each_step() {
    for step in [Step::Claimed, Step::Waiting, Step::Holding, Step::Given] {
        model(2, move || {
            let shared = Shared::new();
            let failing = shared.clone();
            let fails = thread::spawn(move || {
                failing.tickets.claim(0);
                if step == Step::Claimed {
                    failing.fail(0);
                    return false;
                }
                let ticket = failing.tickets.take(&failing.failed, |word, seen| {
                    if step == Step::Waiting {
                        failing.fail(0);
                    } else {
                        failing.wait(0, word, seen);
                    }
                });
                // One that fails while it waits is out of the lock: it gives no ticket back.
                let Ok(ticket) = ticket else { return false };
                failing.write();
                if step == Step::Given {
                    failing.give(0, ticket);
                }
                failing.fail(0);
                step != Step::Given
            });
            let other = shared.clone();
            let beside = thread::spawn(move || other.with(1));
            let own = shared.with(2);
            let (holds, beside) = (fails.join().unwrap(), beside.join().unwrap());
            let had = [own, beside].iter().filter(|result| result.is_ok()).count();
            let had = u32::try_from(had).unwrap();
            // SAFETY: the other threads have ended.
            let written = shared.record.with(|r| unsafe { *r });
            assert!(written == had || written == had + 1);
            if holds {
                // Whoever comes after it learns what happened.
                shared.tickets.claim(1);
                let after = shared
                    .tickets
                    .take(&shared.failed, |_, _| panic!("waits for ever"));
                assert_eq!(after, Err(Poisoned));
            }
        });
    }
}
