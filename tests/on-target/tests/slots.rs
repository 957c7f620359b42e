// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots of the reference system while both vCPUs of Linux spin, and while it restarts; what two keep of the timer's
//! interrupt that they share. One instruction is one nanosecond, so that no
//! time depends on how fast the host is; only when the host types and stops differs from run to run.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{FIXED_SEEDS, REFERENCE, System, core, partition, says, slots_begin_in_time};
use bulkhead_runner::command::Timing;

/// Cores that infotainment shares with cluster and with EL2's own slot.
const SLICED: [u32; 2] = [0, 1];

/// Verifies: BH-LIFE-002, BH-SCHED-003, BH-SCHED-006, BH-SCHED-025.
#[test]
fn a_linux_that_spins_and_restarts_takes_no_slot_of_its_neighbour() {
    let system = System::build(REFERENCE, &FIXED_SEEDS);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "infotainment", "infotainment: ready", 60);
    session
        .send(
            "infotainment",
            b"(while :; do :; done) & (while :; do :; done) &\necho $((4321*2)) spins\n",
        )
        .expect("typed");
    says(&mut session, "infotainment", "8642 spins", 20);
    session.run_for(Duration::from_secs(4)).expect("spinning");
    // It restarts beside its neighbour, and begins to boot.
    session.send("infotainment", b"reboot -f\n").expect("typed");
    says(&mut session, "infotainment", "reboot: Restarting system", 20);
    says(&mut session, "infotainment", "Booting Linux", 20);
    session.run_for(Duration::from_secs(1)).expect("booting");
    let report = session.finish("the time is over").expect("report");
    assert_eq!(partition(&report, "infotainment").restarts, 1);

    let slots = partition(&report, "cluster").slots;
    let frames = core(&report, 1).frames;
    println!("{frames} major frames, cluster {slots:?}");
    assert_eq!(slots.missed, 0);
    let unused = slots
        .granted
        .checked_sub(slots.used)
        .expect("granted before used");
    assert!(unused <= 1, "the run may end in a slot: {unused}");
    let later = frames.checked_sub(slots.granted).expect("one slot a frame");
    assert!(
        later <= 1,
        "the run may end before the slot of its last frame: {later}"
    );
    assert_eq!(partition(&report, "infotainment").slots.missed, 0);
    for name in ["adas", "vehicle", "cluster"] {
        assert_eq!(partition(&report, name).deadline_misses, 0, "{name}");
    }
    slots_begin_in_time(&report);
    for row in &report.cores {
        println!(
            "core {}: {} ns of {} unaccounted",
            row.core, row.unaccounted_ns, row.elapsed_ns
        );
        assert!(row.adds_up, "{row:?}");
    }
    for index in SLICED {
        let used = &core(&report, index).used;
        let linux = used.iter().find(|used| used.partition == "infotainment");
        let spun = linux.expect("a vCPU of Linux").ns;
        assert!(spun > 2_000_000_000, "core {index}: Linux was busy for {spun} ns");
    }
}

/// Each leaves its slots with its timer's interrupt active and hears its own ones in them: the other's state is not in the
/// way, its own is there again, and none is signalled to EL2 twice. Verifies: BH-GIC-020.
#[test]
fn the_shared_timers_interrupt_is_active_for_its_partition_only() {
    let system = System::build("tests/systems/timers.yaml", &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let mut said = |name| says(&mut session, name, " early", 10);
    let lines = [said("left"), said("right")];
    let report = session.finish("both are done").expect("report");
    for (name, line) in ["left", "right"].into_iter().zip(lines) {
        // Two for the one that is active at the slot's end, and three more a slot.
        assert!(
            line.ends_with("50 slots, 250 taken, 0 lost, 0 early"),
            "{name}: {line}"
        );
        let taken = partition(&report, name).el2_entries.by_reason.get("irq").copied();
        assert_eq!(taken, Some(250), "{name}");
    }
}
