// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sdk`: everything that an integrator needs to change, prove, run and flash systems, without Rust.
//!
//! The folder has the layout of the source tree, so that the one command works in it; it has no `Cargo.toml`, by
//! which the command knows that there is nothing to build. Implements: BH-SDK-001.

#[cfg(test)]
mod c_lock;
mod header;

use std::env;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::cli::{Format, SdkArgs};
use crate::failure::Failure;
use crate::{output, place, prove};

/// What is copied from the source tree as it is.
const TREE: [&str; 13] = [
    "bulkhead",
    ".bulkhead",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "config/boards",
    "config/systems",
    "config/schema",
    "hypervisor/abi",
    "partitions/runtime",
    "partitions/adas",
    "partitions/cluster",
    "partitions/vehicle",
    "partitions/README.md",
];

/// The lock API for C.
const LOCK_HEADER: &str = include_str!("../../../partitions/runtime/include/bulkhead_lock.h");

/// What the SDK says of itself.
const README: &str = "\
# Bulkhead SDK

Changes, proves, runs and flashes systems; no Rust is needed.

    ./bulkhead build my-system.yaml -o out
    ./bulkhead run my-system.yaml
    ./bulkhead flash qemu-virt my-system.yaml --to disk.img
    ./bulkhead --help

- `config/systems/`: example systems; `config/boards/`: the boards; `config/schema/`: the language for editors.
- `target/images/`: for each board its hypervisor, the loader, and the partitions of the examples.
- `target/release/`: the tool, and the checker that proves what the tool builds.
- `include/bulkhead.h`: what a partition in C or assembly sees, `include/bulkhead_lock.h`: its locks for C; `hypervisor/abi/` and `partitions/runtime/`: the same for
  Rust, with `partitions/adas`, `cluster` and `vehicle` as examples (those need Rust).

A partition of your own is an ELF file for AArch64 that runs at EL1: `payload: { elf: path/to/it.elf }`.
";

/// What was packed.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    folder: &'a Path,
    boards: Vec<String>,
}

/// Packs the SDK.
pub(crate) fn run(args: &SdkArgs, format: Format) -> Result<(), Failure> {
    let root = place::root()?;
    let images = place::images(&root);
    if !images.join(".complete").is_file() {
        return Err(Failure::unable("the target images are not built").help("bulkhead-tool images --build"));
    }
    let folder = args.output.as_path();
    let is_new = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(Failure::file(folder, &error)),
    };
    if !is_new {
        return Err(Failure::wrong(format_args!("{} is not empty", folder.display()))
            .help("name a new folder for the SDK"));
    }
    for name in TREE {
        copy(&root.join(name), &folder.join(name))?;
    }
    copy(&images, &folder.join("target/images"))?;
    let tool = env::current_exe().map_err(Failure::unable)?;
    copy(&tool, &folder.join("target/release/bulkhead-tool"))?;
    copy(
        &tool.with_file_name(prove::CHECKER),
        &folder.join("target/release").join(prove::CHECKER),
    )?;
    write(&folder.join("include/bulkhead.h"), &header::text())?;
    write(&folder.join("include/bulkhead_lock.h"), LOCK_HEADER)?;
    write(&folder.join("README.md"), README)?;
    let boards = boards(&images)?;
    match format {
        Format::Json => output::json(&Outcome {
            verdict: "pass",
            folder,
            boards,
        }),
        Format::Text => output::line(&format!("{}: SDK for {}", folder.display(), boards.join(", "))),
    }
}

/// Boards that have a hypervisor.
fn boards(images: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(images).map_err(|e| Failure::file(images, &e))?;
    let mut boards: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("hypervisor.bin").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    boards.sort();
    Ok(boards)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|e| Failure::file(parent, &e))?;
    fs::write(path, text).map_err(|e| Failure::file(path, &e))
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if !from.is_dir() {
        let parent = to.parent().unwrap_or(to);
        fs::create_dir_all(parent).map_err(|e| Failure::file(parent, &e))?;
        return fs::copy(from, to)
            .map(|_| ())
            .map_err(|e| Failure::file(from, &e));
    }
    fs::create_dir_all(to).map_err(|e| Failure::file(to, &e))?;
    for entry in fs::read_dir(from).map_err(|e| Failure::file(from, &e))? {
        let entry = entry.map_err(|e| Failure::file(from, &e))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
