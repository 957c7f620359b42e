// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for specs that are put together from files. They are found while the files are read.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};

/// No such file.
static NOT_FOUND: Rule = Rule {
    number: "BH016",
    id: "include/not-found",
    text: "Every file that a spec includes can be read.",
    fix: "Give a path relative to the file that includes it.",
};
/// A file that includes itself.
static CYCLE: Rule = Rule {
    number: "BH017",
    id: "include/cycle",
    text: "No file includes itself, directly or through others.",
    fix: "Remove one of the inclusions of the circle.",
};
/// More files than anybody can review.
static TOO_MANY: Rule = Rule {
    number: "BH018",
    id: "include/too-many",
    text: "A spec includes at most 64 files, counted as often as they are included.",
    fix: "Join files, or include them once.",
};

pub(super) static ALL: &[&Rule] = &[&NOT_FOUND, &CYCLE, &TOO_MANY];

/// Implements: BH-LANG-006.
pub(crate) fn not_found(name: &Spanned<String>, path: &Path, reason: &str) -> Diagnostic {
    Diagnostic::new(
        &NOT_FOUND,
        name.span,
        format!("{} cannot be read: {reason}", path.display()),
        "included here",
        NOT_FOUND.fix,
    )
}

/// `first` is where the circle was entered, unless the file includes itself. Implements: BH-LANG-006.
pub(crate) fn cycle(name: &Spanned<String>, first: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        &CYCLE,
        name.span,
        format!("`{}` would be part of itself", name.value),
        "included again here",
        CYCLE.fix,
    );
    match first {
        Some(span) => diagnostic.and(span, "the circle begins here"),
        None => diagnostic,
    }
}

/// Implements: BH-LANG-006.
pub(crate) fn too_many(name: &Spanned<String>, most: usize) -> Diagnostic {
    Diagnostic::new(
        &TOO_MANY,
        name.span,
        format!("the spec includes more than {most} files"),
        "the first that is too many",
        TOO_MANY.fix,
    )
}

/// Rules that ask for a key, a name or a word that stands nowhere: a file that was not read may hold it.
const ASKING: &[&str] = &[
    "bandwidth/not-sliced",
    "channels/no-writer",
    "channels/unknown-partition",
    "colours/not-uncoloured",
    "devices/not-unguarded",
    "devices/unguarded",
    "dma/not-guarded",
    "document/missing-key",
    "document/no-such-path",
    "health/monitor",
    "health/no-monitor",
    "locks/less-critical",
    "locks/too-many",
    "locks/unknown-partition",
    "partitions/expect-silent",
    "partitions/expect-unknown",
    "schedule/no-slot",
    "schedule/no-table",
    "schedule/system-core",
    "schedule/unknown-partition",
    "sharing/over-committed",
    "sharing/priority",
    "tasks/interrupt",
    "tolerance/reaction",
];

/// Whether a file that could not be read may hold what a breach of this rule misses. Implements: BH-LANG-023.
pub(crate) fn could_answer(rule: &Rule) -> bool {
    ASKING.contains(&rule.id)
}
