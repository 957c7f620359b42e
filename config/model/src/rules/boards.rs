// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for finding a board.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;
use crate::tree::{listed, nearest};

/// No such board.
static NOT_FOUND: Rule = Rule {
    number: "BH020",
    id: "board/not-found",
    text: "The board file that the spec names can be read.",
    fix: "Name a file of `config/boards` without its ending, or give a path relative to the spec.",
};

pub(super) static ALL: &[&Rule] = &[&NOT_FOUND];

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
