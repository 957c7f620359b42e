// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a built system without the command-line tool: `bulkhead-run [OPTIONS] BUILD-FOLDER IMAGES-FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;

use bulkhead_runner::cli::{self, RunArgs};
use clap::Parser;

/// The arguments of `bulkhead run` that concern the run, and two folders.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// Folder with manifest.json
    dir: PathBuf,
    /// Folder that the manifest's ELFs are relative to
    images: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    cli::run(&arguments.run, &arguments.dir, &arguments.images)
}
