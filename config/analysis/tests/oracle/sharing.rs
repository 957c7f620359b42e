// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots that partitions share, simulated unit by unit: who is the most urgent with budget left runs, whatever a supply is.
//! EL2 takes its time: slots begin late and end early, switches there and back are charged to whom they lead to.

use bulkhead_analysis::response::Load;
use bulkhead_analysis::response::{Question, Response, overloads, response};
use bulkhead_analysis::supply::{Part, Supply, Window};

use crate::random::Random;

/// What EL2 takes.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    /// A slot, or the way back from another, begins late by up to this.
    late: u64,
    /// Each change of who is on the core.
    switch: u64,
    /// Slots and budgets end early by up to this.
    early: u64,
}

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
    costs: Costs,
    /// Less urgent partitions are on the core while this one sleeps.
    followed: bool,
}

fn system(random: &mut Random) -> System {
    let mut slots = Vec::new();
    let mut end = 0;
    for _ in 0..random.range(1, 3) {
        let begin = end + random.range(0, 12);
        let length = random.range(4, 40);
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
    let costs = Costs {
        late: random.range(0, 2),
        switch: random.range(0, 2),
        early: random.range(0, 1),
    };
    System {
        frame,
        slots,
        tasks,
        costs,
        followed: random.one_in(2),
    }
}

fn supply(system: &System) -> Supply {
    let Costs { late, switch, early } = system.costs;
    let overrun = late + 2 * switch;
    let parts = system.slots.iter().map(|s| Part {
        slot: Window {
            begin: s.begin,
            end: s.end,
        },
        budget: s.budget,
        urgent: s.urgent.iter().map(|budget| budget + overrun).sum(),
    });
    Supply::parts(system.frame, parts, late + switch, early).unwrap()
}

fn bounds(system: &System) -> Vec<Option<Response>> {
    let supply = supply(system);
    let bound = |index: usize| {
        let question = Question {
            task: system.tasks[index],
            urgent: &system.tasks[..index],
            less_urgent: &system.tasks[index + 1..],
            interrupt: u64::from(system.followed) * 2 * system.costs.switch,
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

/// Who is on the core.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// Nobody since the slot began.
    Nobody,
    Urgent(usize),
    Own,
    /// Less urgent partitions, where there are any; else it is the own one that sleeps.
    Less,
}

/// The slot that is under way.
struct Core {
    /// What EL2 still takes.
    el2: u64,
    on: On,
    end: u64,
    urgent: Vec<u64>,
    own: u64,
}

impl Core {
    fn begin(now: u64, slot: &Slot, [late, early_end, early_budget]: [u64; 3]) -> Self {
        Self {
            el2: late,
            on: On::Nobody,
            end: now + slot.end - slot.begin - early_end,
            urgent: slot.urgent.clone(),
            own: slot.budget.saturating_sub(early_budget),
        }
    }

    fn charge(&mut self, who: On, time: u64) {
        let budget = match who {
            On::Urgent(index) => &mut self.urgent[index],
            On::Own | On::Less => &mut self.own,
            On::Nobody => return,
        };
        *budget = budget.saturating_sub(time);
    }

    /// Brings another onto the core, in `switch`, and `back` more where it comes back from a more urgent one.
    fn change(&mut self, to: On, switch: u64, back: u64) {
        let from = std::mem::replace(&mut self.on, to);
        let (payer, time) = match (from, to) {
            (On::Nobody, _) => (On::Nobody, switch),
            (_, On::Urgent(_)) => (to, switch),
            (On::Urgent(_), _) => (from, switch + back),
            _ => (On::Own, switch),
        };
        self.charge(payer, time);
        self.el2 = time;
    }
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
    let (tasks, costs) = (&system.tasks, system.costs);
    let mut worst = vec![0; tasks.len()];
    // Releases of activations that are not over, and what is left of the oldest.
    let mut waiting: Vec<Vec<u64>> = vec![Vec::new(); tasks.len()];
    let mut left: Vec<u64> = tasks.iter().map(|t| t.wcet).collect();
    let mut next = first.to_vec();
    let mut awake = [false; 2];
    let mut core: Option<Core> = None;
    let up_to = |most, random: &mut Random| match others {
        Others::From(_) => most,
        Others::Drawn => random.range(0, most),
    };
    for now in 0..horizon {
        for (index, task) in tasks.iter().enumerate() {
            if next[index] == now {
                waiting[index].push(now);
                next[index] += task.period;
            }
        }
        let within = now % system.frame;
        if let Some(slot) = system.slots.iter().find(|s| s.begin == within) {
            let drawn = [costs.late, costs.early, costs.early].map(|most| up_to(most, random));
            core = Some(Core::begin(now, slot, drawn));
        }
        core = core.filter(|core| now < core.end);
        let Some(core) = core.as_mut() else { continue };
        for state in &mut awake {
            match others {
                Others::From(time) => *state = now >= time,
                Others::Drawn => *state ^= random.one_in(4),
            }
        }
        let job = (0..tasks.len()).find(|i| !waiting[*i].is_empty());
        if core.el2 == 0 {
            let urgent = core
                .urgent
                .iter()
                .zip(awake)
                .position(|(b, awake)| *b > 0 && awake);
            let wants = core.own > 0 && (job.is_some() || hog);
            let to = match urgent {
                Some(index) => On::Urgent(index),
                None if wants || !system.followed => On::Own,
                None => On::Less,
            };
            if to != core.on {
                core.change(to, costs.switch, up_to(costs.late, random));
            }
        }
        if core.el2 > 0 {
            core.el2 -= 1;
            continue;
        }
        let on = core.on;
        match on {
            On::Own if core.own > 0 && (job.is_some() || hog) => {}
            On::Urgent(_) => {
                core.charge(on, 1);
                continue;
            }
            On::Nobody | On::Own | On::Less => continue,
        }
        core.charge(on, 1);
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
    assert!(bounded > 8_000 && reached > 1_000, "{bounded} {reached}");
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
        system.costs = Costs::default();
        let Some(bound) = bounds(&system)[0] else { continue };
        let at = system.frame + bound.instant;
        let horizon = at + bound.time + 1;
        let found = simulate(&system, &[at], horizon, Others::From(at), true, &mut random);
        assert_eq!(found[0], bound.time, "seed {seed}: {bound:?} {system:?}");
        tried += 1;
    }
    assert!(tried > 700, "{tried}");
}
