// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot medium: partition table, one FAT partition, and what the vendor's ROM reads before it.
//!
//! Equal files give equal bytes: all numbers that a disk needs come from its content. Implements: BH-FLSH-004.
//!
//! # References
//! UEFI Specification, "GUID Partition Table (GPT) Disk Layout"; U-Boot, "Generic Distro Configuration Concept".

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use bulkhead_model::boot::PartitionTable;
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::{PartRecord, ProtectiveMBR};
use gpt::partition::Partition;
use gpt::{GptConfig, GptError, partition_types};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bytes of a block.
pub const BLOCK: usize = 512;
/// Name of the partition; a medium that has it was written by this program.
pub const NAME: &str = "bulkhead";
/// Where the partition begins at the earliest, and what its place and size are multiples of.
const ALIGN: usize = 1 << 20;
/// Bytes at the end for the second partition table.
const TAIL: usize = ALIGN;
/// Least size of the partition: a ROM may read FAT16 and FAT32 only.
const LEAST: usize = 32 << 20;
/// Flag of a partition from which a boot loader may start.
const BOOTABLE: u64 = 1 << 2;
/// Type of a FAT partition in a master boot record.
const FAT_LBA: u8 = 0x0c;
/// Mark of a partition that is active.
const ACTIVE: u8 = 0x80;
/// Label of the FAT volume.
const LABEL: &[u8; 11] = b"BULKHEAD   ";

/// What a medium holds.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Kind of partition table.
    pub table: PartitionTable,
    /// Files in the root of the boot partition.
    pub files: Vec<(String, Vec<u8>)>,
    /// Bytes at fixed places before the partition.
    pub raw: Vec<(u64, Vec<u8>)>,
}

