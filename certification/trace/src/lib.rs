// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trace from requirements to code and tests, in both directions.
//!
//! A source file says in a comment what it implements or verifies: the marker, a colon, then IDs separated by
//! commas, which may go on in the next line of the comment. Requirements are the files of
//! `certification/requirements/`; what is not traced yet is listed there in `gaps.yaml` with the reason.
#![forbid(unsafe_code)]

mod id;
pub mod matrix;
pub mod requirements;
pub mod source;

pub use id::Id;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use requirements::{Gap, Requirement};
use source::{Marker, Markers};

/// Why the trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A file or folder cannot be read.
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    /// A requirement file is not what it should be.
    #[error("{0}: {1}")]
    Yaml(PathBuf, String),
    /// `git ls-files` did not list the tree.
    #[error("git ls-files: {0}")]
    Git(String),
}

/// Everything that is traced.
#[derive(Debug, Default)]
pub struct Trace {
    /// Requirements in the order of their files.
    pub requirements: Vec<Requirement>,
    /// What is not traced, and why.
    pub gaps: Vec<Gap>,
    /// What the sources say.
    pub markers: Markers,
    /// Every ID that occurs anywhere, with one file that has it.
    pub mentioned: BTreeMap<Id, PathBuf>,
}

impl Trace {
    /// Reads the tree whose root is `root`: all files that git tracks.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self, TraceError> {
        let mut trace = Self::default();
        requirements::read(&root.join("certification/requirements"), &mut trace)?;
        for file in source::files(root)? {
            // What is deleted but still tracked is not there; what is not text has no comment.
            let Ok(text) = fs::read_to_string(root.join(&file)) else {
                continue;
            };
            trace.take(&file, &text);
        }
        Ok(trace)
    }

    /// Takes the text of one file.
    pub fn take(&mut self, file: &Path, text: &str) {
        for id in id::all(text) {
            self.mentioned.entry(id).or_insert_with(|| file.to_owned());
        }
        if source::carries_markers(file) {
            self.markers.take(file, text);
        }
    }

    /// Everything that is wrong, one line each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.definitions();
        let defined: BTreeSet<&Id> = self.requirements.iter().map(|r| &r.id).collect();
        for (id, file) in &self.mentioned {
            if !defined.contains(id) {
                faults.push(format!("{id} is not defined ({})", file.display()));
            }
        }
        for requirement in &self.requirements {
            for marker in Marker::BOTH {
                let id = &requirement.id;
                let marked = !self.markers.files(marker, id).is_empty();
                match (marked, self.gap(marker, id)) {
                    (true, None) | (false, Some(_)) => {}
                    (false, None) => faults.push(format!("{id}: nothing says `{marker}: {id}`")),
                    (true, Some(_)) => faults.push(format!("{id}: `{marker}` is there, remove the gap")),
                }
            }
        }
        faults
    }

    /// The gap of a requirement.
    pub fn gap(&self, marker: Marker, id: &Id) -> Option<&Gap> {
        self.gaps.iter().find(|g| g.lacks == marker && &g.id == id)
    }

    fn definitions(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for requirement in &self.requirements {
            faults.extend(requirement.faults());
            if !seen.insert(&requirement.id) {
                faults.push(format!("{} is defined twice", requirement.id));
            }
        }
        let mut listed = BTreeSet::new();
        for gap in &self.gaps {
            if !listed.insert((gap.lacks, &gap.id)) {
                faults.push(format!("gaps.yaml lists {} twice for `{}`", gap.id, gap.lacks));
            }
            if gap.reason.split_whitespace().count() < 4 {
                faults.push(format!("gaps.yaml gives no reason for {}", gap.id));
            }
        }
        faults
    }
}
