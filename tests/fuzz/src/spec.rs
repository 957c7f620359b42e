// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Specs and board files: bytes to YAML to model, rules and analysis.
//!
//! An input is a spec; behind a line `%%` it may hold the board file that the spec calls `./board.yaml`.
//! The oracle: loading ends; each place of a diagnostic lies inside its text, at characters' bounds; all ways to show
//! diagnostics work; whoever is refused has a diagnostic; the same text gives the same result again, also with a
//! comment behind it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::LazyLock;

use bulkhead_model::diagnostic::{Diagnostic, Label};
use bulkhead_model::{Diagnostics, LoadError, Paths, load_board};

use crate::scene;

/// The line between a spec and a board file.
pub const BETWEEN: &str = "%%\n";

/// The first folder that no other process has, which is the same one whenever nobody else searches; it is this
/// process's as long as the file is locked.
static OWN: LazyLock<(PathBuf, File)> = LazyLock::new(|| {
    for number in 0.. {
        let folder = scene::folder().join(format!("own-{number}"));
        fs::create_dir_all(&folder).expect("the scene's folder");
        let lock = File::create(folder.join("lock")).expect("the scene's folder");
        if lock.try_lock().is_ok() {
            return (folder, lock);
        }
    }
    unreachable!("each process has one");
});

/// A spec that ends with a comment is the same spec.
const COMMENT: &str = "\n# the end\n";

/// Loads an input. Verifies: BH-FUZZ-002.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (spec, board) = match text.split_once(BETWEEN) {
        Some((spec, board)) => (spec, Some(board)),
        None => (text, None),
    };
    let paths = Paths {
        spec: OWN.0.join("spec.yaml"),
        boards: scene::tree().join("config/boards"),
        images: scene::folder().join("images"),
        guest: scene::folder().join("guest"),
    };
    let board_path = OWN.0.join("board.yaml");
    if let Some(board) = board {
        fs::write(&board_path, board).expect("the scene's folder");
        if let Err(error) = load_board(&board_path) {
            judge(&error);
        }
    }
    let first = outcome(spec, &paths);
    assert_eq!(first, outcome(spec, &paths), "the same text, another result");
    let is_closed = spec.ends_with('\n') && !spec.contains(['"', '\'', '|', '>']);
    if is_closed && first.is_ok() {
        let commented = outcome(&format!("{spec}{COMMENT}"), &paths);
        assert_eq!(first, commented, "a comment changes the result");
    }
}

/// What loading says, in words.
fn outcome(text: &str, paths: &Paths) -> Result<String, String> {
    fs::write(&paths.spec, text).expect("the scene's folder");
    match bulkhead_analysis::rules::load(paths, &[]) {
        Ok((system, _)) => Ok(format!("{:?}", system.partitions)),
        Err(error) => {
            judge(&error);
            Err(shown(&error))
        }
    }
}

fn shown(error: &LoadError) -> String {
    match error {
        LoadError::Invalid(found) | LoadError::Defect(found) => found.plain(),
        LoadError::Unreadable { reason, .. } => reason.clone(),
    }
}

fn judge(error: &LoadError) {
    let found = match error {
        LoadError::Invalid(found) => found,
        LoadError::Defect(_) => panic!("no rule is broken, and there is no system"),
        LoadError::Unreadable { path, reason } => panic!("{}: {reason}", path.display()),
    };
    assert!(!found.list.is_empty(), "refused without a diagnostic");
    for diagnostic in &found.list {
        labels(diagnostic).for_each(|label| lies_inside(found, diagnostic, label));
    }
    assert_eq!(found.records().len(), found.list.len());
    assert!(!found.plain().is_empty() && !found.graphical(100, false).is_empty());
}

fn labels(diagnostic: &Diagnostic) -> impl Iterator<Item = &Label> {
    [&diagnostic.primary].into_iter().chain(&diagnostic.others)
}

/// A place is a range of bytes of its source, from a character's begin to one.
fn lies_inside(found: &Diagnostics, diagnostic: &Diagnostic, label: &Label) {
    let span = label.span;
    let source = found
        .sources
        .get(span)
        .expect("a diagnostic of a source that was read");
    let end = span.start.checked_add(span.length);
    assert!(
        end.is_some_and(|end| source.text.get(span.start..end).is_some()),
        "{} points at {span:?} of {} bytes in {}: {}",
        diagnostic.rule.id,
        source.text.len(),
        source.name,
        diagnostic.message
    );
}
