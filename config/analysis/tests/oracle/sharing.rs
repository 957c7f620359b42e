// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots that partitions share, simulated unit by unit: who is the most urgent with budget left runs, whatever a supply is.

use bulkhead_analysis::response::Load;
use bulkhead_analysis::response::{Question, Response, overloads, response};
use bulkhead_analysis::supply::{Part, Supply, Window};

use crate::random::Random;

/// A slot: begin, end, the budgets of more urgent partitions, the budget of the own one.
#[derive(Clone, Debug)]
struct Slot {
    begin: u64,
    end: u64,
    urgent: Vec<u64>,
    budget: u64,
}

/// A vCPU with tasks in order of urgency, and code that is no task and always wants to run.
#[derive(Clone, Debug)]
struct System {
    frame: u64,
    slots: Vec<Slot>,
    tasks: Vec<Load>,
}

fn system(random: &mut Random) -> System {
    let mut slots = Vec::new();
    let mut end = 0;
    for _ in 0..random.range(1, 3) {
        let begin = end + random.range(0, 12);
        let length = random.range(4, 30);
        end = begin + length;
        let mut left = length;
        let urgent = (0..random.range(0, 2)).map(|_| {
            let budget = random.range(1, left.div_ceil(2));
            left -= budget;
            budget
        });
        let urgent = urgent.filter(|b| *b > 0).collect::<Vec<_>>();
        let left = length - urgent.iter().sum::<u64>();
        // The least urgent may do without one.
        let budget = if random.one_in(3) {
            length
        } else {
            random.range(1, left.max(1))
        };
        slots.push(Slot {
            begin,
            end,
            urgent,
            budget,
        });
    }
    let frame = end + random.range(0, 12);
    let tasks = (0..random.range(1, 3)).map(|_| {
        let period = random.range(frame, 4 * frame);
        Load {
            wcet: random.range(1, 1 + frame / 6),
            period,
            jitter: 0,
        }
    });
    let tasks = tasks.collect();
    System { frame, slots, tasks }
}

fn supply(system: &System) -> Supply {
    let parts = system.slots.iter().map(|s| Part {
        slot: Window {
            begin: s.begin,
            end: s.end,
        },
        budget: s.budget,
        urgent: s.urgent.iter().sum(),
    });
    Supply::parts(system.frame, parts, 0, 0).unwrap()
}

fn bounds(system: &System) -> Vec<Option<Response>> {
    let supply = supply(system);
    let bound = |index: usize| {
        let question = Question {
            task: system.tasks[index],
            urgent: &system.tasks[..index],
            less_urgent: &system.tasks[index + 1..],
            interrupt: 0,
            blocking: 0,
            locks: Load {
                wcet: 0,
                period: system.frame,
                jitter: 0,
            },
        };
        let fits = !overloads(&question, &supply);
        fits.then(|| response(&question, &supply)).flatten()
    };
    (0..system.tasks.len()).map(bound).collect()
}

/// How others behave.
#[derive(Clone, Copy, Debug)]
enum Others {
    /// Before this time they sleep, then they want to run always.
    From(u64),
    /// They wake and sleep as they like.
    Drawn,
}

/// The longest response of each task until `horizon`; `first` are first releases.
fn simulate(
    system: &System,
    first: &[u64],
    horizon: u64,
    others: Others,
    hog: bool,
    random: &mut Random,
) -> Vec<u64> {
    let tasks = &system.tasks;
    let mut worst = vec![0; tasks.len()];
    // Releases of activations that are not over, and what is left of the oldest.
    let mut waiting: Vec<Vec<u64>> = vec![Vec::new(); tasks.len()];
    let mut left: Vec<u64> = tasks.iter().map(|t| t.wcet).collect();
    let mut next = first.to_vec();
    let mut budgets: Vec<u64> = Vec::new();
    let mut awake = [false; 2];
    for now in 0..horizon {
        for (index, task) in tasks.iter().enumerate() {
            if next[index] == now {
                waiting[index].push(now);
                next[index] += task.period;
            }
        }
        let within = now % system.frame;
        let slot = system.slots.iter().find(|s| (s.begin..s.end).contains(&within));
        let Some(slot) = slot else { continue };
        if slot.begin == within {
            budgets = slot.urgent.clone();
            budgets.push(slot.budget);
        }
        for state in &mut awake {
            match others {
                Others::From(time) => *state = now >= time,
                Others::Drawn => *state ^= random.one_in(4),
            }
        }
        let (own, urgent) = budgets.split_last_mut().unwrap();
        if let Some((budget, _)) = urgent.iter_mut().zip(awake).find(|(b, awake)| **b > 0 && *awake) {
            *budget -= 1;
            continue;
        }
        let job = (0..tasks.len()).find(|i| !waiting[*i].is_empty());
        if *own == 0 || job.is_none() && !hog {
            continue;
        }
        *own -= 1;
        if let Some(job) = job {
            left[job] -= 1;
            if left[job] == 0 {
                left[job] = tasks[job].wcet;
                worst[job] = worst[job].max(now + 1 - waiting[job].remove(0));
            }
        }
    }
    worst
}

// Verifies: BH-TASK-030
#[test]
fn no_response_in_shared_slots_exceeds_its_bound() {
    let (mut bounded, mut reached) = (0, 0);
    for seed in 0..10_000 {
        let mut random = Random::new(0x51a_0000 + seed);
        let system = system(&mut random);
        let bounds = bounds(&system);
        let mut worst = vec![0; bounds.len()];
        for run in 0..6 {
            let starts = supply(&system).worst_starts();
            let at = match starts.len() as u64 {
                0 => 0,
                n => starts[random.range(0, n - 1) as usize].at,
            };
            let at = if run == 5 {
                random.range(0, system.frame)
            } else {
                at
            } + system.frame;
            let spread = |random: &mut Random| if run < 3 { 0 } else { random.range(0, system.frame) };
            let first: Vec<u64> = system.tasks.iter().map(|_| at + spread(&mut random)).collect();
            let longest = system.tasks.iter().map(|t| t.period).max().unwrap();
            let others = if run % 2 == 0 {
                Others::From(at)
            } else {
                Others::Drawn
            };
            let found = simulate(&system, &first, at + 3 * longest, others, run != 4, &mut random);
            for (index, (found, bound)) in found.iter().zip(&bounds).enumerate() {
                if let Some(bound) = bound {
                    assert!(
                        *found <= bound.time,
                        "seed {seed}: task {index} took {found}, {bound:?}, {first:?}, {others:?}\n{system:?}"
                    );
                }
                worst[index] = worst[index].max(*found);
            }
        }
        for (bound, worst) in bounds.iter().zip(worst) {
            bounded += u64::from(bound.is_some());
            reached += u64::from(bound.is_some_and(|b| b.time == worst));
        }
    }
    assert!(bounded > 8_000 && reached > 3_000, "{bounded} {reached}");
}

// Verifies: BH-TASK-030
#[test]
fn a_lone_task_in_shared_slots_reaches_its_bound() {
    let mut tried = 0;
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let mut system = system(&mut random);
        system.tasks.truncate(1);
        system.tasks[0].period = 100_000;
        let Some(bound) = bounds(&system)[0] else { continue };
        let at = system.frame + bound.instant;
        let horizon = at + bound.time + 1;
        let found = simulate(&system, &[at], horizon, Others::From(at), true, &mut random);
        assert_eq!(found[0], bound.time, "seed {seed}: {bound:?} {system:?}");
        tried += 1;
    }
    assert!(tried > 700, "{tried}");
}
