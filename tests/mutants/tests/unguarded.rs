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

/// Exceptions: of a PCI function without an SMMU, of a device that no SMMU knows.
const FUNCTION: [&str; 2] = ["valid.unguarded.yaml", "boards/no-smmu.yaml"];
const DEVICE: [&str; 2] = ["valid.master.yaml", "boards/gicv2.yaml"];
/// A device at fixed addresses that the SMMU guards.
const GUARDED: [&str; 2] = ["valid.streams.yaml", "boards/streams.yaml"];

fn system(of: [&str; 2]) -> Files {
    on_changed_board(of, |board| board)
}

fn on_changed_board([spec, board]: [&str; 2], change: impl Fn(String) -> String) -> Files {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    let invalid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../invalid");
    fs::create_dir(workshop.path("boards")).unwrap();
    let changed = change(fs::read_to_string(invalid.join(board)).unwrap());
    fs::write(workshop.path(board), changed).unwrap();
    let text = fs::read_to_string(invalid.join(spec)).unwrap();
    let compiled = compile(&workshop.load(&text), &hypervisor).unwrap();
    systems::files(&compiled, &hypervisor)
}

fn with_text(of: [&str; 2], change: impl Fn(&str) -> String) -> Files {
    let mut files = system(of);
    files.text = change(std::str::from_utf8(&files.text).unwrap()).into_bytes();
    files
}

// Verifies: BH-CHK-055
#[test]
fn an_exception_is_proved_and_said() {
    for (of, what, reason) in [
        (FUNCTION, "0x10 of panel", "the-bridge-in-front"),
        (
            DEVICE,
            "device gdma0 at 0xd000000-0xd001000 of panel",
            "its-driver-is-verified",
        ),
    ] {
        let proof = systems::prove(&system(of)).unwrap();
        let bare = proof
            .exceptions
            .iter()
            .filter(|e| e.contains("no SMMU that EL2 drives"));
        assert_eq!(bare.count(), usize::from(of == FUNCTION));
        let exception = proof.exceptions.last().unwrap();
        assert!(
            exception.contains(what) && exception.contains(reason),
            "{exception}"
        );
    }
    assert_eq!(judge(&system(FUNCTION)).verdict(), Verdict::Harmless);
}

// Verifies: BH-CHK-055
#[test]
fn nothing_is_excepted_in_silence() {
    let is_exception = |line: &&str| line.starts_with("unguarded ");
    let dropped = with_text(FUNCTION, |t| {
        t.lines()
            .filter(|l| !is_exception(l))
            .map(|l| format!("{l}\n"))
            .collect()
    });
    let renamed = with_text(FUNCTION, |t| {
        t.replace("unguarded 0x10 panel", "unguarded 0x10 control")
    });
    let other = with_text(FUNCTION, |t| {
        t.replace("unguarded 0x10 panel", "unguarded 0x8 control")
    });
    let repeated = |t: &str| {
        let line = t.lines().find(is_exception).unwrap();
        t.replace(line, &format!("{line}\n{line}"))
    };
    let twice = with_text(FUNCTION, repeated);
    // Of a device at fixed addresses the text form alone speaks: the exception names registers of its partition.
    let record = |to: &str| with_text(DEVICE, |t| t.replace("unguarded gdma0 panel", to));
    let devices = [
        with_text(DEVICE, repeated),
        record("unguarded gdma0 control"),
        record("unguarded gdma1 panel"),
        record("unguarded ram panel"),
        record("unguarded gicv panel"),
        record("unguarded 0x10 panel"),
    ];
    for files in [dropped, renamed, other, twice].into_iter().chain(devices) {
        let failures = systems::prove(&files).unwrap_err();
        assert!(
            failures.iter().any(|f| f.property == "BH-CHK-053"),
            "{failures:?}"
        );
        assert_ne!(judge(&files).verdict(), Verdict::Harmless);
    }
}

/// A device with two register blocks: files, and the same with the second one listed as another partition's.
fn of_two_blocks(of: [&str; 2], base: &str) -> [Files; 2] {
    let files = || {
        on_changed_board(of, |board| {
            let first = format!("{{ base: {base}, size: 4KiB }}");
            assert!(board.contains(&first));
            board.replace(&first, &format!("[{first}, {{ base: 0x0d01_0000, size: 4KiB }}]"))
        })
    };
    let mut changed = files();
    let text = String::from_utf8(changed.text).unwrap();
    let is_second = |line: &&str| line.starts_with("memory 0xd010000-");
    let line = text.lines().find(is_second).unwrap();
    let foreign = line.replace("partition:panel  ", "partition:control");
    assert_ne!(line, foreign);
    changed.text = text.replace(line, &foreign).into_bytes();
    [files(), changed]
}

/// An exception names each register block of its device, and each is its partition's; so is each of a guarded device.
/// Verifies: BH-CHK-055, BH-CHK-053.
#[test]
fn each_block_of_an_exception_is_its_partitions() {
    let [files, changed] = of_two_blocks(DEVICE, "0x0d00_0000");
    let proof = systems::prove(&files).unwrap();
    let exception = proof.exceptions.last().unwrap();
    let both = "device gdma0 at 0xd000000-0xd001000 and 0xd010000-0xd011000 of panel";
    assert!(exception.contains(both), "{exception}");
    let failures = systems::prove(&changed).unwrap_err();
    assert!(
        failures.iter().any(|f| f.property == "BH-CHK-053"),
        "{failures:?}"
    );
    let [files, changed] = of_two_blocks(GUARDED, "0x0a10_0000");
    systems::prove(&files).unwrap();
    assert_eq!(judge(&files).verdict(), Verdict::Harmless);
    systems::prove(&changed).unwrap_err();
    assert_ne!(judge(&changed).verdict(), Verdict::Harmless);
}
