// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff`: what changed between two built systems, and for whom.
//!
//! Each partition is judged by everything that it depends on (module `footprint`), taken from the blobs, the tables
//! and the image. A partition is *moved* when the same content, rights and times lie at other physical addresses
//! or under another VMID, and *changed* when anything else differs. Implements: BH-EXPL-005.

mod footprint;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use self::footprint::{Facts, Footprint};
use crate::built::{Built, BuiltError};

/// Bytes of the certificate's page.
const PAGE: usize = 4096;

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing that it depends on changed.
    Unchanged,
    /// Only physical addresses and numbers of resources changed.
    Moved,
    /// Something changed.
    Changed,
    /// It is in the second system only.
    Added,
    /// It is in the first system only.
    Removed,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What differs.
    pub what: String,
    /// In the first system; nothing when it is not there.
    pub before: Option<String>,
    /// In the second system; nothing when it is not there.
    pub after: Option<String>,
}

/// Somebody, and what changed for them.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// `partition:NAME`, `hypervisor`, `el2`, `board`.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What changed.
    pub changes: Vec<Change>,
    /// What moved.
    pub moves: Vec<Change>,
}

/// The difference of two systems.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Version of this form.
    pub version: u32,
    /// The first system's blob, SHA-256.
    pub before: String,
    /// The second system's blob, SHA-256.
    pub after: String,
    /// Whether blobs and images are byte for byte the same, but for the page of the certificate.
    pub identical: bool,
    /// What all partitions depend on, then EL2's own data, then each partition.
    pub subjects: Vec<Subject>,
}

/// Compares two built systems.
///
/// # Errors
/// [`BuiltError::Table`].
pub fn diff(before: &Built<'_>, after: &Built<'_>) -> Result<Difference, BuiltError> {
    let common = [
        subject(
            "hypervisor",
            Some(footprint::hypervisor(before)),
            Some(footprint::hypervisor(after)),
        ),
        subject(
            "board",
            Some(footprint::board(before)),
            Some(footprint::board(after)),
        ),
    ];
    let mut names: Vec<&String> = before.records.partitions.iter().collect();
    names.extend(
        after
            .records
            .partitions
            .iter()
            .filter(|n| !before.records.partitions.contains(n)),
    );
    let mut partitions = Vec::new();
    for name in names {
        let of = |built: &Built<'_>| {
            built
                .partition(name)
                .map(|p| footprint::partition(built, p))
                .transpose()
        };
        let mut subject = subject(&format!("partition:{name}"), of(before)?, of(after)?);
        inherit(&mut subject, &common);
        partitions.push(subject);
    }
    let el2 = subject("el2", Some(footprint::el2(before)?), Some(footprint::el2(after)?));
    Ok(Difference {
        version: 1,
        before: before.blob_hash(),
        after: after.blob_hash(),
        identical: before.blob == after.blob && same_image(before, after),
        subjects: common.into_iter().chain([el2]).chain(partitions).collect(),
    })
}

/// Compares images of one blob. A system that was compiled and not proved has no certificate yet.
fn same_image(before: &Built<'_>, after: &Built<'_>) -> bool {
    let certificate = usize::try_from(before.records.blob.end.saturating_sub(before.records.image.start));
    let start = certificate.unwrap_or(usize::MAX);
    let end = start.saturating_add(PAGE);
    let (a, b) = (before.image, after.image);
    a.len() == b.len() && a.get(..start) == b.get(..start) && a.get(end..) == b.get(end..)
}

/// What every partition depends on changes every partition.
fn inherit(subject: &mut Subject, common: &[Subject]) {
    let (Verdict::Unchanged | Verdict::Moved | Verdict::Changed) = subject.verdict else {
        return;
    };
    for cause in common.iter().filter(|c| c.verdict == Verdict::Changed) {
        subject.verdict = Verdict::Changed;
        subject.changes.push(Change {
            what: format!("depends on `{}`, which changed", cause.name),
            before: None,
            after: None,
        });
    }
}

fn subject(name: &str, before: Option<Footprint>, after: Option<Footprint>) -> Subject {
    let (verdict, changes, moves) = match (before, after) {
        (Some(before), Some(after)) => {
            let (changes, moves) = (
                changes(before.essence, after.essence),
                changes(before.placement, after.placement),
            );
            let verdict = match (changes.is_empty(), moves.is_empty()) {
                (true, true) => Verdict::Unchanged,
                (true, false) => Verdict::Moved,
                (false, _) => Verdict::Changed,
            };
            (verdict, changes, moves)
        }
        (None, Some(_)) => (Verdict::Added, Vec::new(), Vec::new()),
        (Some(_), None) => (Verdict::Removed, Vec::new(), Vec::new()),
        (None, None) => (Verdict::Unchanged, Vec::new(), Vec::new()),
    };
    Subject {
        name: name.to_owned(),
        verdict,
        changes,
        moves,
    }
}

fn changes(before: Facts, mut after: Facts) -> Vec<Change> {
    let mut list: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    for (what, value) in before {
        match after.remove(&what) {
            Some(new) if new == value => {}
            new => {
                list.insert(what, (Some(value), new));
            }
        }
    }
    list.extend(after.into_iter().map(|(what, new)| (what, (None, Some(new)))));
    list.into_iter()
        .map(|(what, (before, after))| Change { what, before, after })
        .collect()
}

impl Difference {
    /// Whether nothing at all differs.
    pub fn is_empty(&self) -> bool {
        self.identical
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.identical {
            let _ = writeln!(text, "identical: blob {}", self.before);
        } else {
            let _ = writeln!(text, "blob before {}\nblob after  {}", self.before, self.after);
        }
        for subject in &self.subjects {
            let verdict = match subject.verdict {
                Verdict::Unchanged => "unchanged",
                Verdict::Moved => "moved: the same content, rights and times at other physical places",
                Verdict::Changed => "changed",
                Verdict::Added => "added",
                Verdict::Removed => "removed",
            };
            let name = subject.name.strip_prefix("partition:").unwrap_or(&subject.name);
            let _ = writeln!(text, "{name}: {verdict}");
            for change in subject.changes.iter().chain(&subject.moves) {
                let _ = match (&change.before, &change.after) {
                    (Some(before), Some(after)) => writeln!(text, "  {}: {before} -> {after}", change.what),
                    (Some(before), None) => writeln!(text, "  - {}: {before}", change.what),
                    (None, Some(after)) => writeln!(text, "  + {}: {after}", change.what),
                    (None, None) => writeln!(text, "  {}", change.what),
                };
            }
        }
        text
    }
}
