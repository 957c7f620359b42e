// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for finding a board.

use std::path::Path;

use crate::bounds::Refused;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};
use crate::tree::{listed, nearest};

/// No such board.
static NOT_FOUND: Rule = Rule {
    number: "BH020",
    id: "board/not-found",
    text: "The board file that the spec names can be read.",
    fix: "Name a file of `config/boards` without its ending, or give a path relative to the spec.",
};

/// Costs that cannot be read.
static BOUNDS: Rule = Rule {
    number: "BH022",
    id: "board/bounds",
    text: "The bounds file of a board names each path through EL2 once, and measured ones with a time.",
    fix: "Correct the bounds file, or remove it: a board without bounds is unproven.",
};

pub(super) static ALL: &[&Rule] = &[&NOT_FOUND, &BOUNDS];

/// `known` are the names of the board files in `folder`.
pub(crate) fn not_found(board: &Spanned<String>, path: &Path, error: &str, known: &[String]) -> Diagnostic {
    let names = || known.iter().map(String::as_str);
    let help = match nearest(board, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("boards that are there: {}", listed(names())),
    };
    Diagnostic::new(
        &NOT_FOUND,
        board.span,
        format!("the board file {} cannot be read: {error}", path.display()),
        "named here",
        help,
    )
}

/// Implements: BH-TASK-001.
pub(crate) fn bounds(path: &Path, refused: Refused) -> Diagnostic {
    Diagnostic::new(
        &BOUNDS,
        refused.span,
        format!("the bounds file {} is wrong", path.display()),
        refused.cause,
        refused.help,
    )
}

/// The bounds file is there and cannot be read. Implements: BH-TASK-001.
pub(crate) fn no_bounds(source: usize, path: &Path, reason: &str) -> Diagnostic {
    let refused = Refused {
        span: Span {
            source,
            ..Span::default()
        },
        cause: reason.to_owned(),
        help: "make it readable, or remove it",
    };
    bounds(path, refused)
}
