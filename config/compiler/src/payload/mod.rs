// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition executes: its payload area and its load list. Implements: BH-CFG-011, BH-FUZZ-006.
//!
//! [`load`] reads the files that the spec names and turns them into a [`Program`]: pieces with target
//! addresses. [`area::Area`] packs a program, with its device tree, into the bytes that the image carries
//! and the steps that the EL1 loader executes.

pub mod area;
pub mod elf;
pub mod initramfs;
pub mod linux;
pub mod parts;
mod reset;

use std::io;
use std::path::PathBuf;

use bulkhead_model::span::Span;
use bulkhead_model::system::{FileRef, Initrd, Partition, Payload};
use bulkhead_model::units::show_bytes;
use bulkhead_types::image::Range;

use crate::access::Rights;
use crate::layout::{Area, LayoutError};
use crate::machine::RAM;

/// Why a payload cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(String),
    /// Not a 64-bit little-endian ELF.
    #[error("it is not a 64-bit little-endian ELF file: {0}")]
    NotElf(String),
    /// An ELF that cannot be loaded.
    #[error("{0}")]
    WrongElf(&'static str),
    /// The entry point is not in an executable segment.
    #[error("its entry point {entry:#x} is not in an executable load segment")]
    Entry {
        /// Entry point.
        entry: u64,
    },
    /// Not an arm64 `Image`.
    #[error("it is not an arm64 Image: {0}")]
    NotImage(&'static str),
    /// Kernel, RAM disk and device tree do not fit.
    #[error("kernel, initial RAM disk and device tree need {needed:#x} bytes; the partition has {memory:#x}")]
    TooSmall {
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// The initial RAM disk cannot be built.
    #[error("cannot build the initial RAM disk: {0}")]
    Initramfs(String),
    /// Pieces overlap or leave the partition's RAM.
    #[error("{}", in_words(.0))]
    Layout(#[from] LayoutError),
    /// The load list is full.
    #[error(
        "{steps} load steps; the loader's list holds {}",
        bulkhead_types::load::MAX_STEPS
    )]
    TooManySteps {
        /// Steps.
        steps: usize,
    },
}

/// A piece of every payload.
pub(crate) const DEVICE_TREE: &str = "device tree";

/// What has no place in a partition's RAM, with addresses as the partition sees them.
fn in_words(error: &LayoutError) -> String {
    let place = |area: &Area| {
        let Range { start, end } = area.range;
        format!("its {} ({start:#x} to {end:#x})", area.name)
    };
    match error {
        LayoutError::Overlap { new, old } => format!("{} overlaps {}", place(new), place(old)),
        LayoutError::Outside { area, zone } => format!("{} does not lie in {zone}", place(area)),
        LayoutError::Full { name, size, zone, .. } => {
            let size = show_bytes(*size);
            format!("there is no room for its {name}: {size} do not fit into {zone}")
        }
        LayoutError::Empty {
            name, start, size, ..
        } => {
            format!("its {name} of {size:#x} bytes at {start:#x} makes no range")
        }
        LayoutError::Colours { .. } => error.to_string(),
    }
}

/// A payload error and the file it is about.
#[derive(Clone, Debug, thiserror::Error)]
#[error("partition {partition}, {}: {error}", path.display())]
pub struct FileError {
    /// Partition.
    pub partition: String,
    /// File.
    pub path: PathBuf,
    /// Where the spec names it.
    pub span: Span,
    /// What is wrong.
    pub error: PayloadError,
}

/// Bytes that go to one place.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it is.
    pub name: String,
    /// IPA of its first byte.
    pub target: u64,
    /// Bytes that it occupies there; those beyond `bytes` are zero.
    pub memory_size: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What may be done with it. One that is not written is mapped from the image and never copied.
    pub rights: Rights,
}

/// A loaded payload.
#[derive(Clone, Debug)]
pub struct Program {
    /// IPA of its first instruction.
    pub entry: u64,
    /// What it consists of.
    pub pieces: Vec<Piece>,
    /// First IPA of the initial RAM disk and first after it.
    pub initrd: Option<(u64, u64)>,
    /// Where the device tree must lie; otherwise at the end of RAM.
    pub device_tree_at: Option<u64>,
    /// What may be done with RAM beside the pieces.
    pub elsewhere: Rights,
}

/// Reads and prepares the payload of a partition.
///
/// # Errors
/// Names the file that is wrong.
pub fn load(partition: &Partition) -> Result<Program, Box<FileError>> {
    let blame = |file: &FileRef, error| {
        Box::new(FileError {
            partition: partition.name.value.clone(),
            path: file.path.clone(),
            span: file.name.span,
            error,
        })
    };
    let read = |file: &FileRef| {
        std::fs::read(&file.path).map_err(|e| blame(file, PayloadError::Unreadable(e.to_string())))
    };
    match &partition.payload {
        Payload::Elf(file) => elf::prepare(&read(file)?, partition.memory.rights).map_err(|e| blame(file, e)),
        Payload::Raw(file) => Ok(raw(read(file)?)),
        Payload::Linux(linux) => {
            let initrd = match &linux.initrd {
                None => None,
                Some(Initrd::File(file)) => Some(read(file)?),
                Some(Initrd::Build { busybox, programs }) => {
                    let mut contents = Vec::new();
                    for program in programs {
                        let bytes = read(program)?;
                        elf::parse(&bytes).map_err(|e| blame(program, e))?;
                        contents.push((command_name(program), bytes));
                    }
                    let bytes = read(busybox)?;
                    let archive = initramfs::build(&bytes, &contents);
                    Some(
                        archive
                            .map_err(|e: io::Error| blame(busybox, PayloadError::Initramfs(e.to_string())))?,
                    )
                }
            };
            let kernel = read(&linux.kernel)?;
            linux::prepare(kernel, initrd, partition.memory.size.value).map_err(|e| blame(&linux.kernel, e))
        }
    }
}

/// The command that a program becomes: its file name.
fn command_name(program: &FileRef) -> String {
    let name = program.path.file_name();
    name.map_or_else(
        || program.name.value.clone(),
        |n| n.to_string_lossy().into_owned(),
    )
}

/// A flat binary at the begin of RAM.
fn raw(bytes: Vec<u8>) -> Program {
    Program {
        entry: RAM,
        pieces: vec![Piece {
            name: "flat binary".to_owned(),
            target: RAM,
            memory_size: bytes.len() as u64,
            bytes,
            rights: Rights::All,
        }],
        initrd: None,
        device_tree_at: None,
        elsewhere: Rights::All,
    }
}
