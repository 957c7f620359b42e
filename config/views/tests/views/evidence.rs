// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `why` over the system with every key: each rule shows the values that it judged, each value what it decides.

use std::collections::BTreeSet;
use std::fs;

use bulkhead_model::values::Document;
use bulkhead_views::why::Why;

use crate::Sample;
use crate::support::Workshop;
use crate::why::ask;

/// What a rule of each topic judged, worked out by hand from `tests/systems/every-key.yaml` and its board file.
const JUDGED: [(&str, &[&str]); 25] = [
    (
        "bandwidth/period",
        &[
            "core 1, sliced: at most 900000 of event 0x8 every 1 ms, 10 whole periods in the major frame of 10 ms; EL2 keeps 2 of 6 counters",
        ],
    ),
    ("board/gic", &["virt-virtio.yaml: "]),
    (
        "channels/no-writer",
        &["picture: one writer, control; readers panel and linux"],
    ),
    (
        "colours/overlap",
        &[
            "control: colours 0-2, for 2 MiB",
            "linux: colours 3-10, for 128 MiB",
            "11 of the board's 16 colours",
        ],
    ),
    ("cores/claimed-twice", &["core 2: car vCPU 0, dedicated"]),
    (
        "device-tree/foreign",
        &["control: generated from 1 CPU, 2 MiB of RAM, devices: can0"],
    ),
    ("devices/owned-twice", &["can1, INTID 38: car"]),
    (
        "dma/outside-memory",
        &[
            "rng0 of driver: 8 KiB at offset 0x180000 of its partition's 4 MiB: StreamID 0x10 reaches 8 KiB at 0x40180000, rw-",
        ],
    ),
    ("document/unknown-key", &["panel.yaml: 1 value"]),
    (
        "dump/too-small",
        &["car: its 4 MiB and 4 KiB more fit into `crash dump`, 0x4a000000-0x4a800000"],
    ),
    ("errata/not-named", &["cortex-a72-859971: "]),
    (
        "health/too-short",
        &[
            "panel (asil-a): memory-fault: safe-state, illegal-call: notify",
            "a sign of life is expected every 20 ms",
            "partition panel is told",
        ],
    ),
    ("include/not-found", &["every-key/panel.yaml: read, 1 value"]),
    (
        "locks/hold-fits",
        &["settings: taken by panel and dash; held for 200 µs at most"],
    ),
    ("memory/overlap", &["car: 4 MiB, pinned to 0x50000000"]),
    (
        "partitions/steady-twice",
        &["car: dedicated, console defmt, marks_steady true"],
    ),
    ("payload/missing", &["caller: `conformance` is there"]),
    (
        "pins/overlap",
        &[
            "`locks.settings.at`: 0x74000000-0x74001000",
            "`partitions.car.device_tree_at`: 0x40180000",
        ],
    ),
    (
        "schedule/not-filled",
        &["core 0: linux 3 ms, tablet 3 ms, caller 1 ms, driver 1 ms and system 2 ms fill 10 ms of 10 ms"],
    ),
    (
        "sharing/over-committed",
        &["core 1 from 8 ms for 1 ms: linux for at most 300 µs before dash for at most 300 µs"],
    ),
    (
        "smc/too-long",
        &[
            "caller: 0xc4000004, a query of a standard; at most 20 µs, shorter than each slot of its cores (1 ms)",
            "the blob allows 2 calls",
        ],
    ),
    ("tasks/wcet", &["car/plant "]),
    (
        "tolerance/found-late",
        &[
            "panel (asil-a): its fault may go unanswered for 1 s; a missing heartbeat is found within 20 ms and a major frame of 10 ms; control (asil-d) answers it",
        ],
    ),
    (
        "totals/memory",
        &["memory: 242 MiB of partitions in 1 GiB of the board's RAM"],
    ),
    (
        "watchdog/timeout",
        &["watchdog0: timeout 600 ms, of at least 10 ms and three major frames of 10 ms"],
    ),
];

