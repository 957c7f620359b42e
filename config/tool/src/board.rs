// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `board`: what helps with a new board. Implements: BH-BRD-003.

mod draft;
mod tree;

use std::fs;

use crate::cli::{BoardAction, BoardArgs};
use crate::failure::Failure;
use crate::output;

/// Does what was asked.
pub(crate) fn run(args: &BoardArgs) -> Result<(), Failure> {
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
            match target {
                None => output::line(text.trim_end()),
                Some(path) => fs::write(path, text).map_err(|e| Failure::file(path, &e)),
            }
        }
    }
}
