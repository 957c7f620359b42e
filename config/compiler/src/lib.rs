// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The offline compiler: from the typed model of a system and `hypervisor.bin` to everything in the build
//! directory. It runs no other program but the checker, and needs no Rust toolchain.
//!
//! - [`build`] writes a build directory; [`compile`](compile::compile) does all but the writing.
//! - [`pack`](pack::pack) makes `hypervisor.bin` out of its linked parts.
//! - One list of grants ([`grant_list`]) is the only source of tables ([`blob`]) and text form ([`grants`]).

pub mod access;
pub mod blob;
pub mod boardtree;
mod channel_nodes;
pub mod colour;
pub mod compile;
mod device_nodes;
pub mod devices;
pub mod devicetree;
pub mod error;
pub mod grant_list;
pub mod grants;
pub mod hypervisor;
pub mod image;
pub mod layout;
pub mod machine;
pub mod manifest;
pub mod output;
pub mod own_tree;
pub mod pack;
mod page;
pub mod payload;
pub mod placement;
pub mod plan;
pub mod prove;
pub mod report;
pub mod rules;
pub mod sections;
pub mod stage1;
pub mod stage2;
pub mod streams;
mod subject;
pub mod table;
pub mod units;
pub mod words;
mod work;

use std::path::Path;

use bulkhead_model::manifest::Manifest;
use bulkhead_model::system::System;

pub use crate::error::BuildError;
pub use crate::prove::{ProveError, Step, run_checker};

use crate::output::Output;
use crate::report::Report;
use crate::units::length;

/// What was built.
#[derive(Clone, Debug)]
pub struct Summary {
    /// SHA-256 of the blob, lower-case hex.
    pub blob_hash: String,
    /// What the runner needs.
    pub manifest: Manifest,
    /// What people ask.
    pub report: Report,
}

/// Builds a system into the folder `out`.
///
/// `images` is the images folder; paths in the manifest are relative to it. `prove` is called with each [`Step`] when
/// the folder holds what it needs: in production [`run_checker`]. When anything is wrong, nothing is written and an
/// earlier build stays as it was. Nothing is taken from time, place or environment.
/// Implements: BH-CFG-016, BH-CFG-019.
///
/// # Errors
/// The first thing that is wrong.
pub fn build(
    system: &System,
    hypervisor_bin: &[u8],
    images: &Path,
    prove: impl Fn(&Path, Step) -> Result<(), ProveError>,
    out: &Path,
) -> Result<Summary, BuildError> {
    let compiled = compile::compile(system, hypervisor_bin)?;
    let output = Output::begin(out)?;
    output.write("hypervisor.bin", hypervisor_bin)?;
    output.write("system.blob", &compiled.blob)?;
    output.write("grants.txt", &compiled.text)?;
    prove(output.folder(), Step::Prove)?;
    let certificate = output.read("certificate.bin")?;
    prove::check_certificate(&certificate, &compiled.blob_hash)?;
    let image = image::assemble(&compiled, hypervisor_bin, &certificate);
    for (partition, tree) in system.partitions.iter().zip(&compiled.trees) {
        let name = &partition.name.value;
        output.write(&format!("dt/{name}.dtb"), &tree.dtb)?;
        output.write(&format!("dt/{name}.dts"), &tree.dts)?;
    }
    if let Some(tree) = boardtree::of(&system.board)? {
        output.write(manifest::DEVICE_TREE, tree)?;
    }
    let manifest = manifest::describe(system, &compiled, images, &image);
    let report = report::describe(system, &compiled, length(&image));
    output.write("report.html", page::describe(system, &compiled, &image, &output)?)?;
    output.write("image.bin", image)?;
    output.write("report.json", serde_json::to_string_pretty(&report)? + "\n")?;
    output.write("manifest.json", serde_json::to_string_pretty(&manifest)? + "\n")?;
    prove(output.folder(), Step::Seal)?;
    output.finish()?;
    Ok(Summary {
        blob_hash: manifest.blob_hash.clone(),
        manifest,
        report,
    })
}