/// Why a medium cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system.
    #[error("boot partition: {0}")]
    Files(#[from] io::Error),
    /// The partition table.
    #[error("partition table: {0}")]
    Table(#[from] GptError),
    /// The master boot record.
    #[error("partition table: {0}")]
    Record(#[from] gpt::mbr::MBRError),
    /// Two things at one place.
    #[error("what belongs at byte {0:#x} of the medium overlaps something else")]
    Overlap(u64),
    /// More than a medium has.
    #[error("more than 2 TiB")]
    Size,
}

impl Disk {
    /// All bytes of the medium.
    ///
    /// # Errors
    /// Something does not fit.
    pub fn build(&self) -> Result<Vec<u8>, DiskError> {
        let start = self.start()?;
        let size = self.partition_size();
        let id = self.identity();
        let mut bytes = vec![0; start + size + TAIL];
        let partition = bytes.get_mut(start..start + size).ok_or(DiskError::Size)?;
        self.fill(partition, id.as_fields().0)?;
        let mut bytes = match self.table {
            PartitionTable::Gpt => gpt_table(bytes, start, size, id)?,
            PartitionTable::Mbr => mbr_table(bytes, start, size)?,
        };
        for (at, content) in &self.raw {
            let at = usize::try_from(*at).map_err(|_| DiskError::Size)?;
            let place = bytes.get_mut(at..at + content.len()).ok_or(DiskError::Size)?;
            place.copy_from_slice(content);
        }
        Ok(bytes)
    }

    /// First byte of the partition: behind everything at a fixed place, of which no two things overlap.
    fn start(&self) -> Result<usize, DiskError> {
        let mut raw: Vec<(u64, u64)> = Vec::new();
        for (at, content) in &self.raw {
            let size = u64::try_from(content.len()).map_err(|_| DiskError::Size)?;
            raw.push((*at, at.checked_add(size).ok_or(DiskError::Size)?));
        }
        raw.sort_unstable();
        let tables = u64::try_from(34 * BLOCK).map_err(|_| DiskError::Size)?;
        let mut end = tables;
        for (from, to) in raw {
            if from < end {
                return Err(DiskError::Overlap(from));
            }
            end = to;
        }
        let end = usize::try_from(end).map_err(|_| DiskError::Size)?;
        Ok(end.next_multiple_of(ALIGN))
    }

    /// Bytes of the partition: its files, their tables, and some room.
    fn partition_size(&self) -> usize {
        let files: usize = self.files.iter().map(|(_, content)| content.len()).sum();
        (files + files / 16 + 4 * ALIGN)
            .next_multiple_of(ALIGN)
            .max(LEAST)
    }

    /// A number of the disk's own that says nothing about time and place.
    fn identity(&self) -> Uuid {
        let mut hash = Sha256::new();
        for (name, content) in &self.files {
            hash.update(name.as_bytes());
            hash.update(content);
        }
        for (_, content) in &self.raw {
            hash.update(content);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk::<16>().copied().unwrap_or_default();
        uuid::Builder::from_custom_bytes(first).into_uuid()
    }

    fn fill(&self, partition: &mut [u8], volume_id: u32) -> Result<(), DiskError> {
        let mut device = Cursor::new(partition);
        let options = FormatVolumeOptions::new()
            .volume_id(volume_id)
            .volume_label(*LABEL);
        format_volume(&mut device, options)?;
        device.set_position(0);
        let volume = FileSystem::new(device, FsOptions::new())?;
        for (name, content) in &self.files {
            let mut file = volume.root_dir().create_file(name)?;
            file.write_all(content)?;
            file.flush()?;
        }
        volume.unmount()?;
        Ok(())
    }
}

/// Bytes as blocks.
fn blocks(bytes: usize) -> Result<u64, DiskError> {
    u64::try_from(bytes / BLOCK).map_err(|_| DiskError::Size)
}

fn gpt_table(bytes: Vec<u8>, start: usize, size: usize, id: Uuid) -> Result<Vec<u8>, DiskError> {
    let all = blocks(bytes.len())?;
    let mut device = Cursor::new(bytes);
    let covered = u32::try_from(all - 1).map_err(|_| DiskError::Size)?;
    ProtectiveMBR::with_lb_size(covered).overwrite_lba0(&mut device)?;
    let config = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config.create_from_device(device, Some(id))?;
    let first_lba = blocks(start)?;
    let partition = Partition {
        part_type_guid: partition_types::BASIC,
        part_guid: Uuid::from_u128(id.as_u128() ^ 1),
        first_lba,
        last_lba: first_lba + blocks(size)? - 1,
        flags: BOOTABLE,
        name: NAME.to_owned(),
    };
    table.update_partitions([(1, partition)].into())?;
    Ok(table.write()?.into_inner())
}

fn mbr_table(bytes: Vec<u8>, start: usize, size: usize) -> Result<Vec<u8>, DiskError> {
    let lba = |bytes| u32::try_from(blocks(bytes)?).map_err(|_| DiskError::Size);
    let mut record = ProtectiveMBR::new();
    let partition = PartRecord {
        boot_indicator: ACTIVE,
        os_type: FAT_LBA,
        lb_start: lba(start)?,
        lb_size: lba(size)?,
        ..PartRecord::zero()
    };
    record.set_partition(0, partition).ok_or(DiskError::Size)?;
    let mut device = Cursor::new(bytes);
    record.overwrite_lba0(&mut device)?;
    Ok(device.into_inner())
}

/// SHA-256 of a medium, lower-case hex.
pub fn digest(medium: &[u8]) -> String {
    Sha256::digest(medium)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Whether a medium, of which these are the first bytes, was written by this program.
pub fn is_ours(mut device: impl Read + Seek + Write + std::fmt::Debug) -> bool {
    volume_is_ours(&mut device).unwrap_or(false)
        || GptConfig::new()
            .open_from_device(device)
            .is_ok_and(|table| table.partitions().values().any(|p| p.name == NAME))
}

/// Whether the first partition of a master boot record is a FAT volume with our label. A FAT16 volume and a FAT32 volume
/// have it at different places of their first block.
fn volume_is_ours(device: &mut (impl Read + Seek)) -> io::Result<bool> {
    const PARTITION: usize = 446;
    let mut block = [0; BLOCK];
    device.read_exact(&mut block)?;
    let byte = |at: usize| block.get(at).copied().unwrap_or(0);
    if byte(PARTITION + 4) != FAT_LBA {
        return Ok(false);
    }
    let start = u32::from_le_bytes([8, 9, 10, 11].map(|at| byte(PARTITION + at)));
    device.seek(SeekFrom::Start(u64::from(start) << 9))?;
    device.read_exact(&mut block)?;
    let label = |at: usize| block.get(at..at + LABEL.len()) == Some(LABEL);
    Ok(label(43) || label(71))
}
