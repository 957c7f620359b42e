// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Single descriptors and table pages that no defined form or place allows.

use crate::encode::{BLOB_SIZE, Files, encode, u64_at};
use crate::model::{BLOB, PAGE, good};

const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Offset in the blob of a partition's root page.
fn root(partition: u64) -> usize {
    usize::try_from(BLOB_SIZE - 0x5000 + partition * PAGE).unwrap()
}

/// Offset of the table to which the entry at `entry` points.
fn below(files: &Files, entry: usize) -> usize {
    usize::try_from((u64_at(&files.blob, entry) & ADDRESS) - BLOB).unwrap()
}

/// Entries of a partition's tables for IPA 0x0b00_0000, its window: levels 1, 2 and 3.
fn window(files: &Files, partition: u64) -> [usize; 3] {
    let level1 = root(partition);
    let level2 = below(files, level1) + 88 * 8;
    [level1, level2, below(files, level2)]
}

fn set(files: &mut Files, entry: usize, descriptor: u64) {
    files.blob[entry..entry + 8].copy_from_slice(&descriptor.to_le_bytes());
}

fn refused(property: &str, change: impl FnOnce(&mut Files)) {
    let mut files = encode(&good(BLOB_SIZE));
    change(&mut files);
    files.seal();
    let failures = files.prove().err().unwrap_or_default();
    assert!(
        failures.iter().any(|f| f.property == property),
        "{property}: {failures:#?}"
    );
}

/// Changes the level-3 descriptor of the window of partition 3.
fn page(change: impl Fn(u64) -> u64) {
    refused("BH-CHK-006", |files| {
        let [_, _, entry] = window(files, 3);
        let descriptor = u64_at(&files.blob, entry);
        set(files, entry, change(descriptor));
    });
}

/// Verifies: BH-CHK-006.
#[test]
fn pages_with_undefined_bits() {
    // Execute-never alone, access flag, shareability, contiguous, software, reserved and high address bits.
    for bit in [
        8, 10, 11, 48, 49, 50, 51, 52, 53, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    ] {
        page(|descriptor| descriptor ^ 1 << bit);
    }
    page(|descriptor| descriptor & !0xc0);
    page(|descriptor| descriptor & !0xc0 | 0x80);
    page(|descriptor| descriptor & !0x3c | 0x14);
    page(|descriptor| descriptor & !0b10);
    page(|descriptor| descriptor & !1);
    page(|descriptor| descriptor & !0b11);
    page(|descriptor| descriptor | 1 << 40);
}

/// Verifies: BH-CHK-006.
#[test]
fn blocks_and_tables_with_undefined_bits() {
    let ram = |files: &Files| below(files, root(3) + 8);
    for bit in [12, 16, 20] {
        refused("BH-CHK-006", |files| {
            let entry = ram(files);
            let descriptor = u64_at(&files.blob, entry);
            set(files, entry, descriptor | 1 << bit);
        });
    }
    refused("BH-CHK-006", |files| {
        let block = u64_at(&files.blob, ram(files));
        set(files, root(3) + 8, block);
    });
    for bit in [2, 11, 51, 59, 63] {
        refused("BH-CHK-006", |files| {
            let [level1, ..] = window(files, 3);
            let descriptor = u64_at(&files.blob, level1);
            set(files, level1, descriptor | 1 << bit);
        });
    }
}

/// Verifies: BH-CHK-005.
#[test]
fn tables_out_of_place() {
    let replace = |level: usize, with: u64| {
        refused("BH-CHK-005", |files| {
            let entry = window(files, 3)[level];
            set(files, entry, with | 3);
        });
    };
    for level in [0, 1] {
        let certificate = BLOB + BLOB_SIZE;
        for target in [
            0x4300_0000,
            BLOB - PAGE,
            certificate,
            BLOB,
            BLOB + PAGE,
            BLOB + BLOB_SIZE - 0x5000,
        ] {
            replace(level, target);
        }
    }
}

/// Verifies: BH-CHK-005.
#[test]
fn tables_reached_twice() {
    for level in [0, 1] {
        refused("BH-CHK-005", |files| {
            let (own, other) = (window(files, 3)[level], window(files, 0)[level]);
            let descriptor = u64_at(&files.blob, other);
            set(files, own, descriptor);
        });
        refused("BH-CHK-005", |files| {
            let own = window(files, 3)[level];
            let descriptor = u64_at(&files.blob, own);
            set(files, own + 2 * 8, descriptor);
        });
    }
}
