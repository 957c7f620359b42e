// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What source files say of requirements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::{Id, TraceError};

/// What a source file can say of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Marker {
    /// The code does it.
    Implements,
    /// The test would fail without it.
    Verifies,
}

impl Marker {
    /// Both markers.
    pub const BOTH: [Self; 2] = [Self::Implements, Self::Verifies];
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Implements => "Implements",
            Self::Verifies => "Verifies",
        })
    }
}

/// Which files carry which marker.
#[derive(Debug, Default)]
pub struct Markers(BTreeMap<(Marker, Id), BTreeSet<PathBuf>>);

impl Markers {
    /// Takes the text of one source file.
    pub fn take(&mut self, file: &Path, text: &str) {
        for marker in Marker::BOTH {
            let word = format!("{marker}:");
            for (place, _) in text.match_indices(&word) {
                if !in_comment(text, place) {
                    continue;
                }
                for id in ids(&text[place + word.len()..]) {
                    self.0.entry((marker, id)).or_default().insert(file.to_owned());
                }
            }
        }
    }

    /// The files that say it of a requirement.
    pub fn files(&self, marker: Marker, id: &Id) -> Vec<&Path> {
        let files = self.0.get(&(marker, id.clone()));
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

/// Whether the line of `place` is a comment up to there.
fn in_comment(text: &str, place: usize) -> bool {
    let begin = text[..place].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[begin..place].trim_start();
    line.starts_with("//") || line.starts_with('#')
}

/// IDs from the begin of `text`, separated by commas; a comment's next line may go on.
fn ids(mut text: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    loop {
        text = text.trim_start_matches([' ', ',']);
        if let Some(next) = text.strip_prefix('\n') {
            text = next.trim_start().trim_start_matches(['/', '!', '#']).trim_start();
        }
        match Id::at_begin(text) {
            Some((id, rest)) => {
                ids.push(id);
                // The list goes on after a comma only.
                if !rest.starts_with(',') {
                    return ids;
                }
                text = rest;
            }
            None => return ids,
        }
    }
}

/// Whether comments of this file count: Rust and shell, not patches or texts about them.
pub fn carries_markers(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "rs" || e == "sh") && !file.starts_with("certification")
}

/// Files that git tracks, relative to `root`.
///
/// # Errors
/// git is not there or refuses.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z"])
        .output()
        .map_err(|e| TraceError::Git(e.to_string()))?;
    if !output.status.success() {
        return Err(TraceError::Git(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split_terminator('\0').map(PathBuf::from).collect())
}
