// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `flash` as a user meets it: what it leaves alone, what it asks for, what it would do.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bulkhead_on_target::{in_tree, succeeded};
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, SMALL};

pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Verifies: BH-FLSH-005.
#[test]
fn a_file_of_somebody_else_stays_as_it_is() {
    let bench = Bench::new(SMALL);
    let path = bench.path("thesis.odt");
    fs::write(&path, "ten years of work").expect("file");
    let output = bench
        .flash_command("thesis.odt", &["--yes"])
        .output()
        .expect("the tool starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("holds no medium of Bulkhead"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read(&path).expect("file"), b"ten years of work");
    // What flash wrote itself is written again.
    bench.flash("disk.img", &[]);
    bench.flash("disk.img", &[]);
}

/// Verifies: BH-FLSH-010.
#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::new(SMALL);
    let output = bench
        .flash_command("disk.img", &["--dry-run", "--json"])
        .output()
        .expect("the tool starts");
    succeeded(&output);
    let outcome: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(outcome["written"], Value::Null);
    let command = outcome["commands"][0].as_str().expect("a command");
    assert!(
        command.starts_with("dd ") && command.contains("disk.img"),
        "{command}"
    );
    assert!(!bench.path("disk.img").exists());
    let output = bench
        .flash_command("disk.img", &["--json"])
        .output()
        .expect("the tool starts");
    let written: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(written["sha256"], outcome["sha256"]);
    assert_eq!(written["blob_hash"], bench.manifest.blob_hash.as_str());
}

/// A tree whose board `qemu-virt` needs what the vendor of another board ships, and is loaded by uuu.
fn tree() -> TempDir {
    let tree = tempfile::tempdir().expect("folder");
    let boards = tree.path().join("config/boards");
    fs::create_dir_all(&boards).expect("folder");
    let text = fs::read_to_string(in_tree("config/boards/qemu-virt.yaml")).expect("board file");
    let (before, after) = text.split_once("\nqemu:\n").expect("qemu");
    let more = "
  download: uuu
  blobs:
    imx-boot: { text: the vendor's boot loader, at: 32KiB }
    firmware: { text: the vendor's firmware, file: fw.bin }
qemu:
";
    fs::write(boards.join("qemu-virt.yaml"), format!("{before}{more}{after}")).expect("board file");
    tree
}

/// Verifies: BH-FLSH-009, BH-FLSH-010.
#[test]
fn files_of_the_vendor_are_asked_for() {
    let (bench, tree) = (Bench::new(SMALL), tree());
    let loader = bench.path("imx-boot.bin");
    fs::write(&loader, [0x77; 100_000]).expect("file");
    let firmware = bench.path("fw");
    fs::write(&firmware, "firmware").expect("file");
    let flash = |to: &str, arguments: &[&str]| {
        let mut command = bench.flash_command("x", arguments);
        let all: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut other = Command::new(command.get_program());
        for argument in all {
            other.arg(if argument == bench.path("x").as_os_str() {
                to.into()
            } else {
                argument
            });
        }
        for (name, value) in command.envs([("", "")]).get_envs().filter(|(n, _)| !n.is_empty()) {
            other.env(name, value.expect("value"));
        }
        other
            .env("BULKHEAD_ROOT", tree.path())
            .output()
            .expect("the tool starts")
    };
    let disk = bench.path("disk.img");
    let to = disk.to_str().expect("path");
    let blob = |name: &str, path: &Path| format!("--blob={name}={}", path.display());
    let (loader, firmware) = (blob("imx-boot", &loader), blob("firmware", &firmware));
    let output = flash(to, &[&loader]);
    assert_eq!(output.status.code(), Some(1));
    let words = "board `qemu-virt` needs `firmware`, which is not shipped: the vendor's firmware";
    assert!(said(&output).contains(words), "{}", said(&output));
    assert!(said(&output).contains("--blob firmware=FILE"));
    let output = flash(to, &[&loader, &firmware, "--blob=other=x"]);
    assert!(
        said(&output).contains("needs no file `other`"),
        "{}",
        said(&output)
    );
    assert!(!disk.exists());
    succeeded(&flash(to, &[&loader, &firmware]));
    let bytes = fs::read(&disk).expect("medium");
    assert!(bytes[32 << 10..][..100_000].iter().all(|byte| *byte == 0x77));

    let output = flash("uuu:emmc", &[&loader, &firmware, "--dry-run"]);
    succeeded(&output);
    assert!(said(&output).starts_with("uuu -b emmc_all "), "{}", said(&output));
    let output = bench
        .flash_command("x", &["--to", "uuu:sd"])
        .output()
        .expect("the tool starts");
    assert_ne!(output.status.code(), Some(0), "--to twice");
}
