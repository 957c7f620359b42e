// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots while Linux spins on the same core. One instruction is one nanosecond, so that no time depends on how
//! fast the host is; only when the host types and stops differs from run to run.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::command::Timing;

/// Verifies: BH-SCHED-003, BH-SCHED-006.
#[test]
fn a_spinning_linux_takes_no_slot_of_its_neighbour() {
    let system = System::build("tests/systems/slots.yaml", &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "infotainment", "infotainment: ready", 60);
    session
        .send("infotainment", b"while :; do :; done &\necho $((4321*2)) spins\n")
        .expect("typed");
    says(&mut session, "infotainment", "8642 spins", 20);
    session.run_for(Duration::from_secs(2)).expect("spinning");
    let report = session.finish("the time is over").expect("report");

    let row = core(&report, 0);
    let slots = partition(&report, "cluster").slots;
    println!(
        "{} major frames, cluster {slots:?}, worst slot lateness {} ns, {} ns unaccounted",
        row.frames, row.worst_slot_lateness_ns, row.unaccounted_ns
    );
    assert_eq!(slots.missed, 0);
    let later = row.frames.checked_sub(slots.granted).expect("one slot a frame");
    assert!(
        later <= 1,
        "the run may end before the slot of its last frame: {later}"
    );
    assert_eq!(partition(&report, "cluster").deadline_misses, 0);
    assert!(row.adds_up, "{row:?}");
    let spun = row
        .used
        .iter()
        .find(|used| used.partition == "infotainment")
        .expect("Linux")
        .ns;
    assert!(spun > 1_000_000_000, "Linux was busy: {spun} ns");
}
