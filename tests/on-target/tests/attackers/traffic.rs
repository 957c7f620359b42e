// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CAN frames with numbers between two dedicated partitions, beside Linux at its worst and alone: every one arrives.

use bulkhead_on_target::{REFERENCE, System, lines, partition, says};

use super::attack::number;

/// What the receiver counted, and EL2's entries of both partitions in steady state.
fn traffic(frames: u64, beside_linux: bool) {
    let argument =
        |partition: &str, role: &str| format!("partitions.{partition}.args=\"role={role} frames={frames}\"");
    let (sender, receiver) = (argument("adas", "sender"), argument("vehicle", "receiver"));
    let autostart = format!("partitions.infotainment.autostart={beside_linux}");
    let changes = [
        "partitions.adas.payload.elf=traffic",
        "partitions.vehicle.payload.elf=traffic",
        "partitions.adas.console=text",
        "partitions.vehicle.console=text",
        sender.as_str(),
        receiver.as_str(),
        autostart.as_str(),
    ];
    let system = System::build(REFERENCE, &changes);
    let mut session = system.start(|_| {});
    if beside_linux {
        says(&mut session, "infotainment", "infotainment: ready", 240);
        let worst = "while :; do :; done & b() { b | b & }; b; tail /dev/zero &\n";
        session.send("infotainment", worst.as_bytes()).expect("typed");
        let over = lines(&session, "vehicle")
            .iter()
            .any(|l| l.contains(" overruns,"));
        assert!(!over, "all frames came before Linux did its worst");
    }
    let last = says(&mut session, "vehicle", " overruns,", 3600);
    let report = session.finish("all frames are there").expect("report");
    let count = |what: &str| number(&last, what);
    println!("{{\"can\":\"{last}\",\"beside_linux\":{beside_linux}}}");
    assert!(count("lost") <= count("overruns"), "{last}");
    assert_eq!((count("reordered"), count("corrupted")), (0, 0), "{last}");
    assert_eq!(count("frames") + count("lost"), frames, "{last}");
    for name in ["adas", "vehicle"] {
        let party = partition(&report, name);
        assert_eq!(party.el2_entries.steady, Some(0), "{name}");
        assert_eq!((party.restarts, &party.fault), (0, &None), "{name}");
    }
}

/// Verifies: BH-ATK-003.
#[test]
fn frames_arrive_beside_linux_and_alone() {
    traffic(100_000, true);
    traffic(30_000, false);
}

/// Verifies: BH-ATK-003.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn a_million_frames_arrive_beside_linux_and_alone() {
    traffic(1_000_000, true);
    traffic(1_000_000, false);
}
