// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes of both CPUs of a stock Linux and the cluster share a record under a lock, in the reference system. One
//! instruction is one nanosecond.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{FIXED_SEEDS, REFERENCE, System, core, partition, says, slots_begin_in_time};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

const LINUX: &str = "infotainment";

fn types(session: &mut Session, line: &str) {
    session
        .send(LINUX, format!("{line}\n").as_bytes())
        .expect("typed");
}

/// Verifies: BH-LOCK-023, BH-LOCK-026, BH-LOCK-027, BH-SCHED-025.
#[test]
fn what_a_linux_process_sets_the_cluster_applies() {
    let system = System::build(REFERENCE, &FIXED_SEEDS);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    // Its first process writes what it starts with.
    let first = "settings: brightness 80, volume 0, change 1";
    says(&mut session, LINUX, first, 60);
    says(&mut session, LINUX, "infotainment: ready, 2 CPUs", 20);
    says(&mut session, "cluster", first, 20);
    types(&mut session, "settings volume 30");
    let second = "settings: brightness 80, volume 30, change 2";
    says(&mut session, LINUX, second, 20);
    says(&mut session, "cluster", second, 20);
    // Two processes change it against each other while the cluster looks: no change is lost, none is torn.
    types(
        &mut session,
        "settings repeat 2000 & settings repeat 2000; wait; settings; echo $((4321*2)) done",
    );
    for _ in 0..2 {
        let line = says(&mut session, LINUX, "settings: 2000 of 2000 kept", 120);
        println!("{line}");
    }
    let last = says(&mut session, LINUX, "change 4002", 60);
    assert!(last.contains("volume 30"), "{last}");
    says(&mut session, LINUX, "8642 done", 20);
    says(&mut session, "cluster", "change 4002", 20);
    let report = session.finish("the time is over").expect("report");
    let lock = report.pi_locks.iter().find(|lock| lock.name == "settings");
    let lock = lock.expect("the lock is in the report");
    println!("{lock:?}");
    // Each taking has its number: what is beyond those of Linux are the cluster's, one in ten major frames.
    let (linux, frames) = (4003, core(&report, 1).frames);
    assert!(u64::from(lock.acquired) > linux + frames / 20, "{lock:?}");
    // The CPUs of Linux wait for each other.
    assert!(lock.contended > 0 && lock.revoked == 0, "{lock:?}");
    slots_begin_in_time(&report);
    for name in [LINUX, "cluster"] {
        let partition = partition(&report, name);
        assert_eq!((partition.restarts, partition.slots.missed), (0, 0), "{name}");
        assert_eq!(partition.deadline_misses, 0, "{name}");
    }
}
