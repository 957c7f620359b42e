// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots that partitions share. One instruction is one nanosecond, so that no time depends on how fast the host is.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{System, core, lines, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

const SYSTEM: &str = "tests/systems/sharing.yaml";
const GICV2: &str = "tests/systems/sharing-gicv2.yaml";
const MS: u64 = 1_000_000;
/// What may be missing or too much, of a time in a frame: switches, and the start of who runs less at first.
const EDGE: u64 = MS / 20;

/// The numbers of the last line of a partition that has `word`.
fn last(session: &Session, partition: &str, word: &str) -> Vec<u64> {
    let all = lines(session, partition);
    let line = all.iter().rev().find(|line| line.contains(word));
    let line = line.unwrap_or_else(|| panic!("{partition} never said `{word}`: {all:?}"));
    let words = line.split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// A partition executed on a core for at least and at most so many ns a frame; the first frame and the last are not
/// whole.
fn runs(report: &Report, index: u32, name: &str, least: u64, most: u64) {
    let row = core(report, index);
    let used = row.used.iter().find(|used| used.partition == name);
    let ns = used.expect("it is there").ns;
    let bounds = (row.frames - 2) * least..=row.frames * most;
    assert!(bounds.contains(&ns), "{name}: {ns} ns, not in {bounds:?}");
}

/// Who shares the slots of cores 0 and 1 has what the spec says; nobody, nor `others`, missed a slot.
fn two_cores_share(report: &Report, wakes: &[u64], others: &[&str]) {
    for row in &report.cores {
        println!("{row:?}");
        assert!(row.adds_up, "{row:?}");
    }
    let frames = core(report, 0).frames;
    assert!(frames >= 60, "{frames} frames");
    let names = ["urgent", "victim", "hog", "greedy", "mate", "spare"];
    for name in names.iter().chain(others) {
        let slots = partition(report, name).slots;
        println!("{name}: {slots:?}");
        assert_eq!(slots.missed, 0, "{name}");
    }

    // In each frame the urgent one wakes at least four times in the victim's slot, and runs at once.
    let [wakes, prompt, worst] = *wakes else {
        panic!("{wakes:?}")
    };
    assert!(
        wakes >= 250 && prompt * 6 > wakes * 4,
        "{prompt} of {wakes} prompt"
    );
    assert!(worst < EDGE, "{worst} ns late");

    // The victim has its budget, whoever wakes in its slot, and no more; slack has the rest of the slot; alone in a
    // slot the hog stops at its budget, and the core sleeps.
    runs(report, 0, "victim", 3 * MS - EDGE, 3 * MS);
    runs(report, 0, "hog", 3 * MS + MS / 2, 4 * MS);
    let asleep = core(report, 0).idle_ns / frames;
    assert!(asleep > 2 * MS, "{asleep} ns");
    assert!(partition(report, "victim").slots.budgets_used_up + 2 >= frames);
    assert!(partition(report, "hog").slots.budgets_used_up + 2 >= frames);
    // Only its load and its start need more than that.
    assert!(partition(report, "urgent").slots.budgets_used_up * 4 < frames);

    // Who wants more than its budget gets its budget.
    runs(report, 1, "greedy", MS - 2 * EDGE, MS + EDGE);
    runs(report, 1, "mate", 6 * MS - EDGE, 6 * MS);
    runs(report, 1, "spare", 3 * MS - 2 * EDGE, 3 * MS + EDGE);
}

/// Verifies: BH-SCHED-021, BH-SCHED-022, BH-SCHED-023, BH-SCHED-024.
#[test]
fn slots_are_shared_by_priority_budget_and_slack() {
    let system = System::build(SYSTEM, &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "ringer", " rung", 20);
    session.run_for(Duration::from_millis(800)).expect("runs");
    let wakes = last(&session, "urgent", "wakes");
    let heard = last(&session, "ear", "heard");
    let rung = last(&session, "ringer", "rung");
    let report = session.finish("the time is over").expect("report");
    println!("urgent {wakes:?}, ear {heard:?}, ringer {rung:?}");
    let others = ["ear", "noise"];
    two_cores_share(&report, &wakes, &others);

    // The bell of one that is not loaded is heard each time, not once a slot.
    let (heard, rung) = (heard[0], rung[0]);
    assert!(heard + 60 >= rung && rung >= 300, "{heard} heard of {rung}");
}

/// Verifies: BH-SCHED-021, BH-SCHED-022, BH-SCHED-023.
#[test]
fn slots_are_shared_on_a_gicv2() {
    let system = System::build(GICV2, &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "urgent", "50 wakes", 20);
    session.run_for(Duration::from_millis(700)).expect("runs");
    let wakes = last(&session, "urgent", "wakes");
    let report = session.finish("the time is over").expect("report");
    two_cores_share(&report, &wakes, &[]);
}
