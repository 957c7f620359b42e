// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slot table against a simulator that knows only exact fractions of time.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use std::collections::BTreeMap;

use bulkhead_policy::schedule::{Occupant, Position, Timetable, ticks};
use bulkhead_types::tables::{MAX_SHARES, NONE, Share, Slot, slot_kind};
use proptest::prelude::*;

const SECOND: u128 = 1_000_000_000;

fn slots(lengths: &[(u64, u32)]) -> (Vec<Slot>, u64) {
    let mut offset = 0;
    let slots = lengths.iter().enumerate().map(|(i, (length, kind))| {
        let vcpu = if *kind == slot_kind::VCPU {
            u32::try_from(i).unwrap()
        } else {
            NONE
        };
        let slot = Slot {
            offset_ns: offset,
            length_ns: *length,
            kind: *kind,
            vcpu,
            shares: [Share::UNUSED; MAX_SHARES],
        };
        offset += length;
        slot
    });
    (slots.collect(), offset)
}

/// Begin of a slot by the definition: the exact begin of its frame and its offset, each rounded down to a tick.
struct Exact<'a> {
    slots: &'a [Slot],
    frame_ns: u64,
    frequency: u64,
}

impl Exact<'_> {
    fn begin(&self, number: u128) -> u64 {
        let count = u128::try_from(self.slots.len()).unwrap();
        let slot = &self.slots[usize::try_from(number % count).unwrap()];
        let frequency = u128::from(self.frequency);
        let frame = number / count * u128::from(self.frame_ns) * frequency / SECOND;
        u64::try_from(frame + u128::from(slot.offset_ns) * frequency / SECOND).unwrap()
    }

    /// Number of the slot that contains `now`, by bisection over all slots since the epoch.
    fn at(&self, now: u64) -> u128 {
        let (mut low, mut high) = (0u128, 1 << 80);
        while high - low > 1 {
            let middle = (low + high) / 2;
            let over = middle / u128::try_from(self.slots.len()).unwrap() > 1 << 60;
            if over || !self.fits(middle) || self.begin(middle) > now {
                high = middle
            } else {
                low = middle
            }
        }
        low
    }

    fn fits(&self, number: u128) -> bool {
        let count = u128::try_from(self.slots.len()).unwrap();
        let frame = (number / count).checked_mul(u128::from(self.frame_ns) * u128::from(self.frequency));
        frame.is_some_and(|f| f / SECOND < 1 << 63)
    }

    fn assert_same(&self, position: &Position, number: u128) {
        let count = u128::try_from(self.slots.len()).unwrap();
        assert_eq!(u128::from(position.frame()), number / count);
        assert_eq!(u128::try_from(position.index()).unwrap(), number % count);
        assert_eq!(position.begin(), self.begin(number));
        assert_eq!(position.end(), self.begin(number + 1));
        let slot = &self.slots[position.index()];
        let occupant = match slot.kind {
            slot_kind::VCPU => Occupant::Vcpu(slot.vcpu),
            slot_kind::SYSTEM => Occupant::System,
            slot_kind::STANDBY => Occupant::Standby,
            _ => Occupant::Idle,
        };
        assert_eq!(position.occupant(), occupant);
    }
}

fn frequency() -> impl Strategy<Value = u64> {
    let common = [
        1_000_000,
        8_000_000,
        19_200_000,
        24_000_000,
        33_333_333,
        62_500_000,
        100_000_000,
        1_000_000_000,
    ];
    prop_oneof![
        prop::sample::select(common.to_vec()),
        1_000_000..=1_000_000_000u64
    ]
}

fn lengths() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((1_001..20_000_000u64, 0..3u32), 1..8)
}

proptest! {
    #[test]
    fn conversion_is_exact(ns in 0..1u64 << 62, frequency in frequency()) {
        prop_assert_eq!(u128::from(ticks(ns, frequency)), u128::from(ns) * u128::from(frequency) / SECOND);
    }

    /// Verifies: BH-SCHED-001.
    #[test]
    fn stepping_never_drifts(lengths in lengths(), frequency in frequency()) {
        let (slots, frame_ns) = slots(&lengths);
        let exact = Exact { slots: &slots, frame_ns, frequency };
        let table = Timetable::<8>::new(&slots, frame_ns, frequency).unwrap();
        let mut position = table.first();
        for number in 0..2000 {
            exact.assert_same(&position, number);
            position = table.advance(&position);
        }
    }

    #[test]
    fn locating_agrees_with_bisection(lengths in lengths(), frequency in frequency(), now in 0..1u64 << 62) {
        let (slots, frame_ns) = slots(&lengths);
        let exact = Exact { slots: &slots, frame_ns, frequency };
        let table = Timetable::<8>::new(&slots, frame_ns, frequency).unwrap();
        let number = exact.at(now);
        let position = table.locate(now);
        exact.assert_same(&position, number);
        prop_assert!(position.begin() <= now && now < position.end());
        prop_assert_eq!(table.locate(position.begin()), position, "its first tick");
        prop_assert_eq!(table.locate(position.end() - 1), position, "its last tick");
        prop_assert_eq!(table.locate(position.end()), table.advance(&position), "the next slot's first tick");
        // Stepping goes on from there as it does from the epoch.
        exact.assert_same(&table.advance(&position), number + 1);
    }

    /// Verifies: BH-SCHED-002.
    ///
    /// A core that comes to its timer with arbitrary delays begins a slot only inside that slot, and every slot
    /// of the past has begun or is counted as missed, once.
    #[test]
    fn each_slot_begins_in_time_or_is_missed(
        lengths in lengths(),
        frequency in frequency(),
        delays in prop::collection::vec(prop_oneof![5 => 0..1000u64, 2 => 0..50_000_000u64, 1 => 0..1u64 << 40], 1..60),
    ) {
        let (slots, frame_ns) = slots(&lengths);
        let exact = Exact { slots: &slots, frame_ns, frequency };
        let table = Timetable::<8>::new(&slots, frame_ns, frequency).unwrap();
        let mut position = table.first();
        let mut number = 0u128;
        let mut begun: BTreeMap<usize, u128> = BTreeMap::from([(0, 1)]);
        let mut missed: Vec<(Occupant, u64)> = Vec::new();
        for delay in delays {
            let now = position.end() + delay;
            let before = missed.len();
            let next = table.arrive(&position, now, |occupant, count| missed.push((occupant, count)));
            prop_assert!(next.begin() <= now && now < next.end());
            prop_assert_eq!(next.lateness(now), now - next.begin());
            let to = exact.at(now);
            exact.assert_same(&next, to);
            let lost: u128 = missed[before..].iter().map(|(_, n)| u128::from(*n)).sum();
            prop_assert_eq!(lost, to - number - 1, "slots between the last and the new one");
            *begun.entry(next.index()).or_default() += 1;
            (position, number) = (next, to);
        }
        // Per slot of the table: begun + missed = all that have passed.
        for (i, slot) in slots.iter().enumerate() {
            if slot.kind != slot_kind::VCPU { continue }
            let lost: u128 = missed.iter().filter(|(o, _)| *o == Occupant::Vcpu(slot.vcpu)).map(|(_, n)| u128::from(*n)).sum();
            let count = u128::try_from(slots.len()).unwrap();
            let index = u128::try_from(i).unwrap();
            let passed = number / count + u128::from(index <= number % count);
            prop_assert_eq!(begun.get(&i).copied().unwrap_or(0) + lost, passed, "slot {}", i);
        }
    }
}

