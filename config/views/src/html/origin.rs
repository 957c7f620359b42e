// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each value was written.

use std::path::Path;

use bulkhead_model::system::System;
use bulkhead_model::values::Value;
use maud::{Markup, html};

use crate::why::path;

/// Without folders, so that a report does not tell where it was built.
fn place(system: &System, value: &Value) -> String {
    let Some(source) = system.sources.get(value.span) else {
        return String::new();
    };
    if source.name.starts_with("--set") {
        return format!("--set {}", source.text);
    }
    let name = Path::new(&source.name)
        .file_name()
        .map_or_else(|| source.name.clone(), |n| n.to_string_lossy().into_owned());
    let position = system.sources.position(value.span);
    format!("{name}:{}:{}", position.line, position.column)
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
