// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the comparison with the second opinion (`tests/mutants`) once found accepted.

use crate::encode::{BLOB_SIZE, Files, encode};
use crate::model::{UART, good};

/// Changes the files of the good model and demands that `property` is among what refuses them.
fn refused(property: &str, change: impl FnOnce(&mut Files)) {
    let mut files = encode(&good(BLOB_SIZE));
    change(&mut files);
    files.seal();
    let failures = files.prove().err().unwrap_or_default();
    let broken = failures.iter().any(|failure| failure.property == property);
    assert!(broken, "{property}: {failures:#?}");
}

/// Between the last table and the live image. Verifies: BH-CHK-003.
#[test]
fn bytes_that_nothing_describes() {
    refused("BH-CHK-003", |files| {
        let table = files
            .pages
            .iter()
            .position(|page| *page >= files.sections["cores"].start);
        let spare = files.pages[table.unwrap()] - 1;
        assert_eq!(files.blob[spare], 0);
        files.blob[spare] = 0x20;
    });
}

/// A table of no entries at an odd offset, which EL2's own reader refuses. Verifies: BH-CHK-003.
#[test]
fn an_empty_table_that_is_not_aligned() {
    refused("BH-CHK-003", |files| {
        files.blob[216..224].copy_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0])
    });
}

/// Two grants of one root, two grants of different roots. Verifies: BH-CHK-010.
#[test]
fn grants_out_of_order() {
    for (one, other) in [
        ("grant el2:boot ", "grant el2:boot "),
        ("grant el2:boot ", "grant el2:core:1 "),
    ] {
        refused("BH-CHK-010", |files| {
            let mut lines: Vec<&str> = files.grants.lines().collect();
            let first = lines.iter().position(|line| line.starts_with(one)).unwrap();
            let last = lines.iter().rposition(|line| line.starts_with(other)).unwrap();
            assert_ne!(first, last);
            lines.swap(first, last);
            files.grants = lines.join("\n") + "\n";
        });
    }
}

/// EL2 emulates a distributor where no input address is. Verifies: BH-CHK-011.
#[test]
fn an_emulated_frame_beyond_the_input_addresses() {
    for address in [1u64 << 39, u64::MAX, 0x0800_0010] {
        refused("BH-CHK-011", |files| {
            let at = files.sections["partitions"].start + 72;
            files.blob[at..at + 8].copy_from_slice(&address.to_le_bytes());
        });
    }
}

/// The UART of EL2 raises what is no SPI. Verifies: BH-CHK-052.
#[test]
fn an_interrupt_of_el2_that_is_no_spi() {
    for intid in [1u32, 1020] {
        refused("BH-CHK-052", |files| {
            let at = files.sections["board"].start + 52;
            assert_eq!(files.blob[at - 44..at - 36], UART.to_le_bytes());
            files.blob[at..at + 4].copy_from_slice(&intid.to_le_bytes());
        });
    }
}

/// Padding of nobody. Verifies: BH-CHK-061.
#[test]
fn an_owner_that_does_not_exist() {
    refused("BH-CHK-061", |files| {
        let line = files
            .grants
            .lines()
            .find(|line| line.starts_with("memory ") && line.contains(" el2 "));
        let line = line.unwrap().to_owned();
        files.grants = files.grants.replace(&line, &line.replace(" el2 ", " e52 "));
    });
}

/// The system slot is idle. Verifies: BH-CHK-051.
#[test]
fn a_system_without_a_system_slot() {
    refused("BH-CHK-051", |files| {
        let slots = files.sections["slots"].clone();
        let slot = slots
            .clone()
            .step_by(24)
            .find(|at| files.blob[at + 16] == 1)
            .unwrap();
        files.blob[slot + 16] = 2;
    });
}

/// In EL2's core roots names are for people. Verifies: BH-CHK-061.
#[test]
fn the_name_of_a_grant_of_a_core() {
    let mut files = encode(&good(BLOB_SIZE));
    let line = files
        .grants
        .lines()
        .find(|line| line.starts_with("grant el2:core:0 "))
        .unwrap()
        .to_owned();
    let name = line.split_whitespace().nth(2).unwrap();
    files.grants = files
        .grants
        .replace(&line, &line.replacen(name, "channel:state", 1));
    assert_eq!(files.prove().map(|_| ()), Ok(()));
}