/// What keys decide of which nothing but `diff` told once.
const DECIDED: [(&str, &str); 10] = [
    ("include", "`every-key/panel.yaml`: 1 value"),
    ("include.0", "`every-key/panel.yaml`: 1 value"),
    (
        "partitions.driver.dma.rng0.0.offset",
        "`rng0` of driver: StreamID 0x10 reaches 8 KiB at 0x40180000, rw-",
    ),
    (
        "partitions.driver.unguarded_dma.clock0",
        "device clock0 of driver may reach all of memory by DMA",
    ),
    ("partitions.panel.device_tree", "one that is generated"),
    (
        "locks.settings.hold",
        "EL2 takes it from an owner that holds it for longer than 200 µs",
    ),
    ("locks.settings.inheritance", "have no bound"),
    (
        "locks.settings.participants.dash.acquisitions",
        "dash waits at priority 4, and takes it 2 times in a major frame, for 400 µs",
    ),
    (
        "channels.wish.from_qm",
        "panel (asil-a) may read what linux (qm) writes",
    ),
    (
        "channels.log.queuing.depth",
        "it carries: queue of 50 messages of 64 bytes",
    ),
];

fn texts<'a>(answer: &'a Why, kind: &str) -> Vec<&'a str> {
    let facts = answer.facts.iter().filter(|f| f.kind == kind);
    facts.map(|f| f.text.as_str()).collect()
}

fn topic(rule: &str) -> &str {
    rule.split_once('/').unwrap().0
}

// Verifies: BH-EXPL-004
#[test]
fn every_topic_shows_what_its_rules_judged() {
    let sample = Sample::every_key(|text| text);
    let mut topics = BTreeSet::new();
    for rule in bulkhead_analysis::rules::every() {
        let answer = ask(&sample, rule.id);
        let evidence = texts(&answer, "evidence");
        assert!(!evidence.is_empty(), "{}", rule.id);
        assert!(
            !evidence.iter().any(|line| line.contains("no breach")),
            "{evidence:?}"
        );
        topics.insert(topic(rule.id));
    }
    let judged: BTreeSet<&str> = JUDGED.iter().map(|(rule, _)| topic(rule)).collect();
    assert_eq!(judged, topics);
    for (rule, facts) in JUDGED {
        let answer = ask(&sample, rule);
        for fact in facts {
            let shows = texts(&answer, "evidence").iter().any(|line| line.contains(fact));
            assert!(shows, "{fact} in {}", answer.text());
        }
    }
}

fn assert_decides(sample: &Sample, path: &str, fact: &str) {
    let answer = ask(sample, path);
    let decides = texts(&answer, "decides");
    assert!(
        decides.iter().any(|line| line.contains(fact)),
        "{fact} in {}",
        answer.text()
    );
}

// Verifies: BH-EXPL-004
#[test]
fn every_key_says_what_it_decides() {
    let sample = Sample::every_key(|text| text);
    let values = sample.system.values.iter().map(|v| match v.document {
        Document::Spec => v.path.clone(),
        Document::Board => format!("board/{}", v.path),
    });
    let defaults = sample.system.origins.iter().map(|o| o.path.clone());
    let is_silent = |path: &String| {
        let answer = ask(&sample, path);
        let decides = texts(&answer, "decides");
        decides.is_empty() || decides.iter().any(|line| line.contains("compare two builds"))
    };
    let silent: Vec<String> = values.chain(defaults).filter(is_silent).collect();
    assert!(silent.is_empty(), "{silent:#?}");
    for (path, fact) in DECIDED {
        assert_decides(&sample, path, fact);
    }
}

// Verifies: BH-EXPL-004
#[test]
fn an_own_device_tree_is_named() {
    let generated = Sample::every_key(|text| text);
    let tree = generated.compiled.trees.iter().zip(&generated.system.partitions);
    let (tree, _) = tree.into_iter().find(|(_, p)| p.name.value == "dash").unwrap();
    let workshop = Workshop::new();
    workshop.put_beside_every_key();
    fs::write(workshop.path("images/own-tree"), &tree.dtb).unwrap();
    let path = crate::support::repository().join("tests/systems/every-key.yaml");
    let text = fs::read_to_string(path).unwrap();
    let own = text.replace(
        "    autostart: false\n",
        "    autostart: false\n    device_tree: own-tree\n",
    );
    let sample = Sample::of(workshop.load(&own));
    let given = "its loader gives it `own-tree`, completed with its arguments and seeds; none is generated";
    assert_decides(&sample, "partitions.dash.device_tree", given);
    let judged = ask(&sample, "device-tree/foreign");
    let judged = texts(&judged, "evidence").join("\n");
    assert!(judged.contains("dash: its own `own-tree` ("), "{judged}");
}
