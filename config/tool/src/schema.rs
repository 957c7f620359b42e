// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `schema`: the language as JSON Schema, for editors and other tools; or its keys as a table.

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
    let value = match (args.document, &args.board) {
        (Document::Board, _) => schema::board(),
        (Document::Fragment, _) => schema::fragment(),
        (Document::Spec, None) => schema::spec(None),
        (Document::Spec, Some(name)) => {
            let path = if name.contains('/') || name.ends_with(".yaml") {
                name.into()
            } else {
                place::board(&place::root()?, name)
            };
            schema::spec(Some(&load_board(&path)?))
        }
    };
    output::json(&value)
}
