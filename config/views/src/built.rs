// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was built, decoded: the blob's tables and the text form. Every view starts from here, so that it
//! shows what EL2 will do and not what somebody wished.
//!
//! The bytes may come from a build folder that anybody could have edited: nothing here trusts an index.

use std::mem::size_of;

use bulkhead_types::blob::{BlobHeader, MAGIC, MAJOR, MINOR, Section};
use bulkhead_types::tables::{
    BoardDevices, Channel, Core, CoreVcpu, LAYOUT_HASH, Participant, Partition, PciFunction, RamBank, Slot,
    Spi, Vcpu, channel_flag,
};
use sha2::{Digest, Sha256};
use zerocopy::FromBytes;

use crate::records::{Records, Span};

/// Why bytes are not a built system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuiltError {
    /// Too short, or another magic number.
    #[error("system.blob is not a system blob")]
    NotABlob,
    /// Another version.
    #[error("system.blob has version {0}.{1}, this tool reads {MAJOR}.{MINOR}: build the system again")]
    Version(u16, u16),
    /// Other table layouts.
    #[error("system.blob was made by a compiler with other table layouts: build the system again")]
    Layout,
    /// A table that does not lie inside the blob.
    #[error("system.blob is damaged: its table `{0}` does not lie inside it")]
    Section(&'static str),
    /// A line that does not follow the grammar.
    #[error("grants.txt line {0} is not a record of version 1")]
    Line(usize),
    /// A translation table outside the blob.
    #[error("system.blob is damaged: the tables of {root} leave it at input address {input:#x}")]
    Table {
        /// Which root.
        root: String,
        /// Where.
        input: u64,
    },
    /// Blob and text form contradict each other.
    #[error("system.blob and grants.txt are not of one system: {0}")]
    Contradiction(&'static str),
}

/// A built system.
#[derive(Clone, Debug)]
pub struct Built<'a> {
    /// `system.blob`.
    pub blob: &'a [u8],
    /// `image.bin`; its first byte lies at the begin of the record `image`.
    pub image: &'a [u8],
    /// First page of the blob.
    pub header: BlobHeader,
    /// Cores by index.
    pub cores: Vec<Core>,
    /// Partitions by index.
    pub partitions: Vec<Partition>,
    /// vCPUs by global index.
    pub vcpus: Vec<Vcpu>,
    /// Global vCPU indices, grouped by core.
    pub core_vcpus: Vec<CoreVcpu>,
    /// Slots, grouped by core.
    pub slots: Vec<Slot>,
    /// Owned SPIs.
    pub spis: Vec<Spi>,
    /// Assigned PCI functions.
    pub pci_functions: Vec<PciFunction>,
    /// RAM of the board.
    pub ram: Vec<RamBank>,
    /// Devices of EL2.
    pub board: BoardDevices,
    /// Memory of channels and locks.
    pub channels: Vec<Channel>,
    /// The text form.
    pub records: Records,
}

fn section<T: FromBytes>(blob: &[u8], at: Section, name: &'static str) -> Result<Vec<T>, BuiltError> {
    let outside = || BuiltError::Section(name);
    let start = usize::try_from(at.offset).map_err(|_| outside())?;
    let count = usize::try_from(at.count).map_err(|_| outside())?;
    let size = count.checked_mul(size_of::<T>()).ok_or_else(outside)?;
    let end = start.checked_add(size).ok_or_else(outside)?;
    let bytes = blob.get(start..end).ok_or_else(outside)?;
    let entries = bytes.chunks_exact(size_of::<T>());
    entries
        .map(|entry| T::read_from_bytes(entry).map_err(|_| outside()))
        .collect()
}

impl<'a> Built<'a> {
    /// Decodes a built system; `image` is `image.bin`, `grants` is `grants.txt`.
    ///
    /// # Errors
    /// See [`BuiltError`].
    pub fn decode(blob: &'a [u8], grants: &str, image: &'a [u8]) -> Result<Self, BuiltError> {
        let (header, _) = BlobHeader::read_from_prefix(blob).map_err(|_| BuiltError::NotABlob)?;
        if header.magic != MAGIC {
            return Err(BuiltError::NotABlob);
        }
        if (header.major, header.minor) != (MAJOR, MINOR) {
            return Err(BuiltError::Version(header.major, header.minor));
        }
        if header.layout_hash != LAYOUT_HASH {
            return Err(BuiltError::Layout);
        }
        let board: Vec<BoardDevices> = section(blob, header.board, "board")?;
        let built = Built {
            blob,
            image,
            cores: section(blob, header.cores, "cores")?,
            partitions: section(blob, header.partitions, "partitions")?,
            vcpus: section(blob, header.vcpus, "vcpus")?,
            core_vcpus: section(blob, header.core_vcpus, "core_vcpus")?,
            slots: section(blob, header.slots, "slots")?,
            spis: section(blob, header.spis, "spis")?,
            pci_functions: section(blob, header.pci_functions, "pci_functions")?,
            ram: section(blob, header.ram, "ram")?,
            board: *board.first().ok_or(BuiltError::Section("board"))?,
            channels: section(blob, header.channels, "channels")?,
            records: Records::parse(grants)?,
            header,
        };
        built.agree()?;
        Ok(built)
    }

