// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A job inside EL2 that any core may carry on: a waiter helps instead of waiting (MrsP).
//!
//! The job is cut into steps, each a bounded piece of work on shared data. Whoever wants the job done claims
//! its next step by compare-and-swap, executes it and says so; a core whose slot ended leaves the rest to
//! others. So a wait is bounded by what is left of the job plus the step that another core executes.
//! EL2 is not preempted: a claimed step ends, unless its core failed. Then the job is poisoned until it is begun anew.
//!
//! ```text
//! idle ── begin ──> ready(0) ── claim ──> busy(0, core) ── finish ──> ready(1) ── … ──> idle
//!                                              └── core failed ──> poisoned
//! ```

use bulkhead_abi::lock::atomic::{AtomicU64, Ordering};

/// Steps that a job can have.
pub const MAX_STEPS: u8 = 254;

const READY: u8 = 1;
const BUSY: u8 = 2;
const POISONED: u8 = 3;

/// Where a job stands: phase, next step, steps, owner, the core that executes, and the number of the job.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    phase: u8,
    step: u8,
    steps: u8,
    owner: u8,
    core: u8,
    number: u16,
}

impl State {
    const fn from_bits(bits: u64) -> Self {
        let [phase, step, steps, owner, core, _, low, high] = bits.to_le_bytes();
        Self {
            phase,
            step,
            steps,
            owner,
            core,
            number: u16::from_le_bytes([low, high]),
        }
    }

    const fn bits(self) -> u64 {
        let [low, high] = self.number.to_le_bytes();
        let bytes = [
            self.phase, self.step, self.steps, self.owner, self.core, 0, low, high,
        ];
        u64::from_le_bytes(bytes)
    }
}

/// A step that the caller has to execute, once, and then [`Job::finish`].
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, from 0.
    pub number: u8,
    /// Whether another core began the job.
    pub helps: bool,
    claimed: u64,
}

/// What there is to do for a core that wants the job done.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// This step.
    Execute(Step),
    /// Another core executes a step: ask again.
    Wait,
    /// Nothing: the job is done.
    Done,
    /// Nothing can be done: a core failed in the middle of a step.
    Poisoned,
}

/// A job.
pub struct Job {
    state: AtomicU64,
}

impl Default for Job {
    fn default() -> Self {
        Self::new()
    }
}

impl Job {
    /// No job.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
        }
    }

    /// No job.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
        }
    }

    /// Begins job number `number`, the one after the last, of `steps` steps (1 to [`MAX_STEPS`]) on behalf of core
    /// `owner`, unless it was begun already or another is under way; whether it did.
    ///
    /// So several cores may find out at the same time that the job is due, and it is done once.
    ///
    /// Implements: BH-LOCK-028.
    pub fn begin_once(&self, owner: u8, steps: u8, number: u16) -> bool {
        let old = self.state.load(Ordering::Acquire);
        let state = State::from_bits(old);
        let due = !matches!(state.phase, READY | BUSY) && number == state.number.wrapping_add(1);
        due && self.begin_after(old, owner, steps)
    }

    /// Begins the next job of at most `steps` steps (1 to [`MAX_STEPS`]) on behalf of core `owner`, unless one is under way
    /// or poisoned; whether it did. For a job that is always due.
    ///
    /// Implements: BH-LOCK-028.
    pub fn begin(&self, owner: u8, steps: u8) -> bool {
        let old = self.state.load(Ordering::Acquire);
        let state = State::from_bits(old);
        !matches!(state.phase, READY | BUSY | POISONED) && self.begin_after(old, owner, steps)
    }

    /// Begins the job after the one of which `old` is the last state.
    fn begin_after(&self, old: u64, owner: u8, steps: u8) -> bool {
        let new = State {
            phase: READY,
            step: 0,
            steps,
            owner,
            core: 0,
            number: State::from_bits(old).number.wrapping_add(1),
        };
        // Whoever began it since then has changed the state.
        (1..=MAX_STEPS).contains(&steps) && self.change(old, new.bits())
    }

    /// Begins a poisoned job anew, as the same job; whether the caller did.
    ///
    /// Implements: BH-LOCK-028.
    pub fn begin_anew(&self) -> bool {
        let old = self.state.load(Ordering::Acquire);
        let state = State::from_bits(old);
        let new = State {
            phase: READY,
            step: 0,
            core: 0,
            ..state
        };
        state.phase == POISONED && self.change(old, new.bits())
    }

    /// What core `core` has to do for the job. Bit *k* of `failed`: core *k* failed at EL2.
    ///
    /// Implements: BH-LOCK-010, BH-LOCK-011.
    pub fn claim(&self, core: u8, failed: u32) -> Turn {
        let old = self.state.load(Ordering::Acquire);
        let state = State::from_bits(old);
        match state.phase {
            READY => {}
            BUSY => {
                let gone = failed.checked_shr(u32::from(state.core)).unwrap_or(0) & 1 != 0;
                let poisoned = State {
                    phase: POISONED,
                    ..state
                };
                return if gone && self.change(old, poisoned.bits()) {
                    Turn::Poisoned
                } else {
                    Turn::Wait
                };
            }
            POISONED => return Turn::Poisoned,
            _ => return Turn::Done,
        }
        let busy = State {
            phase: BUSY,
            core,
            ..state
        };
        if !self.change(old, busy.bits()) {
            return Turn::Wait;
        }
        Turn::Execute(Step {
            number: state.step,
            helps: core != state.owner,
            claimed: busy.bits(),
        })
    }

    /// The caller has executed its step; whether that was the last one.
    ///
    /// Implements: BH-LOCK-012.
    pub fn finish(&self, step: Step) -> bool {
        let state = State::from_bits(step.claimed);
        self.leave(step, state.step.wrapping_add(1) >= state.steps)
    }

    /// The caller has executed its step and found nothing left for those after it: the job is done.
    ///
    /// Implements: BH-LOCK-012.
    pub fn conclude(&self, step: Step) -> bool {
        self.leave(step, true)
    }

    fn leave(&self, step: Step, last: bool) -> bool {
        let state = State::from_bits(step.claimed);
        let next = state.step.wrapping_add(1);
        let new = State {
            phase: if last { 0 } else { READY },
            step: next,
            core: 0,
            ..state
        };
        // A poisoned job stays poisoned: a core that was taken for failed has nothing to say.
        self.change(step.claimed, new.bits()) && last
    }

    fn change(&self, old: u64, new: u64) -> bool {
        self.state
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}
