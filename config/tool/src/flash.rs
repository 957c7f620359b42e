// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `flash`: a system onto a medium that a board boots from, or onto the board itself.

pub(crate) mod args;
mod sign;

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use bulkhead_flash::disk::Disk;
use bulkhead_flash::medium::{MediumError, Source};
use bulkhead_flash::script::{self, Form};
use bulkhead_flash::target::{Kind, Sources, Target};
use bulkhead_flash::write::{WriteError, write};
use bulkhead_model::board::Board;
use bulkhead_model::boot::{BlobPlace, Download};
use bulkhead_model::manifest::Manifest;
use serde::Serialize;

use self::args::FlashArgs;
use crate::built::certified;
use crate::cli::Format;
use crate::failure::Failure;
use crate::{build, output, place};

/// What was, or would be, written.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    board: &'a str,
    system: &'a str,
    blob_hash: &'a str,
    /// Where it was written; absent with `--dry-run`.
    written: Option<&'a Path>,
    /// Bytes of the medium.
    bytes: usize,
    /// SHA-256 of the medium, lower-case hex.
    sha256: String,
    /// Commands that were, or would be, run, each a line for a POSIX shell.
    commands: Vec<String>,
}

/// Builds a medium and writes it.
pub(crate) fn run(args: &FlashArgs, format: Format) -> Result<(), Failure> {
    let built = Built::of(args)?;
    let source = built.source();
    let key = args.sign.as_ref().map(|_| args.key.as_str());
    let mut image = source.boot_image(args.form, args.rollback_index, key)?;
    let place = source.place()?;
    if let Some(keys) = &args.sign {
        image = sign::sign(&image, keys, args, place)?;
    }
    let mut disk = Disk {
        table: place.boot.table,
        files: vec![
            (args.form.file().to_owned(), image),
            (
                script::SCRIPT_FILE.to_owned(),
                script::wrapped(&script::boot_script(place, args.form)),
            ),
        ],
        raw: Vec::new(),
    };
    let blobs = vendor_blobs(args, &built.board)?;
    for (blob, path) in &blobs {
        let content = fs::read(path).map_err(|e| Failure::file(path, &e))?;
        match &blob.place {
            BlobPlace::At(at) => disk.raw.push((*at, content)),
            BlobPlace::File(name) => disk.files.push((name.clone(), content)),
        }
    }
    let medium = disk.build().map_err(Failure::wrong)?;
    let done = match &args.to {
        Destination::Path(path) => onto_path(args, path, &medium, format)?,
        Destination::Uuu(kind) => over_cable(args, &built.board, &blobs, kind, &medium)?,
    };
    report(&built, &medium, &done, format)
}

/// A system that was built, with its board.
struct Built {
    manifest: Manifest,
    image: Vec<u8>,
    board: Board,
}

impl Built {
    /// Builds the spec that was named, or takes a folder that `build` wrote.
    fn of(args: &FlashArgs) -> Result<Self, Failure> {
        let root = place::root()?;
        let board = bulkhead_model::load_board(&place::board(&root, &args.board)).map_err(|error| {
            Failure::from(error).help("BOARD is the name of a file of config/boards without its ending")
        })?;
        let temporary;
        let folder = match args.spec.as_deref().filter(|p| p.is_dir()) {
            Some(folder) => folder,
            None => {
                let spec = args.spec();
                let paths = place::paths(&spec)?;
                let (system, _) = bulkhead_analysis::rules::load(&paths, &spec.changes())?;
                temporary = tempfile::tempdir().map_err(Failure::unable)?;
                let folder = temporary.path();
                build::compile(&system, &paths, &folder.join("system"))?;
                &folder.join("system")
            }
        };
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|e| {
                Failure::wrong(format_args!("{}: {e}", path.display()))
                    .help("give a spec, or a folder that `build` wrote")
            })
        };
        let described = read("manifest.json")?;
        let manifest: Manifest = serde_json::from_slice(&described).map_err(|e| {
            Failure::wrong(format_args!("{}: {e}", folder.join("manifest.json").display()))
                .help("build the system again")
        })?;
        let image = read(&manifest.image)?;
        certified(folder, &image, &described)?;
        Ok(Built {
            manifest,
            image,
            board,
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            manifest: &self.manifest,
            image: &self.image,
            board: &self.board,
        }
    }
}

impl From<MediumError> for Failure {
    fn from(error: MediumError) -> Self {
        Failure::wrong(error)
    }
}

/// Where a medium goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A file or a block device.
    Path(PathBuf),
    /// The board's medium of this kind, over a cable.
    Uuu(String),
}

/// `uuu:sd`, `uuu:emmc`, else a path.
pub(crate) fn destination(text: &str) -> Result<Destination, String> {
    match text.split_once(':') {
        Some(("uuu", kind @ ("sd" | "emmc"))) => Ok(Destination::Uuu(kind.to_owned())),
        Some(("uuu", _)) => Err("the board's medium is `uuu:sd` or `uuu:emmc`".to_owned()),
        Some(_) | None => Ok(Destination::Path(text.into())),
    }
}

/// `NAME=PATH`.
pub(crate) fn blob_path(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        Some(_) | None => Err("write NAME=FILE".to_owned()),
    }
}

