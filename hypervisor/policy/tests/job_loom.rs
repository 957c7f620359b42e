// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shipped jobs of cores that help each other, under every interleaving of two threads with a bounded number of
//! preemptions; see `lock_loom.rs`.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "A test may fail by panic.")]

#[path = "loom/model.rs"]
mod model;

use bulkhead_abi::lock::atomic::Ordering;
use bulkhead_policy::lock::helped::{Job, Turn};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use model::model;

/// Two cores carry a job on: each step is executed once, by one of them, after the step before.
///
/// Verifies: BH-LOCK-010, BH-LOCK-012.
#[test]
fn the_steps_of_a_job_are_executed_once_and_in_order() {
    model(3, || {
        let job = Arc::new((Job::new(), UnsafeCell::new(0u8)));
        assert!(job.0.begin_once(0, 3, 1));
        let carry_on = |job: &(Job, UnsafeCell<u8>), core: u8| loop {
            match job.0.claim(core, 0) {
                Turn::Execute(step) => {
                    assert_eq!(step.helps, core != 0);
                    // SAFETY: the checker reports any simultaneous use.
                    job.1.with_mut(|done| unsafe {
                        assert_eq!(*done, step.number);
                        *done += 1;
                    });
                    job.0.finish(step);
                }
                Turn::Wait => thread::yield_now(),
                Turn::Done => return,
                Turn::Poisoned => panic!("nobody failed"),
            }
        };
        let other = job.clone();
        // SAFETY: the cell is watched by the checker.
        let thread = thread::spawn(move || carry_on(&other, 1));
        carry_on(&job, 0);
        // SAFETY: the checker reports any simultaneous use.
        assert_eq!(job.1.with(|done| unsafe { *done }), 3);
        thread.join().unwrap();
    });
}

/// A core fails in the middle of a step: the one that waits learns it, and does not wait for ever.
///
/// Verifies: BH-LOCK-011.
#[test]
fn a_core_that_fails_in_a_step_poisons_the_job() {
    model(3, || {
        let job = Arc::new(Job::new());
        assert!(job.begin_once(0, 2, 1));
        let failed = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let (other, failing) = (job.clone(), failed.clone());
        let thread = thread::spawn(move || {
            let turn = other.claim(0, 0);
            failing.store(1, Ordering::SeqCst);
            matches!(turn, Turn::Execute(_))
        });
        let outcome = loop {
            match job.claim(1, failed.load(Ordering::SeqCst)) {
                Turn::Execute(step) => {
                    job.finish(step);
                }
                Turn::Wait => thread::yield_now(),
                end @ (Turn::Done | Turn::Poisoned) => break end,
            }
        };
        let died_in_a_step = thread.join().unwrap();
        assert_eq!(outcome == Turn::Poisoned, died_in_a_step);
    });
}

/// Carries a job of one step on to its end, begun anew if a core failed in it; how often it was executed here.
fn carry_on(job: &Job, core: u8, failed: u32) -> u32 {
    let mut executed = 0;
    loop {
        match job.claim(core, failed) {
            Turn::Execute(step) => {
                executed += 1;
                job.finish(step);
            }
            Turn::Wait => thread::yield_now(),
            Turn::Done => return executed,
            Turn::Poisoned => {
                job.begin_anew();
            }
        }
    }
}

/// Two cores find at the same time that a job is due: it is done once, whoever is slow.
///
/// Verifies: BH-LOCK-028.
#[test]
fn a_job_that_two_cores_find_due_is_done_once() {
    model(3, || {
        let job = Arc::new(Job::new());
        let due = |job: &Job, core: u8| {
            job.begin_once(0, 1, 1);
            carry_on(job, core, 0)
        };
        let other = job.clone();
        let thread = thread::spawn(move || due(&other, 1));
        let here = due(&job, 0);
        assert_eq!(here + thread.join().unwrap(), 1);
    });
}

/// Two cores find a job poisoned: it is done once more, not twice, and the next one can be begun.
///
/// Verifies: BH-LOCK-028.
#[test]
fn a_poisoned_job_is_done_anew_once() {
    model(3, || {
        let job = Arc::new(Job::new());
        assert!(job.begin_once(0, 1, 1));
        assert!(matches!(job.claim(2, 0), Turn::Execute(_)));
        let other = job.clone();
        let thread = thread::spawn(move || carry_on(&other, 1, 1 << 2));
        let here = carry_on(&job, 0, 1 << 2);
        assert_eq!(here + thread.join().unwrap(), 1);
        assert!(!job.begin_once(0, 1, 1) && job.begin_once(0, 1, 2));
    });
}

/// The core whose job it is fails in a step or between two, while its successor takes over: the successor executes what is
/// left by itself, and learns of each step that broke off before it executes one. A job that is always due is begun by both.
///
/// Verifies: BH-LOCK-010, BH-LOCK-011, BH-LOCK-028.
#[test]
fn a_successor_knows_of_the_step_that_broke_off() {
    model(3, || {
        let job = Arc::new((Job::new(), UnsafeCell::new(0u8)));
        let failed = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let (other, failing) = (job.clone(), failed.clone());
        let thread = thread::spawn(move || {
            other.0.begin(0, 2);
            if let Turn::Execute(step) = other.0.claim(0, 0) {
                // SAFETY: the checker reports any simultaneous use.
                other.1.with_mut(|data| unsafe { *data = 1 });
                other.0.finish(step);
            }
            let torn = matches!(other.0.claim(0, 0), Turn::Execute(_));
            if torn {
                // SAFETY: the checker reports any simultaneous use.
                other.1.with_mut(|data| unsafe { *data = 2 });
            }
            failing.store(1, Ordering::SeqCst);
            torn
        });
        // As housekeeping does: nothing before the other core is known to have failed.
        while failed.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let mut told = false;
        loop {
            job.0.begin(0, 2);
            match job.0.claim(1, 1) {
                Turn::Execute(step) => {
                    assert!(step.helps);
                    // SAFETY: the checker reports any simultaneous use.
                    let data = job.1.with(|data| unsafe { *data });
                    assert_eq!(data == 2, told, "half written, and nobody said so");
                    assert!(job.0.conclude(step));
                    break;
                }
                Turn::Poisoned => {
                    told = true;
                    assert!(job.0.begin_anew());
                }
                turn => panic!("{turn:?}"),
            }
        }
        assert_eq!(thread.join().unwrap(), told);
    });
}
