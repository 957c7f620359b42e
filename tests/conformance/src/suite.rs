// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the cases one after the other, each from the same state, and counts.
#![forbid(unsafe_code)]

use core::fmt::Arguments;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::board::Board;
use crate::check::{Case, Needs};
use crate::edge::console::line;
use crate::interrupt::Reaction;
use crate::timer::Timer;
use crate::{cases, edge, gic, interrupt, psci, second};

static PASSED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);
/// Number of the running case among all, plus one; for its name when it ends in a fault.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

fn all() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter().copied().flatten()
}

fn has(board: &Board, needs: Needs) -> bool {
    let (second, spi) = (board.cpus.len() > 1, gic::spi() != 0);
    match needs {
        Needs::Nothing => true,
        Needs::Second => second,
        Needs::Spi => spi,
        Needs::SecondAndSpi => second && spi,
    }
}

/// The state in which each case begins: the second CPU off, timers stopped, the GIC as [`gic::prepare`] says.
fn prepare(board: &Board) {
    let on = board.cpus.len() > 1 && psci::affinity_info(second::affinity(board)) == psci::ON;
    if on {
        // If it does not go, the next case that needs it says so.
        let _ = second::stop(board);
    }
    Timer::Virtual.stop();
    Timer::Physical.stop();
    gic::forward(true);
    gic::prepare();
    interrupt::begin(Reaction::None, 0);
}

/// Runs all cases that the board can have.
pub(crate) fn run(board: &Board) {
    if !gic::find(board) {
        abort(format_args!("no redistributor for each CPU"));
    }
    gic::forward(true);
    gic::prepare();
    gic::probe();
    for (number, case) in (1..).zip(all()) {
        if !has(board, case.needs) {
            continue;
        }
        RUNNING.store(number, Ordering::Relaxed);
        prepare(board);
        match (case.run)(board) {
            Ok(()) => {
                PASSED.fetch_add(1, Ordering::Relaxed);
                line(format_args!("ok {} {}", case.id, case.text));
            }
            Err(failure) => {
                FAILED.fetch_add(1, Ordering::Relaxed);
                line(format_args!("FAIL {} {}: {failure}", case.id, case.text));
            }
        }
    }
    total();
}

fn total() {
    let (passed, failed) = (PASSED.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    line(format_args!("conformance: {passed} passed, {failed} failed"));
}

/// Ends the suite in the middle: the running case has failed, and those behind it were not tried.
pub(crate) fn abort(why: Arguments<'_>) -> ! {
    let number = RUNNING.load(Ordering::Relaxed);
    let case = number.checked_sub(1).and_then(|n| all().nth(n));
    let (id, text) = case.map_or(("START", "the suite starts"), |c| (c.id, c.text));
    FAILED.fetch_add(1, Ordering::Relaxed);
    line(format_args!("FAIL {id} {text}: expected no end, got {why}"));
    total();
    edge::stop()
}
