// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition executes, and the files that it is made from.

use std::path::PathBuf;

use crate::span::Spanned;

/// What a partition executes.
#[derive(Clone, Debug)]
pub enum Payload {
    /// An AArch64 ELF, loaded at the physical addresses of its segments, which lie in the partition's RAM.
    Elf(FileRef),
    /// An arm64 Linux `Image`.
    Linux(Linux),
    /// A flat binary, copied to the begin of RAM and entered there.
    Raw(FileRef),
}

impl Payload {
    /// Its main file.
    pub fn file(&self) -> &FileRef {
        match self {
            Payload::Elf(file) | Payload::Raw(file) => file,
            Payload::Linux(linux) => &linux.kernel,
        }
    }
}

/// A Linux payload.
#[derive(Clone, Debug)]
pub struct Linux {
    /// An arm64 `Image`.
    pub kernel: FileRef,
    /// Initial RAM disk.
    pub initrd: Option<Initrd>,
    /// Kernel command line.
    pub command_line: Spanned<String>,
}

/// Initial RAM disk of a Linux payload.
#[derive(Clone, Debug)]
pub enum Initrd {
    /// A finished archive.
    File(FileRef),
    /// To be built from a static busybox and programs.
    Build {
        /// Static AArch64 busybox.
        busybox: FileRef,
        /// Static AArch64 programs; the file name is the command's name.
        programs: Vec<FileRef>,
    },
}

/// A file that the spec names; it exists and is readable.
#[derive(Clone, Debug)]
pub struct FileRef {
    /// As the spec says it: `adas`, `debian:busybox-static`, `../rootfs.cpio`.
    pub name: Spanned<String>,
    /// Where that is.
    pub path: PathBuf,
    /// How it was looked up.
    pub origin: Origin,
}

/// How a file was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the images folder (`BULKHEAD_IMAGES`).
    Image,
    /// In an unpacked Debian package of this name (`BULKHEAD_GUEST`).
    Debian(String),
    /// Relative to the file that names it.
    File,
}
