// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Response times of fixed-priority preemptive tasks on a supply.
//!
//! The busy window of a task is a time in which code as urgent as it, or more, waits or runs without a pause. It is
//! longest when it begins with a release of all of them, each as late after its activation as its jitter allows
//! and all later ones at once, at one of [`Supply::worst_starts`]. The *q*-th activation of the task in
//! it ends when the supply since then covers
//!
//! > blocking + *q* × WCET + the interrupts of all tasks + the releases of more urgent tasks so far × their WCET
//! > + the major frames so far × what locks take in each
//!
//! which is solved by iteration from below. All activations until the busy window closes are looked at, so a
//! deadline may be longer than the period. Reference: Lehoczky, "Fixed priority scheduling of periodic task
//! sets with arbitrary deadlines" (RTSS 1990); Tindell, Burns and Wellings, "An extendible approach for
//! analysing fixed priority hard real-time tasks" (1994), for jitter and blocking. Times are in ns.

use crate::supply::{Start, Supply};

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Longest execution time of an activation.
    pub wcet: u64,
    /// Least time between activations, above 0.
    pub period: u64,
    /// Longest time from activation to release.
    pub jitter: u64,
}

impl Load {
    /// What may take `time` ns from a vCPU in each major frame, at any places of it, before any task runs. A busy window
    /// meets the end of one frame and the begin of the next, so the first is released a whole frame late; EL2
    /// finds the begin of a frame up to `late` ns after it. Implements: BH-LOCK-025, BH-LOCK-029.
    pub fn each_frame(time: u64, frame: u64, late: u64) -> Self {
        Load {
            wcet: time,
            period: frame,
            jitter: frame.saturating_add(late),
        }
    }

    /// Most releases in a busy window of this length.
    fn releases(&self, window: u64) -> u64 {
        let whole = u128::from(window) + u128::from(self.jitter);
        // Only a period of less than 2 ns could exceed the range.
        u64::try_from(whole.div_ceil(u128::from(self.period.max(1)))).unwrap_or(u64::MAX)
    }
}

/// A task and everything that can keep it from ending.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The task.
    pub task: Load,
    /// Tasks of the vCPU that are more urgent.
    pub urgent: &'a [Load],
    /// Tasks of the vCPU that are less urgent: only their interrupts matter.
    pub less_urgent: &'a [Load],
    /// Time that each release costs before any task runs, whoever is released.
    pub interrupt: u64,
    /// What locks take ahead of all tasks: [`Load::each_frame`].
    pub locks: Load,
    /// Longest time that less urgent code keeps the core once, after a release.
    pub blocking: u64,
}

/// The longest response time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// From activation to end.
    pub time: u64,
    /// Instant of the major frame at which the busy window begins: a slot, or the budget in it, has just ended.
    pub instant: u64,
    /// Which activation in that busy window it is, from 1.
    pub activation: u64,
}

/// Steps of iteration for one task; whatever needs more has no bound here.
const STEPS: u32 = 200_000;

/// The longest response time of a task. `None` when no bound was found: the demand exceeds the supply, or the
/// busy window is too long to be looked at.
///
/// # Timing
/// At most 200 000 steps, each linear in the number of tasks. Implements: BH-TASK-021.
pub fn response(question: &Question<'_>, supply: &Supply) -> Option<Response> {
    let mut steps = STEPS;
    let mut worst: Option<Response> = None;
    for start in supply.worst_starts() {
        let found = from_start(question, supply, start, &mut steps)?;
        if worst.is_none_or(|w| found.time > w.time) {
            worst = Some(found);
        }
    }
    worst
}

/// The longest response time in the busy window that begins at `start`.
fn from_start(q: &Question<'_>, supply: &Supply, start: Start, steps: &mut u32) -> Option<Response> {
    let Load { period, jitter, .. } = q.task;
    let mut worst: Option<Response> = None;
    let mut end = 0;
    for activation in 1.. {
        end = end_of(q, supply, start, activation, end, steps)?;
        let activated = period.checked_mul(activation - 1)?;
        let time = jitter.checked_add(end)?.checked_sub(activated)?;
        if worst.is_none_or(|w| time > w.time) {
            worst = Some(Response {
                time,
                instant: start.at,
                activation,
            });
        }
        // The busy window closes before the next activation is released.
        if end.checked_add(jitter)? <= period.checked_mul(activation)? {
            break;
        }
    }
    worst
}

/// When the `activation`-th activation ends, after the begin of the busy window; `known` is a lower bound.
fn end_of(
    q: &Question<'_>,
    supply: &Supply,
    start: Start,
    activation: u64,
    known: u64,
    steps: &mut u32,
) -> Option<u64> {
    let mut end = known;
    loop {
        *steps = steps.checked_sub(1)?;
        let next = supply.time_for(start, demand(q, activation, end)?)?;
        if next <= end {
            return Some(end);
        }
        end = next;
    }
}

/// What has to be supplied until the `activation`-th activation ends, if that is `window` after the begin.
fn demand(q: &Question<'_>, activation: u64, window: u64) -> Option<u64> {
    let own_interrupts = q.task.releases(window).max(activation);
    let mut sum = q.task.wcet.checked_mul(activation)?.checked_add(q.blocking)?;
    sum = sum.checked_add(q.locks.releases(window).checked_mul(q.locks.wcet)?)?;
    let mut interrupts = own_interrupts;
    for load in q.urgent {
        let releases = load.releases(window);
        sum = sum.checked_add(releases.checked_mul(load.wcet)?)?;
        interrupts = interrupts.checked_add(releases)?;
    }
    // Without a cost, interrupts need not be counted.
    if q.interrupt > 0 {
        for load in q.less_urgent {
            interrupts = interrupts.checked_add(load.releases(window))?;
        }
    }
    sum.checked_add(interrupts.checked_mul(q.interrupt)?)
}

/// Whether the task, the more urgent ones, locks and all interrupts certainly ask for more than is supplied for ever.
pub fn overloads(q: &Question<'_>, supply: &Supply) -> bool {
    // Fixed point with 32 fractional bits: demand rounded down, supply up.
    let rate = |time: u64, period: u64| (u128::from(time) << 32) / u128::from(period.max(1));
    let with = |l: &Load| rate(l.wcet, l.period).saturating_add(rate(q.interrupt, l.period));
    let asked = q.urgent.iter().map(with);
    let interrupts = q.less_urgent.iter().map(|l| rate(q.interrupt, l.period));
    let locks = rate(q.locks.wcet, q.locks.period);
    let own = with(&q.task).saturating_add(locks);
    let sum = asked.chain(interrupts).fold(own, u128::saturating_add);
    let (time, frame) = supply.rate();
    sum > (u128::from(time) << 32).div_ceil(u128::from(frame.max(1)))
}
