// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Diagnostics: what is wrong, where, and what to do.
//!
//! A [`Rule`] is a stable identity; a [`Diagnostic`] is one breach of it. How diagnostics are shown is in
//! the module `render`. Implements: BH-CFG-003, BH-LANG-005.

use crate::span::Span;

/// A rule that a spec or a board file must keep.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable number, `BH` and three digits.
    pub number: &'static str,
    /// Stable name, `topic/breach`.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub text: &'static str,
    /// What to do about a breach, in one sentence.
    pub fix: &'static str,
}

impl Rule {
    /// What it is about: the first part of its name.
    pub fn topic(&self) -> &'static str {
        self.id.split('/').next().unwrap_or(self.id)
    }

    /// The breach in a few words: the second part of its name.
    pub fn title(&self) -> String {
        self.id.rsplit('/').next().unwrap_or(self.id).replace('-', " ")
    }

    /// A spec that breaks it and no other rule, relative to the source tree.
    pub fn example(&self) -> String {
        format!("tests/invalid/{}.yaml", self.id.replace('/', "."))
    }
}

/// A place that a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule.
    pub rule: &'static Rule,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The place to look at first.
    pub primary: Label,
    /// Other places that take part.
    pub others: Vec<Label>,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    /// A breach of `rule` at `span`; `cause` is shown at that place, `help` after it.
    pub fn new(
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Diagnostic {
            rule,
            message: message.into(),
            primary: Label {
                span,
                text: cause.into(),
            },
            others: Vec::new(),
            help: help.into(),
        }
    }

    /// Points at another place, too.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Points at another place, too, where there is one.
    #[must_use]
    pub fn and_at(self, span: Option<Span>, text: impl Into<String>) -> Self {
        match span {
            Some(span) => self.and(span, text),
            None => self,
        }
    }
}
