// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a verb did not succeed.

use std::fmt;
use std::io;
use std::path::Path;

use bulkhead_model::{Diagnostics, LoadError};

use crate::cli::Format;

/// Why a verb did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The spec breaks rules: status 1.
    Spec(Diagnostics),
    /// The input or the system is wrong: status 1.
    Wrong(Words),
    /// The tool could not do it: status 2.
    Unable(Words),
    /// Another program has said why; its status is passed on.
    Told(u8),
}

/// What a person is told.
#[derive(Debug)]
pub(crate) struct Words {
    /// What is wrong, and where.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// The input or the system is wrong.
    pub(crate) fn wrong(message: impl fmt::Display) -> Self {
        Failure::Wrong(Words {
            message: message.to_string(),
            help: None,
        })
    }

    /// The tool could not do it.
    pub(crate) fn unable(message: impl fmt::Display) -> Self {
        Failure::Unable(Words {
            message: message.to_string(),
            help: None,
        })
    }

    /// What a report that was printed in `format` ends with: in JSON the report itself says what is wrong, and a second
    /// document behind it would be read by nobody.
    pub(crate) fn reported(format: Format, message: impl fmt::Display) -> Self {
        match format {
            Format::Json => Failure::Told(1),
            Format::Text => Failure::wrong(message),
        }
    }

    /// A file or folder could not be used.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Failure::unable(format_args!("{}: {error}", path.display()))
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        match &mut self {
            Failure::Wrong(words) | Failure::Unable(words) => words.help = Some(help.into()),
            Failure::Spec(_) | Failure::Told(_) => {}
        }
        self
    }

    /// Exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Spec(_) | Failure::Wrong(_) => 1,
            Failure::Unable(_) => 2,
            Failure::Told(status) => *status,
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Invalid(diagnostics) => Failure::Spec(diagnostics),
            LoadError::Unreadable { .. } => {
                Failure::wrong(error).help("give the path of a spec, or none for the reference system")
            }
            LoadError::Defect(_) => {
                Failure::unable(error).help("this is a defect of the tool: please report the spec")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_json_is_the_only_document() {
        assert!(matches!(Failure::reported(Format::Json, "x"), Failure::Told(1)));
        let text = Failure::reported(Format::Text, "x");
        assert!(matches!(text, Failure::Wrong(words) if words.message == "x"));
    }
}
