// SPDX-License-Identifier: Apache-2.0 OR MIT
//! YAML to [`Node`]: the only module that knows the YAML library.
//!
//! Scalars keep the text of the file (`0x4000_0000` stays as it is), so that units and number formats are
//! ours alone. Anchors and aliases work; merge keys and tags are refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Options, Spanned as Located};

use crate::diagnostic::Diagnostic;
use crate::rules::document;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node, Value};

/// Parses a whole document.
///
/// A duplicate key is reported and its first value is used; any other error of the syntax leaves nothing.
pub(crate) fn parse(text: &str, source: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    parse_at(text, Place { source, offset: 0 }, diagnostics)
}

/// Where the first byte of a parsed text lies in its source.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Source.
    pub(crate) source: usize,
    /// Byte in it.
    pub(crate) offset: usize,
}

/// Parses a text that is part of a source.
pub(crate) fn parse_at(text: &str, place: Place, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let reader = Reader { text, place };
    match reader.read(DuplicateKeyPolicy::Error) {
        Ok(raw) => reader.node(raw, diagnostics),
        Err(error) => match error.without_snippet() {
            serde_saphyr::Error::DuplicateMappingKey { .. } => reader.with_duplicates(diagnostics),
            other => {
                diagnostics.push(reader.syntax(other));
                None
            }
        },
    }
}

/// The library's message without its own position.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

struct Reader<'a> {
    text: &'a str,
    place: Place,
}

impl Reader<'_> {
    fn read(&self, duplicate_keys: DuplicateKeyPolicy) -> Result<Located<Raw>, serde_saphyr::Error> {
        let options: Options = serde_saphyr::options! {
            duplicate_keys: duplicate_keys,
            merge_keys: MergeKeyPolicy::Error,
            reject_unsupported_tags: true,
            non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(self.text, options)
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> Diagnostic {
        document::syntax(self.error_span(error.location()), &reason(error))
    }

    /// The library names only the second of two equal keys; the first and the last reading together name both.
    fn with_duplicates(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
        let readings = (
            self.read(DuplicateKeyPolicy::FirstWins),
            self.read(DuplicateKeyPolicy::LastWins),
        );
        let (first, last) = match readings {
            (Ok(first), Ok(last)) => (first, last),
            // Something else is wrong behind the duplicate.
            (Err(error), _) | (_, Err(error)) => {
                diagnostics.push(self.syntax(error.without_snippet()));
                return None;
            }
        };
        let (first, last) = (self.node(first, diagnostics)?, self.node(last, &mut Vec::new())?);
        report_duplicates(&first, &last, diagnostics);
        Some(first)
    }

    fn node(&self, raw: Located<Raw>, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
        let mut span = self.span(&raw.referenced);
        let value = match raw.value {
            Raw::Text(text) => Value::Scalar(text),
            Raw::Null => Value::Null,
            Raw::AsWritten => Value::Scalar(self.slice(&raw.defined).to_owned()),
            Raw::List(items) => Value::List(
                items
                    .into_iter()
                    .filter_map(|i| self.node(i, diagnostics))
                    .collect(),
            ),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .filter_map(|(key, value)| {
                        let key = self.key(key, diagnostics)?;
                        let value = self.node(value, diagnostics)?;
                        Some(Entry { key, value })
                    })
                    .collect(),
            ),
        };
        if let (Value::Map(entries), 0) = (&value, span.length)
            && let Some(entry) = entries.first()
        {
            span = entry.key.span;
        }
        Some(Node { value, span })
    }

    fn key(&self, raw: Located<Raw>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        let node = self.node(raw, diagnostics)?;
        match node.value {
            Value::Scalar(text) => Some(Spanned::new(text, node.span)),
            Value::Null | Value::List(_) | Value::Map(_) => {
                diagnostics.push(document::syntax(
                    node.span,
                    "a key must be a single word or number",
                ));
                None
            }
        }
    }

    fn range(&self, location: &Location) -> Option<(usize, usize)> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        self.text.get(start..start.checked_add(length)?)?;
        Some((start, length))
    }

    fn slice(&self, location: &Location) -> &str {
        self.range(location)
            .and_then(|(start, length)| self.text.get(start..start + length))
            .unwrap_or("")
    }

    fn span(&self, location: &Location) -> Span {
        let (start, length) = self.range(location).unwrap_or((0, 0));
        // Block scalars take their line break and the next line's indent along.
        let length = self
            .text
            .get(start..start + length)
            .map_or(length, |s| s.trim_end().len());
        Span {
            source: self.place.source,
            start: self.place.offset + start,
            length,
        }
    }

    /// Errors carry line and column in characters, not bytes.
    fn error_span(&self, location: Option<Location>) -> Span {
        let line = location.map_or(1, |l| l.line()).max(1);
        let column = location.map_or(1, |l| l.column()).max(1);
        let mut start = 0;
        for (number, text) in (1..).zip(self.text.split_inclusive('\n')) {
            if number == line {
                let skipped = usize::try_from(column - 1).unwrap_or(usize::MAX);
                start += text
                    .char_indices()
                    .nth(skipped)
                    .map_or(text.trim_end().len(), |(i, _)| i);
                break;
            }
            start += text.len();
        }
        let length = self
            .text
            .get(start..)
            .and_then(|t| t.chars().next())
            .map_or(0, char::len_utf8);
        Span {
            source: self.place.source,
            start: self.place.offset + start,
            length,
        }
    }
}

/// Keys with different positions in the two readings were written more than once.
fn report_duplicates(first: &Node, last: &Node, diagnostics: &mut Vec<Diagnostic>) {
    match (&first.value, &last.value) {
        (Value::Map(first), Value::Map(last)) => {
            for entry in first {
                // The last of them: the library streams textual keys and collapses numeric ones.
                let same = |e: &&Entry| e.key.value == entry.key.value;
                match last.iter().rev().find(same) {
                    Some(other) if other.key.span != entry.key.span => {
                        diagnostics.push(document::duplicate_key(&entry.key, other.key.span));
                    }
                    Some(other) => report_duplicates(&entry.value, &other.value, diagnostics),
                    // Numeric keys that differ in spelling only (`0` and `0x0`).
                    None => diagnostics.push(document::duplicate_key(&entry.key, entry.key.span)),
                }
            }
        }
        (Value::List(first), Value::List(last)) => {
            first
                .iter()
                .zip(last)
                .for_each(|(f, l)| report_duplicates(f, l, diagnostics));
        }
        _ => {}
    }
}

/// What the library hands over; numbers, booleans and plain words are taken from the text instead.
enum Raw {
    AsWritten,
    Null,
    Text(String),
    List(Vec<Located<Raw>>),
    Map(Vec<(Located<Raw>, Located<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
