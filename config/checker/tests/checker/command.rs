// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program: its exit codes, its output, and that it writes all or nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::encode::{BLOB_SIZE, Files, encode};
use crate::model::good;

pub(crate) fn directory(files: &Files) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("hypervisor.bin"), &files.hypervisor).unwrap();
    fs::write(directory.path().join("system.blob"), &files.blob).unwrap();
    fs::write(directory.path().join("grants.txt"), &files.grants).unwrap();
    directory
}

pub(crate) fn prove(directory: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_bulkhead-checker");
    Command::new(program)
        .arg("prove")
        .arg(directory)
        .args(arguments)
        .output()
        .unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Verifies: BH-CHK-070, BH-CHK-071.
#[test]
fn a_proof_is_certified() {
    let files = encode(&good(BLOB_SIZE));
    let directory = directory(&files);
    let without = prove(directory.path(), &[]);
    assert_eq!(without.status.code(), Some(1), "there is no image: {without:?}");
    assert_eq!(
        names(directory.path()),
        ["grants.txt", "hypervisor.bin", "system.blob"]
    );

    let output = prove(directory.path(), &["--write", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["proved"], true);
    let text = fs::read(directory.path().join("certificate.json")).unwrap();
    let written: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(said["certificate"], written);

    let page = fs::read(directory.path().join("certificate.bin")).unwrap();
    let hash = Sha256::digest(&files.blob);
    assert_eq!(page.len(), 4096);
    assert_eq!(&page[..8], b"BLKHCERT");
    assert_eq!(page[8..12], 1u32.to_le_bytes());
    assert_eq!(&page[16..48], hash.as_slice());
    let field = |at: usize| u64::from_le_bytes(page[at..at + 8].try_into().unwrap());
    assert_eq!(Some(field(48)), written["pages"].as_u64());
    assert_eq!(Some(field(56)), written["roots"].as_u64());
    let properties = written["properties"].as_array().unwrap();
    assert_eq!(
        page[12..16],
        u32::try_from(properties.len()).unwrap().to_le_bytes()
    );
    assert!(page[64..].iter().all(|byte| *byte == 0));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written["blob_hash"], hex);
}

/// Verifies: BH-CHK-071.
#[test]
fn nothing_is_written_without_a_proof() {
    let mut model = good(BLOB_SIZE);
    model.vcpus[1].words[0] ^= 1 << 4;
    model.partitions[2].vmid = 2;
    let directory = directory(&encode(&model));
    let output = prove(directory.path(), &["--write"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("BH-CHK-041: vcpu 1 of partition:info: hcr_el2 is 0x18807c2029, expected 0x18807c2039"),
        "{told}"
    );
    assert!(
        told.contains("BH-CHK-004: partition cluster: VMID 2 is used twice"),
        "{told}"
    );
    assert_eq!(
        names(directory.path()),
        ["grants.txt", "hypervisor.bin", "system.blob"]
    );

    let output = prove(directory.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["proved"], false);
    assert_eq!(said["certificate"], Value::Null);
}

/// Verifies: BH-CHK-071.
#[test]
fn what_cannot_be_read_is_not_judged() {
    let files = encode(&good(BLOB_SIZE));
    for name in ["hypervisor.bin", "system.blob", "grants.txt"] {
        let directory = directory(&files);
        fs::remove_file(directory.path().join(name)).unwrap();
        let output = prove(directory.path(), &["--write"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(name));
    }
    let output = prove(Path::new("nowhere"), &["--unknown"]);
    assert_eq!(output.status.code(), Some(2));
    let output = prove(Path::new("nowhere"), &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["verdict"], &said["proved"]),
        (&"fail".into(), &false.into())
    );
    assert!(
        said["message"].as_str().unwrap().contains("hypervisor.bin"),
        "{said}"
    );
}

/// A reader that goes away changes neither what is told nor the exit status. Verifies: BH-CHK-071.
#[test]
fn a_closed_pipe_is_no_failure() {
    let directory = directory(&encode(&good(BLOB_SIZE)));
    for arguments in [&["--write"][..], &["--write", "--json"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead-checker"))
            .arg("prove")
            .arg(directory.path())
            .args(arguments)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

/// Truncated files are refused without a crash. Verifies: BH-CHK-001.
#[test]
fn truncated_files() {
    let files = encode(&good(BLOB_SIZE));
    for length in [
        0,
        8,
        63,
        64,
        200,
        247,
        248,
        4095,
        4096,
        8192,
        0x1_8000,
        files.blob.len() - 1,
    ] {
        let mut short = files.clone();
        short.blob.truncate(length);
        assert!(short.prove().is_err(), "blob of {length} bytes");
    }
    for length in [0, 63, 100, 303, 304, files.hypervisor.len() - 1] {
        let mut short = files.clone();
        short.hypervisor.truncate(length);
        assert!(short.prove().is_err(), "hypervisor.bin of {length} bytes");
    }
}

/// `cargo tree` for all targets would need the crates of all; the lock file names them. Verifies: BH-CHK-072.
#[test]
fn no_crate_of_the_workspace_is_used_on_any_target() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let packages: Vec<&str> = lock.split("[[package]]").collect();
    let mut wanted = vec!["bulkhead-checker".to_owned()];
    let mut next = 0;
    while let Some(name) = wanted.get(next).cloned() {
        let named = format!("\nname = \"{name}\"\n");
        let mut found = 0;
        for package in packages.iter().filter(|p| p.starts_with(&named)) {
            // What comes from a registry says so.
            assert_eq!(package.contains("\nsource = \"registry+"), next > 0, "{name}");
            let needs = package.lines().filter_map(|l| l.strip_prefix(" \""));
            for need in needs.filter_map(|n| n.split(['"', ' ']).next()) {
                if !wanted.iter().any(|w| w == need) {
                    wanted.push(need.to_owned());
                }
            }
            found += 1;
        }
        assert!(found > 0, "{name} is not in the lock file");
        next += 1;
    }
    assert!(wanted.len() > 10, "{wanted:?}");
}

/// Verifies: BH-CHK-072.
#[test]
fn no_crate_of_the_workspace_is_used() {
    let program = env!("CARGO");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut tree = Command::new(program);
    tree.args([
        "tree",
        "--offline",
        "--edges",
        "all",
        "--prefix",
        "none",
        "--manifest-path",
        manifest,
    ]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.starts_with("bulkhead-checker "), "{listed}");
    assert_eq!(
        listed.matches("bulkhead").count(),
        listed.lines().next().unwrap().matches("bulkhead").count()
    );
}
