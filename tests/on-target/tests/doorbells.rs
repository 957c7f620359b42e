// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Doorbells, one of them rung without end by a hostile partition: `tests/partitions/channels`.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::command::Timing;

const SYSTEM: &str = "tests/systems/doorbells.yaml";

/// Numbers of a line, in order.
fn numbers<const N: usize>(line: &str) -> [u64; N] {
    println!("{line}");
    let words = line.split(|c: char| !c.is_ascii_digit());
    let found: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    found.try_into().expect("as many numbers as the line has")
}

/// Verifies: BH-BELL-001, BH-BELL-002, BH-PART-011.
#[test]
fn rings_arrive_at_most_once_in_their_interval() {
    let system = System::build(SYSTEM, &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let alone = says(&mut session, "alone", "in 500 rounds", 30);
    let shared = says(&mut session, "shared", "in 500 rounds", 30);
    let ringer = says(&mut session, "ringer", "in 600 rounds", 30);
    let flood = says(&mut session, "flood", "foreign", 30);
    let report = session.finish("enough was rung").expect("report");

    let [to_alone, to_shared, early, denied, rounds] = numbers(&ringer);
    assert_eq!(
        (to_alone, to_shared),
        (rounds, rounds),
        "each first ring of a round is delivered"
    );
    assert_eq!((early, denied), (rounds, 0), "each second one comes too early");
    // Who runs hears every ring. One that is asleep for 6 ms of 10 hears those of its absence as one.
    let [heard, other, noise, rounds] = numbers(&alone);
    assert!(
        heard + 5 >= rounds && heard <= rounds + 5,
        "{heard} heard in {rounds} rounds"
    );
    assert_eq!(other, 0, "another partition's doorbell");
    // 2 ms apart, in 4 ms of each 10: two or three.
    assert!(
        (rounds / 10..=rounds / 10 * 3 + 3).contains(&noise),
        "{noise} rings of the flood"
    );
    let [other, heard, foreign, rounds] = numbers(&shared);
    assert!(
        (rounds / 10 * 4 - 10..=rounds / 10 * 6).contains(&heard),
        "{heard} heard in {rounds} rounds"
    );
    assert_eq!((other, foreign), (0, 0), "another partition's doorbells");
    let [_, early, denied, foreign] = numbers(&flood);
    assert!(early > 0, "the flood is refused");
    assert_eq!((denied, foreign), (0, 0), "its own is its own, no other one is");

    let bells = &partition(&report, "flood").doorbells;
    assert!(bells.refused > 100 * bells.rings && bells.rings > 0, "{bells:?}");
    assert_eq!(
        partition(&report, "alone").el2_entries.by_reason.get("irq"),
        None,
        "no ring enters EL2"
    );
    // `shared` is rung in its slots, too, and has no other interrupt of a device: it is masked while it does not run.
    assert_eq!(
        partition(&report, "flood").el2_entries.by_reason.get("irq"),
        None,
        "another partition's interrupt in its slots"
    );
    assert_eq!(partition(&report, "shared").slots.missed, 0);
    assert!(core(&report, 0).adds_up, "{:?}", core(&report, 0));
}
