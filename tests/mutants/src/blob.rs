// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blob's header and tables, as `hypervisor/types/src/{blob,tables}.rs` document them.

use crate::bytes::{array, u16_at, u32_at, u64_at};
use crate::entries::{self, Board, Core, Function, Lock, Partition, Slot, Spi, Vcpu};

/// Bytes of the header.
pub const HEADER: u64 = 264;
/// "None" in an index field.
pub const NONE: u32 = u32::MAX;
/// Sizes of the structures of this version, in the order in which their hash covers them.
const SIZES: [u64; 12] = [HEADER, 88, 416, 112, 8, 104, 32, 112, 16, 120, 168, 8];

/// Offset of each section record in the header, and the bytes of an entry.
pub const SECTIONS: [(&str, u64, u64); 11] = [
    ("cores", 176, 88),
    ("partitions", 184, 416),
    ("vcpus", 192, 112),
    ("core_vcpus", 200, 8),
    ("slots", 208, 104),
    ("spis", 216, 32),
    ("pci_functions", 224, 112),
    ("ram", 232, 16),
    ("board", 240, 120),
    ("channels", 248, 168),
    ("streams", 256, 8),
];

/// Hash of the layout of this version: FNV-1a over the sizes as 64-bit units.
pub fn layout_hash() -> u64 {
    SIZES.iter().fold(0xcbf2_9ce4_8422_2325, |hash, size| {
        (hash ^ size).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Everything but translation tables and streams.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Board number.
    pub board_id: u32,
    /// Cores.
    pub core_count: u32,
    /// Build ID.
    pub build: [u8; 16],
    /// Physical address.
    pub base: u64,
    /// End of the early part.
    pub early_end: u64,
    /// Offset of the certificate.
    pub certificate: u64,
    /// Offset of the live image.
    pub live_image: u64,
    /// Its bytes.
    pub live_size: u64,
    /// Where the live copy lies.
    pub live_base: u64,
    /// EL2's root of boot.
    pub boot_root: u64,
    /// `TCR_EL2`, `MAIR_EL2`, `SCTLR_EL2`.
    pub el2_words: [u64; 3],
    /// Offset and bytes of each table, in the order of [`SECTIONS`].
    pub places: Vec<(u64, u64)>,
    /// Cores.
    pub cores: Vec<Core>,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// vCPUs by core, with the reserved word.
    pub core_vcpus: Vec<(u32, u32)>,
    /// Slots.
    pub slots: Vec<Slot>,
    /// SPIs.
    pub spis: Vec<Spi>,
    /// PCI functions.
    pub functions: Vec<Function>,
    /// RAM banks: address, size.
    pub ram: Vec<(u64, u64)>,
    /// EL2's devices.
    pub board: Board,
    /// Channels: address, size.
    pub channels: Vec<(u64, u64)>,
    /// What the entries of channels say of locks.
    pub locks: Vec<Lock>,
    /// Streams of bus masters at fixed addresses: StreamID, partition index.
    pub streams: Vec<(u32, u32)>,
}

impl Blob {
    /// Reads the header and every table.
    ///
    /// # Errors
    /// What has not the form of this version.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let fixed = array(bytes, 0) == Some(*b"BLKHSYS1")
            && u16_at(bytes, 8) == Some(1)
            && u16_at(bytes, 10) == Some(0)
            && u32_at(bytes, 12) == u32::try_from(HEADER).ok()
            && array(bytes, 48) == Some([0u8; 16])
            && u64_at(bytes, 88) == Some(layout_hash());
        if !fixed {
            return Err("header: not of this version".to_owned());
        }
        Self::tables(bytes).ok_or_else(|| "header: a table is outside the blob".to_owned())
    }

    fn tables(b: &[u8]) -> Option<Self> {
        let mut places = Vec::new();
        let mut entries: Vec<Vec<u64>> = Vec::new();
        for (_, at, size) in SECTIONS {
            let (offset, count) = (u64::from(u32_at(b, at)?), u64::from(u32_at(b, at + 4)?));
            let length = count.checked_mul(size)?;
            let end = offset.checked_add(length)?;
            if end > u64::try_from(b.len()).ok()? || offset % 8 != 0 {
                return None;
            }
            places.push((offset, length));
            entries.push((0..count).map(|i| offset + i * size).collect());
        }
        let [
            cores,
            partitions,
            vcpus,
            core_vcpus,
            slots,
            spis,
            functions,
            ram,
            board,
            channels,
            streams,
        ] = entries.as_slice()
        else {
            return None;
        };
        let [board] = board.as_slice() else { return None };
        let word = |at: u64| u64_at(b, at);
        Some(Self {
            board_id: u32_at(b, 64)?,
            core_count: u32_at(b, 68)?,
            build: array(b, 72)?,
            base: word(96)?,
            early_end: word(104)?,
            certificate: word(112)?,
            live_image: word(120)?,
            live_size: word(128)?,
            live_base: word(136)?,
            boot_root: word(144)?,
            el2_words: [word(152)?, word(160)?, word(168)?],
            places,
            cores: cores
                .iter()
                .map(|e| entries::core(b, *e))
                .collect::<Option<_>>()?,
            partitions: partitions
                .iter()
                .map(|e| entries::partition(b, *e))
                .collect::<Option<_>>()?,
            vcpus: vcpus
                .iter()
                .map(|e| entries::vcpu(b, *e))
                .collect::<Option<_>>()?,
            core_vcpus: core_vcpus
                .iter()
                .map(|e| Some((u32_at(b, *e)?, u32_at(b, e + 4)?)))
                .collect::<Option<_>>()?,
            slots: slots
                .iter()
                .map(|e| entries::slot(b, *e))
                .collect::<Option<_>>()?,
            spis: spis.iter().map(|e| entries::spi(b, *e)).collect::<Option<_>>()?,
            functions: functions
                .iter()
                .map(|e| entries::function(b, *e))
                .collect::<Option<_>>()?,
            ram: ram
                .iter()
                .map(|e| Some((word(*e)?, word(e + 8)?)))
                .collect::<Option<_>>()?,
            board: entries::devices(b, *board)?,
            channels: channels
                .iter()
                .map(|e| Some((word(*e)?, word(e + 8)?)))
                .collect::<Option<_>>()?,
            locks: channels
                .iter()
                .map(|e| Lock::read(b, *e))
                .filter(|lock| !lock.as_ref().is_some_and(Lock::is_channel))
                .collect::<Option<_>>()?,
            streams: streams
                .iter()
                .map(|e| Some((u32_at(b, *e)?, u32_at(b, e + 4)?)))
                .collect::<Option<_>>()?,
        })
    }
}