    /// Compares what both forms say of who there is; the checker compares everything else.
    fn agree(&self) -> Result<(), BuiltError> {
        let named = self.records.partitions.iter().map(String::as_str);
        if !named.eq((0..self.partitions.len()).map(|p| self.partition_name(p))) {
            return Err(BuiltError::Contradiction("their partitions differ"));
        }
        if self.records.blob.start != self.header.base {
            return Err(BuiltError::Contradiction("the blob lies at different addresses"));
        }
        Ok(())
    }

    /// SHA-256 of the blob, lower-case hex.
    pub fn blob_hash(&self) -> String {
        hex(&Sha256::digest(self.blob))
    }

    /// Build ID of the hypervisor, lower-case hex.
    pub fn hypervisor_id(&self) -> String {
        hex(&self.header.hypervisor_id)
    }

    /// Name of a partition, `?` when there is none or it is no text.
    pub fn partition_name(&self, index: usize) -> &str {
        let name = self.partitions.get(index).map(|p| {
            let end = p.name.iter().position(|b| *b == 0).unwrap_or(p.name.len());
            p.name.get(..end).unwrap_or_default()
        });
        name.and_then(|n| std::str::from_utf8(n).ok()).unwrap_or("?")
    }

    /// Index of a partition.
    pub fn partition(&self, name: &str) -> Option<usize> {
        (0..self.partitions.len()).find(|p| self.partition_name(*p) == name)
    }

    /// Its vCPUs.
    pub fn vcpus_of(&self, partition: usize) -> impl Iterator<Item = (usize, &Vcpu)> {
        let vcpus = self.vcpus.iter().enumerate();
        vcpus.filter(move |(_, v)| usize::try_from(v.partition) == Ok(partition))
    }

    /// Slots of a core in time order.
    pub fn slots_of(&self, core: &Core) -> &[Slot] {
        range(&self.slots, core.slot_first, core.slot_count)
    }

    /// vCPUs of a core.
    pub fn vcpus_on(&self, core: &Core) -> impl Iterator<Item = (u32, &Vcpu)> {
        let list = range(&self.core_vcpus, core.vcpu_first, core.vcpu_count);
        list.iter().filter_map(|entry| {
            let index = usize::try_from(entry.vcpu).ok()?;
            Some((entry.vcpu, self.vcpus.get(index)?))
        })
    }

    /// Partition and index of a global vCPU.
    pub fn vcpu(&self, global: u32) -> Option<&Vcpu> {
        self.vcpus.get(usize::try_from(global).ok()?)
    }

    /// Locks with their names.
    pub fn locks(&self) -> impl Iterator<Item = (&str, &Channel)> {
        let locks = self.channels.iter().filter(|c| c.flags & channel_flag::LOCK != 0);
        locks.map(|lock| {
            let placed = self.records.memory.iter();
            let mut here = placed.filter(|p| p.physical.start == lock.base);
            let name = here.find_map(|p| p.owner.strip_prefix("channel:"));
            (name.unwrap_or("?"), lock)
        })
    }

    /// What the image puts at physical addresses, as far as it reaches.
    pub fn content(&self, at: Span) -> Option<&'a [u8]> {
        let offset = |address: u64| usize::try_from(address.checked_sub(self.records.image.start)?).ok();
        self.image.get(offset(at.start)?..offset(at.end)?)
    }
}

/// `count` entries from `first`, nothing when they do not exist.
fn range<T>(list: &[T], first: u32, count: u32) -> &[T] {
    let bounds = || {
        let first = usize::try_from(first).ok()?;
        Some((first, first.checked_add(usize::try_from(count).ok()?)?))
    };
    let found = bounds().and_then(|(first, end)| list.get(first..end));
    found.unwrap_or_default()
}

/// Who may take a lock.
pub(crate) fn participants(lock: &Channel) -> &[Participant] {
    let used = usize::try_from(lock.participant_count).ok();
    used.and_then(|used| lock.participants.get(..used))
        .unwrap_or_default()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
