// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The analysis against a simulator: no response is longer than its bound, and bounds are reached.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod random;
mod sharing;
mod simulator;

use bulkhead_analysis::response::{Load, Question, Response, overloads, response};
use bulkhead_analysis::supply::{Supply, Window};
use random::Random;
use simulator::{Costs, Habit, Locks, System, simulate};

fn supply(system: &System) -> Supply {
    if system.slots.is_empty() {
        return Supply::always();
    }
    let Costs {
        late, switch, tick, ..
    } = system.costs;
    let slots = system.slots.iter().map(|&(begin, end)| Window { begin, end });
    Supply::slots(system.frame, slots, late + switch, tick).unwrap()
}

fn locks(system: &System) -> Load {
    let Costs { late, switch, .. } = system.costs;
    let taken = system.locks.boosts + system.locks.waits;
    Load::each_frame(taken, system.frame, late + switch)
}

/// The bound of each task, the most urgent first.
fn bounds(system: &System) -> Vec<Option<Response>> {
    let supply = supply(system);
    let tasks = &system.tasks;
    let bound = |index: usize| {
        let question = Question {
            task: tasks[index],
            urgent: &tasks[..index],
            less_urgent: &tasks[index + 1..],
            interrupt: system.costs.interrupt,
            locks: locks(system),
            blocking: system.costs.stay,
        };
        (!overloads(&question, &supply))
            .then(|| response(&question, &supply))
            .flatten()
    };
    (0..tasks.len()).map(bound).collect()
}

/// An instant that is late enough for every jitter, `offset` into a frame.
fn instant(system: &System, offset: u64) -> u64 {
    let most = system.tasks.iter().map(|t| t.jitter).max().unwrap();
    (most + 1).div_ceil(system.frame) * system.frame + offset
}

/// First releases that hurt: at the end of a slot, one before, one after, at its begin, or anywhere.
fn phasing(system: &System, random: &mut Random) -> Vec<u64> {
    let edge = match system.slots.len() as u64 {
        0 => random.range(1, 40),
        n => {
            let (begin, end) = system.slots[random.range(0, n - 1) as usize];
            let near = [
                end,
                end,
                end.saturating_sub(1),
                end + 1,
                begin,
                end.saturating_sub(system.costs.tick),
                // What locks take ends with the slot.
                end.saturating_sub(system.costs.tick + system.locks.boosts),
                end.saturating_sub(system.costs.tick + system.locks.boosts + system.locks.waits),
            ];
            near[random.range(0, near.len() as u64 - 1) as usize]
        }
    };
    let edge = instant(system, edge);
    let together = random.one_in(2);
    let first = system.tasks.iter().map(|t| {
        let apart = if together || random.one_in(2) {
            0
        } else {
            random.range(0, t.period - 1)
        };
        edge + apart
    });
    first.collect()
}

#[derive(Debug, Default)]
struct Seen {
    sets: u64,
    bounded: u64,
    unbounded: u64,
    later_activation: u64,
    reached: u64,
}

fn compare(seeds: std::ops::Range<u64>, runs: u64) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let system = random::system(&mut random);
        let bounds = bounds(&system);
        seen.sets += 1;
        let mut worst = vec![0; bounds.len()];
        for run in 0..runs {
            let first = phasing(&system, &mut random);
            let longest = system.tasks.iter().map(|t| t.period + t.jitter).max().unwrap();
            let horizon = first.iter().max().unwrap() + 4 * longest.max(system.frame);
            let habit = if run % 2 == 0 { Habit::Worst } else { Habit::Drawn };
            let found = simulate(&system, &first, horizon, habit, &mut random);
            for (index, (found, bound)) in found.iter().zip(&bounds).enumerate() {
                if let Some(bound) = bound {
                    assert!(
                        *found <= bound.time,
                        "seed {seed}: task {index} took {found}, bound {bound:?}, released at {first:?}, {habit:?}\n{system:?}"
                    );
                }
                worst[index] = worst[index].max(*found);
            }
        }
        for (bound, worst) in bounds.iter().zip(worst) {
            match bound {
                Some(bound) => {
                    seen.bounded += 1;
                    seen.later_activation += u64::from(bound.activation > 1);
                    seen.reached += u64::from(bound.time == worst);
                }
                None => seen.unbounded += 1,
            }
        }
    }
    seen
}

// Verifies: BH-TASK-021, BH-TASK-022
#[test]
fn no_simulated_response_exceeds_its_bound() {
    let seen = compare(0..12_000, 4);
    println!("{seen:?}");
    // The sets are neither trivial nor hopeless.
    assert!(
        seen.sets >= 10_000 && seen.bounded > 20_000 && seen.unbounded > 500,
        "{seen:?}"
    );
    assert!(seen.later_activation > 200 && seen.reached > 5_000, "{seen:?}");
}

/// A million sets; by hand: `cargo test --release -p bulkhead-analysis -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn no_simulated_response_of_a_million_sets_exceeds_its_bound() {
    println!("{:?}", compare(1_000_000..2_000_000, 8));
}

// Verifies: BH-TASK-021
#[test]
fn a_lone_task_reaches_its_bound_at_some_instant() {
    let mut tried = 0;
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let mut system = random::system(&mut random);
        system.tasks.truncate(1);
        system.costs.stay = 0;
        system.locks = Locks::default();
        let task = &mut system.tasks[0];
        // No two activations meet.
        task.period = 100_000;
        let Some(bound) = bounds(&system)[0] else { continue };
        let response = |offset| {
            let first = instant(&system, offset);
            let horizon = first + bound.time + system.frame;
            simulate(&system, &[first], horizon, Habit::Worst, &mut Random::new(seed))[0]
        };
        let worst = (0..system.frame).map(response).max().unwrap();
        assert_eq!(worst, bound.time, "seed {seed}: {system:?}");
        // And at the instant that the analysis names.
        assert_eq!(
            response(bound.instant),
            bound.time,
            "seed {seed}: {bound:?} {system:?}"
        );
        tried += 1;
    }
    assert!(tried > 900, "{tried}");
}

// Verifies: BH-TASK-021
#[test]
fn tasks_released_together_at_the_named_instant_reach_their_bounds() {
    let mut tried = 0;
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let mut system = random::system(&mut random);
        system.costs.stay = 0;
        system.locks = Locks::default();
        for (index, bound) in bounds(&system).into_iter().enumerate() {
            let Some(bound) = bound else { continue };
            let first = instant(&system, bound.instant);
            let period = system.tasks[index].period;
            let horizon = first + bound.activation * period + bound.time;
            let first = vec![first; system.tasks.len()];
            let found = simulate(&system, &first, horizon + 1, Habit::Worst, &mut Random::new(seed));
            assert_eq!(
                found[index], bound.time,
                "seed {seed}: task {index}, {bound:?}, {system:?}"
            );
            tried += 1;
        }
    }
    assert!(tried > 1_500, "{tried}");
}
