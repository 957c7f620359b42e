// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random slot tables and task sets from a seed.

use bulkhead_analysis::response::Load;

use crate::simulator::{Costs, Locks, System};

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.range(1, n) == 1
    }
}

/// One to four slots in a frame, or none: a core of its own.
fn slots(random: &mut Random, shortest: u64) -> (u64, Vec<(u64, u64)>) {
    if random.one_in(8) {
        return (1, Vec::new());
    }
    let mut slots = Vec::new();
    let mut time = random.range(0, 3) * random.range(0, 10);
    for _ in 0..random.range(1, 4) {
        let end = time + random.range(shortest, shortest + 30);
        slots.push((time, end));
        // Slots may touch.
        time = end + if random.one_in(4) { 0 } else { random.range(1, 30) };
    }
    (time, slots)
}

/// A system that is loaded lightly to fully, sometimes too much.
pub(crate) fn system(random: &mut Random) -> System {
    let free = random.one_in(3);
    let mut cost = |most| if free { 0 } else { random.range(0, most) };
    let costs = Costs {
        late: cost(3),
        switch: cost(3),
        tick: cost(1),
        interrupt: cost(2),
        stay: cost(4),
    };
    let (frame, slots) = slots(random, costs.late + costs.switch + costs.tick + 1);
    let (given, per) = if slots.is_empty() {
        (1, 1)
    } else {
        let lost = costs.late + costs.switch + costs.tick;
        (slots.iter().map(|(b, e)| e - b - lost).sum(), frame)
    };
    let count = random.range(1, 5);
    // Per mille of what is given, shared by all tasks.
    let load = random.range(200, 1050) / count;
    let tasks = (0..count).map(|_| {
        let period = random.range(15, 4 * frame.max(40));
        let fair = period * given * load / (per * 1000);
        let wcet = random
            .range(fair / 2, fair + fair / 2)
            .saturating_sub(costs.interrupt);
        let jitter = if random.one_in(3) {
            random.range(0, 2 * period)
        } else {
            0
        };
        Load {
            wcet: wcet.max(1),
            period,
            jitter,
        }
    });
    let tasks = tasks.collect();
    let locks = if slots.is_empty() || random.one_in(2) {
        Locks::default()
    } else {
        Locks {
            boosts: random.range(0, 6),
            waits: random.range(0, 6),
        }
    };
    System {
        frame,
        slots,
        costs,
        locks,
        tasks,
    }
}
