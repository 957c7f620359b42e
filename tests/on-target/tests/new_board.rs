// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bsp/NEW-BOARD.md` followed to the letter in a copy of the tree: the new board is built, proved and run, and nothing
//! but its own files and the list of the workspace has changed.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulkhead_on_target::{images, in_tree, succeeded, tool};

/// The guide's own name for the board, and its number.
const NAME: &str = "my-board";
/// What the guide's reader brings, and what building leaves.
const BROUGHT: [&str; 3] = ["bulkhead", "vendor.dtb", "out"];

/// The files of a tree, without what cargo and git keep in it.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(root).expect("inside").to_owned();
            let out = [".git", "target", "images"].iter().any(|n| name == Path::new(n));
            if path.is_dir() && !out {
                folders.push(path);
            } else if path.is_file() && !out {
                all.insert(name, fs::read(&path).expect("file"));
            }
        }
    }
    all
}

/// A copy of the tree, always at one place, so that cargo knows what it built of it before.
struct Copy {
    root: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-board");
        let _ = fs::remove_dir_all(&root);
        for (name, content) in files(&in_tree(".")) {
            let to = root.join(&name);
            fs::create_dir_all(to.parent().expect("folder")).expect("folder");
            fs::write(&to, content).expect("file");
            // Cargo looks at times.
            let time = fs::metadata(in_tree(".").join(&name)).and_then(|m| m.modified());
            let file = fs::File::options().write(true).open(&to).expect("file");
            file.set_modified(time.expect("time")).expect("time");
        }
        let copy = Copy { root };
        // The loader and the partitions are what they are; the one command would build all of them again.
        let folder = copy.root.join("images");
        fs::create_dir_all(&folder).expect("folder");
        for name in ["loader.elf", "cluster.elf"] {
            fs::copy(images().join(name), folder.join(name)).expect("image");
        }
        let command = copy.root.join("bulkhead");
        let tool = tool();
        let script = format!(
            "#!/bin/sh\nset -e\ncase $1 in run) '{tool}' images --build --board {NAME} ;; esac\nexec '{tool}' \"$@\"\n",
            tool = tool.display()
        );
        fs::write(&command, script).expect("command");
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("command");
        copy
    }

    /// A line of a shell in the copy.
    fn shell(&self, script: &str) -> Output {
        let target = tool();
        let target = target.ancestors().nth(2).expect("cargo's folder");
        let mut command = Command::new("sh");
        command
            .args(["-euc", script])
            .current_dir(&self.root)
            .env("BULKHEAD_ROOT", &self.root)
            .env("BULKHEAD_IMAGES", self.root.join("images"))
            .env("CARGO_TARGET_DIR", target);
        command.output().expect("a shell")
    }
}

/// The commands of the guide.
fn commands() -> String {
    let guide = fs::read_to_string(in_tree("bsp/NEW-BOARD.md")).expect("guide");
    let blocks = guide.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|b| b.split_once("```"))
        .map(|(b, _)| b)
        .collect();
    assert_eq!(blocks.len(), 3, "the crate, the description, a system");
    blocks.concat()
}

/// The lines that are new, when no other has changed.
fn added(before: &[u8], after: &[u8]) -> Vec<String> {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let mut old = before.lines().peekable();
    let new = after.lines().filter(|line| old.next_if_eq(line).is_none());
    let new: Vec<String> = new.map(|line| line.trim().to_owned()).collect();
    assert_eq!(old.next(), None, "a line is gone");
    new
}

/// Verifies: BH-BRD-003, BH-BRD-005.
#[test]
fn the_guide_leads_to_a_board_that_runs_and_touches_nothing_else() {
    let copy = Copy::new();
    let before = files(&copy.root);
    // The vendor's tree is that of the machine which the template describes.
    let qemu = std::env::var("BULKHEAD_QEMU").ok().filter(|q| !q.is_empty());
    let qemu = qemu.unwrap_or_else(|| "qemu-system-aarch64".to_owned());
    let machine = "virt,virtualization=on,gic-version=3";
    succeeded(&copy.shell(&format!(
        "'{qemu}' -M {machine},dumpdtb=vendor.dtb -cpu cortex-a53 -smp 4 -m 1G -display none -nic none"
    )));

    let output = copy.shell(&commands());
    println!("{}", String::from_utf8_lossy(&output.stdout));
    succeeded(&output);
    // The draft is reviewed: how QEMU models the board. What it says then runs.
    succeeded(&copy.shell(&format!(
        "f=config/boards/{NAME}.yaml; printf 'qemu:\\n  machine: {machine}\\n  cpu: cortex-a53\\n' >> $f; \
         ./bulkhead run --board {NAME} --headless --for 10s --report out/r.json"
    )));

    let after = files(&copy.root);
    let mut own = 0;
    for (path, content) in &after {
        let name = path.to_str().expect("a name");
        let brought = BROUGHT.iter().any(|b| path.starts_with(b));
        let of_board = path.starts_with(format!("bsp/{NAME}"))
            || name.starts_with("config/")
                && path
                    .file_name()
                    .is_some_and(|n| n.to_string_lossy().contains(NAME));
        match before.get(path) {
            Some(old) if old == content => {}
            Some(old) if name == "Cargo.toml" => {
                assert_eq!(added(old, content), [format!("\"bsp/{NAME}\",")]);
            }
            Some(old) if name == "Cargo.lock" => {
                let lines = added(old, content);
                assert!(
                    lines.contains(&format!("name = \"bulkhead-{NAME}\"")),
                    "{lines:?}"
                );
                assert!(lines.len() < 12, "one package: {lines:?}");
            }
            Some(_) => assert!(brought, "{name} has changed"),
            None => {
                assert!(brought || of_board, "{name} is new");
                own += usize::from(of_board);
            }
        }
    }
    assert!(
        before.keys().all(|path| after.contains_key(path)),
        "something is gone"
    );
    // Manifest, README, three sources, build script; description, bounds, example, schema.
    assert_eq!(own, 10);
}
