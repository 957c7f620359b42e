// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An integrator's day: the SDK, a change, a proof, a run, on a machine without Rust.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulkhead_on_target::{REFERENCE, System, images, in_tree, succeeded, tool};

/// What compiles or links, by the begin of its name.
const COMPILERS: [&str; 9] = [
    "cargo",
    "rust",
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "ld",
    "x86_64-linux-gnu-",
];

/// A folder with the machine's programs but compilers and linkers.
fn programs(folder: &Path) {
    for place in ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"] {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let compiles = COMPILERS.iter().any(|c| name.to_string_lossy().starts_with(c));
            let link = folder.join(&name);
            if !compiles && fs::symlink_metadata(&link).is_err() {
                symlink(entry.path(), link).expect("link");
            }
        }
    }
}

/// The guest packages that the tree's own runs use.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/bulkhead");
    std::env::var_os("BULKHEAD_CACHE").map_or_else(home, PathBuf::from)
}

/// Verifies: BH-SDK-001.
#[test]
fn a_system_is_changed_without_rust() {
    let folder = tempfile::tempdir().expect("folder");
    let packed = folder.path().join("packed");
    let output = Command::new(tool())
        .args(["sdk", "-o"])
        .arg(&packed)
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output();
    succeeded(&output.expect("the tool starts"));
    // It works wherever it is put.
    let sdk = folder.path().join("a place of the integrator's");
    fs::rename(&packed, &sdk).expect("moved");
    let path = folder.path().join("bin");
    fs::create_dir(&path).expect("folder");
    programs(&path);
    assert!(!path.join("cargo").exists() && !path.join("rustc").exists());

    let reference = sdk.join(REFERENCE);
    let text = fs::read_to_string(&reference).expect("the reference system");
    let changed = text.replacen("memory: 2MiB", "memory: 4MiB", 1);
    assert_ne!(text, changed);
    let spec = folder.path().join("mine.yaml");
    fs::write(&spec, changed).expect("spec");
    let bulkhead = |arguments: &[&str]| -> Output {
        Command::new(sdk.join("bulkhead"))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env("BULKHEAD_CACHE", cache())
            .output()
            .expect("the command starts")
    };
    succeeded(&bulkhead(&["build", "mine.yaml", "-o", "out"]));
    succeeded(&bulkhead(&["prove", "out"]));
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).expect(name);
    let out = folder.path().join("out");
    let here = System::build(REFERENCE, &["partitions.adas.memory=4MiB"]);
    for name in ["image.bin", "grants.txt", "manifest.json"] {
        assert!(
            read(&out, name) == read(here.folder(), name),
            "{name} differs from the tree's own"
        );
    }
    let unchanged = System::build(REFERENCE, &[]);
    assert!(read(&out, "system.blob") != read(unchanged.folder(), "system.blob"));
    let run = bulkhead(&[
        "run",
        "mine.yaml",
        "--headless",
        "--for",
        "60s",
        "--report",
        "r.json",
    ]);
    succeeded(&run);
    let report = fs::read_to_string(folder.path().join("r.json")).expect("report");
    assert!(report.contains("\"verdict\": \"pass\""), "{report}");
    // The same folder a second time is somebody's work.
    let again = Command::new(tool())
        .args(["sdk", "-o"])
        .arg(&sdk)
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output()
        .expect("the tool starts");
    assert_eq!(again.status.code(), Some(1));
}
