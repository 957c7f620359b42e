// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A system in which everything is pinned that can be lies where its spec says, is proved, boots and talks.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_on_target::{System, partition, says};
use bulkhead_runner::command::Timing;

/// What `pinned.yaml` says: the first address, whose, what.
const PINNED: [(&str, &str, &str); 20] = [
    ("0x41400000", "partition:source", "payload-area"),
    ("0x41800000", "partition:sink", "payload-area"),
    ("0x41000000", "partition:hostile", "payload-area"),
    ("0x50000000", "partition:source", "ram"),
    ("0x50400000", "partition:sink", "ram"),
    ("0x50800000", "partition:hostile", "ram"),
    ("0x60000000", "partition:source", "window"),
    ("0x60010000", "partition:sink", "window"),
    ("0x60020000", "partition:hostile", "window"),
    ("0x60018000", "partition:sink", "stolen-time"),
    ("0x60028000", "partition:hostile", "stolen-time"),
    ("0x60100000", "channel:commands", "memory"),
    ("0x60110000", "channel:commands.reader", "memory"),
    ("0x60120000", "channel:log", "memory"),
    ("0x60130000", "channel:log.reader", "memory"),
    ("0x60140000", "channel:noise", "memory"),
    ("0x60150000", "channel:noise.reader", "memory"),
    ("0x60160000", "channel:frame", "memory"),
    ("0x60180000", "channel:record", "lock"),
    ("0x60600000", "el2", "live"),
];

/// Verifies: BH-MEM-013, BH-CFG-227.
#[test]
fn a_system_with_every_pin_runs() {
    let system = System::build("tests/systems/pinned.yaml", &[]);
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("the text form");
    let placed: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("memory "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let queues = ("0x60800000", "el2", "smmu-queues");
    for (at, owner, name) in PINNED.into_iter().chain([queues]) {
        let lies = |p: &&Vec<&str>| p[1..] == [owner, name] && p[0].starts_with(&format!("{at}-"));
        assert_eq!(placed.iter().filter(lies).count(), 1, "{name} of {owner} at {at}");
    }
    let manifest = system.manifest();
    let part = |name: &str| {
        let found = manifest.parts.iter().find(|p| p.name == name);
        found.expect("a part of the image").address
    };
    assert_eq!(
        ["payload-hostile", "payload-source", "payload-sink"].map(part),
        [0x4100_0000, 0x4140_0000, 0x4180_0000]
    );
    // Each of them knows its role from its device tree.
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "hostile", "lies", 30);
    session.run_for(Duration::from_millis(100)).expect("runs");
    let report = session.finish("the time is over").expect("report");
    let queue = |name: &str| {
        let found = report.queues.iter().find(|queue| queue.name == name);
        found.expect("the queue is in the report")
    };
    let commands = queue("commands");
    assert!(
        commands.taken > 50 && commands.taken + 100 > commands.sent,
        "{commands:?}"
    );
    assert!(queue("log").sent > 50, "{:?}", queue("log"));
    // It faults where it is to fault, is loaded again from its pinned payload, and nobody else notices.
    assert!(partition(&report, "hostile").restarts > 0);
    for name in ["source", "sink"] {
        assert_eq!(partition(&report, name).restarts, 0, "{name}");
    }
}
