// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's housekeeping: a helped job whose steps are executed in system slots, and in standby slots once EL2 has failed on
//! the system core (design decisions D6, D7).
//!
//! What the steps keep from one to the next lies where several cores reach it: how far the console line is
//! ([`crate::console`]), the signs of life ([`crate::supervise`]). A step is claimed before it touches that, so the
//! successor goes on where the last whole step ended, and knows when one broke off: then both begin anew. What a slot
//! does by itself (its time, its first fault) each core keeps for itself.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use bulkhead_abi::stats::{HOUSEKEEPING, JobStats};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::lock::FAILED_CORES;
use bulkhead_policy::lock::helped::{Job, MAX_STEPS, Turn};
use bulkhead_policy::schedule::{Position, ticks};

use crate::core_state::Running;
use crate::stats::count_job;
use crate::{console, dma, locks, supervise};

/// From one step to the next, ns.
const STEP_NS: u64 = 5_000;

/// The work of a slot. What is left of it when the slot ends is left to the next.
static JOB: Job = Job::new();

/// What the slot does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Looks at signs of life, tells the monitor.
    Signs,
    /// Looks at the cores, pets the watchdog.
    Watchdog,
    /// Takes the SMMU's records, a few a step, then publishes the counts of locks.
    Faults,
    /// Moves bytes of consoles, as often as there is time.
    Consoles,
}

/// Whether the core does the housekeeping in the slot at `position`. Implements: BH-SCHED-027, BH-SCHED-029.
pub fn is_due(running: &Running, position: &Position) -> bool {
    let system_core = running.system.board.system_core;
    position.occupant().keeps_house(|| {
        let failed = FAILED_CORES.load(Ordering::SeqCst);
        failed.checked_shr(system_core).unwrap_or(0) & 1 != 0
    })
}

/// Begins the work of a slot at counter value `now`.
pub fn begin(running: &mut Running, position: &Position, now: u64) {
    // The last quarter of the slot is for what is begun, and for the way out.
    let spare = position.end().wrapping_sub(position.begin()) / 4;
    let until = position.end().wrapping_sub(spare);
    let until = crate::view::handoff().epoch.wrapping_add(until);
    running.drainer.begin(&running.system, until);
    running.step = Some(after_a_pause(now));
    running.work = Work::Signs;
    running.faults = dma::Slot::NEW;
}

/// Takes the next step, and says when the one after it is due. Each is a path through EL2 of its own, so that none is
/// long. Implements: BH-SCHED-028.
///
/// # Timing
/// One step, or what begins the job anew.
pub fn carry_on(running: &mut Running) {
    if running.step.take().is_none() {
        return;
    }
    let number = |core: u32| u8::try_from(core).unwrap_or(u8::MAX);
    // The job is the system core's: what its successor executes are helped steps.
    if JOB.begin(number(running.system.board.system_core), MAX_STEPS) {
        count_job(running, HOUSEKEEPING, offset_of!(JobStats, acquired));
    }
    let more = match JOB.claim(number(running.index), FAILED_CORES.load(Ordering::SeqCst)) {
        Turn::Execute(step) => {
            if step.helps {
                count_job(running, HOUSEKEEPING, offset_of!(JobStats, helped_steps));
            }
            let more = execute(running);
            if more {
                JOB.finish(step);
            } else {
                JOB.conclude(step);
            }
            more
        }
        Turn::Poisoned => {
            console::broken_off();
            supervise::broken_off();
            if JOB.begin_anew() {
                count_job(running, HOUSEKEEPING, offset_of!(JobStats, revoked));
            }
            true
        }
        Turn::Wait | Turn::Done => true,
    };
    running.step = more.then(|| after_a_pause(counter()));
}

/// First what asks for a reaction, then faults of bus masters and the consoles. Whether there may be more in this slot.
fn execute(running: &mut Running) -> bool {
    match running.work {
        Work::Signs => {
            supervise::step(running);
            let pets = running.keeper.as_ref().is_some_and(|keeper| keeper.is_first());
            running.work = if pets { Work::Watchdog } else { Work::Faults };
            true
        }
        Work::Watchdog => {
            if let Some(keeper) = &running.keeper {
                keeper.look(running);
            }
            running.work = Work::Faults;
            true
        }
        Work::Faults => {
            if !dma::take_faults(running) {
                locks::publish(running);
                running.work = Work::Consoles;
            }
            true
        }
        Work::Consoles => running.drainer.step(&running.system, running.stats),
    }
}

/// When the step after `now` is due: late enough that it is an interrupt, and a path, of its own.
fn after_a_pause(now: u64) -> u64 {
    now.wrapping_add(ticks(STEP_NS, crate::view::handoff().frequency))
}
