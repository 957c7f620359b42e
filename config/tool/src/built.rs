// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the views look at: a spec compiled in memory, or a folder that `build` wrote.

use std::fmt;
use std::fs;
use std::path::Path;

use bulkhead_compiler::blob::sha256;
use bulkhead_compiler::prove::check_certificate;
use bulkhead_compiler::{compile, grants, image};
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
        let bytes = Bytes {
            blob: read("system.blob")?,
            grants,
            image: read("image.bin")?,
        };
        bytes.belong(folder, &read("certificate.bin")?)?;
        Ok(bytes)
    }

    /// Refuses a folder whose image or certificates are of another blob. Implements: BH-EXPL-008.
    fn belong(&self, folder: &Path, page: &[u8]) -> Result<(), Failure> {
        let wrong = |name: &str, why: &dyn fmt::Display| {
            Failure::wrong(format_args!("{}: {why}", folder.join(name).display()))
                .help("build it again; `prove` says what else is wrong with it")
        };
        let records = self.decode()?.records;
        let hash = sha256(&self.blob);
        check_certificate(page, &hash).map_err(|error| wrong("certificate.bin", &error))?;
        let path = folder.join("certificate.json");
        if let Ok(text) = fs::read(&path) {
            let statement: serde_json::Value =
                serde_json::from_slice(&text).map_err(|error| wrong("certificate.json", &error))?;
            if statement["blob_hash"] != *grants::hex(&hash) {
                return Err(wrong("certificate.json", &"field /blob_hash is of another blob"));
            }
        }
        let at = usize::try_from(records.blob.start.saturating_sub(records.image.start));
        let system = at.ok().and_then(|at| self.image.get(at..));
        let system = system.and_then(|image| image.strip_prefix(self.blob.as_slice()));
        match system.map(|rest| rest.starts_with(page)) {
            Some(true) => Ok(()),
            Some(false) => Err(wrong("image.bin", &"its certificate is not certificate.bin")),
            None => Err(wrong("image.bin", &"its blob is not system.blob")),
        }
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
