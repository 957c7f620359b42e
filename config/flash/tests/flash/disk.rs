// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Media read back.

use std::io::{Cursor, Read};

use bulkhead_flash::disk::{Disk, DiskError, is_ours};
use bulkhead_model::boot::PartitionTable;
use fatfs::{FileSystem, FsOptions};
use gpt::GptConfig;

fn disk(table: PartitionTable) -> Disk {
    Disk {
        table,
        files: vec![
            ("bulkhead.itb".to_owned(), vec![0xa5; 3 << 20]),
            ("boot.scr".to_owned(), b"script".to_vec()),
        ],
        raw: vec![(32 << 10, vec![0x5a; (1 << 20) + 5])],
    }
}

/// The files of a partition.
fn read(partition: &mut [u8], name: &str) -> Vec<u8> {
    let volume = FileSystem::new(Cursor::new(partition), FsOptions::new()).unwrap();
    let mut content = Vec::new();
    let mut file = volume.root_dir().open_file(name).unwrap();
    file.read_to_end(&mut content).unwrap();
    content
}

/// Verifies: BH-FLSH-004.
#[test]
fn a_medium_holds_its_files() {
    let mut bytes = disk(PartitionTable::Gpt).build().unwrap();
    assert!(is_ours(Cursor::new(bytes.clone())));
    let table = GptConfig::new()
        .open_from_device(Cursor::new(&mut bytes))
        .unwrap();
    assert!(table.primary_header().is_ok() && table.backup_header().is_ok());
    let partition = table.partitions()[&1].clone();
    assert_eq!(partition.flags, 1 << 2, "a boot loader may start from it");
    drop(table);
    assert!(partition.first_lba * 512 >= (32 << 10) + (1 << 20) + 5);
    assert!(
        bytes[32 << 10..][..(1 << 20) + 5]
            .iter()
            .all(|byte| *byte == 0x5a)
    );
    let range = partition.first_lba as usize * 512..(partition.last_lba as usize + 1) * 512;
    assert_eq!(
        read(&mut bytes[range.clone()], "bulkhead.itb"),
        vec![0xa5; 3 << 20]
    );
    assert_eq!(read(&mut bytes[range], "boot.scr"), b"script");
}

/// Verifies: BH-FLSH-004.
#[test]
fn a_master_boot_record_has_one_active_partition() {
    let mut bytes = disk(PartitionTable::Mbr).build().unwrap();
    assert!(is_ours(Cursor::new(bytes.clone())));
    assert_eq!(bytes[510..512], [0x55, 0xaa]);
    assert_eq!((bytes[446], bytes[450], bytes[462 + 4]), (0x80, 0x0c, 0));
    let start = u32::from_le_bytes(bytes[454..458].try_into().unwrap()) as usize * 512;
    let size = u32::from_le_bytes(bytes[458..462].try_into().unwrap()) as usize * 512;
    assert_eq!(read(&mut bytes[start..start + size], "boot.scr"), b"script");
    // Another volume is somebody else's.
    let label = bytes[start..start + 512]
        .windows(8)
        .position(|w| w == b"BULKHEAD");
    bytes[start + label.unwrap()] = b'b';
    assert!(!is_ours(Cursor::new(bytes)));
}

/// Verifies: BH-FLSH-004.
#[test]
fn equal_files_give_equal_media_and_others_other_numbers() {
    let one = disk(PartitionTable::Gpt).build().unwrap();
    assert!(one == disk(PartitionTable::Gpt).build().unwrap());
    let mut other = disk(PartitionTable::Gpt);
    other.files[1].1 = b"another".to_vec();
    let other = other.build().unwrap();
    // The disk's number, in the first table's header.
    assert_ne!(one[512 + 56..512 + 72], other[512 + 56..512 + 72]);
}

/// Verifies: BH-FLSH-009.
#[test]
fn files_of_the_vendor_overlap_nothing() {
    let with = |at, size| {
        let mut disk = disk(PartitionTable::Gpt);
        disk.raw.push((at, vec![1; size]));
        disk.build()
    };
    assert!(
        matches!(with(512, 512), Err(DiskError::Overlap(512))),
        "the partition table"
    );
    assert!(matches!(with(24 << 10, 16 << 10), Err(DiskError::Overlap(at)) if at == 32 << 10));
    assert!(with(24 << 10, 8 << 10).is_ok());
    assert!(with(2 << 20, 512).is_ok());
}
