// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors of partitions on the machine: found, blamed on the right one, counted, answered as the spec says.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod injected;
mod table;

use std::time::Duration;

use bulkhead_on_target::{REFERENCE, System, lines, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::health::Event;
use bulkhead_runner::report::Report;

/// Events of one error.
fn of<'a>(report: &'a Report, error: &str) -> Vec<&'a Event> {
    report
        .health
        .iter()
        .filter(|event| event.error == error)
        .collect()
}

/// Times that an error was blamed on a partition.
fn count(report: &Report, name: &str, error: &str) -> u64 {
    let counts = report.health_counts.get(&format!("partition:{name}"));
    counts.and_then(|counts| counts.get(error)).copied().unwrap_or(0)
}

/// `adas` is held in mid-brake in each of its lives: its heartbeat stays away, it restarts as often as it may, and
/// then stays silent. The car stops all the while. Deterministic.
///
/// Verifies: BH-HEALTH-003, BH-HEALTH-004, BH-HEALTH-006, BH-LIFE-006.
#[test]
fn without_a_heartbeat_it_restarts_up_to_its_limit_and_then_is_silent() {
    let mut overrides = vec![
        r#"partitions.adas.args="hold=5000ms@brake""#.to_owned(),
        "partitions.adas.heartbeat={every: 30ms, grace: 20ms}".to_owned(),
        "partitions.adas.restart_limit=2".to_owned(),
        "partitions.infotainment.autostart=false".to_owned(),
    ];
    for name in ["adas", "vehicle", "infotainment", "cluster"] {
        overrides.push(format!("partitions.{name}.seed=fixed"));
    }
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let system = System::build(REFERENCE, &overrides);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    for _ in 0..3 {
        says(&mut session, "adas", "held for 5000 ms in mid-brake", 30);
        says(
            &mut session,
            "vehicle",
            "brake request timeout: degraded braking",
            10,
        );
        says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    }
    // Nobody answers any more, and the car brakes by itself.
    says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    assert!(
        !lines(&session, "vehicle")
            .iter()
            .any(|line| line.contains("CRASHED"))
    );
    let report = session.finish("the test is over").expect("report");
    let adas = partition(&report, "adas");
    assert_eq!((adas.state.as_str(), adas.restarts), ("failed", 2));
    assert!(
        !report.health_counts.contains_key("system"),
        "{:?}",
        report.health
    );
    let events = of(&report, "heartbeat");
    assert_eq!(count(&report, "adas", "heartbeat"), 3, "{events:?}");
    for event in &events {
        assert_eq!(event.partition.as_deref(), Some("adas"));
        assert_eq!(
            (event.level.as_str(), event.action.as_str()),
            ("partition", "restart-partition")
        );
        // EL2 looks once in a major frame of 10 ms.
        assert!(
            (1..=10_000_000).contains(&event.detail[0]),
            "overdue {} ns",
            event.detail[0]
        );
    }
    for name in ["vehicle", "cluster"] {
        let other = partition(&report, name);
        assert_eq!((other.state.as_str(), other.restarts), ("running", 0), "{name}");
        assert!(!report.health_counts.contains_key(&format!("partition:{name}")));
    }
    println!("{:#?}", report.health);
}

/// Linux reaches beside its memory. What happens is the spec's word: its process takes a bus error, or its
/// partition restarts, or stops, or everything goes to its safe state.
///
/// Verifies: BH-HEALTH-002, BH-HEALTH-003, BH-HEALTH-004, BH-HEALTH-005, BH-HEALTH-008.
#[test]
fn the_reaction_to_a_memory_fault_is_the_specs() {
    for (action, state, others) in [
        ("notify", "running", "running"),
        ("restart-partition", "running", "running"),
        ("stop-partition", "failed", "running"),
        ("safe-state", "failed", "running"),
        ("global-safe-state", "failed", "failed"),
    ] {
        let chosen = format!("partitions.infotainment.health={{memory-fault: {action}}}");
        // Who has no safety level may not end those that have one.
        let level = match action {
            "global-safe-state" => "partitions.infotainment.criticality=asil-a",
            _ => "partitions.infotainment.criticality=qm",
        };
        let system = System::build(REFERENCE, &[&chosen, level, "health={monitor: cluster}"]);
        let mut session = system.start(|_| {});
        says(
            &mut session,
            "infotainment",
            "infotainment: ready, 2 CPUs online",
            120,
        );
        session
            .send("infotainment", b"devmem 0x50000000; echo after $((6 * 7))\n")
            .expect("typed");
        match action {
            "notify" => drop(says(&mut session, "infotainment", "\nafter 42", 20)),
            "restart-partition" => {
                says(&mut session, "infotainment", "Booting Linux", 30);
                says(
                    &mut session,
                    "infotainment",
                    "infotainment: ready, 2 CPUs online",
                    120,
                );
            }
            _ => session.run_for(Duration::from_secs(1)).expect("time passes"),
        }
        let report = session.finish("the test is over").expect("report");
        let linux = partition(&report, "infotainment");
        let restarts = u64::from(action == "restart-partition");
        assert_eq!(
            (linux.state.as_str(), linux.restarts),
            (state, restarts),
            "{action}"
        );
        for name in ["adas", "vehicle", "cluster"] {
            let other = partition(&report, name);
            assert_eq!(
                (other.state.as_str(), other.restarts),
                (others, 0),
                "{action}: {name}"
            );
            assert_eq!(count(&report, name, "memory-fault"), 0, "{action}: {name}");
        }
        assert_eq!(count(&report, "infotainment", "memory-fault"), 1, "{action}");
        let events = of(&report, "memory-fault");
        assert_eq!(events.len(), 1, "{action}: {events:?}");
        assert_eq!(events[0].partition.as_deref(), Some("infotainment"));
        assert_eq!(events[0].action, action);
        assert_eq!(events[0].detail[2], 0x5000_0000, "{action}: the address");
    }
}
