// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules that need sizes and places: each fires on its file in tests/invalid, at its place.

use std::collections::BTreeSet;
use std::fs;

use bulkhead_compiler::rules::{Refusal, admit};
use bulkhead_model::rules::placement;
use bulkhead_model::{LoadError, Paths, Record};

use crate::own_tree::device_tree;
use crate::support::cases::cases;
use crate::support::{Workshop, hypervisor_bin, repository};

fn breaches(workshop: &Workshop, file: &str, overrides: &[String]) -> Vec<Record> {
    let paths = Paths {
        spec: repository().join("tests/invalid").join(file),
        boards: repository().join("config/boards"),
        images: workshop.path("images"),
        guest: workshop.path("guest"),
    };
    let system = bulkhead_model::load(&paths, overrides).unwrap();
    match admit(&system, &hypervisor_bin()) {
        Ok(()) => Vec::new(),
        Err(Refusal::Rule(LoadError::Invalid(found))) => {
            assert!(!found.plain().is_empty() && !found.graphical(100, false).is_empty());
            found.records()
        }
        Err(error) => panic!("{file}: {error:?}"),
    }
}

// Verifies: BH-CFG-110, BH-CFG-111, BH-CFG-112, BH-CFG-113, BH-CFG-114, BH-CFG-115, BH-CFG-116, BH-CFG-117, BH-CFG-118,
// BH-CFG-146, BH-CFG-147
#[test]
fn every_rule_on_places_fires() {
    let workshop = Workshop::new();
    let foreign = device_tree(4 << 20, 0, 11);
    fs::write(workshop.path("images/foreign-tree"), foreign).unwrap();
    let rules: BTreeSet<&str> = placement::ALL.iter().map(|r| r.id).collect();
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|c| rules.contains(c.rule.as_str()))
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|c| c.judge(&breaches(&workshop, &c.file, &c.overrides)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let tested: BTreeSet<&str> = cases.iter().map(|c| c.rule.as_str()).collect();
    assert_eq!(tested, rules);
    assert_eq!(breaches(&workshop, "valid.yaml", &[]), []);
}
