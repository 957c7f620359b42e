// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the views look at: a spec compiled in memory, or a folder that `build` wrote.

use std::fmt;
use std::fs;
use std::path::Path;

use bulkhead_analysis::Analysis;
use bulkhead_compiler::blob::sha256;
use bulkhead_compiler::prove::check_certificate;
use bulkhead_compiler::{compile, grants, image};
use bulkhead_model::Paths;
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_views::{AskError, Built, BuiltError, Stated};
use serde::Deserialize;

use crate::failure::Failure;
use crate::{build, place};

/// The bytes of a built system.
pub(crate) struct Bytes {
    blob: Vec<u8>,
    grants: String,
    image: Vec<u8>,
    /// What is argued on and enforced by no table.
    pub(crate) stated: Stated,
}

/// The part of `report.json` that is compared.
#[derive(Deserialize)]
struct Report {
    blob_hash: String,
    stated: Stated,
}

impl Bytes {
    /// Compiles a system, without a proof and without writing anything.
    pub(crate) fn compile(system: &System, paths: &Paths) -> Result<Self, Failure> {
        let hypervisor = build::hypervisor(system, paths)?;
        let compiled =
            compile::compile(system, &hypervisor).map_err(|error| build::failure(error, system))?;
        // The certificate's page says nothing about the system.
        let certificate = [0; PAGE as usize];
        let analysis = Analysis::of(system, &system.board.bounds);
        Ok(Bytes {
            image: image::assemble(&compiled, &hypervisor, &certificate),
            stated: Stated::of(system, &analysis),
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
        let path = folder.join("report.json");
        let report: Report = serde_json::from_slice(&read("report.json")?).map_err(|error| {
            Failure::wrong(format_args!("{}: {error}", path.display()))
                .help("it is of another version of this tool: build it again")
        })?;
        let bytes = Bytes {
            stated: report.stated,
            blob: read("system.blob")?,
            grants,
            image: read("image.bin")?,
        };
        bytes.belong(folder, &read("certificate.bin")?, &report.blob_hash)?;
        Ok(bytes)
    }

    /// Refuses a folder whose image, certificates or report are of another blob. Implements: BH-EXPL-008.
    fn belong(&self, folder: &Path, page: &[u8], reported: &str) -> Result<(), Failure> {
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
        if reported != grants::hex(&hash) {
            return Err(wrong("report.json", &"field /blob_hash is of another blob"));
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

/// The part of `certificate.json` that says what the image holds.
#[derive(Deserialize)]
struct Certificate {
    contents: Contents,
}

#[derive(Deserialize)]
struct Contents {
    image_sha256: String,
    manifest_sha256: String,
}

/// Refuses image and manifest of a build folder that are not those that its certificate states. Implements: BH-FLSH-012.
pub(crate) fn certified(folder: &Path, image: &[u8], manifest: &[u8]) -> Result<(), Failure> {
    let path = folder.join("certificate.json");
    let wrong = |why: &dyn fmt::Display| {
        Failure::wrong(format_args!("{}: {why}", path.display()))
            .help("build it again; `prove` says what else is wrong with it")
    };
    let text = fs::read(&path).map_err(|error| wrong(&error))?;
    let Certificate { contents } = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let files = [
        ("image.bin", image, contents.image_sha256),
        ("manifest.json", manifest, contents.manifest_sha256),
    ];
    for (name, bytes, stated) in files {
        if grants::hex(&sha256(bytes)) != stated {
            return Err(wrong(&format_args!("it states another SHA-256 of {name}")));
        }
    }
    Ok(())
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
