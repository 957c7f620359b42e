// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bus master that no SMMU guards: both readers accept it only where the text form excepts it, and the proof says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the other tests")]
mod systems;

use std::fs;
use std::path::Path;

use bulkhead_compiler::compile::compile;
use bulkhead_mutants::files::Files;
use bulkhead_mutants::judge::{Verdict, judge};

use systems::support::{Workshop, hypervisor_bin};

fn system() -> Files {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    let invalid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../invalid");
    fs::create_dir(workshop.path("boards")).unwrap();
    fs::copy(
        invalid.join("boards/no-smmu.yaml"),
        workshop.path("boards/no-smmu.yaml"),
    )
    .unwrap();
    let text = fs::read_to_string(invalid.join("valid.unguarded.yaml")).unwrap();
    let compiled = compile(&workshop.load(&text), &hypervisor).unwrap();
    systems::files(&compiled, &hypervisor)
}

fn with_text(change: impl Fn(&str) -> String) -> Files {
    let mut files = system();
    files.text = change(std::str::from_utf8(&files.text).unwrap()).into_bytes();
    files
}

// Verifies: BH-CHK-055
#[test]
fn an_exception_is_proved_and_said() {
    let proof = systems::prove(&system()).unwrap();
    let [exception] = proof.exceptions.as_slice() else {
        panic!("{:?}", proof.exceptions)
    };
    assert!(
        exception.contains("0x10 of panel") && exception.contains("the-bridge-in-front"),
        "{exception}"
    );
    assert_eq!(judge(&system()).verdict(), Verdict::Harmless);
}

// Verifies: BH-CHK-055
#[test]
fn nothing_is_excepted_in_silence() {
    let is_exception = |line: &&str| line.starts_with("unguarded ");
    let dropped = with_text(|t| {
        t.lines()
            .filter(|l| !is_exception(l))
            .map(|l| format!("{l}\n"))
            .collect()
    });
    let renamed = with_text(|t| t.replace("unguarded 0x10 panel", "unguarded 0x10 control"));
    let other = with_text(|t| t.replace("unguarded 0x10 panel", "unguarded 0x8 control"));
    let twice = with_text(|t| {
        let line = t.lines().find(is_exception).unwrap();
        t.replace(line, &format!("{line}\n{line}"))
    });
    for files in [dropped, renamed, other, twice] {
        let failures = systems::prove(&files).unwrap_err();
        assert!(
            failures.iter().any(|f| f.property == "BH-CHK-053"),
            "{failures:?}"
        );
        assert_ne!(judge(&files).verdict(), Verdict::Harmless);
    }
}
