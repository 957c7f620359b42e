// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An integrator's build: one hypervisor for all systems, and no Rust toolchain.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bulkhead_on_target::{REFERENCE, System, build_command, images, in_tree, says, succeeded, tool};

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
        let read = |folder: &Path| fs::read(folder.join(file)).expect(file);
        assert!(read(folder.path()) == read(usual.folder()), "{file}");
    }
}

/// Every file below a folder with its content, by path.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                all.insert(name, fs::read(&path).expect("file"));
            }
        }
    }
    all
}

fn copy(from: &Path, to: &Path) {
    for (name, content) in contents(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }
}

/// The same files from a copy of everything in another folder, in another time zone, language, shell mask and
/// working directory, a second or more later. Verifies: BH-CFG-019.
#[test]
fn a_build_is_the_same_everywhere() {
    for spec in [REFERENCE, "tests/systems/coloured.yaml"] {
        let here = System::build(spec, &[]);
        let place = tempfile::tempdir().expect("folder");
        for folder in ["config/boards", "config/systems", "tests/systems"] {
            copy(
                &in_tree(folder),
                &place.path().join("tree of a stranger").join(folder),
            );
        }
        copy(&images(), &place.path().join("images"));
        std::thread::sleep(Duration::from_millis(1100));
        let output = Command::new("/bin/sh")
            .args(["-c", "umask 077; exec \"$@\"", "sh"])
            .arg(tool())
            .arg("build")
            .arg(Path::new("..").join("tree of a stranger").join(spec))
            .args(["--output", "out"])
            .current_dir(place.path().join("images"))
            .env("BULKHEAD_ROOT", place.path().join("tree of a stranger"))
            .env("BULKHEAD_IMAGES", place.path().join("images"))
            .env("TZ", "Pacific/Chatham")
            .env("LANG", "tr_TR.UTF-8")
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("SOURCE_DATE_EPOCH", "1")
            .env("USER", "stranger")
            .output();
        succeeded(&output.expect("the tool starts"));
        let (one, two) = (
            contents(here.folder()),
            contents(&place.path().join("images/out")),
        );
        let names = |all: &BTreeMap<PathBuf, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&one), names(&two));
        let differ: Vec<_> = one
            .iter()
            .filter(|(name, content)| two.get(*name) != Some(content))
            .collect();
        assert!(
            differ.is_empty(),
            "{:?}",
            differ.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        assert!(one.len() > 10, "{:?}", names(&one));
    }
}

/// A partition finds in a tree of its own what it finds in the generated one. Verifies: BH-CFG-148.
#[test]
fn a_partition_runs_with_its_own_device_tree() {
    let generated = System::build("tests/systems/small.yaml", &[]);
    let tree = generated.folder().join("dt/cluster.dtb");
    let own = format!("partitions.cluster.device_tree={}", tree.display());
    let system = System::build("tests/systems/small.yaml", &[&own]);
    let mut session = system.start(|_| {});
    says(&mut session, "cluster", "cluster", 20);
    session.finish("it runs").expect("report");
}
