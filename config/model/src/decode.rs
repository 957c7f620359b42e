// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to values. What has not the right form was reported by `structure` and is nothing here, so that
//! one run finds every error.

use crate::diagnostic::Diagnostic;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node, Value, find};
use crate::units;

/// Collects what is wrong beyond the form.
pub(crate) struct Decoder<'d> {
    pub(crate) diagnostics: &'d mut Vec<Diagnostic>,
}

/// The entries of a map.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// Reads a map.
    pub(crate) fn of(node: &'n Node) -> Option<Self> {
        Some(Fields { entries: map(node)? })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        find(self.entries, key).map(|e| &e.value)
    }

    /// All entries.
    pub(crate) fn all(&self) -> &'n [Entry] {
        self.entries
    }

    /// Where a key is written.
    pub(crate) fn key_span(&self, key: &str) -> Option<Span> {
        find(self.entries, key).map(|e| e.key.span)
    }

    /// The entries of a map under a key, none when it is absent.
    pub(crate) fn entries(&self, key: &str) -> &'n [Entry] {
        self.get(key).and_then(map).unwrap_or_default()
    }

    /// The items of a list under a key, none when it is absent.
    pub(crate) fn items(&self, key: &str) -> &'n [Node] {
        self.get(key).and_then(list).unwrap_or_default()
    }
}

impl Decoder<'_> {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

pub(crate) fn map(node: &Node) -> Option<&[Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null | Value::Scalar(_) | Value::List(_) => None,
    }
}

pub(crate) fn list(node: &Node) -> Option<&[Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Null | Value::Scalar(_) | Value::Map(_) => None,
    }
}

/// A list with at least one entry that could be read.
pub(crate) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(crate) fn text(node: &Node) -> Option<Spanned<String>> {
    match &node.value {
        Value::Scalar(text) => Some(Spanned::new(text.clone(), node.span)),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// A list of texts, without entries that are none.
pub(crate) fn texts(node: &Node) -> Option<Vec<Spanned<String>>> {
    Some(list(node)?.iter().filter_map(text).collect())
}

fn parsed<T, E>(node: &Node, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<Spanned<T>> {
    let text = text(node)?;
    Some(Spanned::new(parse(&text).ok()?, text.span))
}

pub(crate) fn number(node: &Node) -> Option<Spanned<u64>> {
    parsed(node, units::number)
}

/// A number of a smaller type.
pub(crate) fn small<T: TryFrom<u64>>(node: &Node) -> Option<Spanned<T>> {
    let number = number(node)?;
    Some(Spanned::new(T::try_from(number.value).ok()?, number.span))
}

/// The number that a key of a map is.
pub(crate) fn key<T: TryFrom<u64>>(entry: &Entry) -> Option<Spanned<T>> {
    let number = units::number(&entry.key.value).ok()?;
    Some(Spanned::new(T::try_from(number).ok()?, entry.key.span))
}

pub(crate) fn bytes(node: &Node) -> Option<Spanned<u64>> {
    parsed(node, units::bytes)
}

pub(crate) fn nanoseconds(node: &Node) -> Option<Spanned<u64>> {
    parsed(node, units::nanoseconds)
}

/// A frequency in Hz.
pub(crate) fn hertz(node: &Node) -> Option<u32> {
    u32::try_from(parsed(node, units::hertz)?.value).ok()
}

/// One of fixed words.
pub(crate) fn choice<T: Copy>(node: &Node, choices: &[(&str, T)]) -> Option<Spanned<T>> {
    let word = text(node)?;
    let (_, value) = choices.iter().find(|(name, _)| *name == word.value)?;
    Some(Spanned::new(*value, word.span))
}

pub(crate) fn boolean(node: &Node) -> Option<Spanned<bool>> {
    choice(node, &[("true", true), ("false", false)])
}

/// What was not said is nothing; what was said and could not be read is an error.
pub(crate) fn present<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(read) => Some(read),
    }
}
