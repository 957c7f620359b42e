// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `needs`: what a command line needs from outside the tree.

use std::iter;
use std::path::Path;

use bulkhead_model::board::Qemu;
use bulkhead_model::release::Release;
use bulkhead_runner::cli::BootPath;
use clap::Parser;
use serde::Serialize;
use serde_json::json;

use crate::cli::{Cli, DiffArgs, Format, NeedsArgs, SpecArgs, Verb};
use crate::failure::Failure;
use crate::{explain, output, place};

/// Something from outside the tree.
#[derive(Serialize)]
struct Need {
    /// `debian-arm64`: a package of Debian for arm64; `qemu`: the first release of QEMU that is new enough.
    kind: &'static str,
    name: String,
}

impl Need {
    fn package(name: String) -> Self {
        Need {
            kind: "debian-arm64",
            name,
        }
    }
}

/// Prints what a command line needs. Implements: BH-TOOL-002, BH-EXPL-010.
pub(crate) fn run(args: &NeedsArgs, format: Format) -> Result<(), Failure> {
    let needs = of(args)?;
    match format {
        Format::Json => output::json(&json!({ "version": 1, "needs": needs })),
        Format::Text => needs
            .iter()
            .try_for_each(|need| output::line(&format!("{} {}", need.kind, need.name))),
    }
}

/// The Debian packages that the spec of a command line names, and the emulator's release.
fn of(args: &NeedsArgs) -> Result<Vec<Need>, Failure> {
    let line = iter::once("bulkhead").chain(args.line.iter().map(String::as_str));
    let Ok(cli) = Cli::try_parse_from(line) else {
        // The verb itself says what is wrong with its line.
        return Err(Failure::wrong(format_args!(
            "`{}` is no command line of this tool",
            args.line.join(" ")
        )));
    };
    let reference = SpecArgs::default();
    let of_words;
    let spec = match &cli.verb {
        Verb::Check(check) => &check.spec,
        Verb::Build(build) => &build.spec,
        Verb::Graph(graph) => &graph.spec,
        Verb::Run(run) => &run.spec,
        Verb::Trace(trace) => &trace.spec,
        Verb::Crash(crash) => &crash.spec,
        Verb::Flash(flash) => {
            of_words = flash.spec();
            &of_words
        }
        Verb::Bench(_) | Verb::Test(_) => &reference,
        Verb::Explain(explain) => {
            of_words = SpecArgs {
                spec: explain::spec(&explain.words).map(Path::to_owned),
                board: None,
                overrides: explain.overrides.clone(),
            };
            &of_words
        }
        Verb::Diff(diff) => return of_both(diff),
        Verb::Needs(_)
        | Verb::Prove(_)
        | Verb::Images(_)
        | Verb::Board(_)
        | Verb::Rules
        | Verb::Sdk(_)
        | Verb::Schema(_) => return Ok(Vec::new()),
    };
    let path = place::spec(spec.spec.as_deref(), spec.board.as_deref())?;
    let mut all = packages(&path, &spec.changes())?;
    let from_medium = match &cli.verb {
        Verb::Test(_) => true,
        Verb::Run(run) => run.run.boot == BootPath::UBoot && run.run.firmware.is_none(),
        _ => false,
    };
    if from_medium {
        all.extend(boot_loader(&path, &spec.changes())?);
    }
    let mut needs: Vec<Need> = all.into_iter().map(Need::package).collect();
    let since = match &cli.verb {
        Verb::Run(_) | Verb::Trace(_) | Verb::Crash(_) => emulator(&path, &spec.changes())?,
        Verb::Test(_) => of_all_boards()?,
        _ => None,
    };
    needs.extend(since.map(|since| Need {
        kind: "qemu",
        name: since.to_string(),
    }));
    Ok(needs)
}

/// The first release of QEMU that models the board of a spec or of a build folder well enough.
fn emulator(path: &Path, changes: &[String]) -> Result<Option<Release>, Failure> {
    if path.is_dir() {
        let manifest = bulkhead_runner::manifest_of(path).map_err(|e| Failure::unable(e.to_string()))?;
        return Ok(manifest.qemu.and_then(|qemu| qemu.since));
    }
    Ok(emulated(path, changes)?.and_then(|qemu| qemu.since))
}

/// The first release of QEMU that models each of the project's boards well enough.
fn of_all_boards() -> Result<Option<Release>, Failure> {
    let root = place::root()?;
    let mut since = None;
    for name in place::boards(&root)? {
        let board = bulkhead_model::load_board(&place::board(&root, &name))?;
        since = since.max(board.qemu.and_then(|qemu| qemu.since));
    }
    Ok(since)
}

/// Packages of a spec; none for a build folder, which holds what it needs.
fn packages(path: &Path, overrides: &[String]) -> Result<Vec<String>, Failure> {
    if path.is_dir() {
        return Ok(Vec::new());
    }
    Ok(bulkhead_model::debian_packages(path, overrides)?)
}

/// Package of the boot loader by which QEMU boots the board of a spec.
fn boot_loader(spec: &Path, changes: &[String]) -> Result<Option<String>, Failure> {
    let firmware = emulated(spec, changes)?.and_then(|qemu| qemu.firmware);
    Ok(firmware.map(|firmware| firmware.package))
}

/// How QEMU models the board of a spec.
fn emulated(spec: &Path, changes: &[String]) -> Result<Option<Qemu>, Failure> {
    let Some(name) = bulkhead_model::board_name(spec, changes)? else {
        return Ok(None);
    };
    Ok(bulkhead_model::load_board(&place::board(&place::root()?, &name))?.qemu)
}

/// Packages of two specs, each once.
fn of_both(diff: &DiffArgs) -> Result<Vec<Need>, Failure> {
    let mut all = packages(&diff.before, &[])?;
    for package in packages(&diff.after, &diff.overrides)? {
        if !all.contains(&package) {
            all.push(package);
        }
    }
    Ok(all.into_iter().map(Need::package).collect())
}
