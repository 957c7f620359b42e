// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `flash` for every board that has a boot path: its ROM finds the vendor's files, its boot loader its own name.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use bulkhead_model::board::Board;
use bulkhead_model::boot::{BlobPlace, Boot, PartitionTable};
use bulkhead_on_target::{images, in_tree, succeeded, tool};

use crate::bench::{SMALL, boot_image, find};
use crate::command::said;

/// The boards that have a boot path.
fn boards() -> Vec<Board> {
    let folder = fs::read_dir(in_tree("config/boards")).expect("folder");
    let files = folder.map(|entry| entry.expect("entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let boards = files.map(|path| bulkhead_model::load_board(&path).expect("board file"));
    boards.filter(|board| board.boot.is_some()).collect()
}

/// `flash` of a board's example, or of the smallest system when it has none.
fn flash(board: &Board, to: &Path, blobs: &[String]) -> Command {
    let example = in_tree(&format!("config/systems/{}.yaml", board.name.value));
    let system = if example.is_file() {
        example
    } else {
        in_tree(SMALL)
    };
    let mut command = Command::new(tool());
    command
        .arg("flash")
        .arg(&board.name.value)
        .arg(system)
        .arg("--to")
        .arg(to)
        .args(blobs)
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images());
    command
}

/// A file of a medium's boot partition.
fn file(medium: &mut [u8], name: &str) -> Vec<u8> {
    // The volume begins at a whole MiB; FAT16 and FAT32 have its label at different places.
    let label = |at: &usize| [43, 71].iter().any(|o| medium[at + o..].starts_with(b"BULKHEAD"));
    let start = (1 << 20..medium.len()).step_by(1 << 20).find(label);
    let start = start.expect("a volume");
    let volume = fatfs::FileSystem::new(Cursor::new(&mut medium[start..]), fatfs::FsOptions::new());
    let volume = volume.expect("volume");
    let mut content = Vec::new();
    let mut file = volume.root_dir().open_file(name).expect("file");
    file.read_to_end(&mut content).expect("file");
    content
}

/// Verifies: BH-FLSH-001, BH-FLSH-004, BH-FLSH-009.
#[test]
fn each_board_gets_what_its_rom_and_boot_loader_read() {
    let folder = tempfile::tempdir().expect("folder");
    let boards = boards();
    let with_files = boards
        .iter()
        .filter(|b| b.boot.iter().any(|boot| !boot.blobs.is_empty()));
    assert!(with_files.count() >= 3);
    for board in &boards {
        let name = &board.name.value;
        let Some(boot) = &board.boot else { continue };
        let to = folder.path().join(format!("{name}.img"));
        // Nothing is shipped: the first file that is missing is named.
        if let Some(blob) = boot.blobs.first() {
            let output = flash(board, &to, &[]).output().expect("the tool starts");
            assert_eq!(output.status.code(), Some(1));
            let words = format!("board `{name}` needs `{}`, which is not shipped", blob.name.value);
            assert!(said(&output).contains(&words), "{}", said(&output));
            assert!(!to.exists());
        }
        let blobs: Vec<String> = boot
            .blobs
            .iter()
            .enumerate()
            .map(|(index, blob)| {
                let path = folder.path().join(format!("{name}-{index}"));
                fs::write(&path, content(index)).expect("file");
                format!("--blob={}={}", blob.name.value, path.display())
            })
            .collect();
        for _ in 0..2 {
            // The second time over its own medium.
            succeeded(&flash(board, &to, &blobs).output().expect("the tool starts"));
        }
        let mut medium = fs::read(&to).expect("medium");
        judge(name, boot, &mut medium);
    }
}

/// What stands for the vendor's file of this number.
fn content(index: usize) -> Vec<u8> {
    let byte = u8::try_from(0x70 + index).expect("few files");
    vec![byte; 100_000 + index]
}

fn judge(name: &str, boot: &Boot, medium: &mut [u8]) {
    let kind = medium[450];
    match boot.table {
        PartitionTable::Gpt => assert_eq!(kind, 0xee, "{name}"),
        PartitionTable::Mbr => assert_eq!((medium[446], kind), (0x80, 0x0c), "{name}"),
    }
    for (index, blob) in boot.blobs.iter().enumerate() {
        let found = match &blob.place {
            BlobPlace::At(at) => {
                let at = usize::try_from(*at).expect("place");
                medium[at..at + content(index).len()].to_vec()
            }
            BlobPlace::File(file_name) => file(medium, file_name),
        };
        assert!(found == content(index), "{name}: {}", blob.name.value);
    }
    // The script refuses another board, the FIT names this one.
    let script = String::from_utf8_lossy(&file(medium, "boot.scr")).into_owned();
    assert!(
        script.contains(&format!("!= \"{}\"", boot.compatible)),
        "{script}"
    );
    assert!(script.contains(&format!("{:#x}", boot.staging.value)), "{script}");
    let range = boot_image(medium);
    find(&medium[range], boot.compatible.as_bytes());
}
