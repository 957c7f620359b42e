// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rules`: the rules of the language.

use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;

#[derive(Serialize)]
struct Entry {
    number: &'static str,
    rule: &'static str,
    text: &'static str,
}

/// Lists every rule.
pub(crate) fn run(format: Format) -> Result<(), Failure> {
    let analysed = bulkhead_analysis::rules::ALL.iter().copied();
    let entries = bulkhead_model::rules::all().into_iter().chain(analysed);
    let entries = entries.map(|r| Entry {
        number: r.number,
        rule: r.id,
        text: r.text,
    });
    match format {
        Format::Json => output::json(&entries.collect::<Vec<_>>()),
        Format::Text => {
            let lines = entries.map(|e| format!("{}  {:<28}  {}", e.number, e.rule, e.text));
            output::line(&lines.collect::<Vec<_>>().join("\n"))
        }
    }
}
