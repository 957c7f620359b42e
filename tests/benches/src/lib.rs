// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instruction counts of whole systems against the same software natively, and the gate on every path through EL2.
//!
//! Every run is deterministic: one instruction is one nanosecond is one tick. What a guest sees it measures itself
//! with the counter; what happens inside EL2 is counted by a plugin of the emulator ([`plugin`]).
//!
//! Implements: BH-BENCH-001.
#![forbid(unsafe_code)]

mod attacks;
pub mod bounds;
pub mod counts;
mod elsewhere;
mod jobs;
mod linux;
mod memory;
pub mod metering;
mod native;
pub mod plugin;
mod primitives;
pub mod report;
mod rows;
mod run;
mod sizes;
pub mod statics;
pub mod table;
mod waits;

use std::path::{Path, PathBuf};

pub use run::Builder;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plugin wrote something else.
    #[error("{0}: these are no counts of the plugin, or paths are missing")]
    Counts(String),
    /// The bounds file.
    #[error("{0}: {1}")]
    Bounds(String, String),
    /// A system could not be built.
    #[error("{0}: {1}")]
    Build(String, String),
    /// A run did not end as it has to.
    #[error("{0}: {1}")]
    Run(String, String),
    /// An ELF of EL2.
    #[error("{0}: {1}")]
    Elf(String, String),
}

impl Error {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Source tree.
    pub root: &'a Path,
    /// Built images.
    pub images: &'a Path,
}

/// Runs everything.
///
/// # Errors
/// A system cannot be built or run, or says something else than it has to.
pub fn run(place: Place<'_>, builder: &Builder<'_>) -> Result<report::Report, Error> {
    rows::all(place, builder)
}
