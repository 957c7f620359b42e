// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `check`: a spec against every rule.

use serde::Serialize;

use crate::cli::{Format, SpecArgs};
use crate::failure::Failure;
use crate::{output, place};

#[derive(Serialize)]
struct Verdict<'a> {
    verdict: &'static str,
    errors: [(); 0],
    system: &'a str,
    board: &'a str,
    partitions: usize,
}

/// Checks a spec.
pub(crate) fn run(args: &SpecArgs, format: Format) -> Result<(), Failure> {
    let paths = place::paths(args)?;
    let system = bulkhead_model::load(&paths, &args.overrides)?;
    let (board, partitions) = (&system.board.name.value, system.partitions.len());
    match format {
        Format::Json => output::json(&Verdict {
            verdict: "pass",
            errors: [],
            system: &system.name.value,
            board,
            partitions,
        }),
        Format::Text => output::line(&format!(
            "{}: system `{}` for board `{board}`, {partitions} partitions, breaks no rule",
            paths.spec.display(),
            system.name.value
        )),
    }
}
