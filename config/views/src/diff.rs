// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff`: what changed between two built systems, and for whom.
//!
//! Each partition is judged by everything that it depends on (module `footprint`), taken from the blobs, the tables
//! and the image. A partition is *moved* when the same content, rights and times lie at other physical addresses
//! or under another VMID, and *changed* when anything else differs. What is argued on and enforced by no table
//! (module [`crate::stated`]) is compared apart. Implements: BH-EXPL-005, BH-EXPL-009.

mod footprint;

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use self::footprint::Footprint;
use crate::built::{Built, BuiltError};
use crate::stated::{Facts, Stated};

/// Said of bytes that differ, while no fact does.
pub const UNNAMED: &str = "bytes that no view names";
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
    /// `partition:NAME`, `hypervisor`, `board`, `global`, `el2`, `system`.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What changed.
    pub changes: Vec<Change>,
    /// What moved.
    pub moves: Vec<Change>,
    /// What is stated differently and enforced by no table: what is argued on. It is no part of the verdict.
    pub stated: Vec<Change>,
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
    /// What all partitions depend on, then EL2's own data, then what is the whole system's, then each partition.
    pub subjects: Vec<Subject>,
}

/// A built system with everything by which it is compared.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    built: &'a Built<'a>,
    stated: &'a Stated,
    hypervisor: Footprint,
    board: Footprint,
    global: Footprint,
    el2: Footprint,
    partitions: Vec<(String, Footprint)>,
}

impl<'a> Side<'a> {
    /// Reads what each subject of a system depends on.
    ///
    /// # Errors
    /// [`BuiltError::Table`].
    pub fn of(built: &'a Built<'a>, stated: &'a Stated) -> Result<Self, BuiltError> {
        let partitions = built.records.partitions.iter().enumerate();
        let footprint =
            |(index, name): (usize, &String)| Ok((name.clone(), footprint::partition(built, index)?));
        Ok(Side {
            built,
            stated,
            hypervisor: footprint::hypervisor(built),
            board: footprint::board(built),
            global: footprint::global::global(built),
            el2: footprint::el2(built)?,
            partitions: partitions.map(footprint).collect::<Result<_, BuiltError>>()?,
        })
    }

    fn partition(&self, name: &str) -> Option<Of<'_>> {
        let (_, footprint) = self.partitions.iter().find(|(own, _)| own == name)?;
        let stated = self.stated.partitions.get(name);
        Some((footprint, stated))
    }
}

/// What somebody depends on, and what is stated of them.
type Of<'a> = (&'a Footprint, Option<&'a Facts>);

/// Compares two built systems.
pub fn diff(before: &Side<'_>, after: &Side<'_>) -> Difference {
    let common = [
        subject(
            "hypervisor",
            Some((&before.hypervisor, None)),
            Some((&after.hypervisor, None)),
        ),
        subject("board", Some((&before.board, None)), Some((&after.board, None))),
        subject(
            "global",
            Some((&before.global, None)),
            Some((&after.global, None)),
        ),
    ];
    let mut names: Vec<&String> = before.partitions.iter().map(|(name, _)| name).collect();
    let new = after.partitions.iter().map(|(name, _)| name);
    names.extend(new.filter(|n| before.partition(n).is_none()));
    let partitions = names.into_iter().map(|name| {
        let mut subject = subject(
            &format!("partition:{name}"),
            before.partition(name),
            after.partition(name),
        );
        inherit(&mut subject, &common);
        subject
    });
    let partitions: Vec<Subject> = partitions.collect();
    let nothing = Footprint::default();
    let whole = subject(
        "system",
        Some((&nothing, Some(&before.stated.system))),
        Some((&nothing, Some(&after.stated.system))),
    );
    let el2 = subject("el2", Some((&before.el2, None)), Some((&after.el2, None)));
    let mut difference = Difference {
        version: 2,
        before: before.built.blob_hash(),
        after: after.built.blob_hash(),
        identical: before.built.blob == after.built.blob && same_image(before.built, after.built),
        subjects: common.into_iter().chain([el2, whole]).chain(partitions).collect(),
    };
    difference.confess();
    difference
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

fn subject(name: &str, before: Option<Of<'_>>, after: Option<Of<'_>>) -> Subject {
    let nothing = Facts::new();
    let mut subject = Subject {
        name: name.to_owned(),
        verdict: Verdict::Unchanged,
        changes: Vec::new(),
        moves: Vec::new(),
        stated: Vec::new(),
    };
    match (before, after) {
        (Some((before, said_before)), Some((after, said_after))) => {
            subject.changes = changes(&before.essence, &after.essence);
            subject.moves = changes(&before.placement, &after.placement);
            subject.stated = changes(said_before.unwrap_or(&nothing), said_after.unwrap_or(&nothing));
            subject.verdict = match (subject.changes.is_empty(), subject.moves.is_empty()) {
                (true, true) => Verdict::Unchanged,
                (true, false) => Verdict::Moved,
                (false, _) => Verdict::Changed,
            };
        }
        (None, Some(_)) => subject.verdict = Verdict::Added,
        (Some(_), None) => subject.verdict = Verdict::Removed,
        (None, None) => {}
    }
    subject
}

fn changes(before: &Facts, after: &Facts) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |what: &String| Change {
        what: what.clone(),
        before: before.get(what).cloned(),
        after: after.get(what).cloned(),
    };
    let all = names.into_iter().map(change);
    all.filter(|c| c.before != c.after).collect()
}

impl Change {
    fn text(&self) -> String {
        let what = &self.what;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => format!("{what}: {before} -> {after}"),
            (Some(before), None) => format!("- {what}: {before}"),
            (None, Some(after)) => format!("+ {what}: {after}"),
            (None, None) => what.clone(),
        }
    }
}

impl Difference {
    /// Whether nothing at all differs.
    pub fn is_empty(&self) -> bool {
        self.identical && self.subjects.iter().all(|s| s.stated.is_empty())
    }

    /// Bytes that differ, and in no fact of anybody, are EL2's: nobody can say whom they concern.
    fn confess(&mut self) {
        let is_named = self.subjects.iter().any(|s| s.verdict != Verdict::Unchanged);
        if let Some(el2) = self
            .subjects
            .iter_mut()
            .find(|s| s.name == "el2" && !self.identical && !is_named)
        {
            el2.verdict = Verdict::Changed;
            el2.changes.push(Change {
                what: UNNAMED.to_owned(),
                before: None,
                after: None,
            });
        }
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
                let _ = writeln!(text, "  {}", change.text());
            }
            if !subject.stated.is_empty() {
                text.push_str("  stated, and enforced by no table:\n");
            }
            for change in &subject.stated {
                let _ = writeln!(text, "    {}", change.text());
            }
        }
        text
    }
}
