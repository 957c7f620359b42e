// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An integrator's build: one hypervisor for all systems, and no Rust toolchain.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;

use bulkhead_on_target::{REFERENCE, System, build_command, succeeded};

#[test]
fn different_systems_have_the_same_hypervisor() {
    let systems = [
        System::build(REFERENCE, &[]),
        System::build(REFERENCE, &["partitions.adas.autostart=false"]),
        System::build("tests/systems/conformance-sliced.yaml", &[]),
        System::build("tests/systems/every-key.yaml", &[]),
    ];
    let read = |name: &str| {
        let file = |system: &System| fs::read(system.folder().join(name)).expect(name);
        systems.each_ref().map(file)
    };
    let [one, others @ ..] = read("hypervisor.bin");
    assert!(!one.is_empty() && others.iter().all(|o| *o == one));
    let mut blobs = read("system.blob").to_vec();
    blobs.sort();
    blobs.dedup();
    assert_eq!(blobs.len(), systems.len());
}

/// Coreutils that a script around the tool may use; nothing that compiles or links.
const PROGRAMS: [&str; 6] = ["cat", "cp", "ls", "mkdir", "mv", "rm"];

/// Verifies: BH-CFG-018.
#[test]
fn building_needs_no_rust() {
    let path = tempfile::tempdir().expect("folder");
    for program in PROGRAMS {
        let found = ["/usr/bin", "/bin"].map(|folder| format!("{folder}/{program}"));
        let found = found
            .iter()
            .find(|file| fs::exists(file).is_ok_and(|there| there));
        symlink(found.expect(program), path.path().join(program)).expect("link");
    }
    let folder = tempfile::tempdir().expect("folder");
    let mut command = build_command(REFERENCE, &[], folder.path());
    let output = command
        .env("PATH", path.path())
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .output();
    succeeded(&output.expect("the tool starts"));
    let usual = System::build(REFERENCE, &[]);
    for file in ["image.bin", "system.blob", "certificate.bin", "manifest.json"] {
        let read = |folder: &std::path::Path| fs::read(folder.join(file)).expect(file);
        assert!(read(folder.path()) == read(usual.folder()), "{file}");
    }
}
