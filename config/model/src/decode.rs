// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to values: each function reports what is wrong and returns nothing then, so that one run finds
//! every error.

use crate::diagnostic::Diagnostic;
use crate::rules::document;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node, Value, find};
use crate::units::{self, QuantityError};

/// Collects what is wrong.
pub(crate) struct Decoder<'d> {
    pub(crate) diagnostics: &'d mut Vec<Diagnostic>,
}

/// The entries of a map, of which those not asked for are unknown.
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    asked: Vec<&'static str>,
    what: &'static str,
    /// Where the map's owner is named.
    pub(crate) span: Span,
}

impl<'n> Fields<'n> {
    /// The value of a key that may be absent.
    pub(crate) fn optional(&mut self, key: &'static str) -> Option<&'n Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        find(self.entries, key).map(|e| &e.value)
    }

    /// Whether one of the keys is there; does not count as asking.
    pub(crate) fn has(&self, key: &str) -> bool {
        find(self.entries, key).is_some()
    }

    /// Where a key is written.
    pub(crate) fn key_span(&self, key: &str) -> Option<Span> {
        find(self.entries, key).map(|e| e.key.span)
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&mut self, key: &'static str, decoder: &mut Decoder<'_>) -> Option<&'n Node> {
        let node = self.optional(key);
        if node.is_none() {
            decoder.report(document::missing_key(self.span, self.what, key));
        }
        node
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self, decoder: &mut Decoder<'_>) {
        for entry in self.entries {
            if !self.asked.iter().any(|known| *known == entry.key.value) {
                decoder.report(document::unknown_key(&entry.key, self.what, &self.asked));
            }
        }
    }
}

impl Decoder<'_> {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A map with fixed keys; `owner` is where it is named, for keys that are missing.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        owner: Span,
    ) -> Option<Fields<'n>> {
        let entries = self.map(node, what)?;
        Some(Fields {
            entries,
            asked: Vec::new(),
            what,
            span: owner,
        })
    }

    /// A map with free keys.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.report(document::wrong_type(node, what, "a map"));
        None
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        self.report(document::wrong_type(node, what, "a list"));
        None
    }

    /// A list of texts. Entries that are not texts are reported and left out.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        let items = self.list(node, what)?;
        Some(items.iter().filter_map(|item| self.text(item, what)).collect())
    }

    pub(crate) fn non_empty<T>(&mut self, list: Vec<T>, span: Span, what: &str) -> Option<Vec<T>> {
        if list.is_empty() {
            self.report(document::empty(span, what));
            return None;
        }
        Some(list)
    }

    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        if let Value::Scalar(text) = &node.value {
            return Some(Spanned::new(text.clone(), node.span));
        }
        self.report(document::wrong_type(node, what, "a single value"));
        None
    }

    fn parsed<T>(
        &mut self,
        node: &Node,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, QuantityError>,
    ) -> Option<Spanned<T>> {
        let text = self.text(node, wanted)?;
        match parse(&text) {
            Ok(value) => Some(Spanned::new(value, text.span)),
            Err(error) => {
                self.report(document::quantity(text.span, &text, &error, wanted));
                None
            }
        }
    }

    pub(crate) fn number(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(
            node,
            "a whole number like 3, 100_000 or 0x4000_0000",
            units::number,
        )
    }

    /// A number of a smaller type.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self, node: &Node) -> Option<Spanned<T>> {
        let number = self.number(node)?;
        match T::try_from(number.value) {
            Ok(value) => Some(Spanned::new(value, number.span)),
            Err(_) => {
                let (text, wanted) = (number.value.to_string(), "a number that small");
                self.report(document::quantity(
                    number.span,
                    &text,
                    &QuantityError::TooLarge,
                    wanted,
                ));
                None
            }
        }
    }

    pub(crate) fn bytes(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(node, "a size like 64MiB, 32KiB or 4096", units::bytes)
    }

    pub(crate) fn nanoseconds(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(node, "a time like 10ms, 250us or 1s", units::nanoseconds)
    }

    /// One of fixed words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<Spanned<T>> {
        let word = self.text(node, what)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word.value) {
            return Some(Spanned::new(*value, word.span));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.report(document::choice(&word, what, &names));
        None
    }

    pub(crate) fn boolean(&mut self, node: &Node, what: &str) -> Option<Spanned<bool>> {
        self.choice(node, what, &[("true", true), ("false", false)])
    }
}
