// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The second CPU: started and switched off by the cases that need it; between, it does what they ask.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::board::Board;
use crate::check::{Outcome, equal, holds};
use crate::edge::{registers as r, second_entry};
use crate::interrupt::{self, Reaction};
use crate::psci;
use crate::timer::{self, Timer};
use crate::{device, edge, gic};

/// What CPU_ON hands to the second CPU when a case has nothing else to say.
pub(crate) const CONTEXT: u64 = 0x0123_4567_89ab_cdef;

/// What the second CPU found when it entered.
pub(crate) struct EntryState {
    pub(crate) context: u64,
    pub(crate) daif: u64,
    pub(crate) control: u64,
    pub(crate) level: u64,
    pub(crate) stack: u64,
}

/// What it can be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Job {
    /// Nothing; it acknowledges and ends nothing, interrupts masked.
    Rest = 0,
    /// Takes interrupts while it spins.
    Serve = 1,
    /// Takes interrupts and sleeps between.
    Sleep = 2,
    /// Switches itself off.
    Off = 3,
    /// Answers each number that it is sent with the counter.
    Clock = 4,
    /// Fires its virtual timer at once, and takes it.
    Fire = 5,
    /// Takes a device's interrupts, as [`crate::device`] says.
    Device = 6,
}

static FOUND: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];
static ENTERED: AtomicU32 = AtomicU32::new(0);
static JOB: AtomicU32 = AtomicU32::new(0);
static DOING: AtomicU32 = AtomicU32::new(0);
/// Number to be answered, and answer of [`Job::Clock`].
static QUESTION: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);

/// Indices of what [`found`] gives.
pub(crate) const FOUND_CONTEXT: usize = 0;
pub(crate) const FOUND_DAIF: usize = 1;
pub(crate) const FOUND_CONTROL: usize = 2;
pub(crate) const FOUND_LEVEL: usize = 3;
pub(crate) const FOUND_STACK: usize = 4;
pub(crate) const FOUND_AFFINITY: usize = 5;
pub(crate) const FOUND_GROUP_ENABLE: usize = 6;

/// What the second CPU found at its last start.
pub(crate) fn found(index: usize) -> u64 {
    FOUND.get(index).map_or(0, |f| f.load(Ordering::Acquire))
}

/// The second CPU's main function.
pub(crate) fn main(state: &EntryState) -> ! {
    let all = [
        state.context,
        state.daif,
        state.control,
        state.level,
        state.stack,
        r::affinity(),
        r::icc_igrpen1(),
    ];
    for (slot, value) in FOUND.iter().zip(all) {
        slot.store(value, Ordering::Release);
    }
    Timer::Virtual.stop();
    Timer::Physical.stop();
    gic::prepare();
    ENTERED.fetch_add(1, Ordering::Release);
    loop {
        work(JOB.load(Ordering::Acquire));
    }
}

fn work(job: u32) {
    if DOING.load(Ordering::Relaxed) != job {
        interrupt::begin(Reaction::StopTimers, 0);
        if job == Job::Fire as u32 {
            gic::enable(FIRE.load(Ordering::Relaxed));
            Timer::Virtual.fire_at(Timer::Virtual.count());
        }
        DOING.store(job, Ordering::Release);
    }
    if job == Job::Serve as u32 || job == Job::Fire as u32 {
        r::unmask_interrupts();
        core::hint::spin_loop();
        r::mask_interrupts();
    } else if job == Job::Device as u32 {
        device::attend();
    } else if job == Job::Sleep as u32 {
        r::wait_for_interrupt();
        r::unmask_interrupts();
        r::synchronise();
        r::mask_interrupts();
    } else if job == Job::Off as u32 {
        DOING.store(Job::Rest as u32, Ordering::Release);
        let code = psci::call(psci::CPU_OFF, [0; 3]);
        edge::console::line(format_args!("CPU_OFF returned {code}"));
        JOB.store(Job::Rest as u32, Ordering::Release);
    } else if job == Job::Clock as u32 {
        let question = QUESTION.load(Ordering::Acquire);
        if ANSWERED.load(Ordering::Relaxed) != question {
            ANSWER.store(r::cntvct(), Ordering::Relaxed);
            ANSWERED.store(question, Ordering::Release);
        }
    } else {
        core::hint::spin_loop();
    }
}

/// INTID of the virtual timer.
static FIRE: AtomicU32 = AtomicU32::new(0);

/// The affinity of the second CPU.
pub(crate) fn affinity(board: &Board) -> u64 {
    board.cpus.get(1).copied().unwrap_or(u64::MAX)
}

/// Asks, and does not wait.
pub(crate) fn command(job: Job) {
    JOB.store(job as u32, Ordering::Release);
}

/// Asks, and waits until it is being done.
pub(crate) fn ask(job: Job) -> Outcome {
    command(job);
    let doing = timer::eventually(|| DOING.load(Ordering::Acquire) == job as u32);
    holds("the second CPU doing what it is asked", doing, job as u32)
}

/// Number of times that the second CPU came in.
pub(crate) fn entered() -> u32 {
    ENTERED.load(Ordering::Acquire)
}

/// Starts the second CPU and waits until it is there.
pub(crate) fn start(board: &Board, context: u64) -> Outcome {
    let before = entered();
    FIRE.store(board.virtual_timer, Ordering::Relaxed);
    JOB.store(Job::Rest as u32, Ordering::Release);
    DOING.store(Job::Rest as u32, Ordering::Release);
    let code = psci::call(psci::CPU_ON, [affinity(board), second_entry(), context]);
    equal("CPU_ON", 0_u64, psci::code(code))?;
    let there = timer::eventually(|| entered() != before);
    holds("the second CPU entering", there, entered())?;
    equal("number of entries", before + 1, entered())
}

/// Has the second CPU switch itself off, and waits until it is.
pub(crate) fn stop(board: &Board) -> Outcome {
    command(Job::Off);
    // It may sleep.
    gic::send(0, affinity(board));
    let off = timer::eventually(|| psci::affinity_info(affinity(board)) == psci::OFF);
    let state = psci::affinity_info(affinity(board));
    holds("AFFINITY_INFO OFF after CPU_OFF", off, psci::code(state))
}

/// Runs `case` with the second CPU on.
pub(crate) fn with(board: &Board, case: impl FnOnce(u64) -> Outcome) -> Outcome {
    start(board, CONTEXT)?;
    let outcome = case(affinity(board));
    let stopped = stop(board);
    outcome?;
    stopped
}

/// The counter as the second CPU reads it now (it must do [`Job::Clock`]); none when it does not answer.
pub(crate) fn clock() -> Option<u64> {
    let question = QUESTION.load(Ordering::Relaxed) + 1;
    QUESTION.store(question, Ordering::Release);
    let answered = timer::eventually(|| ANSWERED.load(Ordering::Acquire) == question);
    answered.then(|| ANSWER.load(Ordering::Relaxed))
}
