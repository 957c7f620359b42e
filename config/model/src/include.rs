// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `include: [FILE, …]`: a spec that is put together from files.
//!
//! The files are merged in the order of the list, then the file that includes them: maps key by key, everything
//! else (values and lists) is replaced as a whole by what comes later. Paths are relative to the file that
//! names them, and every value keeps its position in its own file. Implements: BH-LANG-006.

use std::fs;
use std::path::{Path, PathBuf};

use crate::decode::{list, map, text};
use crate::diagnostic::Diagnostic;
use crate::files;
use crate::language::{Count, Kind, Meaning, SPEC};
use crate::rules::include as rules;
use crate::span::{Sources, Span, Spanned};
use crate::tree::{Entry, Node, Value, find};
use crate::{structure, yaml};

/// The key.
const KEY: &str = "include";
/// What it takes.
pub(crate) const KIND: Kind = Kind::List(&Kind::Text(Meaning::File), Count::Some);
/// Most files of a spec; a file that is included twice counts twice.
const MOST: usize = 64;

/// A spec with everything that it includes.
pub(crate) struct Merged {
    /// The document, without the key itself.
    pub(crate) root: Node,
    /// Every entry of the key in every file, in the order of reading, with the key of the first.
    included: Option<(Spanned<String>, Vec<Node>)>,
    /// Whether every file was read.
    pub(crate) is_whole: bool,
}

/// Reads a spec and everything that it includes, but for files that cannot be read. Nothing when the spec itself has no
/// map or another version. Implements: BH-LANG-006, BH-LANG-023.
pub(crate) fn read(
    path: &Path,
    text: &str,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Merged> {
    let mut reader = Reader {
        sources,
        diagnostics,
        open: Vec::new(),
        files: 0,
        included: None,
        is_whole: true,
    };
    let root = reader.file(path, text, None)?;
    let Reader {
        included, is_whole, ..
    } = reader;
    Some(Merged {
        root,
        included,
        is_whole,
    })
}

impl Merged {
    /// Puts what was included back under its key, for those who ask where a value comes from. Implements: BH-LANG-007.
    pub(crate) fn with_key(self) -> (Node, bool) {
        let mut root = self.root;
        if let (Value::Map(entries), Some((key, items))) = (&mut root.value, self.included) {
            let span = key.span;
            let value = Value::List(items);
            entries.push(Entry {
                key,
                value: Node { value, span },
            });
        }
        (root, self.is_whole)
    }
}

/// The key where no file said it: an override did, after everything was included.
pub(crate) fn left_over(root: &Node) -> Option<Span> {
    Some(find(map(root)?, KEY)?.key.span)
}

/// A file that is being read.
struct Open {
    /// Its path without links and dots.
    path: PathBuf,
    /// Where it is included; nothing for the spec itself.
    span: Option<Span>,
}

struct Reader<'s> {
    sources: &'s mut Sources,
    diagnostics: &'s mut Vec<Diagnostic>,
    open: Vec<Open>,
    files: usize,
    included: Option<(Spanned<String>, Vec<Node>)>,
    is_whole: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, content: &str, span: Option<Span>) -> Option<Node> {
        let source = self.sources.add_file(path, content);
        let mut root = yaml::parse(content, source, self.diagnostics)?;
        if !structure::check_version(&root, &SPEC, self.diagnostics) {
            return None;
        }
        self.open.push(Open {
            path: canonical(path),
            span,
        });
        let included = self.included(&mut root, path);
        self.open.pop();
        let mut files = included.into_iter();
        let Some(mut merged) = files.next() else {
            return Some(root);
        };
        for later in files.chain([root]) {
            merge(&mut merged, later);
        }
        Some(merged)
    }

    /// What a file includes and can be read, in order; the key itself is taken out.
    fn included(&mut self, root: &mut Node, path: &Path) -> Vec<Node> {
        let Value::Map(entries) = &mut root.value else {
            return Vec::new();
        };
        let Some(at) = entries.iter().position(|e| e.key.value == KEY) else {
            return Vec::new();
        };
        let entry = entries.remove(at);
        structure::check_value(&entry.value, KIND, KEY, entry.key.span, self.diagnostics);
        let items = list(&entry.value).unwrap_or_default();
        let names: Vec<Spanned<String>> = items.iter().filter_map(text).collect();
        let all = self
            .included
            .get_or_insert_with(|| (entry.key.clone(), Vec::new()));
        all.1
            .extend(items.iter().filter(|item| text(item).is_some()).cloned());
        let files: Vec<Option<Node>> = names
            .into_iter()
            .map(|name| {
                let file = files::beside(path, &name);
                let again = self.open.iter().position(|o| o.path == canonical(&file));
                if let Some(first) = again {
                    let next = self.open.get(first + 1).and_then(|o| o.span);
                    self.diagnostics.push(rules::cycle(&name, next));
                    return None;
                }
                self.files += 1;
                if self.files > MOST {
                    // Said once.
                    if self.files == MOST + 1 {
                        self.diagnostics.push(rules::too_many(&name, MOST));
                    }
                    return None;
                }
                match fs::read_to_string(&file) {
                    Ok(content) => self.file(&file, &content, Some(name.span)),
                    Err(error) => {
                        let reason = files::reason(&error);
                        self.diagnostics.push(rules::not_found(&name, &file, &reason));
                        None
                    }
                }
            })
            .collect();
        self.is_whole &= files.iter().all(Option::is_some);
        files.into_iter().flatten().collect()
    }
}

/// The path by which a file is told from others; a file that is not there is read by nobody.
fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Lays `later` over `node`.
fn merge(node: &mut Node, later: Node) {
    match (&mut node.value, later.value) {
        (Value::Map(entries), Value::Map(others)) => {
            for other in others {
                lay(entries, other);
            }
        }
        (value, other) => {
            *value = other;
            node.span = later.span;
        }
    }
}

fn lay(entries: &mut Vec<Entry>, other: Entry) {
    match entries.iter_mut().find(|e| e.key.value == other.key.value) {
        Some(entry) => {
            // Maps join; everything else is that of the later file, its key included.
            if !matches!(
                (&entry.value.value, &other.value.value),
                (Value::Map(_), Value::Map(_))
            ) {
                entry.key = other.key;
            }
            merge(&mut entry.value, other.value);
        }
        None => entries.push(other),
    }
}
