// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a value was written.
//!
//! Every value that a diagnostic may point at is a [`Spanned`]; a [`Span`] is meaningful together with the
//! [`Sources`] that were loaded in the same run.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A range of bytes in a source. The default span is the first byte of the first source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index into [`Sources`].
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// Bytes.
    pub length: usize,
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Attaches a position to a value.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }

    /// Converts the value and keeps its position.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: convert(self.value),
            span: self.span,
        }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Positions do not take part in comparisons: two values are equal wherever they were written.
impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A file that was read, or the text of one `--set`.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as the user knows it, or `--set PATH`.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Where it was read; nothing for the text of a `--set`.
    pub path: Option<PathBuf>,
}

/// All sources of one run.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
}

/// A place in words that people use: both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds a source and returns its index.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> usize {
        self.list.push(Source {
            name: name.into(),
            text: text.into(),
            path: None,
        });
        self.list.len() - 1
    }

    /// Adds the text of a file and returns its index.
    pub fn add_file(&mut self, path: &Path, text: impl Into<Arc<str>>) -> usize {
        let source = self.add(path.display().to_string(), text);
        if let Some(added) = self.list.get_mut(source) {
            added.path = Some(path.to_owned());
        }
        source
    }

    /// The file that something was written in, if it was one.
    pub fn file(&self, span: Span) -> Option<&Path> {
        self.get(span)?.path.as_deref()
    }

    /// The source of a span.
    pub fn get(&self, span: Span) -> Option<&Source> {
        self.list.get(span.source)
    }

    /// Line and column of the begin of a span.
    pub fn position(&self, span: Span) -> Position {
        let text = self.get(span).map_or("", |s| &s.text);
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }

    /// Line and column of the first character after a span.
    pub fn end(&self, span: Span) -> Position {
        self.position(Span {
            start: span.start.saturating_add(span.length),
            ..span
        })
    }

    /// The text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span)
            .and_then(|s| s.text.get(span.start..span.start.saturating_add(span.length)))
            .unwrap_or("")
    }
}
