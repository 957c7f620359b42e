// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead-checker prove DIR`: exit 0 when every property holds, 1 when one does not, 2 when that could not
//! be decided.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bulkhead_checker::{Failure, Inputs, PROPERTIES, Proof, certificate, prove};
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
        /// Directory with system.blob, grants.txt and hypervisor.bin.
        directory: PathBuf,
        /// Writes certificate.bin and certificate.json into it when everything is proved.
        #[arg(long)]
        write: bool,
        /// Form of the output.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// The same as --format json.
        #[arg(long)]
        json: bool,
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
    let done = match Arguments::parse().verb {
        Verb::Prove {
            directory,
            write,
            format,
            json,
        } => run(&directory, write, if json { Format::Json } else { format }),
        Verb::Properties => list(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bulkhead-checker: {error}");
            ExitCode::from(2)
        }
    }
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
    let result = prove(&Inputs {
        hypervisor: &hypervisor,
        blob: &blob,
        grants: &grants,
    });
    if let (Ok(proof), true) = (&result, write) {
        certificate::write(directory, proof).map_err(named(directory))?;
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
            writeln!(
                io::stdout(),
                "proved: {count} properties, {pages} pages reachable through {roots} roots"
            )?;
            writeln!(io::stdout(), "blob:   sha256 {hash}")
        }
        Err(failures) => {
            let mut out = io::stderr().lock();
            for failure in failures {
                writeln!(out, "{failure}")?;
            }
            let broken = PROPERTIES
                .iter()
                .filter(|p| failures.iter().any(|f| f.property == p.id))
                .count();
            writeln!(out, "refused: {} failures of {broken} properties", failures.len())
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
    writeln!(io::stdout(), "{value:#}")
}

fn list() -> io::Result<ExitCode> {
    for property in PROPERTIES {
        writeln!(io::stdout(), "{}  {}", property.id, property.text)?;
    }
    Ok(ExitCode::SUCCESS)
}
