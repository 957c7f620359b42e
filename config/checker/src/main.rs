// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead-checker prove DIR`: exit 0 when every property holds, 1 when one does not, 2 when that could not
//! be decided. With `--write` the build asks before there is an image; without, a finished build is judged.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bulkhead_checker::{Failure, Inputs, PROPERTIES, Proof, certificate, contents, finished, prove};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

/// Independent checker of Bulkhead systems.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Proves that the system in a build directory isolates its partitions.
    Prove {
        /// Build directory: system.blob, grants.txt and hypervisor.bin are proved, and image.bin, manifest.json,
        /// certificate.bin and certificate.json must be of the system that was proved.
        directory: PathBuf,
        /// Writes certificate.bin and certificate.json into it when everything is proved, before there is an image.
        #[arg(long)]
        write: bool,
        /// Form of the output.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// The same as --format json.
        #[arg(long)]
        json: bool,
    },
    /// Adds the digests of image, manifest and payloads to the certificate of a build that was proved.
    Seal {
        /// Build directory.
        directory: PathBuf,
    },
    /// Lists the properties.
    Properties,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    let (done, format) = match Arguments::parse().verb {
        Verb::Prove {
            directory,
            write,
            format,
            json,
        } => {
            let format = if json { Format::Json } else { format };
            (run(&directory, write, format), format)
        }
        Verb::Seal { directory } => (
            contents::seal(&directory).map(|()| ExitCode::SUCCESS),
            Format::Text,
        ),
        Verb::Properties => (list(), Format::Text),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // Where even that cannot be written, the exit status remains.
            let _ = match format {
                Format::Text => writeln!(io::stderr(), "bulkhead-checker: {error}"),
                Format::Json => undecided(&error),
            };
            ExitCode::from(2)
        }
    }
}

/// A reader that went away is no failure.
fn say(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The form in which every verb of the tool says why it could not, with the fields of a proof.
fn undecided(error: &io::Error) -> io::Result<()> {
    let value = json!({
        "verdict": "fail",
        "errors": [],
        "message": error.to_string(),
        "help": "give a folder that `build` wrote",
        "proved": false,
        "certificate": null,
        "failures": [],
    });
    say(&format!("{value:#}"))
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn read(directory: &Path, name: &str) -> io::Result<Vec<u8>> {
    let path = directory.join(name);
    fs::read(&path).map_err(named(&path))
}

fn run(directory: &Path, write: bool, format: Format) -> io::Result<ExitCode> {
    let hypervisor = read(directory, "hypervisor.bin")?;
    let blob = read(directory, "system.blob")?;
    let grants = read(directory, "grants.txt")?;
    // What is not UTF-8 is not ASCII either, which the reader refuses.
    let grants = String::from_utf8_lossy(&grants);
    let inputs = Inputs {
        hypervisor: &hypervisor,
        blob: &blob,
        grants: &grants,
    };
    let mut result = prove(&inputs);
    if let Ok(proof) = &result {
        if write {
            certificate::write(directory, proof).map_err(named(directory))?;
        } else {
            let failures = finished::check(directory, &inputs, proof)?;
            if !failures.is_empty() {
                result = Err(failures);
            }
        }
    }
    match format {
        Format::Text => text(&result)?,
        Format::Json => machine(&result)?,
    }
    Ok(ExitCode::from(u8::from(result.is_err())))
}

fn text(result: &Result<Proof, Vec<Failure>>) -> io::Result<()> {
    match result {
        Ok(proof) => {
            let (count, hash) = (PROPERTIES.len(), certificate::hex(&proof.blob_hash));
            let (pages, roots) = (proof.pages, proof.roots);
            say(&format!(
                "proved: {count} properties, {pages} pages reachable through {roots} roots"
            ))?;
            say(&format!("blob:   sha256 {hash}"))
        }
        Err(failures) => {
            let mut out = io::stderr().lock();
            for failure in failures {
                writeln!(out, "{failure}")?;
            }
            let broken: BTreeSet<&str> = failures.iter().map(|f| f.property).collect();
            let (count, broken) = (failures.len(), broken.len());
            writeln!(out, "refused: {count} failures of {broken} properties")
        }
    }
}

fn machine(result: &Result<Proof, Vec<Failure>>) -> io::Result<()> {
    let value = match result {
        Ok(proof) => json!({ "proved": true, "certificate": certificate::json(proof), "failures": [] }),
        Err(failures) => {
            let failures: Vec<_> = failures
                .iter()
                .map(|f| json!({ "property": f.property, "text": f.text }))
                .collect();
            json!({ "proved": false, "certificate": null, "failures": failures })
        }
    };
    say(&format!("{value:#}"))
}

fn list() -> io::Result<ExitCode> {
    for property in PROPERTIES {
        say(&format!("{}  {}", property.id, property.text))?;
    }
    say(&format!("{}  {}", finished::FINISHED, finished::FINISHED_TEXT))?;
    Ok(ExitCode::SUCCESS)
}
