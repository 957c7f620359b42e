// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the views look at: a spec compiled in memory, or a folder that `build` wrote.

use std::fs;
use std::path::Path;

use bulkhead_compiler::{compile, image};
use bulkhead_model::Paths;
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_views::{AskError, Built, BuiltError};

use crate::failure::Failure;
use crate::{build, place};

/// The bytes of a built system.
pub(crate) struct Bytes {
    blob: Vec<u8>,
    grants: String,
    image: Vec<u8>,
}

impl Bytes {
    /// Compiles a system, without a proof and without writing anything.
    pub(crate) fn compile(system: &System, paths: &Paths) -> Result<Self, Failure> {
        let hypervisor = build::hypervisor(system, paths)?;
        let compiled =
            compile::compile(system, &hypervisor).map_err(|error| build::failure(error, system))?;
        // The certificate's page says nothing about the system.
        let certificate = [0; PAGE as usize];
        Ok(Bytes {
            image: image::assemble(&compiled, &hypervisor, &certificate),
            blob: compiled.blob,
            grants: compiled.text,
        })
    }

    /// Reads a build folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| {
                Failure::wrong(format_args!("{}: {error}", path.display()))
                    .help("give a spec, or a folder that `build` wrote")
            })
        };
        let grants = String::from_utf8(read("grants.txt")?).map_err(|error| {
            Failure::wrong(format_args!("{}: {error}", folder.join("grants.txt").display()))
        })?;
        Ok(Bytes {
            blob: read("system.blob")?,
            grants,
            image: read("image.bin")?,
        })
    }

    /// Loads a spec and compiles it, or reads a build folder.
    pub(crate) fn of(path: &Path, overrides: &[String]) -> Result<Self, Failure> {
        if path.is_dir() {
            return Bytes::read(path);
        }
        let paths = place::paths_of(Some(path), None)?;
        let system = bulkhead_model::load(&paths, overrides)?;
        Bytes::compile(&system, &paths)
    }

    /// Decodes them.
    pub(crate) fn decode(&self) -> Result<Built<'_>, Failure> {
        Built::decode(&self.blob, &self.grants, &self.image).map_err(Failure::from)
    }
}

impl From<BuiltError> for Failure {
    fn from(error: BuiltError) -> Self {
        Failure::wrong(error)
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match &error {
            AskError::Built(_) => Failure::wrong(error),
            AskError::Unknown { help, .. } => Failure::wrong(&error).help(help.clone()),
        }
    }
}
