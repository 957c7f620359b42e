// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The proof: runs the independent checker, and looks at the certificate that it wrote.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_types::blob::{CERTIFICATE_MAGIC, CERTIFICATE_VERSION, Certificate, PAGE};
use zerocopy::FromBytes;

use crate::units::length;

/// Name of the checker's program.
const CHECKER: &str = "bulkhead-checker";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The checker is not there or does not start.
    #[error("cannot run the checker {}: {error}", program.display())]
    Unavailable {
        /// Program.
        program: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The checker found something.
    #[error("the checker refuses the system:\n{0}")]
    Refused(String),
    /// The certificate is not one for this blob.
    #[error("the checker's certificate is unusable: {0}")]
    Certificate(&'static str),
}

/// What the checker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A proof of `system.blob`, `grants.txt` and `hypervisor.bin`: it adds `certificate.bin` and `certificate.json`.
    Prove,
    /// The digests of `image.bin`, `manifest.json` and payloads in `certificate.json`.
    Seal,
}

/// Runs the checker that lies beside the current program on a folder.
///
/// # Errors
/// [`ProveError::Unavailable`], or [`ProveError::Refused`] with the checker's own words.
pub fn run_checker(folder: &Path, step: Step) -> Result<(), ProveError> {
    let unavailable = |program: PathBuf| move |error| ProveError::Unavailable { program, error };
    let own = std::env::current_exe().map_err(unavailable(PathBuf::from(CHECKER)))?;
    let program = own.with_file_name(CHECKER);
    let mut command = Command::new(&program);
    match step {
        Step::Prove => command.arg("prove").arg(folder).arg("--write"),
        Step::Seal => command.arg("seal").arg(folder),
    };
    let output = command.output();
    let output = output.map_err(unavailable(program))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    Err(ProveError::Refused(
        String::from_utf8_lossy(&words).trim_end().to_owned(),
    ))
}

/// Checks that the bytes of `certificate.bin` are a certificate page for a blob of this hash.
///
/// # Errors
/// [`ProveError::Certificate`].
pub fn check_certificate(bytes: &[u8], blob_hash: &[u8; 32]) -> Result<(), ProveError> {
    let bad = |why| Err(ProveError::Certificate(why));
    let Ok((certificate, padding)) = Certificate::read_from_prefix(bytes) else {
        return bad("it is too short");
    };
    if length(bytes) != PAGE || padding.iter().any(|byte| *byte != 0) {
        return bad("it is not one zero-padded page");
    }
    if certificate.magic != CERTIFICATE_MAGIC || certificate.version != CERTIFICATE_VERSION {
        return bad("it has another magic number or version");
    }
    if certificate.blob_hash != *blob_hash {
        return bad("it is for another blob");
    }
    Ok(())
}
