// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where things are: the source tree, the images, the guest packages.

use std::path::{Path, PathBuf};
use std::{env, fs};

use bulkhead_model::Paths;

use crate::cli::SpecArgs;
use crate::failure::Failure;

/// The reference system, relative to the tree.
const REFERENCE: &str = "config/systems/adas-infotainment.yaml";
/// Example systems, relative to the tree; that of a board has its name.
const SYSTEMS: &str = "config/systems";
/// Board files, relative to the tree.
const BOARDS: &str = "config/boards";

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// The source tree: as the environment says, else the nearest folder above this one, or above the tool, that
/// has board files.
///
/// # Errors
/// There is none.
pub(crate) fn root() -> Result<PathBuf, Failure> {
    if let Some(root) = variable("BULKHEAD_ROOT") {
        return Ok(root);
    }
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    let above = |start: &PathBuf| {
        start
            .ancestors()
            .find(|a| a.join(BOARDS).is_dir())
            .map(Path::to_owned)
    };
    starts.iter().flatten().find_map(above).ok_or_else(|| {
        Failure::unable("there is no Bulkhead source tree here")
            .help("set BULKHEAD_ROOT to it, or run from inside it")
    })
}

/// The file of a board.
pub(crate) fn board(root: &Path, name: &str) -> PathBuf {
    root.join(BOARDS).join(format!("{name}.yaml"))
}

/// The names of all board files.
///
/// # Errors
/// Their folder cannot be read.
pub(crate) fn boards(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join(BOARDS);
    let unreadable = |error| Failure::unable(format_args!("cannot read {}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The folder of cargo's output.
pub(crate) fn target(root: &Path) -> PathBuf {
    variable("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target"))
}

/// The folder of the target images.
pub(crate) fn images(root: &Path) -> PathBuf {
    variable("BULKHEAD_IMAGES").unwrap_or_else(|| target(root).join("images"))
}

/// The folder of the unpacked guest packages.
fn guest() -> Result<PathBuf, Failure> {
    let cache = || {
        let user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        variable("BULKHEAD_CACHE").or_else(|| Some(user()?.join("bulkhead")))
    };
    let folder = variable("BULKHEAD_GUEST").or_else(|| Some(cache()?.join("guest")));
    folder.ok_or_else(|| {
        Failure::unable("there is no place for guest packages").help("set BULKHEAD_GUEST or HOME")
    })
}

/// The spec that the user means: the one that was named, the example of the board, or the reference system.
pub(crate) fn spec(spec: Option<&Path>, board: Option<&str>) -> Result<PathBuf, Failure> {
    if let Some(spec) = spec {
        return Ok(spec.to_owned());
    }
    let root = root()?;
    let example = board.map(|board| root.join(SYSTEMS).join(format!("{board}.yaml")));
    let example = example.filter(|example| example.is_file());
    Ok(short(example.unwrap_or_else(|| root.join(REFERENCE))))
}

/// A path as short as it can be said from here.
fn short(path: PathBuf) -> PathBuf {
    let here = env::current_dir().ok();
    let inside = here.and_then(|h| path.strip_prefix(h).ok().map(Path::to_owned));
    inside.unwrap_or(path)
}

/// Everything that a spec's names are looked up in.
pub(crate) fn paths(args: &SpecArgs) -> Result<Paths, Failure> {
    paths_of(args.spec.as_deref(), args.board.as_deref())
}

/// As [`paths`], for a spec or a board that was named, or the reference system.
pub(crate) fn paths_of(named: Option<&Path>, board: Option<&str>) -> Result<Paths, Failure> {
    let root = root()?;
    Ok(Paths {
        spec: spec(named, board)?,
        boards: short(root.join(BOARDS)),
        images: images(&root),
        guest: guest()?,
    })
}
