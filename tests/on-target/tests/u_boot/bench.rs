// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A folder in which media are written and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_model::manifest::Manifest;
use bulkhead_on_target::{System, images, in_tree, succeeded, tool};
use serde_json::Value;
use tempfile::TempDir;

/// The smallest system.
pub(crate) const SMALL: &str = "tests/systems/small.yaml";

/// A built system and a folder for its media.
pub(crate) struct Bench {
    pub(crate) spec: &'static str,
    pub(crate) system: System,
    pub(crate) manifest: Manifest,
    folder: TempDir,
}

/// How a run ended.
pub(crate) struct Run {
    /// Exit status of the tool.
    pub(crate) status: i32,
    /// The report.
    pub(crate) report: Value,
    /// What the tool said, and what boot loader and EL2 said.
    pub(crate) said: String,
}

impl Bench {
    pub(crate) fn new(spec: &'static str) -> Self {
        let system = System::build(spec, &[]);
        let manifest = fs::read(system.folder().join("manifest.json")).expect("manifest");
        Bench {
            spec,
            manifest: serde_json::from_slice(&manifest).expect("manifest"),
            system,
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `flash` of the spec, ready to be called.
    pub(crate) fn flash_command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = tool_command("flash");
        command
            .arg("qemu-virt")
            .arg(in_tree(self.spec))
            .arg("--to")
            .arg(self.path(name))
            .args(arguments);
        command
    }

    /// Writes a medium.
    pub(crate) fn flash(&self, name: &str, arguments: &[&str]) -> PathBuf {
        succeeded(
            &self
                .flash_command(name, arguments)
                .output()
                .expect("the tool starts"),
        );
        self.path(name)
    }

    /// `run` of the spec from a medium, ready to be called.
    pub(crate) fn command(&self, medium: &Path, arguments: &[&str]) -> Command {
        let mut command = tool_command("run");
        command
            .arg(in_tree(self.spec))
            .args(["--boot", "u-boot", "--headless", "--for", "60s"])
            .args(["--stall-timeout", "60"])
            .arg("--disk")
            .arg(medium)
            .args(arguments);
        command
    }

    /// Runs the system from a medium.
    pub(crate) fn run(&self, medium: &Path, arguments: &[&str]) -> Run {
        let file = self.path("report.json");
        let mut command = self.command(medium, arguments);
        let output = command
            .arg("--report")
            .arg(&file)
            .output()
            .expect("the tool starts");
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        let report = fs::read(&file).unwrap_or_else(|error| panic!("no report: {error}\n{said}"));
        Run {
            status: output.status.code().expect("exit status"),
            report: serde_json::from_slice(&report).expect("report"),
            said,
        }
    }
}

fn tool_command(verb: &str) -> Command {
    let mut command = Command::new(tool());
    command
        .arg(verb)
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images());
    command
}

/// Where `bytes` are in `all`.
pub(crate) fn find(all: &[u8], bytes: &[u8]) -> usize {
    let found = all.windows(bytes.len()).position(|window| window == bytes);
    found.expect("the bytes are there")
}

/// Flips a bit.
pub(crate) fn damage(medium: &Path, at: usize) {
    let mut bytes = fs::read(medium).expect("medium");
    bytes[at] ^= 0x10;
    fs::write(medium, bytes).expect("medium");
}

/// The boot image of a medium: where it begins and ends.
pub(crate) fn boot_image(medium: &[u8]) -> std::ops::Range<usize> {
    let start = find(medium, &[0xd0, 0x0d, 0xfe, 0xed]);
    let size = bulkhead_flash::fit::total_size(&medium[start..]).expect("a FIT");
    start..start + usize::try_from(size).expect("size")
}
