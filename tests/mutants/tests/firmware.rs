// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions of the firmware that partitions may call: both readers accept what FORMAT.md allows, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the other tests")]
mod systems;

use std::path::Path;

use bulkhead_compiler::compile::compile;
use bulkhead_mutants::files::Files;
use bulkhead_mutants::judge::{Verdict, judge};

use systems::support::{Workshop, hypervisor_bin};

/// Functions of `panel` in `valid.smc.yaml`.
const QUERY: u32 = 0x8400_0006;
const VENDOR: u32 = 0x8200_0010;
const RECORD: &str = "smc panel 0x84000006 20000 -";

fn system() -> Files {
    let invalid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../invalid");
    let text = std::fs::read_to_string(invalid.join("valid.smc.yaml")).unwrap();
    let hypervisor = hypervisor_bin();
    let compiled = compile(&Workshop::new().load(&text), &hypervisor).unwrap();
    systems::files(&compiled, &hypervisor)
}

fn with_text(change: impl Fn(&str) -> String) -> Files {
    let mut files = system();
    let text = change(std::str::from_utf8(&files.text).unwrap());
    assert_ne!(text.as_bytes(), files.text);
    files.text = text.into_bytes();
    files
}

/// Another function in the blob and in the text, so that they agree.
fn with_function(old: u32, new: u32) -> Files {
    let mut files = with_text(|t| t.replace(&format!("{old:#x}"), &format!("{new:#x}")));
    let (old, new) = (old.to_le_bytes(), new.to_le_bytes());
    let places: Vec<usize> = (0..files.blob.len() - 4)
        .step_by(4)
        .filter(|at| files.blob[*at..].starts_with(&old))
        .collect();
    let [at] = places.as_slice() else {
        panic!("{places:?}");
    };
    files.blob[*at..*at + 4].copy_from_slice(&new);
    files
}

fn both_refuse(files: &Files, what: &str) {
    assert!(systems::prove(files).is_err(), "{what}: the checker");
    assert_ne!(
        judge(files).verdict(),
        Verdict::Harmless,
        "{what}: the second reader"
    );
}

// Verifies: BH-SMC-020, BH-SMC-021, BH-CHK-055, BH-CHK-081
#[test]
fn what_a_vendors_function_does_is_not_proved_and_said() {
    let files = system();
    let text = String::from_utf8(files.text.clone()).unwrap();
    assert!(text.contains(RECORD) && text.contains("smc panel 0x82000010 50000 reads-the-voltage"));
    let proof = systems::prove(&files).unwrap();
    let [said] = proof.exceptions.as_slice() else {
        panic!("{:?}", proof.exceptions);
    };
    assert!(
        said.contains("panel calls 0x82000010") && said.contains("reads-the-voltage"),
        "{said}"
    );
    assert_eq!(judge(&files).verdict(), Verdict::Harmless);
}

// Verifies: BH-CHK-060, BH-CHK-081
#[test]
fn the_text_says_the_same_functions() {
    let line = format!("{RECORD}\n");
    for (what, with) in [
        ("dropped", String::new()),
        ("repeated", format!("{line}{line}")),
        ("another function", line.replace("0x84000006", "0x84000004")),
        ("another time", line.replace("20000", "10000")),
        ("another partition", line.replace("panel", "linux")),
        ("an odd reason", line.replace(" -\n", " Why?\n")),
    ] {
        both_refuse(&with_text(|t| t.replace(&line, &with)), what);
    }
    let silent = with_text(|t| {
        let is_vendors = |l: &&str| l.starts_with("smc panel 0x82000010 ");
        let vendors = t.lines().find(is_vendors).unwrap();
        t.replace(vendors, "smc panel 0x82000010 50000 -")
    });
    both_refuse(&silent, "no reason");
}

// Verifies: BH-CHK-081
#[test]
fn no_partition_calls_what_changes_power_or_takes_entry_points() {
    for function in [
        0x8400_0001,
        0x8400_0002,
        0xc400_0003,
        0x8400_0008,
        0x8400_0009,
        0x8400_000e,
        0x8400_0013,
        0xc400_0020,
        0xc400_0073,
        0x8500_0000,
        0xc600_0001,
        0x8700_0000,
        0x0400_0006,
        0x8401_0006,
        0x8480_0006,
    ] {
        both_refuse(&with_function(QUERY, function), &format!("{function:#x}"));
    }
    both_refuse(&with_function(VENDOR, QUERY), "twice");
    for function in [0x8400_0000, 0xc400_0004, 0x8400_000a, 0x8400_0053, 0x8000_0002] {
        let files = with_function(QUERY, function);
        assert_eq!(judge(&files).verdict(), Verdict::Harmless, "{function:#x}");
        systems::prove(&files).unwrap();
    }
}
