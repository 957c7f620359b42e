// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boot path of a board file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use bulkhead_model::board::Board;
use bulkhead_model::boot::{BlobPlace, Download, PartitionTable};
use bulkhead_model::{LoadError, load_board};

/// The board `qemu-virt` with another boot path.
fn board(boot: &str) -> Result<Board, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/qemu-virt.yaml");
    let text = fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("boot:\n").unwrap();
    let (_, after) = rest.split_once("qemu:\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.yaml");
    fs::write(&path, format!("{before}boot:\n{boot}qemu:\n{after}")).unwrap();
    load_board(&path).map_err(|error| match error {
        LoadError::Invalid(diagnostics) => diagnostics.plain(),
        other => panic!("{other}"),
    })
}

const PLAIN: &str = "  loader: u-boot\n  compatible: acme,board\n  staging: 0x6000_0000\n";

/// Verifies: BH-FLSH-001.
#[test]
fn a_boot_path_is_read() {
    let boot = board(PLAIN).unwrap().boot.unwrap();
    assert_eq!(
        (boot.staging.value, boot.table),
        (0x6000_0000, PartitionTable::Gpt)
    );
    assert!(boot.blobs.is_empty() && boot.medium.is_none() && boot.download.is_none());
    let more = "  table: mbr
  download: uuu
  medium: { name: 'mmc 1:1' }
  blobs:
    imx-boot: { text: NXP's boot loader, at: 32KiB }
    tiboot3: { text: TI's first loader, file: tiboot3.bin }
";
    let boot = board(&format!("{PLAIN}{more}")).unwrap().boot.unwrap();
    assert_eq!(
        (boot.table, boot.download),
        (PartitionTable::Mbr, Some(Download::Uuu))
    );
    let places: Vec<_> = boot.blobs.into_iter().map(|blob| blob.place).collect();
    assert_eq!(
        places,
        [BlobPlace::At(32 << 10), BlobPlace::File("tiboot3.bin".to_owned())]
    );
    assert_eq!(boot.medium.unwrap().name, "mmc 1:1");
}

/// Verifies: BH-FLSH-001.
#[test]
fn a_place_that_cannot_be_is_refused() {
    let refused = |boot: &str, words: &str| {
        let said = board(boot).expect_err(boot);
        assert!(said.contains(words), "no `{words}` in: {said}");
    };
    refused(&PLAIN.replace("0x6000_0000", "0x9000_0000"), "an address in RAM");
    refused(&PLAIN.replace("u-boot", "barebox"), "u-boot");
    let blob = |place: &str| format!("{PLAIN}  blobs: {{ spl: {{ text: a loader{place} }} }}\n");
    refused(&blob(", at: 8KiB"), "a multiple of 512 from 17KiB");
    refused(&blob(", at: 33000"), "a multiple of 512 from 17KiB");
    refused(&blob(""), "`at`");
    refused(&blob(", at: 32KiB, file: spl.bin"), "either `at` or `file`");
}
