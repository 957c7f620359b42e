// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run`: builds a spec and boots it on QEMU.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_model::Paths;
use bulkhead_model::system::System;

use crate::cli::RunSpecArgs;
use crate::failure::Failure;
use crate::{build, place};

/// Builds and runs a system; the runner has said how it ended when this fails.
pub(crate) fn run(args: &RunSpecArgs) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let system = load(args, &paths)?;
    let folder = Folder::new(args, &system)?;
    build::compile(&system, &paths, folder.path())?;
    let mut options = args.run.clone();
    options.guest.clone_from(&paths.guest);
    let code = bulkhead_runner::cli::run(&options, folder.path(), &paths.images);
    // An exit code cannot be looked into, only compared.
    if code == std::process::ExitCode::SUCCESS {
        Ok(())
    } else {
        Err(Failure::Told(if code == std::process::ExitCode::FAILURE {
            1
        } else {
            2
        }))
    }
}

/// Loads the spec, with the changes that the kind of run needs below those of the user.
fn load(args: &RunSpecArgs, paths: &Paths) -> Result<System, Failure> {
    let overrides = args.spec.changes();
    let (system, _) = bulkhead_analysis::rules::load(paths, &overrides)?;
    let mut all = args
        .run
        .overrides(system.partitions.iter().map(|p| p.name.value.as_str()));
    if all.is_empty() {
        return Ok(system);
    }
    all.extend(overrides);
    Ok(bulkhead_analysis::rules::load(paths, &all)?.0)
}

/// Where the system is built: removed after the run, unless the user named it or needs it afterwards.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn new(args: &RunSpecArgs, system: &System) -> Result<Self, Failure> {
        if let Some(folder) = &args.output {
            return Ok(Folder::Kept(folder.clone()));
        }
        let runs = place::target(&place::root()?).join("run");
        fs::create_dir_all(&runs).map_err(|e| Failure::file(&runs, &e))?;
        if args.run.print_command {
            return Ok(Folder::Kept(runs.join(&system.name.value)));
        }
        let folder = tempfile::Builder::new()
            .prefix(&system.name.value)
            .tempdir_in(&runs);
        folder
            .map(Folder::Temporary)
            .map_err(|e| Failure::file(&runs, &e))
    }

    fn path(&self) -> &Path {
        match self {
            Folder::Kept(path) => path,
            Folder::Temporary(folder) => folder.path(),
        }
    }
}
