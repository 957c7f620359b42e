// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device whose interrupt line stays up: its partition's own storm, found, blamed, answered, in its own slots only.

use bulkhead_on_target::{System, partition};
use bulkhead_runner::command::Timing;
use bulkhead_runner::health::Event;
use bulkhead_runner::report::Report;
use std::collections::BTreeMap;
use std::time::Duration;

use super::SYSTEM;
use super::attack::{attack, counts};
use super::frames::Since;
use super::victims::{LATE, others_unharmed};

/// INTID of `edu0`'s line.
const LINE: u64 = 37;
/// Interrupts in one slot that are no storm yet.
const LIMIT: u64 = 50;

/// Storms: events, and times that one was blamed on `attacker`. Nobody else is blamed for anything.
fn storms(report: &Report) -> (Vec<&Event>, u64) {
    let events = report.health.iter();
    let events = events.filter(|event| event.error == "interrupt-storm").collect();
    let blamed: Vec<_> = report.health_counts.keys().map(String::as_str).collect();
    assert!(
        blamed.iter().all(|name| *name == "partition:attacker"),
        "{blamed:?}"
    );
    let counts = report.health_counts.get("partition:attacker");
    let count = counts.and_then(|counts| counts.get("interrupt-storm"));
    (events, count.copied().unwrap_or(0))
}

/// Once in each slot in which it storms. Verifies: BH-HEALTH-009, BH-ATK-001.
#[test]
fn a_line_that_stays_up_is_a_storm_above_the_limit() {
    let limit = format!("partitions.attacker.interrupt_limit={LIMIT}");
    let outcome = attack("line", &[&limit]);
    outcome.fails(outcome.reason("irq"));
    let (events, count) = storms(&outcome.report);
    let [event] = events[..] else {
        panic!("alike, hence one entry: {events:?}")
    };
    assert_eq!(
        (
            event.partition.as_deref(),
            event.level.as_str(),
            event.error.as_str(),
            event.action.as_str()
        ),
        (Some("attacker"), "partition", "interrupt-storm", "log")
    );
    assert_eq!((event.detail[0], event.detail[2]), (LINE, LIMIT));
    let slots = partition(&outcome.report, "attacker").slots.granted;
    // Some 10 000 interrupts fit into a slot.
    assert!((3..=slots).contains(&count), "{count} storms in {slots} slots");
    let unlimited = attack("line", &[]);
    let (events, count) = storms(&unlimited.report);
    assert_eq!((events.len(), count), (0, 0), "without a limit");
}

/// Each storm ends a life, the last one the partition. The line is heard in each life.
/// Verifies: BH-HEALTH-009, BH-HEALTH-003, BH-ATK-001, BH-IRQ-007.
#[test]
fn a_storm_ends_its_partition_where_the_spec_says_so() {
    let limit = format!("partitions.attacker.interrupt_limit={LIMIT}");
    let changes = [
        "partitions.attacker.args=\"attack=line wait\"",
        "partitions.attacker.health={interrupt-storm: restart-partition}",
        "partitions.attacker.restart_limit=2",
        limit.as_str(),
    ];
    let system = System::build(SYSTEM, &changes);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let since = Since::now(&mut session);
    let before = counts(&mut session, &system);
    session.send("attacker", b"g").expect("the attacker is told");
    session.run_for(Duration::from_secs(1)).expect("the machine runs");
    let (report, _) = others_unharmed("line", session, &since, LATE);
    let (events, count) = storms(&report);
    assert_eq!((events.len(), count), (1, 3), "{events:?}");
    assert_eq!(
        (events[0].error.as_str(), events[0].action.as_str()),
        ("interrupt-storm", "restart-partition")
    );
    let attacker = partition(&report, "attacker");
    assert_eq!((attacker.state.as_str(), attacker.restarts), ("failed", 2));
    // What came before EL2 stopped it: a slot's limit, and what the list registers take at once.
    let irqs = |all: &BTreeMap<String, u64>| all.get("irq").copied().unwrap_or(0);
    let irqs = irqs(&attacker.el2_entries.by_reason) - irqs(&before.entries);
    assert!(
        irqs <= 3 * (LIMIT + 8),
        "{irqs} interrupts of a storm that was stopped"
    );
}
