// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every rule has a spec in tests/invalid that breaks it and no other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the other test programs use the rest")]
mod cases;
mod common;

use std::collections::BTreeSet;
use std::fs;

use bulkhead_analysis::rules::load;
use bulkhead_model::diagnostic::Rule;
use bulkhead_model::{LoadError, Paths, Record};
use cases::cases;
use common::{Fixture, root};

fn all_rules() -> Vec<&'static Rule> {
    bulkhead_analysis::rules::every().collect()
}

fn breaches(fixture: &Fixture, file: &str, overrides: &[String]) -> Vec<Record> {
    match load(&fixture.paths(&format!("tests/invalid/{file}")), overrides) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => {
            assert!(!diagnostics.plain().is_empty() && !diagnostics.graphical(100, false).is_empty());
            diagnostics.records()
        }
        Err(error) => panic!("{file}: {error:?}"),
    }
}

// Verifies: BH-CFG-003, BH-HEALTH-062
// Verifies: BH-BRD-020, BH-BRD-021, BH-CFG-250, BH-CFG-251, BH-CFG-252, BH-CFG-253
// Verifies: BH-BW-010, BH-BW-011, BH-BW-012, BH-BW-013, BH-BW-014
// Verifies: BH-CFG-005, BH-CFG-006, BH-CFG-007, BH-CFG-008, BH-CFG-009, BH-CFG-020, BH-CFG-021, BH-CFG-022, BH-CFG-030,
// BH-CFG-031, BH-CFG-032, BH-CFG-033, BH-CFG-040, BH-CFG-041, BH-CFG-042, BH-CFG-043, BH-CFG-050, BH-CFG-051,
// BH-CFG-052, BH-CFG-053, BH-CFG-060, BH-CFG-061, BH-CFG-062, BH-CFG-063, BH-CFG-064, BH-CFG-065, BH-CFG-066,
// BH-CFG-200, BH-CFG-201, BH-CFG-202, BH-CFG-203, BH-CFG-204, BH-CFG-205, BH-CFG-206, BH-CFG-207,
// BH-CFG-067, BH-CFG-068, BH-CFG-070, BH-CFG-071, BH-CFG-080, BH-CFG-081, BH-CFG-082, BH-CFG-083, BH-CFG-084,
// BH-CFG-085, BH-CFG-086, BH-CFG-087, BH-CFG-100, BH-CFG-101, BH-CFG-102, BH-CFG-103, BH-CFG-104, BH-CFG-105,
// BH-CFG-106, BH-SMC-010, BH-SMC-011, BH-SMC-012, BH-SMC-013, BH-SMC-015, BH-LANG-006, BH-LANG-010,
// BH-LANG-011, BH-LANG-012, BH-LANG-013, BH-LANG-014, BH-LANG-015, BH-LANG-016, BH-LANG-017, BH-LANG-018,
// BH-CFG-210, BH-CFG-211, BH-CFG-212, BH-CFG-213, BH-CFG-214, BH-CFG-150, BH-CFG-151, BH-CFG-152,
// BH-CFG-140, BH-CFG-141, BH-CFG-142, BH-CFG-143, BH-CFG-144, BH-CFG-145, BH-CFG-161, BH-CFG-162, BH-CFG-163, BH-CFG-170,
// BH-CFG-130, BH-CFG-131, BH-CFG-132, BH-CFG-133, BH-CFG-134, BH-CFG-135, BH-LANG-020, BH-LANG-021,
// BH-TASK-001, BH-TASK-002, BH-TASK-003, BH-TASK-004, BH-TASK-005, BH-TASK-006, BH-TASK-007, BH-TASK-008,
// BH-TASK-009, BH-TASK-024, BH-TASK-025, BH-TASK-026,
// BH-LIFE-011, BH-HEALTH-012, BH-HEALTH-013, BH-HEALTH-014, BH-HEALTH-015, BH-HEALTH-016, BH-HEALTH-017, BH-HEALTH-048, BH-HEALTH-030, BH-HEALTH-031,
// BH-CFG-221, BH-CFG-222, BH-CFG-223, BH-CFG-224, BH-CFG-225, BH-CFG-226, BH-CFG-231, BH-CFG-232,
// BH-LANG-022, BH-HEALTH-032, BH-CFG-215, BH-CFG-216, BH-CFG-217, BH-CFG-218.
#[test]
fn every_rule_fires() {
    let fixture = Fixture::new();
    let cases = cases();
    let placement: Vec<&str> = bulkhead_model::rules::placement::ALL
        .iter()
        .map(|r| r.id)
        .collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let found = breaches(&fixture, &case.file, &case.overrides);
        if placement.contains(&case.rule.as_str()) {
            // The compiler's tests judge these.
            assert_eq!(found, [], "{}", case.file);
        } else {
            wrong.extend(case.judge(&found));
        }
        if !case.file.starts_with(&case.rule.replace('/', ".")) {
            wrong.push(format!(
                "{} must be named after its rule {}",
                case.file, case.rule
            ));
        }
    }
    let tested: BTreeSet<&str> = cases.iter().map(|c| c.rule.as_str()).collect();
    let rules: BTreeSet<&str> = all_rules().iter().map(|r| r.id).collect();
    wrong.extend(
        rules
            .difference(&tested)
            .map(|r| format!("no file in tests/invalid for the rule {r}")),
    );
    wrong.extend(tested.difference(&rules).map(|r| format!("there is no rule {r}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rules_have_unique_names_and_ascending_numbers() {
    let rules = all_rules();
    let numbers: Vec<&str> = rules.iter().map(|r| r.number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    assert_eq!(
        rules.iter().map(|r| r.id).collect::<BTreeSet<_>>().len(),
        rules.len()
    );
    assert!(rules.iter().all(|r| r.number.len() == 5 && r.text.ends_with('.')));
}

// Verifies: BH-CFG-020
#[test]
fn a_conflict_names_both_places_and_a_fix() {
    let found = breaches(&Fixture::new(), "cores.claimed-twice.yaml", &[]);
    let [record] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(record.message, "core 3 is claimed by `control` and by `extra`");
    assert_eq!(record.others.len(), 1);
    assert_eq!((record.others[0].line, record.others[0].column), (11, 26));
    assert!(record.help.contains("another core"), "{}", record.help);
}

// Verifies: BH-CFG-030, BH-CFG-223
#[test]
fn an_address_is_rounded_to_one_that_can_be_had() {
    let fixture = Fixture::new();
    let advice = |file: &str, change: &str| {
        let found = breaches(&fixture, file, &[change.to_owned()]);
        let [record] = found.as_slice() else {
            panic!("{change}: {found:?}")
        };
        assert!(record.rule.ends_with("/alignment"), "{record:?}");
        record.help.clone()
    };
    let memory = |at: &str| advice("valid.yaml", &format!("partitions.panel.memory.at={at}"));
    assert_eq!(memory("0x50100000"), "write 0x50000000 or 0x50200000");
    assert_eq!(
        memory("0x40300000"),
        "write 0x40400000 (not 0x40200000: the hypervisor lies there)"
    );
    assert_eq!(
        memory("0x47f00000"),
        "write 0x47e00000 (not 0x48000000: reserved: board device tree)"
    );
    assert_eq!(
        memory("0x40100000"),
        "leave the address out: the compiler finds a place (not 0x40000000: reserved: boot stub; not 0x40200000: the hypervisor lies there)"
    );
    assert_eq!(
        memory("0x7ff00000"),
        "write 0x7fe00000 (not 0x80000000: the board has no RAM there)"
    );
    assert!(memory("0xffffffffffffffff").starts_with("leave the address out"));
    let window = |at: &str| advice("valid.pins.yaml", &format!("partitions.control.window_at={at}"));
    assert_eq!(
        window("0x70504000"),
        "write 0x70508000 (not 0x70500000: taken: the queues of the SMMU)"
    );
    let tree = advice("valid.pins.yaml", "partitions.control.device_tree_at=0x40100800");
    assert_eq!(tree, "write 0x40100000 or 0x40101000");
    let live = advice("valid.pins.yaml", "hypervisor.live_at=0x70680000");
    assert_eq!(live, "write 0x70600000 or 0x70800000");
}

/// Specs with something wrong by itself: a form, a name or a number that cannot be, or nothing where something must be.
const ALONE: &[&str] = &[
    "bandwidth.nothing",
    "board.binding",
    "board.gic",
    "board.gic.strange",
    "board.not-found",
    "board.virtio-bypass",
    "board.virtio-bypass.mmio",
    "channels.interval",
    "channels.message-size",
    "channels.message-size.queue",
    "channels.no-room",
    "channels.no-writer",
    "channels.queue-size",
    "channels.shared-size",
    "channels.shared-size.large",
    "channels.unknown-partition",
    "colours.not-uncoloured",
    "devices.not-can",
    "devices.unknown",
    "board.bounds",
    "dump.no-range",
    "errata.no-remedy",
    "errata.not-needed",
    "errata.unknown-core",
    "health.monitor",
    "health.no-cause",
    "health.no-cause.storm",
    "health.no-monitor",
    "health.no-monitor.core",
    "include.cycle.itself",
    "include.not-found",
    "include.too-many",
    "locks.hold-fits.short",
    "locks.too-many",
    "locks.too-many.locks",
    "locks.unknown-partition",
    "memory.alignment",
    "document.quantity.frequency",
    "partitions.expect-unknown",
    "partitions.name",
    "partitions.too-many",
    "payload.missing",
    "payload.not-an-image",
    "payload.wrong-machine",
    "schedule.system-core",
    "schedule.too-short",
    "schedule.unknown-partition",
    "schedule.unknown-partition.share",
    "sharing.too-many",
    "sharing.too-short",
    "tasks.name",
    "tasks.nothing",
    "tasks.too-many",
    "tolerance.reaction",
    "cores.too-many-vcpus",
    "pins.alignment",
    "pins.alignment.live",
    "pins.alignment.tree",
    "pins.not-free.high",
    "smc.never",
    "smc.never.hypervisor",
    "smc.no-reason",
    "smc.no-reason.words",
    "smc.not-fast",
    "smc.not-fast.hint",
    "smc.too-long.zero",
    "smc.too-many",
    "watchdog.not-driven",
    "watchdog.timeout.long",
];

/// So is a breach of form, but for a key that is given twice.
fn is_alone(name: &str) -> bool {
    name.starts_with("document.") && name != "document.duplicate-key" || ALONE.contains(&name)
}

// Verifies: BH-LANG-005
#[test]
fn a_conflict_underlines_both_places() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    for case in cases() {
        let path = fixture.paths(&format!("tests/invalid/{}", case.file));
        // The compiler's tests judge rules on places.
        let Err(LoadError::Invalid(found)) = load(&path, &case.overrides) else {
            continue;
        };
        let (record, drawn) = (&found.records()[0], found.graphical(120, false));
        let name = case.file.trim_end_matches(".yaml");
        if record.others.is_empty() != is_alone(name) {
            wrong.push(format!("{name}: {} other places", record.others.len()));
        }
        for label in record.others.iter().chain([&record.primary]) {
            let has_extent = (label.end_line, label.end_column) > (label.line, label.column);
            assert!(has_extent, "{}: nothing to underline: {label:?}", case.file);
            assert!(drawn.contains(&label.text), "{}: {drawn}", case.file);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

// Verifies: BH-LANG-005
#[test]
fn the_other_place_may_lie_in_another_file() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let valid = fs::read_to_string(root().join("tests/invalid/valid.yaml")).unwrap();
    let valid = valid.replace("bulkhead: 1\n", "bulkhead: 1\ninclude: [more.yaml]\n");
    fs::write(folder.path().join("spec.yaml"), valid).unwrap();
    let judge = |fragment: &str, override_: &str| {
        fs::write(
            folder.path().join("more.yaml"),
            format!("bulkhead: 1\n{fragment}"),
        )
        .unwrap();
        let paths = Paths {
            spec: folder.path().join("spec.yaml"),
            ..fixture.paths("")
        };
        let overrides: Vec<String> = (!override_.is_empty())
            .then(|| override_.to_owned())
            .into_iter()
            .collect();
        let Err(LoadError::Invalid(found)) = load(&paths, &overrides) else {
            panic!("{fragment}")
        };
        let records = found.records();
        let [record] = records.as_slice() else {
            panic!("{records:?}")
        };
        let drawn = found.graphical(120, false);
        let files: Vec<String> = [&record.primary]
            .into_iter()
            .chain(&record.others)
            .map(|label| {
                assert!(drawn.contains(&label.text), "{drawn}");
                label.file.rsplit('/').next().unwrap().to_owned()
            })
            .collect();
        (record.rule, files)
    };
    let extra = "partitions:\n  extra:\n    criticality: qm\n    cores: { dedicated: [CORE], interrupts: direct }\n    \
                 memory: 2MiB\n    payload: { elf: adas }\n";
    let (rule, files) = judge(&extra.replace("CORE", "3"), "");
    assert_eq!(rule, "cores/claimed-twice");
    assert!(
        files.contains(&"spec.yaml".to_owned()) && files.contains(&"more.yaml".to_owned()),
        "{files:?}"
    );
    let (rule, files) = judge(&extra.replace("CORE", "4"), "");
    assert_eq!(
        (rule, files),
        (
            "cores/not-on-board",
            vec!["more.yaml".to_owned(), "qemu-virt.yaml".to_owned()]
        )
    );
    let (rule, files) = judge(
        &extra.replace("CORE", "2"),
        "partitions.extra.memory={ size: 2MiB, at: 0x50000000 }",
    );
    assert_eq!(rule, "memory/overlap");
    assert!(
        files.contains(&"spec.yaml".to_owned()) && files.len() == 2,
        "{files:?}"
    );
}

// Verifies: BH-LANG-005
#[test]
fn every_rule_says_what_to_do_and_has_an_example() {
    for rule in all_rules() {
        assert!(rule.fix.ends_with('.') && rule.fix.len() > 15, "{}", rule.id);
        let example = root().join(rule.example());
        assert!(example.is_file(), "{}: no {}", rule.id, example.display());
        assert_eq!(
            rule.id,
            format!("{}/{}", rule.topic(), rule.title().replace(' ', "-"))
        );
    }
}

// Verifies: BH-CFG-003, BH-HEALTH-062
#[test]
fn all_errors_of_one_run_are_reported_in_order() {
    let fixture = Fixture::new();
    let overrides = [
        "partitions.linux.memory=3MiB",
        "partitions.panel.devices=[can9]",
        "partitions.panel.elf=x",
    ];
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    let found: Vec<&str> = breaches(&fixture, "valid.yaml", &overrides)
        .iter()
        .map(|r| r.rule)
        .collect();
    assert_eq!(
        found,
        [
            "memory/alignment",
            "payload/too-large",
            "devices/unknown",
            "document/unknown-key"
        ]
    );
}

// Verifies: BH-CFG-084
#[test]
fn an_elf_for_another_machine_is_named() {
    let overrides = ["partitions.panel.payload.elf=other-machine".to_owned()];
    let found = breaches(&Fixture::new(), "valid.yaml", &overrides);
    let [record] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (record.rule, record.primary.text.as_str()),
        ("payload/wrong-machine", "it is for x86-64")
    );
}
