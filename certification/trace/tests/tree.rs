// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trace of this tree is complete.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use bulkhead_trace::{Trace, matrix};

fn read() -> Trace {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Trace::read(&root).unwrap()
}

#[test]
fn requirements_code_and_tests_agree() {
    let trace = read();
    assert!(!trace.requirements.is_empty() && !trace.mentioned.is_empty());
    let faults = trace.faults();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_matrix_has_a_row_for_each_requirement() {
    let trace = read();
    let table = matrix::markdown(&trace).unwrap();
    for requirement in &trace.requirements {
        let row = format!("| {} | ", requirement.id);
        let rows: Vec<&str> = table.lines().filter(|l| l.starts_with(&row)).collect();
        assert_eq!(rows.len(), 1, "{}", requirement.id);
        assert!(!rows[0].contains("|  |"), "{} has an empty cell", requirement.id);
    }
}
