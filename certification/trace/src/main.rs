// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints the matrix of the tree around the current folder; exit 1 when something in it is wrong.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bulkhead_trace::{Trace, matrix};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let here = std::env::current_dir()?;
    let is_root = |folder: &&Path| folder.join("certification/requirements").is_dir();
    let root = here
        .ancestors()
        .find(is_root)
        .ok_or("no certification/requirements above this folder")?;
    let trace = Trace::read(root)?;
    print!("{}", matrix::markdown(&trace)?);
    let faults = trace.faults();
    for fault in &faults {
        eprintln!("{fault}");
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
