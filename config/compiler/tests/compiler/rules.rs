// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each file in tests/invalid breaks its rule at its place and no other, rules on sizes and places among them.

use std::collections::BTreeSet;

use bulkhead_analysis::rules::survey;
use bulkhead_compiler::rules::{Refusal, admit};
use bulkhead_model::rules::placement;
use bulkhead_model::{LoadError, Paths, Record};

use crate::own_tree::put_foreign_tree;
use crate::support::cases::cases;
use crate::support::{Workshop, hypervisor_bin, repository};

/// What the tool says of a file: breaches of every rule, those on times and places among them.
fn breaches(workshop: &Workshop, file: &str, overrides: &[String]) -> Vec<Record> {
    let paths = Paths {
        spec: repository().join("tests/invalid").join(file),
        boards: repository().join("config/boards"),
        images: workshop.path("images"),
        guest: workshop.path("guest"),
    };
    let (mut found, placing) = match survey(&paths, overrides) {
        Ok((system, _)) => (None, Some(Box::new(system))),
        Err(refused) => match refused.error {
            LoadError::Invalid(found) => (Some(found), refused.placing),
            error => panic!("{file}: {error:?}"),
        },
    };
    let placed = placing.map_or(Ok(()), |system| admit(&system, &hypervisor_bin()));
    match placed {
        Ok(()) => {}
        Err(Refusal::Rule(LoadError::Invalid(more))) => match &mut found {
            Some(found) => found.list.extend(more.list),
            None => found = Some(more),
        },
        Err(error) => panic!("{file}: {error:?}"),
    }
    found.map_or_else(Vec::new, |found| {
        assert!(!found.plain().is_empty() && !found.graphical(100, false).is_empty());
        found.records()
    })
}

/// Those whose file or board fits other images than these: the model's tests judge them, and `check` by the real ones.
const ELSEWHERE: [&str; 4] = [
    "cores.too-many-vcpus.yaml",
    "partitions.too-many.yaml",
    "payload.outside-memory.yaml",
    "payload.too-large.yaml",
];

// Verifies: BH-CFG-110, BH-CFG-111, BH-CFG-112, BH-CFG-113, BH-CFG-114, BH-CFG-115, BH-CFG-116, BH-CFG-117, BH-CFG-118,
// BH-CFG-146, BH-CFG-147, BH-MEM-014, BH-MEM-015
#[test]
fn every_rule_on_places_fires() {
    let workshop = Workshop::new();
    put_foreign_tree(&workshop);
    let rules: BTreeSet<&str> = placement::ALL.iter().map(|r| r.id).collect();
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|c| !ELSEWHERE.contains(&c.file.as_str()))
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|c| c.judge(&breaches(&workshop, &c.file, &c.overrides)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let tested: BTreeSet<&str> = cases.iter().map(|c| c.rule.as_str()).collect();
    assert!(tested.is_superset(&rules));
    assert_eq!(breaches(&workshop, "valid.yaml", &[]), []);
}
