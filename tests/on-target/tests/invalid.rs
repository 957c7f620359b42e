// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `check` by the built tool, with the images as built, of every file of tests/invalid: each breaks its rule at its place
//! and no other, and the valid ones break none.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bulkhead_on_target::{build_command, images, in_tree, succeeded, tool};
use serde_json::Value;
use tempfile::TempDir;

/// What the tool finds: rule, place and file of each breach.
fn check(spec: &Path, images: &Path, overrides: &[&str]) -> Vec<String> {
    let output = Command::new(tool())
        .args(["check", "--json"])
        .arg(spec)
        .args(overrides.iter().flat_map(|value| ["--set", value]))
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images)
        .output()
        .expect("the tool");
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let errors = said["errors"].as_array().expect("a list");
    assert_eq!(output.status.success(), errors.is_empty());
    let text = |error: &Value, key: &str| error[key].as_str().expect("a text").to_owned();
    let place = |e: &Value| {
        format!(
            "{} {}:{} in {}",
            text(e, "rule"),
            e["line"],
            e["column"],
            text(e, "file")
        )
    };
    errors.iter().map(place).collect()
}

/// The built images, and a file that no crate makes: the device tree of another partition.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(images()).expect("the images") {
        let path = entry.expect("an entry").path();
        symlink(&path, folder.path().join(path.file_name().expect("a name"))).expect("a link");
    }
    let built = tempfile::tempdir().expect("a folder");
    let output = build_command("tests/invalid/valid.yaml", &[], built.path()).output();
    succeeded(&output.expect("the tool"));
    let tree = fs::read(built.path().join("dt/linux.dtb")).expect("a device tree");
    fs::write(folder.path().join("foreign-tree"), tree).expect("a file");
    folder
}

/// Verifies: BH-CFG-003, BH-TOOL-001.
#[test]
fn each_file_breaks_its_rule_at_its_place() {
    let workshop = workshop();
    let (mut wrong, mut judged) = (Vec::new(), 0);
    let mut files: Vec<_> = fs::read_dir(in_tree("tests/invalid"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a spec");
        let comments: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let overrides: Vec<&str> = comments.iter().filter_map(|c| c.strip_prefix("--set ")).collect();
        let found = check(&path, workshop.path(), &overrides);
        judged += 1;
        let is_as_said = match comments
            .first()
            .expect("a comment")
            .split(" in ")
            .collect::<Vec<_>>()[..]
        {
            _ if name.starts_with("valid.") => found.is_empty(),
            [said] => {
                found.len() == 1 && found[0].starts_with(&format!("{said} in ")) && found[0].ends_with(&name)
            }
            [said, file] => {
                found.len() == 1 && found[0].starts_with(&format!("{said} in ")) && found[0].ends_with(file)
            }
            _ => false,
        };
        if !is_as_said {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(judged > 200, "{judged}");
}
