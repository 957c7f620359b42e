// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CAN frames with numbers between two dedicated partitions, beside Linux at its worst and alone: every one arrives.

use bulkhead_on_target::{REFERENCE, System, lines, partition, says};

use super::attack::number;

/// Frames between two reports of the receiver.
const EVERY: u64 = 10_000;

/// Frames that came while Linux did its worst, or without it; EL2's entries of both partitions in steady state.
fn traffic(frames: u64, beside_linux: bool) {
    let argument =
        |partition: &str, role: &str| format!("partitions.{partition}.args=\"role={role} every={EVERY}\"");
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
    let mut before = 0;
    if beside_linux {
        says(&mut session, "infotainment", "infotainment: ready", 240);
        let worst = "while :; do :; done & b() { b | b & }; b; tail /dev/zero &\n";
        session.send("infotainment", worst.as_bytes()).expect("typed");
        // Some frames may have come before the command did.
        let said = lines(&session, "vehicle");
        let reports = said.iter().filter(|line| line.contains(" overruns,"));
        before = EVERY + reports.map(|line| number(line, "frames")).max().unwrap_or(0);
    }
    let last = loop {
        let line = says(&mut session, "vehicle", " overruns,", 3600);
        if number(&line, "frames") >= before + frames {
            break line;
        }
    };
    let report = session.finish("all frames are there").expect("report");
    let count = |what: &str| number(&last, what);
    println!("{{\"can\":\"{last}\",\"beside_linux\":{beside_linux},\"before\":{before}}}");
    assert!(count("lost") <= count("overruns"), "{last}");
    assert_eq!((count("reordered"), count("corrupted")), (0, 0), "{last}");
    assert_eq!(count("frames") + count("lost"), count("numbers"), "{last}");
    for name in ["adas", "vehicle"] {
        let party = partition(&report, name);
        assert_eq!(party.el2_entries.steady, Some(0), "{name}");
        assert_eq!((party.restarts, &party.fault), (0, &None), "{name}");
    }
}

/// Verifies: BH-ATK-003.
#[test]
fn frames_arrive_beside_linux_and_alone() {
    traffic(30_000, true);
    traffic(30_000, false);
}

/// Verifies: BH-ATK-003.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn a_million_frames_arrive_beside_linux_and_alone() {
    traffic(1_000_000, true);
    traffic(1_000_000, false);
}
