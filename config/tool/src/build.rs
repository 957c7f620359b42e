// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `build`: a spec into a folder with image, proof and descriptions.
//!
//! Implements: BH-CFG-018.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_compiler::rules::Refusal;
use bulkhead_compiler::{BuildError, ProveError, Summary, run_checker};
use bulkhead_model::Paths;
use bulkhead_model::system::System;

use crate::cli::{BuildArgs, Format};
use crate::failure::Failure;
use crate::{admit, output, place};

/// Builds a spec.
pub(crate) fn run(args: &BuildArgs, format: Format) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let system = admit::load(&paths, &args.spec.changes())?.0;
    let summary = compile(&system, &paths, &args.output)?;
    match format {
        Format::Json => output::json(&summary.report),
        Format::Text => output::line(&format!(
            "{}: system `{}` for board `{}`, blob {}",
            args.output.display(),
            summary.report.system,
            summary.report.board,
            summary.blob_hash
        )),
    }
}

/// Compiles and proves a system into a folder.
pub(crate) fn compile(system: &System, paths: &Paths, folder: &Path) -> Result<Summary, Failure> {
    let hypervisor = hypervisor(system, paths)?;
    bulkhead_compiler::build(system, &hypervisor, &paths.images, run_checker, folder)
        .map_err(|error| failure(error, system))
}

/// `hypervisor.bin` of a system's board.
pub(crate) fn hypervisor_path(system: &System, paths: &Paths) -> PathBuf {
    paths.images.join(&system.board.name.value).join("hypervisor.bin")
}

/// Reads `hypervisor.bin` of a system's board.
pub(crate) fn hypervisor(system: &System, paths: &Paths) -> Result<Vec<u8>, Failure> {
    let binary = hypervisor_path(system, paths);
    fs::read(&binary).map_err(|error| {
        Failure::file(&binary, &error).help("build the target images first: bulkhead-tool images --build")
    })
}

/// An error of the compiler: a broken rule with its place in the spec, or why there is no answer.
pub(crate) fn failure(error: BuildError, system: &System) -> Failure {
    refused(Refusal::of(error, system))
}

/// A refusal of the compiler.
pub(crate) fn refused(refusal: Refusal) -> Failure {
    let error = match refusal {
        Refusal::Rule(broken) => return broken.into(),
        Refusal::Other(error) => error,
    };
    match error {
        BuildError::Proof(ProveError::Refused(_)) | BuildError::Foreign { .. } => Failure::wrong(error),
        BuildError::Io { .. }
        | BuildError::Json(_)
        | BuildError::Views(_)
        | BuildError::Tables { .. }
        | BuildError::Table(_)
        | BuildError::DeviceTree(_)
        | BuildError::OwnTree { .. }
        | BuildError::Proof(ProveError::Unavailable { .. } | ProveError::Certificate(_))
        | BuildError::Hypervisor(_)
        | BuildError::Layout(_)
        | BuildError::Device(_)
        | BuildError::Payload(_) => Failure::unable(error),
    }
}
