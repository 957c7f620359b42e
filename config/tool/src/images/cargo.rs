// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of cargo.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::failure::Failure;

/// Target of everything that runs on a board.
pub(crate) const TARGET: &str = "aarch64-unknown-none-softfloat";
/// Cargo profile of everything that runs on a board.
pub(super) const PROFILE: &str = "image";
/// What the errata of cores ask of the compiler (`config/model/src/errata.rs`): an instruction between a load or store and a
/// 64-bit multiply-accumulate, and no indirect branches for `match`. The compiler would warn in each crate that
/// the first one is LLVM's; lints are clippy's to find.
///
/// Implements: BH-BRD-032, BH-BRD-033.
const ERRATA: &str = r#"["-Ctarget-feature=+fix-cortex-a53-835769", "-Cjump-tables=no", "-Awarnings"]"#;

/// A binary of the workspace.
pub(super) struct Binary {
    /// Folder of its package, relative to the root, with `/`.
    pub(super) folder: String,
    /// Package.
    pub(super) package: String,
    /// Name of the binary.
    pub(super) name: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).stdin(Stdio::null());
    command
}

fn not_started(error: &std::io::Error) -> Failure {
    Failure::unable(format_args!("cargo does not start: {error}"))
        .help("./bulkhead finds or installs a Rust toolchain with the bare-metal target")
}

/// All binaries of the workspace.
///
/// # Errors
/// Cargo does not start, or refuses the workspace.
pub(super) fn binaries(root: &Path) -> Result<Vec<Binary>, Failure> {
    let mut command = cargo(root);
    command.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let output = command.output().map_err(|e| not_started(&e))?;
    if !output.status.success() {
        return Err(Failure::unable(
            String::from_utf8_lossy(&output.stderr).trim_end(),
        ));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(Failure::unable)?;
    let mut binaries = Vec::new();
    for package in metadata.packages {
        let folder = package
            .manifest_path
            .parent()
            .and_then(|p| p.strip_prefix(&metadata.workspace_root).ok());
        let Some(folder) = folder.and_then(Path::to_str) else {
            continue;
        };
        for target in package
            .targets
            .iter()
            .filter(|t| t.kind.iter().any(|k| k == "bin"))
        {
            binaries.push(Binary {
                folder: folder.to_owned(),
                package: package.name.clone(),
                name: target.name.clone(),
            });
        }
    }
    Ok(binaries)
}

/// Builds a package for the target.
///
/// # Errors
/// It does not build; cargo has said why.
pub(super) fn build_image(root: &Path, package: &str) -> Result<(), Failure> {
    let mut command = cargo(root);
    command.args(["build", "--locked", "--profile", PROFILE, "--target", TARGET]);
    command.args(["-p", package]);
    command
        .arg("--config")
        .arg(format!("target.{TARGET}.rustflags={ERRATA}"));
    run(command)
}

/// Builds the checker for the host.
///
/// # Errors
/// It does not build; cargo has said why.
pub(super) fn build_checker(root: &Path) -> Result<(), Failure> {
    let mut command = cargo(root);
    command.args([
        "build",
        "--locked",
        "--release",
        "-p",
        "bulkhead-checker",
        "--bins",
    ]);
    run(command)
}

/// Whether `--verbose` of `./bulkhead` asks to see commands.
pub(super) fn verbose() -> bool {
    env::var_os("BULKHEAD_VERBOSE").is_some_and(|value| !value.is_empty())
}

/// Passes on what cargo says as soon as it compiles something, or when it fails; with `--verbose` of
/// `./bulkhead` all of it, after the command. Warnings that cargo repeats of an earlier build are not news.
fn run(mut command: Command) -> Result<(), Failure> {
    let verbose = verbose();
    let mut held = Vec::new();
    if verbose {
        held.push(line(&command));
        show(&mut held);
    }
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| not_started(&e))?;
    let mut told = verbose;
    if let Some(pipe) = child.stderr.take() {
        for line in BufReader::new(pipe).lines() {
            let line = line.map_err(Failure::unable)?;
            let word = line.trim_start().split(' ').next().unwrap_or_default();
            told |= matches!(word, "Compiling" | "Blocking");
            if verbose || word != "Finished" {
                held.push(line);
            }
            if told {
                show(&mut held);
            }
        }
    }
    let status = child.wait().map_err(Failure::unable)?;
    if status.success() {
        return Ok(());
    }
    show(&mut held);
    Err(Failure::Told(2))
}

/// A command as `./bulkhead` shows those that it runs.
fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("bulkhead: {}", words.join(" "))
}

fn show(lines: &mut Vec<String>) {
    for line in lines.drain(..) {
        // Without a place to write to, the exit status remains.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
