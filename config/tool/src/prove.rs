// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `prove`: the independent checker alone, a program of its own beside this one.

use std::env;
use std::process::Command;

use crate::cli::{Format, ProveArgs};
use crate::failure::Failure;

/// Name of the checker's program.
pub(crate) const CHECKER: &str = "bulkhead-checker";

/// Runs the checker; what it prints and its exit status are the result.
pub(crate) fn run(args: &ProveArgs, format: Format) -> Result<(), Failure> {
    let checker = env::current_exe()
        .map_err(Failure::unable)?
        .with_file_name(CHECKER);
    let mut command = Command::new(&checker);
    command.arg("prove").arg(&args.folder);
    if format == Format::Json {
        command.args(["--format", "json"]);
    }
    let status = command.status().map_err(|error| {
        Failure::file(&checker, &error)
            .help("the checker must lie beside this program: bulkhead-tool images --build")
    })?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::Told(code.unwrap_or(2)))
}
