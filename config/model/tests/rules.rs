// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every rule has a spec in tests/invalid that breaks it and no other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cases;
mod common;

use std::collections::BTreeSet;
use std::fs;

use bulkhead_analysis::rules::load;
use bulkhead_model::diagnostic::Rule;
use bulkhead_model::{LoadError, Record};
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

// Verifies: BH-CFG-003
// Verifies: BH-BRD-020, BH-BRD-021
// Verifies: BH-BW-010, BH-BW-011, BH-BW-012, BH-BW-013, BH-BW-014
// Verifies: BH-CFG-005, BH-CFG-006, BH-CFG-007, BH-CFG-008, BH-CFG-009, BH-CFG-020, BH-CFG-021, BH-CFG-022, BH-CFG-030,
// BH-CFG-031, BH-CFG-032, BH-CFG-033, BH-CFG-040, BH-CFG-041, BH-CFG-042, BH-CFG-043, BH-CFG-050, BH-CFG-051,
// BH-CFG-052, BH-CFG-053, BH-CFG-060, BH-CFG-061, BH-CFG-062, BH-CFG-063, BH-CFG-064, BH-CFG-065, BH-CFG-066,
// BH-CFG-067, BH-CFG-068, BH-CFG-070, BH-CFG-071, BH-CFG-080, BH-CFG-081, BH-CFG-082, BH-CFG-083, BH-CFG-084,
// BH-CFG-085, BH-CFG-086, BH-CFG-100, BH-CFG-101, BH-CFG-102, BH-CFG-103, BH-CFG-104, BH-CFG-105,
// BH-CFG-106, BH-LANG-004, BH-LANG-006, BH-LANG-010,
// BH-LANG-011, BH-LANG-012, BH-LANG-013, BH-LANG-014, BH-LANG-015, BH-LANG-016, BH-LANG-017, BH-LANG-018,
// BH-CFG-210, BH-CFG-211, BH-CFG-212, BH-CFG-213, BH-CFG-214, BH-CFG-150, BH-CFG-151, BH-CFG-152,
// BH-CFG-140, BH-CFG-141, BH-CFG-142, BH-CFG-143, BH-CFG-144, BH-CFG-145, BH-CFG-161, BH-CFG-162, BH-CFG-163, BH-CFG-170,
// BH-CFG-130, BH-CFG-131, BH-CFG-132, BH-CFG-133, BH-CFG-134, BH-CFG-135, BH-LANG-020, BH-LANG-021,
// BH-TASK-001, BH-TASK-002, BH-TASK-003, BH-TASK-004, BH-TASK-005, BH-TASK-006, BH-TASK-007, BH-TASK-008,
// BH-TASK-009, BH-TASK-024, BH-TASK-025, BH-TASK-026,
// BH-HEALTH-012, BH-HEALTH-013, BH-HEALTH-014, BH-HEALTH-015, BH-HEALTH-016, BH-HEALTH-017, BH-HEALTH-030, BH-HEALTH-031,
// BH-HEALTH-032, BH-CFG-215, BH-CFG-216, BH-CFG-217, BH-CFG-218.
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
fn the_valid_sibling_is_valid_and_one_edit_away() {
    let fixture = Fixture::new();
    for case in cases() {
        let sibling = &case.sibling;
        assert!(sibling.starts_with("valid."), "{}: {sibling}", case.file);
        assert_eq!(breaches(&fixture, sibling, &[]), [], "{sibling}");
        let valid = fs::read_to_string(root().join("tests/invalid").join(sibling)).unwrap();
        let valid: Vec<&str> = valid.lines().skip(1).collect();
        let body: Vec<&str> = case.body.lines().collect();
        let head = valid.iter().zip(&body).take_while(|(a, b)| a == b).count();
        let rest = (&valid[head..], &body[head..]);
        let tail = rest
            .0
            .iter()
            .rev()
            .zip(rest.1.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let removed = rest.0.len() - tail;
        assert!(
            removed <= 2,
            "{}: changes {removed} lines of {sibling}",
            case.file
        );
        assert!(
            body != valid || !case.overrides.is_empty(),
            "{}: equals {sibling}",
            case.file
        );
    }
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

/// Rules on two things that do not go together.
const CONFLICTS: &[&str] = &[
    "document/duplicate-key",
    "cores/claimed-twice",
    "memory/overlap",
    "memory/without-segments",
    "memory/mixed-page",
    "dma/outside-memory",
    "dma/overlap",
    "dma/unpinned",
    "partitions/steady-twice",
    "partitions/expect-silent",
    "payload/two-disks",
    "devices/owned-twice",
    "devices/shared-interrupt",
    "devices/board-interrupt",
    "devices/no-such-line",
    "devices/unguarded",
    "devices/no-such-stream",
    "devices/controller",
    "board/shared-page",
    "board/same-function",
    "board/same-core",
    "channels/from-qm",
    "channels/named-twice",
    "schedule/not-filled",
    "schedule/not-its-core",
    "schedule/unaligned",
    "schedule/dedicated-core",
    "health/direct-limit",
    "health/too-short",
    "tolerance/found-late",
    "locks/dedicated",
    "locks/less-critical",
    "partitions/uart-dedicated",
    "bandwidth/not-sliced",
];

// Verifies: BH-LANG-005
#[test]
fn a_conflict_underlines_both_places() {
    let fixture = Fixture::new();
    for case in cases().iter().filter(|c| CONFLICTS.contains(&c.rule.as_str())) {
        let path = fixture.paths(&format!("tests/invalid/{}", case.file));
        let Err(LoadError::Invalid(found)) = load(&path, &case.overrides) else {
            panic!("{}", case.file)
        };
        let (record, drawn) = (&found.records()[0], found.graphical(120, false));
        assert!(!record.others.is_empty(), "{}: one place only", case.file);
        for label in record.others.iter().chain([&record.primary]) {
            let has_extent = (label.end_line, label.end_column) > (label.line, label.column);
            assert!(has_extent, "{}: nothing to underline: {label:?}", case.file);
            assert!(drawn.contains(&label.text), "{}: {drawn}", case.file);
        }
    }
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

// Verifies: BH-CFG-003
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
