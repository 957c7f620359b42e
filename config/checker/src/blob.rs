// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decodes the header of `system.blob` (`hypervisor/types/src/blob.rs`) and all its tables.

use crate::locks::Lock;
use crate::range::{Range, array, slice, u16_at, u32_at, u64_at};
use crate::tables::{BoardDevices, Core, Partition, PciFunction, Slot, Spi, Vcpu};

const MAGIC: &[u8; 8] = b"BLKHSYS1";
const VERSION: (u16, u16) = (1, 0);
/// Bytes of the header.
pub(crate) const HEADER_SIZE: u64 = 264;
/// First byte that the early digest covers.
pub(crate) const EARLY_START: u64 = 64;

/// Bytes of a table's entry, in the order of the header's sections.
const ENTRY_SIZES: [u64; 11] = [88, 416, 112, 8, 104, 32, 112, 16, 120, 168, 8];
const SECTION_NAMES: [&str; 11] = [
    "cores",
    "partitions",
    "vcpus",
    "core_vcpus",
    "slots",
    "spis",
    "pci_functions",
    "ram",
    "board",
    "channels",
    "streams",
];
/// Offset of the first section in the header.
const SECTIONS: usize = 176;

/// Fields of the first page.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// Bytes of the header as it states them.
    pub header_size: u32,
    /// SHA-256 of the early part as stated.
    pub early_digest: [u8; 32],
    /// Bytes that must be zero.
    pub reserved: [u8; 16],
    /// Board number.
    pub board_id: u32,
    /// Cores in use.
    pub core_count: u32,
    /// Build ID of the hypervisor.
    pub hypervisor_id: [u8; 16],
    /// Physical address of the blob.
    pub base: u64,
    /// Offset of the end of the early part.
    pub early_end: u64,
    /// Offset of the certificate.
    pub certificate: u64,
    /// Offset of the live image.
    pub live_image: u64,
    /// Bytes of the live image.
    pub live_size: u64,
    /// Physical address of the live copy.
    pub live_base: u64,
    /// EL2's root at boot.
    pub boot_root: u64,
    /// `TCR_EL2`.
    pub tcr: u64,
    /// `MAIR_EL2`.
    pub mair: u64,
    /// `SCTLR_EL2`.
    pub sctlr: u64,
    /// Offsets of the tables, by name.
    pub sections: Vec<(&'static str, Range)>,
}

/// A decoded blob.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    /// First page.
    pub header: Header,
    /// Cores.
    pub cores: Vec<Core>,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// Global vCPU indices, grouped by core, and the word after each that must be zero.
    pub core_vcpus: Vec<(u32, u32)>,
    /// Slots, grouped by core.
    pub slots: Vec<Slot>,
    /// Owned SPIs.
    pub spis: Vec<Spi>,
    /// Assigned PCI functions.
    pub pci_functions: Vec<PciFunction>,
    /// RAM.
    pub ram: Vec<Range>,
    /// EL2's devices.
    pub board: BoardDevices,
    /// Channels.
    pub channels: Vec<Range>,
    /// What the entries of channels say beyond where they lie: those of locks.
    pub locks: Vec<Lock>,
    /// StreamID and partition index of each stream of a bus master at fixed addresses.
    pub streams: Vec<(u32, u32)>,
}

/// FNV-1a over the sizes of the header and of every table's entry, in the order of `tables.rs`.
fn layout_hash() -> u64 {
    let sizes = [HEADER_SIZE].into_iter().chain(ENTRY_SIZES);
    sizes.fold(0xcbf2_9ce4_8422_2325, |hash, size| {
        (hash ^ size).wrapping_mul(0x0100_0000_01b3)
    })
}

