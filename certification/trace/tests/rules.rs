// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each rule of the trace, broken once.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bulkhead_trace::requirements::VAGUE;
use bulkhead_trace::source::Marker;
use bulkhead_trace::{Trace, TraceError};

/// An ID of the area ZZ, made here so that this file mentions none that the real tree would have to define.
fn id(number: u32) -> String {
    format!("BH-{}-{number:03}", "ZZ")
}

fn requirement(number: u32, text: &str) -> String {
    format!("- id: {}\n  text: \"{text}\"\n", id(number))
}

/// The trace of a new tree with these requirements, gaps and one source file.
fn tree(requirements: &str, gaps: &str, source: &str) -> Result<Trace, TraceError> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("certification/requirements");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("zz.yaml"), requirements).unwrap();
    if !gaps.is_empty() {
        fs::write(folder.join("gaps.yaml"), gaps).unwrap();
    }
    fs::write(root.path().join("code.rs"), source).unwrap();
    for arguments in [&["init", "-q"][..], &["add", "."]] {
        let git = Command::new("git")
            .arg("-C")
            .arg(root.path())
            .args(arguments)
            .status();
        assert!(git.unwrap().success());
    }
    Trace::read(root.path())
}

fn faults(requirements: &str, gaps: &str, source: &str) -> Vec<String> {
    tree(requirements, gaps, source).unwrap().faults()
}

fn sound() -> (String, String) {
    let source = format!("// Implements: {0}.\nfn f() {{}}\n// Verifies: {0}.\n", id(1));
    (requirement(1, "EL2 shall stop."), source)
}

#[test]
fn a_traced_requirement_is_accepted() {
    let (requirements, source) = sound();
    assert_eq!(faults(&requirements, "", &source), [""; 0]);
}

#[test]
fn a_cited_id_must_be_defined() {
    let (requirements, source) = sound();
    for more in [
        format!("// see {}\n", id(2)),
        format!("// Verifies: {}, {}.\n", id(1), id(2)),
    ] {
        let told = faults(&requirements, "", &(source.clone() + &more));
        assert_eq!(told, [format!("{} is not defined (code.rs)", id(2))]);
    }
}

#[test]
fn an_id_is_defined_once() {
    let (requirements, source) = sound();
    let told = faults(&requirements.repeat(2), "", &source);
    assert_eq!(told, [format!("{} is defined twice", id(1))]);
}

#[test]
fn code_and_test_are_both_needed() {
    let (requirements, source) = sound();
    for marker in Marker::BOTH {
        let without = source.replace(&format!("{marker}:"), "Mentions:");
        let told = faults(&requirements, "", &without);
        assert_eq!(told, [format!("{0}: nothing says `{marker}: {0}`", id(1))]);
        let gap = format!(
            "- id: {}\n  lacks: {marker}\n  reason: There is no hardware here.\n",
            id(1)
        );
        assert_eq!(faults(&requirements, &gap, &without), [""; 0]);
        let told = faults(&requirements, &gap, &source);
        assert_eq!(told, [format!("{}: `{marker}` is there, remove the gap", id(1))]);
        let told = faults(
            &requirements,
            &gap.replace("There is no hardware here", "Later"),
            &without,
        );
        assert_eq!(told, [format!("gaps.yaml gives no reason for {}", id(1))]);
    }
}

#[test]
fn a_marker_counts_in_comments_of_code_only() {
    let (requirements, source) = sound();
    let quoted = source.replace("// ", "let text = \"") + "\";";
    assert_eq!(faults(&requirements, "", &quoted).len(), 2);
    let (code, patch) = (Path::new("a/code.rs"), Path::new("a/code.patch"));
    assert!(bulkhead_trace::source::carries_markers(code));
    assert!(!bulkhead_trace::source::carries_markers(patch));
}

#[test]
fn a_list_goes_on_in_the_next_line_of_a_comment() {
    let requirements: String = (1..=3).map(|n| requirement(n, "EL2 shall stop.")).collect();
    let source = format!(
        "//! Implements: {0}, {1},\n//! {2}. Text.\n/// Verifies:\n/// {0},{1}, {2}\n",
        id(1),
        id(2),
        id(3)
    );
    assert_eq!(faults(&requirements, "", &source), [""; 0]);
}

#[test]
fn sentences_are_precise() {
    let (_, source) = sound();
    let told = |text: &str| faults(&requirement(1, text), "", &source);
    for vague in VAGUE {
        let said = told(&format!("EL2 shall stop {vague}."));
        assert_eq!(said, [format!("{} says `{vague}`", id(1))]);
    }
    assert_eq!(
        told("EL2 shall breakfast and shoulder."),
        [""; 0],
        "words, not parts of words"
    );
    for text in ["EL2 stops.", "EL2 shall stop and shall go."] {
        assert_eq!(told(text), [format!("{} does not say `shall` once", id(1))]);
    }
    for text in ["EL2 shall stop", "EL2 shall stop. It stops."] {
        assert_eq!(told(text), [format!("{} is not one sentence", id(1))]);
    }
}

#[test]
fn what_is_not_a_requirement_file_is_refused() {
    let (_, source) = sound();
    let other_area = requirement(1, "EL2 shall stop.").replace("ZZ", "YY");
    let no_id = requirement(1, "EL2 shall stop.").replace("-001", "-1");
    let unknown_key = requirement(1, "EL2 shall stop.") + "  why: so\n";
    for text in [other_area, no_id, unknown_key] {
        assert!(
            matches!(tree(&text, "", &source), Err(TraceError::Yaml(..))),
            "{text}"
        );
    }
}
