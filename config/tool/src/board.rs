// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `board`: what helps with a new board. Implements: BH-BRD-003.

mod draft;
mod tree;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::cli::{BoardAction, BoardArgs, Format};
use crate::failure::Failure;
use crate::output;

/// What was drafted.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    name: &'a str,
    /// Where it was written; `null` when it is in `text`.
    output: Option<&'a Path>,
    /// The board file, when it was written nowhere.
    text: Option<&'a str>,
    /// Lines that a person has to look at.
    review: Vec<&'a str>,
}

/// Does what was asked.
pub(crate) fn run(args: &BoardArgs, format: Format) -> Result<(), Failure> {
    match &args.action {
        BoardAction::FromDtb {
            file,
            output: target,
            name,
            id,
        } => {
            let bytes = fs::read(file).map_err(|e| Failure::file(file, &e))?;
            let wrong = |why: String| Failure::wrong(format_args!("{}: {why}", file.display()));
            let tree = tree::Tree::read(&bytes).map_err(wrong)?;
            let stem = || {
                file.file_stem()
                    .and_then(|s| s.to_str())
                    .unwrap_or("board")
                    .to_owned()
            };
            let name = name.clone().unwrap_or_else(stem);
            let text = draft::draft(&tree, &name, *id).map_err(wrong)?;
            if let Some(path) = target {
                fs::write(path, &text).map_err(|e| Failure::file(path, &e))?;
            }
            match (format, target) {
                (Format::Json, _) => output::json(&Outcome {
                    verdict: "pass",
                    name: &name,
                    output: target.as_deref(),
                    text: target.is_none().then_some(text.as_str()),
                    review: text
                        .lines()
                        .filter(|l| l.contains("# review"))
                        .map(str::trim)
                        .collect(),
                }),
                (Format::Text, None) => output::line(text.trim_end()),
                (Format::Text, Some(_)) => Ok(()),
            }
        }
    }
}
