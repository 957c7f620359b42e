// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Queues and shared memory between partitions of which one is hostile: `tests/partitions/channels`.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{System, lines, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::{QueueReport, Report};

const SYSTEM: &str = "tests/systems/channels.yaml";
/// Stores of the hostile partition that stage 2 must stop.
const ATTEMPTS: u64 = 4;

/// The last of them: the queue of which it has no end.
const ELSEWHERE: u64 = 0xc00_0000;

/// What the others say last, after the hostile one has lied.
fn run(overrides: &[&str]) -> (Vec<u64>, Vec<u64>, Report) {
    let system = System::build(SYSTEM, overrides);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "hostile", "lies", 30);
    session.run_for(Duration::from_millis(300)).expect("runs");
    let last = |name| {
        let line = lines(&session, name).pop().expect("a line");
        println!("{line}");
        let words = line.split(|c: char| !c.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    };
    let (source, sink) = (last("source"), last("sink"));
    let report = session.finish("the time is over").expect("report");
    println!("{:?}", report.queues);
    (source, sink, report)
}

fn queue<'a>(report: &'a Report, name: &str) -> &'a QueueReport {
    let queue = report.queues.iter().find(|queue| queue.name == name);
    queue.expect("the queue is in the report")
}

/// Verifies: BH-MEM-011, BH-PORT-010, BH-PORT-011, BH-PORT-012, BH-REP-004.
#[test]
fn a_hostile_end_harms_nobody() {
    let (source, sink, report) = run(&[]);
    let [commands, refused, logged, rounds, _] = source[..] else {
        panic!("{source:?}")
    };
    assert_eq!(
        (commands, refused, logged),
        (rounds, 0, rounds),
        "the writer was held up"
    );
    let [taken, bad, noises, errors, frame, old] = sink[..] else {
        panic!("{sink:?}")
    };
    assert_eq!(bad, 0, "a good queue was damaged");
    assert!(
        taken + 100 > commands && taken > 100,
        "{taken} of {commands} taken"
    );
    assert!(errors > 0, "the reader noticed no lie in {noises} noises");
    assert!(
        frame + 100 > rounds && old == 0,
        "frame {frame} of {rounds}, {old} old"
    );
    let hostile = partition(&report, "hostile");
    assert!(
        !hostile.console_tail.contains("WROTE"),
        "{}",
        hostile.console_tail
    );
    assert_eq!(hostile.restarts, ATTEMPTS, "each attempt ends the partition");
    let fault = hostile.fault.as_ref().expect("the last attempt's fault");
    assert_eq!(fault.ipa & !0xfff, ELSEWHERE, "{fault:?}");
    assert_eq!(
        partition(&report, "source").restarts + partition(&report, "sink").restarts,
        0
    );
    let commands = queue(&report, "commands");
    assert!(
        commands.sent >= rounds && commands.refused == 0 && commands.lost == 0,
        "{commands:?}"
    );
    assert!(commands.taken + 100 > commands.sent, "{commands:?}");
    assert!(
        queue(&report, "log").sent >= rounds,
        "{:?}",
        queue(&report, "log")
    );
}

/// A reader that does not run holds up the writer of a queue that refuses, who learns of it. Verifies: BH-PORT-010.
#[test]
fn a_full_queue_refuses_where_the_spec_says_so() {
    let (source, _, report) = run(&["channels.commands.queuing.depth=4"]);
    let [commands, refused, logged, rounds, _] = source[..] else {
        panic!("{source:?}")
    };
    assert!(refused > 0, "the sink sleeps for 6 ms of each 10");
    assert_eq!((commands + refused, logged), (rounds, rounds));
    let commands = queue(&report, "commands");
    assert!(commands.refused >= refused && commands.lost == 0, "{commands:?}");
}