/// The vendor's files with their paths: each one that the board needs, and no other. Implements: BH-FLSH-009.
fn vendor_blobs<'a>(
    args: &'a FlashArgs,
    board: &'a Board,
) -> Result<Vec<(&'a bulkhead_model::boot::VendorBlob, &'a Path)>, Failure> {
    let needed = board.boot.as_ref().map_or(&[][..], |boot| &boot.blobs);
    if let Some((name, _)) = args
        .blobs
        .iter()
        .find(|(name, _)| needed.iter().all(|b| b.name.value != *name))
    {
        let board = &args.board;
        return Err(Failure::wrong(format_args!(
            "board `{board}` needs no file `{name}` of its vendor"
        )));
    }
    let with_path = needed.iter().map(|blob| {
        let name = &blob.name.value;
        let given = args.blobs.iter().find(|(n, _)| n == name);
        let missing = || {
            let (board, text) = (&args.board, &blob.text);
            Failure::wrong(format_args!(
                "board `{board}` needs `{name}`, which is not shipped: {text}"
            ))
            .help(format!("say where it is: --blob {name}=FILE"))
        };
        let (_, path) = given.ok_or_else(missing)?;
        Ok((blob, path.as_path()))
    });
    with_path.collect()
}

/// What was done.
struct Done<'a> {
    written: Option<&'a Path>,
    commands: Vec<String>,
}

/// Writes a file or a block device, after the user has agreed.
fn onto_path<'a>(
    args: &FlashArgs,
    path: &'a Path,
    medium: &[u8],
    format: Format,
) -> Result<Done<'a>, Failure> {
    let target = Sources::default()
        .look(path)
        .map_err(|e| Failure::file(path, &e))?;
    let size = u64::try_from(medium.len()).map_err(Failure::unable)?;
    target.check(size).map_err(Failure::wrong)?;
    let command = format!("dd if=MEDIUM of={} bs=1M conv=fsync oflag=excl", path.display());
    if args.dry_run {
        return Ok(Done {
            written: None,
            commands: vec![command],
        });
    }
    agree(&target, size, args.yes, format)?;
    write(&target, medium).map_err(|error| match error {
        WriteError::Io(error) => Failure::file(path, &error),
        WriteError::Differs(_) => Failure::wrong(format_args!("{}: {error}", path.display())),
    })?;
    Ok(Done {
        written: Some(path),
        commands: Vec::new(),
    })
}

/// Shows a device and asks; a file needs no answer, since only a new one or a medium of ours is written.
fn agree(target: &Target, size: u64, yes: bool, format: Format) -> Result<(), Failure> {
    let Kind::Device(_) = &target.kind else {
        return Ok(());
    };
    eprintln!(
        "{target}: all that is on it will be lost; {} MiB will be written",
        size >> 20
    );
    if yes {
        return Ok(());
    }
    let refused = || Failure::wrong(format_args!("nothing was written to {}", target.path.display()));
    if format == Format::Json || !io::stdin().is_terminal() {
        return Err(refused().help("nobody can answer here: add --yes"));
    }
    eprint!("write it? Type `yes`: ");
    let mut answer = String::new();
    io::stderr().flush().map_err(Failure::unable)?;
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Failure::unable)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Hands the medium to the vendor's tool. Implements: BH-FLSH-010.
fn over_cable<'a>(
    args: &FlashArgs,
    board: &Board,
    blobs: &[(&bulkhead_model::boot::VendorBlob, &Path)],
    kind: &str,
    medium: &[u8],
) -> Result<Done<'a>, Failure> {
    let name = &args.board;
    let download = board.boot.as_ref().and_then(|boot| boot.download);
    let Some(Download::Uuu) = download else {
        return Err(Failure::wrong(format_args!(
            "board `{name}` is not loaded over a cable by uuu"
        )));
    };
    let Some((_, loader)) = blobs.first() else {
        return Err(Failure::wrong(format_args!(
            "board `{name}` has no boot loader of its vendor for uuu"
        )));
    };
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    let file = folder.path().join("medium.img");
    let program = "uuu";
    let words = [
        program,
        "-b",
        &format!("{kind}_all"),
        &loader.display().to_string(),
    ]
    .join(" ");
    if args.dry_run {
        return Ok(Done {
            written: None,
            commands: vec![format!("{words} MEDIUM")],
        });
    }
    fs::write(&file, medium).map_err(|e| Failure::file(&file, &e))?;
    let status = std::process::Command::new(program)
        .args(["-b", &format!("{kind}_all")])
        .arg(loader)
        .arg(&file)
        .status()
        .map_err(|e| {
            Failure::file(Path::new(program), &e)
                .help("install uuu (Debian: uuu), or write an SD card: --to DEVICE")
        })?;
    if !status.success() {
        return Err(Failure::unable(format_args!("{words} ended with {status}")));
    }
    Ok(Done {
        written: None,
        commands: vec![format!("{words} {}", file.display())],
    })
}

fn report(built: &Built, medium: &[u8], done: &Done<'_>, format: Format) -> Result<(), Failure> {
    let manifest = &built.manifest;
    let outcome = Outcome {
        verdict: "pass",
        board: &manifest.board,
        system: &manifest.system,
        blob_hash: &manifest.blob_hash,
        written: done.written,
        bytes: medium.len(),
        sha256: bulkhead_flash::disk::digest(medium),
        commands: done.commands.clone(),
    };
    if format == Format::Json {
        return output::json(&outcome);
    }
    for command in &outcome.commands {
        output::line(command)?;
    }
    if let Some(path) = outcome.written {
        output::line(&format!(
            "{}: system `{}` for board `{}`, {} MiB written and read back, blob {}",
            path.display(),
            outcome.system,
            outcome.board,
            outcome.bytes >> 20,
            outcome.blob_hash
        ))?;
    }
    Ok(())
}

/// The forms by their names on the command line.
pub(crate) fn form(text: &str) -> Result<Form, String> {
    match text {
        "fit" => Ok(Form::Fit),
        "image" => Ok(Form::Image),
        _ => Err("it is `fit` or `image`".to_owned()),
    }
}
