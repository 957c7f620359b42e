// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How results and failures are printed: results on stdout, failures on stderr, or both as JSON on stdout.

use std::env;
use std::io::{self, IsTerminal, Write};

use bulkhead_model::Record;
use serde::Serialize;

use crate::cli::Format;
use crate::failure::{Failure, Words};

/// A failure for machines.
#[derive(Serialize)]
struct FailureRecord<'a> {
    verdict: &'static str,
    /// Breaches of rules.
    errors: Vec<Record>,
    /// Any other reason.
    message: Option<&'a str>,
    help: Option<&'a str>,
}

/// Prints a value as JSON on stdout. Implements: BH-TOOL-010.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::unable)?;
    line(&text)
}

/// Prints a line on stdout. A reader that went away is no failure.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unable(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints why a verb did not succeed. Where even that cannot be written, the exit status remains.
pub(crate) fn failure(failure: &Failure, format: Format) {
    match format {
        Format::Json => {
            let empty = FailureRecord {
                verdict: "fail",
                errors: Vec::new(),
                message: None,
                help: None,
            };
            let record = match failure {
                Failure::Spec(diagnostics) => FailureRecord {
                    errors: diagnostics.records(),
                    ..empty
                },
                Failure::Wrong(words) | Failure::Unable(words) => FailureRecord {
                    message: Some(&words.message),
                    help: words.help.as_deref(),
                    ..empty
                },
                Failure::Told(_) => return,
            };
            let _ = json(&record);
        }
        Format::Text => {
            let text = match failure {
                Failure::Spec(diagnostics) => {
                    let drawn = match terminal_width() {
                        Some(width) => diagnostics.graphical(width, has_colours()),
                        None => diagnostics.plain(),
                    };
                    let count = diagnostics.list.len();
                    format!(
                        "{drawn}{count} {} found\n",
                        if count == 1 { "error" } else { "errors" }
                    )
                }
                Failure::Wrong(Words { message, help }) | Failure::Unable(Words { message, help }) => {
                    let help = help
                        .as_ref()
                        .map_or_else(String::new, |h| format!("  help: {h}\n"));
                    format!("error: {message}\n{help}")
                }
                Failure::Told(_) => return,
            };
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}

fn terminal_width() -> Option<usize> {
    if !io::stderr().is_terminal() {
        return None;
    }
    Some(terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0)))
}

/// Colours on a terminal, unless the user said no (<https://no-color.org>).
fn has_colours() -> bool {
    let said_no = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    io::stderr().is_terminal() && !said_no && env::var_os("TERM").is_none_or(|t| t != "dumb")
}
