// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `report.html`: what the views say of a system that was just built and proved.

use std::fs;

use bulkhead_analysis::Analysis;
use bulkhead_model::system::System;
use bulkhead_views::Built;
use bulkhead_views::certificate::Certificate;
use bulkhead_views::html::{Report, report};

use crate::compile::Compiled;
use crate::error::BuildError;
use crate::output::Output;

/// Writes the report. The certificate is taken from the build directory, where the checker put it.
///
/// # Errors
/// [`BuildError::Views`], [`BuildError::Io`].
pub(crate) fn describe(
    system: &System,
    compiled: &Compiled,
    image: &[u8],
    output: &Output,
) -> Result<String, BuildError> {
    let built = Built::decode(&compiled.blob, &compiled.text, image)?;
    let statement = fs::read_to_string(output.folder().join("certificate.json")).ok();
    let certificate = Certificate::read(&output.read("certificate.bin")?, statement.as_deref());
    let analysis = Analysis::of(system, &system.board.bounds);
    Ok(report(Report {
        system,
        built: &built,
        analysis: &analysis,
        certificate: certificate.as_ref(),
    })?)
}
