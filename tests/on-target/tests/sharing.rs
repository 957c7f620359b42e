// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots that partitions share. One instruction is one nanosecond, so that no time depends on how fast the host is.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{System, core, lines, partition, says, slots_begin_in_time};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

const SYSTEM: &str = "tests/systems/sharing.yaml";
const GICV2: &str = "tests/systems/sharing-gicv2.yaml";
const CORES: &str = "tests/systems/sharing-cores.yaml";
const MS: u64 = 1_000_000;
/// `hold` of the lock, and the budget of its owner.
const HOLD: u64 = MS;
const LOW: u64 = MS / 10;
/// What may be missing or too much, of a time in a frame: switches, and the start of who runs less at first.
const EDGE: u64 = MS / 20;

/// The numbers of a line.
fn numbers(line: &str) -> Vec<u64> {
    let words = line.split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The numbers of the last line of a partition that has `word`.
fn last(session: &Session, partition: &str, word: &str) -> Vec<u64> {
    let all = lines(session, partition);
    let line = all.iter().rev().find(|line| line.contains(word));
    numbers(line.unwrap_or_else(|| panic!("{partition} never said `{word}`: {all:?}")))
}

/// For how long a partition executed on a core, ns.
fn ran(report: &Report, index: u32, name: &str) -> u64 {
    let mut used = core(report, index).used.iter();
    used.find(|used| used.partition == name).expect("it is there").ns
}

/// A partition executed on a core for at least and at most so many ns a frame; the first frame and the last are not
/// whole.
fn runs(report: &Report, index: u32, name: &str, least: u64, most: u64) {
    let (ns, frames) = (ran(report, index, name), core(report, index).frames);
    let bounds = (frames - 2) * least..=frames * most;
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
    slots_begin_in_time(&report);
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

/// The vCPUs of a partition that has a share on two cores call each other past those whose slots they are, life after
/// life; who owns a lock is boosted in a slot of others at nobody's cost but the lock's.
///
/// Verifies: BH-SCHED-021, BH-SCHED-022, BH-SCHED-023, BH-SCHED-025, BH-LOCK-005, BH-LOCK-020.
#[test]
fn shares_on_two_cores_restart_and_boosts_cost_no_budget() {
    let system = System::build(CORES, &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "high", " takings", 20);
    session.run_for(Duration::from_millis(800)).expect("runs");
    let lives: Vec<Vec<u64>> = lines(&session, "pair").iter().map(|l| numbers(l)).collect();
    let waits = last(&session, "high", " takings");
    let wakes = last(&session, "urgent", "wakes");
    let report = session.finish("the time is over").expect("report");
    let lock = report.pi_locks.iter().find(|lock| lock.name == "record");
    let lock = lock.expect("the lock is in the report");
    println!("pair {lives:?}, high {waits:?}, urgent {wakes:?}, {lock:?}");
    for row in &report.cores {
        println!("{row:?}");
        assert!(row.adds_up, "{row:?}");
    }
    for (name, partition) in &report.partitions {
        println!("{name}: {:?}, {} restarts", partition.slots, partition.restarts);
        assert_eq!(partition.slots.missed, 0, "{name}");
    }
    slots_begin_in_time(&report);
    let frames = core(&report, 0).frames;
    assert!(frames >= 80, "{frames} frames");

    // Each life ends with its line, and takes a fraction of its calls for its start.
    let restarts = partition(&report, "pair").restarts;
    assert!(restarts >= frames / 20, "{restarts} restarts");
    assert!(restarts.abs_diff(lives.len() as u64) <= 1, "{restarts} restarts");
    for life in &lives {
        let [calls, prompt, _] = life[..] else {
            panic!("{life:?}")
        };
        assert!(
            prompt * 10 >= calls * 9,
            "{prompt} of {calls} were answered at once"
        );
    }
    // Neither its calls nor its restarts take from those behind it, on either core.
    runs(&report, 0, "left", 6 * MS - EDGE, 6 * MS);
    runs(&report, 1, "right", 6 * MS - EDGE, 6 * MS);
    for core in [0, 1] {
        runs(&report, core, "pair", 0, MS + EDGE);
    }

    // High waits within the hold for low, which has a tenth of that in a frame and owes the rest to the lock: the victim,
    // in whose turn the boosts come, has its budget.
    let [takings, worst, revoked, _] = waits[..] else {
        panic!("{waits:?}")
    };
    assert!(
        takings >= 80 && u64::from(lock.boosts) >= frames / 4,
        "{takings}, {lock:?}"
    );
    assert!(worst > LOW && worst < HOLD + EDGE, "{worst} ns");
    assert_eq!(revoked, 0);
    let low = ran(&report, 2, "low");
    let budgets = frames * LOW;
    assert!(low > budgets + u64::from(lock.boosts) * LOW, "{low} ns");
    assert!(low < budgets + u64::from(lock.boosts) * (HOLD + EDGE), "{low} ns");
    runs(&report, 2, "victim", 6 * MS - EDGE, 6 * MS);
    // Only boosts come before the urgent one.
    let [wakes, prompt, _] = wakes[..] else {
        panic!("{wakes:?}")
    };
    assert!(prompt * 10 > wakes * 9, "{prompt} of {wakes} prompt");
}

/// A core that has spent its budget of memory traffic stands still, whoever's turn it is: that time is in the budgets of
/// the slot, and a change of turns gives no traffic back.
///
/// Verifies: BH-SCHED-021, BH-BW-002.
#[test]
fn a_budget_of_traffic_is_shared_as_the_slot_is() {
    let system = System::build(SYSTEM, &["schedule.bandwidth={1: {events: 400000, period: 1ms}}"]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "mate", "spins", 20);
    session.run_for(Duration::from_millis(800)).expect("runs");
    let report = session.finish("the time is over").expect("report");
    slots_begin_in_time(&report);
    let row = core(&report, 1);
    println!("{row:?}");
    assert!(row.frames >= 80 && row.adds_up, "{row:?}");
    assert!(row.budget_spent.abs_diff(10 * row.frames) <= 10, "once a period");
    // The core is never without work: it sleeps while it stands still, and between a start's paths.
    assert!(row.idle_ns - row.budget_ns < EDGE, "{row:?}");
    // Two fifths of what they have without it.
    for (name, ms) in [("greedy", 1), ("mate", 6), ("spare", 3)] {
        runs(&report, 1, name, ms * 2 * MS / 5 - EDGE, ms * 2 * MS / 5 + EDGE);
        assert_eq!(partition(&report, name).slots.missed, 0, "{name}");
    }
    // A budget ends while the core stands still, and who is less urgent goes on in the next period.
    assert!(partition(&report, "mate").slots.budgets_used_up + 2 >= row.frames);
}
