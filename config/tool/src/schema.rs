// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `schema`: the language as JSON Schema, for editors and other tools; or its keys as a table.

use bulkhead_model::board::Board;
use bulkhead_model::language::{BOARD, SPEC};
use bulkhead_model::{keys, load_board, schema};

use crate::cli::{Document, SchemaArgs};
use crate::failure::Failure;
use crate::{output, place};

/// Prints the schema of a document. It is JSON whatever the format of other output.
pub(crate) fn run(args: &SchemaArgs) -> Result<(), Failure> {
    if args.keys {
        let table = match args.document {
            Document::Spec | Document::Fragment => &SPEC,
            Document::Board => &BOARD,
        };
        return output::line(keys::markdown(table).trim_end());
    }
    let board = args.board.as_deref().map(board).transpose()?;
    let value = match (args.document, board) {
        (Document::Board, None) => schema::board(),
        (Document::Board, Some(_)) => {
            return Err(Failure::wrong("the schema of board files knows no board").help("leave --board out"));
        }
        (Document::Fragment, board) => schema::fragment(board.as_ref()),
        (Document::Spec, board) => schema::spec(board.as_ref()),
    };
    output::json(&value)
}

/// Reads a board: a name, or the path of a board file.
fn board(name: &str) -> Result<Board, Failure> {
    let path = if name.contains('/') || name.ends_with(".yaml") {
        name.into()
    } else {
        place::board(&place::root()?, name)
    };
    Ok(load_board(&path)?)
}