#[test]
fn early_is_still_the_same_slot() {
    let (slots, frame) = slots(&[(8_000_000, slot_kind::VCPU), (2_000_000, slot_kind::SYSTEM)]);
    let table = Timetable::<4>::new(&slots, frame, 62_500_000).unwrap();
    let first = table.first();
    assert_eq!((first.begin(), first.end()), (0, 500_000));
    let never = |_, _| panic!("nothing was missed");
    assert_eq!(table.arrive(&first, 499_999, never), first);
    let second = table.arrive(&first, 500_000, never);
    assert_eq!(
        (second.begin(), second.end(), second.occupant()),
        (500_000, 625_000, Occupant::System)
    );
    let mut missed = Vec::new();
    let third = table.arrive(&first, 625_000, |occupant, count| missed.push((occupant, count)));
    assert_eq!(
        (third.frame(), third.index(), missed),
        (1, 0, vec![(Occupant::System, 1)]),
        "over at its end"
    );
    assert_eq!(second.lateness(500_007), 7);
    assert_eq!(second.lateness(0), 0);
}

#[test]
fn two_cores_with_frames_of_one_and_two_lengths_meet() {
    // 10 ms at 33 333 333 Hz is no whole number of ticks; the long frame's begins still are begins of the short one.
    let (short, short_frame) = slots(&[(10_000_000, slot_kind::IDLE)]);
    let (long, long_frame) = slots(&[(20_000_000, slot_kind::IDLE)]);
    let a = Timetable::<1>::new(&short, short_frame, 33_333_333).unwrap();
    let b = Timetable::<1>::new(&long, long_frame, 33_333_333).unwrap();
    let (mut p, mut q) = (a.first(), b.first());
    for _ in 0..100_000 {
        assert_eq!(p.begin(), q.begin());
        p = a.advance(&a.advance(&p));
        q = b.advance(&q);
    }
}

#[test]
fn refused_tables() {
    let (good, frame) = slots(&[(2_000, slot_kind::VCPU), (2_000, slot_kind::IDLE)]);
    assert!(Timetable::<2>::new(&good, frame, 1_000_000).is_some());
    assert!(
        Timetable::<1>::new(&good, frame, 1_000_000).is_none(),
        "too many slots"
    );
    assert!(Timetable::<2>::new(&[], frame, 1_000_000).is_none(), "no slot");
    assert!(Timetable::<2>::new(&good, frame, 999_999).is_none(), "frequency");
    assert!(
        Timetable::<2>::new(&good, frame, 1_000_000_001).is_none(),
        "frequency"
    );
    let (short, frame) = slots(&[(2_000, slot_kind::VCPU), (999, slot_kind::IDLE)]);
    assert!(
        Timetable::<2>::new(&short, frame, 1_000_000).is_none(),
        "a slot shorter than a tick"
    );
    let (unknown, frame) = slots(&[(2_000, 4)]);
    assert!(Timetable::<2>::new(&unknown, frame, 1_000_000).is_none(), "kind");
    let (late, frame) = slots(&[(2_000, slot_kind::IDLE), (2_000, slot_kind::IDLE)]);
    assert!(
        Timetable::<2>::new(&late[1..], frame, 1_000_000).is_none(),
        "first slot not at 0"
    );
}

/// Verifies: BH-SCHED-027.
#[test]
fn the_standby_slot_is_for_housekeeping_once_the_system_core_has_failed() {
    for failed in [false, true] {
        let kept = |occupant: Occupant| occupant.keeps_house(|| failed);
        assert!(kept(Occupant::System));
        assert_eq!(kept(Occupant::Standby), failed);
        let others = [Occupant::Idle, Occupant::Vcpu(0), Occupant::Shared(0)];
        assert!(!others.into_iter().any(kept));
    }
}
