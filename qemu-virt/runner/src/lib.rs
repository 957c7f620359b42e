// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a built system on QEMU: consoles, verdict, report.
//!
//! [`Session`] is one run: it starts QEMU ([`command`], [`qemu`]), takes the serial multiplex apart, decodes
//! the consoles ([`console`], [`defmt`]), reads EL2's statistics from memory ([`qmp`], [`stats`]), judges the
//! spec's expectations ([`judge`]) and ends in a [`report::Report`]. [`cli`] is `bulkhead run` on top of it;
//! on-target tests use [`Session`] directly. [`int_log`] counts exceptions in the emulator's own log.
//!
//! The verdict depends on consoles and virtual time only, never on the speed of the host.
#![forbid(unsafe_code)]

mod account;
pub mod cli;
pub mod command;
pub mod console;
mod counts;
pub mod crash;
pub mod defmt;
mod demux;
mod error;
mod event;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod host_core;
mod inspect;
pub mod int_log;
pub mod judge;
pub mod qemu;
pub mod qmp;
pub mod reason;
pub mod report;
mod serial;
pub mod session;
pub mod stats;
pub mod tape;
mod terminal;
pub mod tolerance;
pub mod view;

pub use error::RunnerError;
pub use session::{Session, SessionOptions};

use std::path::Path;

use bulkhead_model::manifest::{Manifest, VERSION};

/// Reads the manifest of a build folder.
///
/// # Errors
/// There is none, or it is of another version.
pub fn manifest_of(dir: &Path) -> Result<Manifest, RunnerError> {
    let path = dir.join("manifest.json");
    let text = std::fs::read_to_string(&path).map_err(|source| RunnerError::File {
        path: path.clone(),
        source,
    })?;
    let refuse = |cause: String| RunnerError::Manifest {
        path: path.clone(),
        cause,
    };
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if manifest.version == VERSION {
        Ok(manifest)
    } else {
        Err(refuse(format!("version {}", manifest.version)))
    }
}
