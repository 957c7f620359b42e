// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A spec of which a file is missing: what is there is judged all the same, and nothing that the file could hold is missed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the tests of rules")]
mod cases;
#[allow(dead_code, reason = "shared with the tests of rules")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bulkhead_analysis::rules::load;
use bulkhead_model::{LoadError, Paths};
use cases::{Case, cases};
use common::{Fixture, root};

/// The rules that a text breaks which lies beside the files of tests/invalid.
fn broken(fixture: &Fixture, folder: &Path, text: &str, overrides: &[String]) -> Vec<&'static str> {
    let spec = folder.join("spec.yaml");
    fs::write(&spec, text).unwrap();
    let paths = Paths {
        spec,
        ..fixture.paths("")
    };
    match load(&paths, overrides) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(found)) => found.records().iter().map(|r| r.rule).collect(),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let invalid = fs::canonicalize(root().join("tests/invalid")).unwrap();
    for name in ["boards", "fragments", "files"] {
        std::os::unix::fs::symlink(invalid.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// With a file that is not there.
fn incomplete(text: &str) -> String {
    text.replacen("bulkhead: 1\n", "bulkhead: 1\ninclude: [absent.yaml]\n", 1)
}

/// The text without each of its keys, with all that is under it.
fn without_a_key(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_key = |line: &str| {
        !line.starts_with(['#', 'b']) && line.contains(':') && !line.trim_start().starts_with('-')
    };
    let keys = (0..lines.len()).filter(|at| is_key(lines[*at]));
    let kept = keys.filter_map(|at| {
        let own = indent(lines[at]);
        let below = lines[at + 1..].iter().take_while(|l| indent(l) > own);
        let end = at + 1 + below.count();
        let is_last = lines.get(end).is_none_or(|l| indent(l) < own);
        // A key with nothing under it is another breach.
        let is_only = indent(lines[at - 1]) < own && is_last;
        (!is_only).then(|| [&lines[..at], &lines[end..]].concat().join("\n") + "\n")
    });
    kept.collect()
}

// Verifies: BH-LANG-023
#[test]
fn nothing_is_refused_that_the_missing_file_could_hold() {
    let (fixture, folder) = (Fixture::new(), folder());
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for entry in fs::read_dir(root().join("tests/invalid")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("valid.") {
            continue;
        }
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("../mutants", &root().join("tests/mutants").display().to_string());
        for text in without_a_key(&text) {
            let found = broken(&fixture, folder.path(), &incomplete(&text), &[]);
            judged += 1;
            if found != ["include/not-found"] {
                wrong.push(format!("{name}: {found:?}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(judged > 500, "{judged}");
}

/// Rules that the file which is missing could satisfy; every other one is judged.
const LEFT_OUT: &[&str] = &[
    "bandwidth/not-sliced",
    "channels/no-writer",
    "channels/unknown-partition",
    "colours/not-uncoloured",
    "devices/not-unguarded",
    "devices/unguarded",
    "dma/not-guarded",
    "document/missing-key",
    "document/no-such-path",
    "health/monitor",
    "health/no-monitor",
    "locks/less-critical",
    "locks/too-many",
    "locks/unknown-partition",
    "partitions/expect-silent",
    "partitions/expect-unknown",
    "schedule/no-slot",
    "schedule/no-table",
    "schedule/system-core",
    "schedule/unknown-partition",
    "sharing/over-committed",
    "sharing/priority",
    "tasks/interrupt",
    "tolerance/reaction",
    "tolerance/too-late",
];

// Verifies: BH-LANG-023
#[test]
fn what_is_there_is_judged_beside_a_missing_file() {
    let (fixture, folder) = (Fixture::new(), folder());
    let (mut wrong, mut left_out) = (Vec::new(), BTreeSet::new());
    // Of these nothing is read, or another file is missing already.
    let is_read = |c: &Case| {
        !["document/syntax", "document/version"].contains(&c.rule.as_str()) && !c.body.contains("include:")
    };
    for case in cases().into_iter().filter(is_read) {
        let body = case
            .body
            .replace("../mutants", &root().join("tests/mutants").display().to_string());
        let before = broken(&fixture, folder.path(), &format!("{body}\n"), &case.overrides);
        let found = broken(
            &fixture,
            folder.path(),
            &format!("{}\n", incomplete(&body)),
            &case.overrides,
        );
        let own = case.rule.as_str();
        if found == ["include/not-found"] && !before.is_empty() {
            left_out.insert(case.rule.clone());
        } else if !found.contains(&"include/not-found")
            || found.len() != before.len() + 1
            || before.iter().any(|r| *r != own)
        {
            wrong.push(format!("{}: {found:?}", case.file));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
    assert_eq!(left_out, LEFT_OUT);
}
