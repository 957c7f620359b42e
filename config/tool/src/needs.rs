// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `needs`: what a command line needs from outside the tree.

use std::iter;

use clap::Parser;

use crate::cli::{Cli, NeedsArgs, SpecArgs, Verb};
use crate::failure::Failure;
use crate::{output, place};

/// Prints the Debian packages that the spec of a command line names. Implements: BH-TOOL-002.
pub(crate) fn run(args: &NeedsArgs) -> Result<(), Failure> {
    let line = iter::once("bulkhead").chain(args.line.iter().map(String::as_str));
    let Ok(cli) = Cli::try_parse_from(line) else {
        // The verb itself says what is wrong with its line.
        return Err(Failure::wrong(format_args!(
            "`{}` is no command line of this tool",
            args.line.join(" ")
        )));
    };
    let reference = SpecArgs::default();
    let spec = match &cli.verb {
        Verb::Check(spec) => spec,
        Verb::Build(build) => &build.spec,
        Verb::Run(run) => &run.spec,
        Verb::Bench(_) | Verb::Test(_) => &reference,
        Verb::Needs(_) | Verb::Prove(_) | Verb::Images(_) | Verb::Rules => return Ok(()),
    };
    let path = place::spec(spec.spec.as_deref())?;
    for package in bulkhead_model::debian_packages(&path, &spec.overrides)? {
        output::line(&format!("debian-arm64 {package}"))?;
    }
    Ok(())
}
