// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process of a stock Linux and a bare-metal partition share a record under a lock. One instruction is one nanosecond.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{System, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

fn types(session: &mut Session, line: &str) {
    session
        .send("linux", format!("{line}\n").as_bytes())
        .expect("typed");
}

/// Verifies: BH-LOCK-026, BH-LOCK-027.
#[test]
fn what_a_linux_process_sets_the_cluster_applies() {
    let system = System::build("tests/systems/settings.yaml", &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "linux", "infotainment: ready, 1 CPUs", 60);
    types(&mut session, "settings brightness 70");
    let one = "settings: brightness 70, volume 0, change 1";
    says(&mut session, "linux", one, 20);
    says(&mut session, "cluster", one, 20);
    types(&mut session, "settings volume 30");
    let two = "settings: brightness 70, volume 30, change 2";
    says(&mut session, "linux", two, 20);
    says(&mut session, "cluster", two, 20);
    // Two processes change it against each other while the cluster looks: no change is lost, none is torn.
    types(
        &mut session,
        "settings repeat 2000 & settings repeat 2000; wait; settings; echo $((4321*2)) done",
    );
    for _ in 0..2 {
        let line = says(&mut session, "linux", "settings: 2000 of 2000 kept", 120);
        println!("{line}");
    }
    let last = says(&mut session, "linux", "change 4002", 60);
    assert!(last.contains("volume 30"), "{last}");
    says(&mut session, "linux", "8642 done", 20);
    says(&mut session, "cluster", "change 4002", 20);
    let report = session.finish("the time is over").expect("report");
    let lock = report.pi_locks.iter().find(|lock| lock.name == "settings");
    let lock = lock.expect("the lock is in the report");
    println!("{lock:?}");
    assert!(lock.acquired >= 4002 && lock.revoked == 0, "{lock:?}");
    for name in ["linux", "cluster"] {
        let partition = partition(&report, name);
        assert_eq!((partition.restarts, partition.slots.missed), (0, 0), "{name}");
    }
}
