// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each value was written.

use bulkhead_model::system::System;
use bulkhead_model::values::Value;
use maud::{Markup, html};

use crate::why::{file_place, path};

/// Without folders, so that a report does not tell where it was built.
fn place(system: &System, value: &Value) -> String {
    match system.sources.get(value.span) {
        Some(source) if source.name.starts_with("--set") => format!("--set {}", source.text),
        Some(_) | None => file_place(&system.sources, value.span),
    }
}

pub(super) fn values(system: &System) -> Markup {
    html! {
        p { "What is not here is a default of the language or a choice of the compiler; the table of memory names the latter. " code { "explain SPEC why PATH" } " says what a value decides." }
        details {
            summary { (system.values.len()) " values that were written" }
            table {
                tr { th { "value" } th { "is" } th { "written at" } }
                @for value in &system.values {
                    tr { td { code { (path(value)) } } td { (value.text) } td { (place(system, value)) } }
                }
            }
        }
    }
}
