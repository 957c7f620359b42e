// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From files to a [`System`], or to everything that is wrong with them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::bounds::Bounds;
use crate::decode::Decoder;
use crate::diagnostic::Diagnostic;
use crate::files::{self, Paths};
use crate::remains::{self, Found, Remains};
use crate::resolve::resolve;
use crate::rules::{self, Facts, boards};
use crate::span::{Sources, Spanned};
use crate::spec::Spec;
use crate::system::System;
use crate::tree::Node;
use crate::values::{Document, Value};
use crate::{bounds, include, language, origin, overrides, structure, values, yaml};

/// Why there is no system.
#[derive(Debug)]
pub enum LoadError {
    /// The spec itself cannot be read.
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Rules are broken.
    Invalid(Diagnostics),
    /// The tool is wrong: no rule is broken and yet something did not resolve.
    Defect(Diagnostics),
}

/// All diagnostics of one run, at least one unless the tool is wrong.
#[derive(Debug)]
pub struct Diagnostics {
    /// The texts that they point into.
    pub sources: Sources,
    /// In order of the source, then of the position.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Brings them into the order of the sources.
    pub fn sort(&mut self) {
        self.list
            .sort_by_key(|d| (d.primary.span.source, d.primary.span.start));
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Unreadable { path, reason } => write!(f, "{}: {reason}", path.display()),
            LoadError::Invalid(diagnostics) => write!(f, "{} errors", diagnostics.list.len()),
            LoadError::Defect(_) => f.write_str("the spec breaks no rule and cannot be resolved"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads a spec with its board file, applies `overrides` (`path=value`), checks every rule and resolves it.
/// Implements: BH-FUZZ-002.
///
/// # Errors
/// See [`LoadError`]; all breaches of one run are reported at once.
pub fn load(paths: &Paths, overrides: &[String]) -> Result<System, LoadError> {
    let unreadable = |e| LoadError::Unreadable {
        path: paths.spec.clone(),
        reason: files::reason(&e),
    };
    let text = fs::read_to_string(&paths.spec).map_err(unreadable)?;
    load_text(&text, paths, overrides)
}

/// As [`load`], with the text of the spec given.
///
/// # Errors
/// See [`LoadError`].
pub fn load_text(text: &str, paths: &Paths, overrides: &[String]) -> Result<System, LoadError> {
    survey_text(text, paths, overrides).map_err(|(error, _)| error)
}

/// As [`load()`], with what can still be judged of a spec that breaks rules.
///
/// # Errors
/// See [`LoadError`].
pub fn survey(paths: &Paths, overrides: &[String]) -> Result<System, (LoadError, Box<Remains>)> {
    let unreadable = |e| LoadError::Unreadable {
        path: paths.spec.clone(),
        reason: files::reason(&e),
    };
    match fs::read_to_string(&paths.spec) {
        Ok(text) => survey_text(&text, paths, overrides),
        Err(error) => Err((unreadable(error), Box::default())),
    }
}

fn survey_text(text: &str, paths: &Paths, overrides: &[String]) -> Result<System, (LoadError, Box<Remains>)> {
    let mut sources = Sources::default();
    let mut list = Vec::new();
    let document = read_document(text, &paths.spec, overrides, &mut sources, &mut list);
    let is_whole = document.as_ref().is_none_or(|(_, is_whole)| *is_whole);
    let root = document.map(|(root, _)| root);
    let mut values = root
        .as_ref()
        .map_or_else(Vec::new, |root| values::collect(Document::Spec, root));
    let spec = root.as_ref().and_then(|root| {
        structure::check(root, &language::SPEC, &mut list);
        Decoder {
            diagnostics: &mut list,
        }
        .spec(root)
    });
    let of_spec = sources.len();
    let board = spec.as_ref().and_then(|s| s.board.as_ref());
    let board = board.and_then(|name| read_board(name, paths, &mut sources, &mut list, &mut values));
    let payloads = spec
        .as_ref()
        .map(|s| files::locate(s, paths, &sources))
        .unwrap_or_default();
    if let Some(spec) = &spec {
        rules::check(
            &Facts {
                spec,
                board: board.as_ref().map(|(board, _)| board),
                payloads: &payloads,
            },
            &mut list,
        );
    }
    if !is_whole {
        list.retain(|breach| !rules::include::could_answer(breach.rule));
    }
    if !list.is_empty() {
        list.sort_by_key(|d| (d.primary.span.source, d.primary.span.start));
        let remains = root
            .as_ref()
            .zip(board.as_ref())
            .map(|(root, (board, board_root))| {
                let found = Found {
                    root,
                    board,
                    board_root,
                    paths,
                    sources: &sources,
                    is_whole,
                    of_board: of_spec..sources.len(),
                };
                remains::of(&found, &list)
            });
        let invalid = LoadError::Invalid(Diagnostics { sources, list });
        return Err((invalid, Box::new(remains.unwrap_or_default())));
    }
    let diagnostics = |sources| {
        let defect = LoadError::Defect(Diagnostics { sources, list });
        (defect, Box::default())
    };
    match (spec, board) {
        (Some(spec), Some((board, _))) => {
            let folder = paths.spec.parent().unwrap_or(Path::new(""));
            let origins = root.map_or_else(Vec::new, |root| origin::of(&root, &sources, folder));
            let system = resolve(spec, board, payloads, sources);
            let with_origins = |system| System {
                origins,
                values,
                ..system
            };
            system
                .map(with_origins)
                .ok_or_else(|| diagnostics(Sources::default()))
        }
        _ => Err(diagnostics(sources)),
    }
}

/// The document that a spec, the files that it includes and the overrides make together, and whether every file was read.
fn read_document(
    text: &str,
    path: &Path,
    overrides: &[String],
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Node, bool)> {
    let mut merged = include::read(path, text, sources, diagnostics)?;
    let root = &mut merged.root;
    for change in overrides {
        overrides::apply(root, change, sources, diagnostics);
    }
    if let Some(span) = include::left_over(root) {
        diagnostics.push(overrides::too_late(span));
    }
    let is_known = structure::check_version(root, &language::SPEC, diagnostics);
    is_known.then(|| merged.with_key())
}

/// A board and its document. A name is a file in the boards folder; a path is relative to the file that names it.
fn read_board(
    name: &Spanned<String>,
    paths: &Paths,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
    values: &mut Vec<Value>,
) -> Option<(Board, Node)> {
    let path = if name.contains('/') || name.ends_with(".yaml") {
        files::beside(sources.file(name.span).unwrap_or(&paths.spec), name)
    } else {
        paths.boards.join(format!("{}.yaml", name.value))
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse_board(&path, &text, sources, diagnostics, values),
        Err(error) => {
            let known = board_names(&paths.boards);
            diagnostics.push(boards::not_found(name, &path, &files::reason(&error), &known));
            None
        }
    }
}

fn board_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Reads a board file alone.
///
/// # Errors
/// See [`LoadError`].
pub fn load_board(path: &Path) -> Result<Board, LoadError> {
    let unreadable = |e| LoadError::Unreadable {
        path: path.to_owned(),
        reason: files::reason(&e),
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut sources = Sources::default();
    let mut list = Vec::new();
    let board = parse_board(path, &text, &mut sources, &mut list, &mut Vec::new());
    match board {
        Some((board, _)) if list.is_empty() => Ok(board),
        _ => Err(LoadError::Invalid(Diagnostics { sources, list })),
    }
}

fn parse_board(
    path: &Path,
    text: &str,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
    values: &mut Vec<Value>,
) -> Option<(Board, Node)> {
    let source = sources.add_file(path, text);
    let root = yaml::parse(text, source, diagnostics)?;
    values.extend(values::collect(Document::Board, &root));
    if !structure::check_version(&root, &language::BOARD, diagnostics) {
        return None;
    }
    structure::check(&root, &language::BOARD, diagnostics);
    let mut board = Decoder { diagnostics }.board(&root)?;
    board.bounds = read_bounds(path, sources, diagnostics);
    Some((board, root))
}

/// A board without a bounds file has no bounds.
fn read_bounds(board: &Path, sources: &mut Sources, diagnostics: &mut Vec<Diagnostic>) -> Bounds {
    let path = bounds::file_of(board);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let source = sources.add(path.display().to_string(), text.as_str());
            bounds::parse(&text, source).unwrap_or_else(|refused| {
                diagnostics.push(boards::bounds(&path, refused));
                Bounds::default()
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Bounds::default(),
        Err(error) => {
            let source = sources.add(path.display().to_string(), "");
            diagnostics.push(boards::no_bounds(source, &path, &files::reason(&error)));
            Bounds::default()
        }
    }
}

/// The Debian packages (arm64) that a spec names, whether they are there or not.
///
/// # Errors
/// [`LoadError::Unreadable`], or [`LoadError::Invalid`] when the spec is not even YAML.
pub fn debian_packages(spec: &Path, overrides: &[String]) -> Result<Vec<String>, LoadError> {
    let spec = read_spec(spec, overrides)?;
    Ok(spec.iter().flat_map(files::debian_packages).collect())
}

/// The board that a spec names; absent where the spec cannot be understood, as [`load()`] will say.
///
/// # Errors
/// The spec cannot be read.
pub fn board_name(spec: &Path, overrides: &[String]) -> Result<Option<String>, LoadError> {
    Ok(read_spec(spec, overrides)?.and_then(|spec| Some(spec.board?.value)))
}

fn read_spec(spec: &Path, overrides: &[String]) -> Result<Option<Spec>, LoadError> {
    let unreadable = |e| LoadError::Unreadable {
        path: spec.to_owned(),
        reason: files::reason(&e),
    };
    let text = fs::read_to_string(spec).map_err(unreadable)?;
    let (mut sources, mut list) = (Sources::default(), Vec::new());
    let Some((root, _)) = read_document(&text, spec, overrides, &mut sources, &mut list) else {
        return Err(LoadError::Invalid(Diagnostics { sources, list }));
    };
    let mut decoder = Decoder {
        diagnostics: &mut list,
    };
    Ok(decoder.spec(&root))
}
