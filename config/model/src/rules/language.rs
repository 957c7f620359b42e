// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what the language knows and nobody enforces.

use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;

/// A key that the hypervisor does not act on.
static NOT_ENFORCED: Rule = Rule {
    number: "BH015",
    id: "language/not-enforced",
    text: "Only what the hypervisor enforces is asked of it.",
    fix: "Remove the key, and do what the message says instead.",
};

pub(super) static ALL: &[&Rule] = &[&NOT_ENFORCED];

/// Found while the spec is read. Implements: BH-LANG-004.
pub(crate) fn not_enforced(key: &Spanned<String>, what: &str, instead: &str) -> Diagnostic {
    Diagnostic::new(
        &NOT_ENFORCED,
        key.span,
        format!("`{}` is not enforced", key.value),
        format!("the hypervisor does not enforce {what}"),
        format!("remove `{}`: {instead}", key.value),
    )
}
