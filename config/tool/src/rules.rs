// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rules`: the rules of the language.

use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;

/// A rule for machines.
#[derive(Serialize)]
struct Entry {
    /// Stable number.
    number: &'static str,
    /// Stable name, `topic/breach`.
    id: &'static str,
    /// The breach in a few words.
    title: String,
    /// What the rule is about.
    topic: &'static str,
    /// What must hold.
    what: &'static str,
    /// What to do about a breach.
    fix: &'static str,
    /// A spec that breaks this rule alone, relative to the source tree.
    example: String,
}

/// Lists every rule.
pub(crate) fn run(format: Format) -> Result<(), Failure> {
    let entries = bulkhead_analysis::rules::every().map(|r| Entry {
        number: r.number,
        id: r.id,
        title: r.title(),
        topic: r.topic(),
        what: r.text,
        fix: r.fix,
        example: r.example(),
    });
    match format {
        Format::Json => output::json(&entries.collect::<Vec<_>>()),
        Format::Text => {
            let lines = entries.map(|e| format!("{}  {:<28}  {}", e.number, e.id, e.what));
            output::line(&lines.collect::<Vec<_>>().join("\n"))
        }
    }
}
