// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `check`: a spec against every rule.

use bulkhead_analysis::report::VcpuReport;
use serde::Serialize;

use crate::cli::{CheckArgs, Format};
use crate::failure::Failure;
use crate::{admit, build, output, place};

#[derive(Serialize)]
struct Verdict<'a> {
    verdict: &'static str,
    errors: [(); 0],
    system: &'a str,
    board: &'a str,
    partitions: usize,
    /// Whether sizes and places were checked: this needs the hypervisor's image.
    placed: bool,
    /// Response times of all tasks.
    tasks: Vec<VcpuReport>,
}

/// Checks a spec.
pub(crate) fn run(args: &CheckArgs, format: Format) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let (system, analysis) = admit::load(&paths, &args.spec.changes())?;
    let placed = admit::place(&system, &paths)?
        .transpose()
        .map_err(build::refused)?
        .is_some();
    let (board, partitions) = (&system.board.name.value, system.partitions.len());
    match format {
        Format::Json => output::json(&Verdict {
            verdict: "pass",
            errors: [],
            system: &system.name.value,
            board,
            partitions,
            placed,
            tasks: analysis.report(&system),
        }),
        Format::Text => {
            output::line(&format!(
                "{}: system `{}` for board `{board}`, {partitions} partitions, breaks no rule",
                paths.spec.display(),
                system.name.value
            ))?;
            if !placed {
                output::line("sizes and places were not checked: build the target images first")?;
            }
            if args.verbose {
                output::line(&format!("\n{}", analysis.table(&system).trim_end()))?;
            }
            Ok(())
        }
    }
}
