// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests that the usual run leaves out have entries of their own: none is left out for ever, and none that may be
//! skipped is counted among others.

use std::fs;
use std::path::Path;

use super::catalogue::all;
use super::kinds::Action;

/// Calls `each` with every Rust source below a folder.
fn sources(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, each);
        } else if name.ends_with(".rs") {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

/// Whether an entry runs the ignored test of this name in this integration test.
fn has_entry(target: &str, test: &str) -> bool {
    all().any(|entry| {
        let Action::Cargo { arguments, .. } = &entry.action else {
            return false;
        };
        let mut halves = arguments.split(|a| *a == "--");
        let (cargo, harness) = (halves.next().unwrap(), halves.next().unwrap_or_default());
        let mut names = harness.iter().filter(|a| !a.starts_with("--")).peekable();
        cargo.join("=").contains(&format!("--test={target}"))
            && harness.contains(&"--ignored")
            && (names.peek().is_none()
                || names.any(|n| n.rsplit("::").next() == Some(test)) && harness.contains(&"--nocapture"))
    })
}

/// Name of the integration test that a file belongs to.
fn target(path: &Path) -> &str {
    let folder = path.parent().unwrap();
    let of = if folder.ends_with("tests") { path } else { folder };
    of.file_stem().unwrap().to_str().unwrap()
}

/// Verifies: BH-TOOL-003.
#[test]
fn each_ignored_test_has_an_entry_that_runs_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = 0;
    let folders = [
        "bsp",
        "certification",
        "config",
        "hypervisor",
        "partitions",
        "qemu-virt",
        "tests",
    ];
    for folder in folders {
        sources(&root.join(folder), &mut |path, text| {
            let (mut ignored, mut named) = (false, true);
            for line in text.lines().map(str::trim) {
                if line == "#[test]" {
                    ignored = false;
                } else if line.starts_with("#[ignore") {
                    (ignored, named) = (true, false);
                } else if let Some(name) = line.strip_prefix("fn ").filter(|_| !named) {
                    let name = name.split_once('(').unwrap().0;
                    assert!(has_entry(target(path), name), "{}: {name}", path.display());
                    named = true;
                    seen += 1;
                } else if line.contains("println!(\"SKIPPED: ") {
                    assert!(ignored, "{}: {line}", path.display());
                }
            }
        });
    }
    assert!(seen >= 5);
}
