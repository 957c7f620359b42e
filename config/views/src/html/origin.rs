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
    let defaults: Vec<_> = system.origins.iter().filter(|o| o.from == "default").collect();
    html! {
        p { "What is in neither table is a choice of the compiler; the table of memory names those. " code { "explain SPEC why PATH" } " says what a value decides." }
        details {
            summary { (system.values.len()) " values that were written" }
            table {
                tr { th { "value" } th { "is" } th { "written at" } }
                @for value in &system.values {
                    tr { td { code { (path(value)) } } td { (value.text) } td { (place(system, value)) } }
                }
            }
        }
        details {
            summary { (defaults.len()) " defaults of the language" }
            table {
                tr { th { "value" } th { "is" } }
                @for default in &defaults { tr { td { code { (default.path) } } td { (default.value) } } }
            }
        }
    }
}
