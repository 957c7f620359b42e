// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Periods of a budget against a list of all their begins, made with exact fractions.
#![allow(clippy::expect_used, reason = "tests")]

use bulkhead_policy::bandwidth::Regulator;
use bulkhead_policy::schedule::{Position, Timetable};
use bulkhead_types::tables::{Core, MAX_SHARES, Share, Slot, core_mode, slot_kind};
use proptest::prelude::*;

/// Nanoseconds in a second.
const SECOND: u128 = 1_000_000_000;

fn core(budget: u32, period_ns: u64, periods: u64) -> Core {
    Core {
        mpidr: 0,
        midr: 0,
        el2_root: 0,
        redistributor: 0,
        mode: core_mode::SLICED,
        vcpu_first: 0,
        vcpu_count: 0,
        slot_first: 0,
        slot_count: 0,
        predictors: 0,
        major_frame_ns: period_ns * periods,
        budget,
        budget_event: 8,
        budget_kept: 1,
        budget_counters: 6,
        budget_intid: 23,
        budget_period_ns: period_ns,
    }
}

fn slots(lengths_ns: &[u64]) -> Vec<Slot> {
    let mut offset_ns = 0;
    let slot = |length_ns: &u64| {
        let slot = Slot {
            offset_ns,
            length_ns: *length_ns,
            kind: slot_kind::IDLE,
            vcpu: u32::MAX,
            shares: [Share::UNUSED; MAX_SHARES],
        };
        offset_ns += length_ns;
        slot
    };
    lengths_ns.iter().map(slot).collect()
}

/// The first tick of period `k` of frame `frame`: frames begin at the tick below their exact begin, periods at the
/// tick below their exact distance from that.
fn begin(frame: u64, k: u64, frame_ns: u64, period_ns: u64, frequency: u64) -> u64 {
    let floor = |ns: u128| ns * u128::from(frequency) / SECOND;
    let ticks =
        floor(u128::from(frame) * u128::from(frame_ns)) + floor(u128::from(k) * u128::from(period_ns));
    u64::try_from(ticks).expect("small")
}

/// Verifies: BH-BW-001.
#[test]
fn a_core_without_budget_has_no_regulator() {
    assert_eq!(Regulator::new(&core(0, 0, 0), 1_000_000), None);
    assert_eq!(
        Regulator::new(&core(7, 999, 10), 1_000_000),
        None,
        "less than a tick"
    );
    let regulator = Regulator::new(&core(7, 1000, 10), 1_000_000).expect("one tick");
    assert_eq!(regulator.budget(), 7);
}

proptest! {
    /// However seldom it looks, a core gets its budget in the first look in a period, once, and is told to look again
    /// at the next begin of a period or of a slot.
    ///
    /// Verifies: BH-BW-001.
    #[test]
    fn a_period_gives_the_budget_once(
        frequency in 1_000_000_u64..=1_000_000_000,
        period_us in 100_u64..2_000,
        periods in prop_oneof![1_u64..8, 1_u64..3_000],
        cut in 1_u64..100,
        steps in prop::collection::vec((prop_oneof![0_u64..4_000_000, 0_u64..4_000_000_000], any::<bool>()), 1..60),
    ) {
        let period_ns = period_us * 1000;
        let frame_ns = period_ns * periods;
        let first = frame_ns * cut / 100;
        let table: Timetable<2> = Timetable::new(&slots(&[first.max(1000), frame_ns - first.max(1000)]), frame_ns, frequency)
            .expect("a table");
        let mut regulator = Regulator::new(&core(7, period_ns, periods), frequency).expect("a budget");
        let (mut now, mut last, mut spent) = (0_u64, None, false);
        for (step, spend) in steps {
            let position: Position = table.locate(now);
            let frame = position.frame();
            let all: Vec<u64> = (0..periods).map(|k| begin(frame, k, frame_ns, period_ns, frequency)).collect();
            let within = all.iter().filter(|b| **b <= now).count();
            let period = (frame, within);
            let fresh = last != Some(period);
            prop_assert_eq!(regulator.renew(&position, now), fresh, "at {} in {:?}", now, &all);
            if fresh {
                spent = false;
            }
            prop_assert_eq!(regulator.spent(), spent);
            if spend {
                regulator.exhaust();
                spent = true;
            }
            let following = all.get(within).copied().unwrap_or(u64::MAX);
            prop_assert_eq!(regulator.look_at(&position), following.min(position.end()));
            last = Some(period);
            now += step * frequency / 1_000_000_000;
        }
    }
}
