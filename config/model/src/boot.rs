// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The typed model of a board's boot path: what its boot loader reads, from where, and what the vendor adds.

use crate::span::Spanned;

/// How a board boots from a medium.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Boot loader that starts the hypervisor.
    pub loader: BootLoader,
    /// First entry of `compatible` of the board's device tree: by it the boot loader knows another board.
    pub compatible: String,
    /// Physical address, in RAM, where the boot loader reads the boot image to.
    pub staging: Spanned<u64>,
    /// The medium as the boot loader calls it.
    pub medium: Option<Medium>,
    /// Partition table of the medium.
    pub table: PartitionTable,
    /// Files of the vendor, never shipped.
    pub blobs: Vec<VendorBlob>,
    /// How a board without a medium is reached.
    pub download: Option<Download>,
}

/// A boot medium as the boot loader calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Interface, device and partition, as U-Boot's `load` takes them.
    pub name: String,
    /// Commands by which the boot loader finds it.
    pub prepare: Option<String>,
}

/// A boot loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootLoader {
    /// Das U-Boot with the script and FIT commands.
    UBoot,
}

/// A partition table that a board's ROM or boot loader reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionTable {
    /// GUID partition table.
    #[default]
    Gpt,
    /// Master boot record.
    Mbr,
}

impl PartitionTable {
    /// All, as a board file names them.
    pub(crate) const NAMED: [(&'static str, Self); 2] = [("gpt", Self::Gpt), ("mbr", Self::Mbr)];
}

/// A way to load a board over a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Download {
    /// NXP's universal update utility.
    Uuu,
}

/// A file that the board's vendor ships and the boot medium must hold.
#[derive(Clone, Debug)]
pub struct VendorBlob {
    /// Name by which the user gives its path.
    pub name: Spanned<String>,
    /// What it is and where it comes from, for people.
    pub text: String,
    /// Where it belongs.
    pub place: BlobPlace,
}

/// Where a vendor's file belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobPlace {
    /// At this byte of the medium, before the first partition.
    At(u64),
    /// Under this name in the boot partition.
    File(String),
}

/// A boot loader that QEMU can run: a file of a Debian package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Package.
    pub package: String,
    /// File in it.
    pub file: String,
}
