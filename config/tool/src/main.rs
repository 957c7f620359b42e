// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead-tool`: the command line of Bulkhead.
//!
//! Each verb is a module that returns a [`failure::Failure`] or nothing; the exit status is 0 for good, 1 when
//! the input or the system is wrong, 2 when the tool could not do it. Implements: BH-TOOL-001.
#![forbid(unsafe_code)]

mod admit;
mod bench;
mod board;
mod build;
mod built;
mod check;
mod cli;
mod crash;
mod diff;
mod explain;
mod failure;
mod flash;
mod graph;
mod images;
mod needs;
mod output;
mod place;
mod prove;
mod rules;
mod run;
mod schema;
mod sdk;
mod tests;
mod trace;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Verb};
use crate::failure::Failure;

fn main() -> ExitCode {
    // The version has several lines that are known at run time only.
    let matches = Cli::command().version(version::text()).get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let format = cli.format();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, format);
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let format = cli.format();
    match cli.verb {
        Verb::Check(args) => check::run(&args, format),
        Verb::Build(args) => build::run(&args, format),
        Verb::Prove(args) => prove::run(&args, format),
        Verb::Run(args) => run::run(&args),
        Verb::Trace(args) => trace::run(&args, format),
        Verb::Crash(args) => crash::run(&args, format),
        Verb::Bench(args) => bench::run(&args, format),
        Verb::Explain(args) => explain::run(&args, format),
        Verb::Graph(args) => graph::run(&args),
        Verb::Diff(args) => diff::run(&args, format),
        Verb::Flash(args) => flash::run(&args, format),
        Verb::Test(args) => tests::run(&args, format),
        Verb::Needs(args) => needs::run(&args, format),
        Verb::Images(args) => images::run(&args, format),
        Verb::Board(args) => board::run(&args, format),
        Verb::Rules => rules::run(format),
        Verb::Schema(args) => schema::run(&args),
        Verb::Sdk(args) => sdk::run(&args, format),
    }
}