fn header(blob: &[u8]) -> Option<Header> {
    Some(Header {
        header_size: u32_at(blob, 12)?,
        early_digest: array(blob, 16)?,
        reserved: array(blob, 48)?,
        board_id: u32_at(blob, 64)?,
        core_count: u32_at(blob, 68)?,
        hypervisor_id: array(blob, 72)?,
        base: u64_at(blob, 96)?,
        early_end: u64_at(blob, 104)?,
        certificate: u64_at(blob, 112)?,
        live_image: u64_at(blob, 120)?,
        live_size: u64_at(blob, 128)?,
        live_base: u64_at(blob, 136)?,
        boot_root: u64_at(blob, 144)?,
        tcr: u64_at(blob, 152)?,
        mair: u64_at(blob, 160)?,
        sctlr: u64_at(blob, 168)?,
        sections: Vec::new(),
    })
}

/// Entries of table `index`, each as its bytes.
fn entries<'a>(blob: &'a [u8], index: usize, header: &mut Header) -> Result<Vec<&'a [u8]>, String> {
    let name = SECTION_NAMES.get(index).copied().unwrap_or_default();
    let outside = || format!("table {name} does not lie inside the blob");
    let size = ENTRY_SIZES.get(index).copied().ok_or_else(outside)?;
    let offset = u32_at(blob, SECTIONS + 8 * index).ok_or_else(outside)?;
    let count = u32_at(blob, SECTIONS + 8 * index + 4).ok_or_else(outside)?;
    let bytes = slice(blob, offset.into(), u64::from(count) * size).ok_or_else(outside)?;
    header
        .sections
        .push((name, Range::sized(offset.into(), u64::from(count) * size)));
    Ok(bytes
        .chunks_exact(usize::try_from(size).map_err(|_| outside())?)
        .collect())
}

fn decoded<T>(entries: &[&[u8]], decode: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, String> {
    entries
        .iter()
        .map(|e| decode(e))
        .collect::<Option<_>>()
        .ok_or_else(|| "truncated table".to_owned())
}

impl Blob {
    /// Reads a blob without its certificate.
    ///
    /// # Errors
    /// What is wrong, as text, when it is not a blob of this version or a table does not lie inside it.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, String> {
        let mut header = header(blob)
            .filter(|_| blob.len() >= 4096)
            .ok_or("system.blob is shorter than its first page")?;
        if !blob.starts_with(MAGIC) {
            return Err("system.blob has no BLKHSYS1 magic".to_owned());
        }
        if (u16_at(blob, 8), u16_at(blob, 10)) != (Some(VERSION.0), Some(VERSION.1)) {
            return Err("system.blob has another version than 1.0".to_owned());
        }
        if u64_at(blob, 88) != Some(layout_hash()) {
            return Err("system.blob was made with other table layouts".to_owned());
        }
        let mut table = |index| entries(blob, index, &mut header);
        let cores = decoded(&table(0)?, Core::decode)?;
        let partitions = decoded(&table(1)?, Partition::decode)?;
        let vcpus = decoded(&table(2)?, Vcpu::decode)?;
        let core_vcpus = decoded(&table(3)?, |e| Some((u32_at(e, 0)?, u32_at(e, 4)?)))?;
        let slots = decoded(&table(4)?, Slot::decode)?;
        let spis = decoded(&table(5)?, Spi::decode)?;
        let pci_functions = decoded(&table(6)?, PciFunction::decode)?;
        let range = |e: &[u8]| Some(Range::sized(u64_at(e, 0)?, u64_at(e, 8)?));
        let ram = decoded(&table(7)?, range)?;
        let boards = decoded(&table(8)?, BoardDevices::decode)?;
        let &[board] = boards.as_slice() else {
            return Err(format!(
                "{} entries in table board, there must be one",
                boards.len()
            ));
        };
        let entries = table(9)?;
        let channels = decoded(&entries, range)?;
        let locks = decoded(&entries, Lock::decode)?;
        let streams = decoded(&table(10)?, |e| Some((u32_at(e, 0)?, u32_at(e, 4)?)))?;
        Ok(Self {
            header,
            cores,
            partitions,
            vcpus,
            core_vcpus,
            slots,
            spis,
            pci_functions,
            ram,
            board,
            channels,
            streams,
            locks: locks.into_iter().filter(|lock| !lock.is_plain()).collect(),
        })
    }
}
