// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is refused before anything starts, by whom, and in which words.

use std::fs;

use bulkhead_flash::disk::Disk;

use crate::bench::{Bench, Run, SMALL, boot_image, damage, find};

/// The script's words after U-Boot refused what it read.
const SCRIPT: &str = "the boot loader refused: U-Boot did not start bulkhead.itb; its reason is above";

/// Nothing was started: no hypervisor said a word.
fn not_started(run: &Run, words: &[&str]) {
    assert_eq!(run.status, 1, "{}", run.said);
    for words in words {
        assert!(run.said.contains(words), "no `{words}` in: {}", run.said);
    }
    assert!(!run.said.contains("Bulkhead 0."), "{}", run.said);
    println!("{}", words.join("; "));
}

/// Verifies: BH-FLSH-002, BH-FLSH-003.
#[test]
fn damage_to_each_part() {
    let bench = Bench::new(SMALL);
    let image = fs::read(bench.system.folder().join("image.bin")).expect("image");
    let parts = &bench.manifest.parts;
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["hypervisor", "system", "payload-cluster"]);
    for part in parts {
        let medium = bench.flash("disk.img", &[]);
        let bytes = fs::read(&medium).expect("medium");
        let (from, size) = (
            usize::try_from(part.offset).expect("offset"),
            usize::try_from(part.size).expect("size"),
        );
        let at = find(&bytes[boot_image(&bytes)], &image[from..from + size]);
        damage(&medium, boot_image(&bytes).start + at + size / 2);
        let bad = format!(
            "Bad hash value for 'hash' hash node in '{}' image node",
            part.name
        );
        not_started(&bench.run(&medium, &[]), &[&bad, SCRIPT]);
    }
}

/// A boot image that ends too early, and a medium that does. Verifies: BH-FLSH-003.
#[test]
fn truncated_files() {
    let bench = Bench::new(SMALL);
    let medium = bench.flash("disk.img", &[]);
    let bytes = fs::read(&medium).expect("medium");
    let range = boot_image(&bytes);
    let fit = &bytes[range.clone()];
    let script = find(&bytes, &[0x27, 0x05, 0x19, 0x56]);
    let disk = Disk {
        files: vec![
            ("bulkhead.itb".to_owned(), fit[..fit.len() / 2].to_vec()),
            ("boot.scr".to_owned(), bytes[script..script + 4096].to_vec()),
        ],
        ..Disk::default()
    };
    fs::write(&medium, disk.build().expect("disk")).expect("medium");
    not_started(&bench.run(&medium, &[]), &[SCRIPT]);

    fs::write(&medium, &bytes[..range.start + fit.len() / 2]).expect("medium");
    not_started(
        &bench.run(&medium, &[]),
        &[
            "** Invalid partition 1 **",
            "the boot loader found nothing to start",
        ],
    );
}

/// Verifies: BH-FLSH-003.
#[test]
fn another_board() {
    let bench = Bench::new(SMALL);
    let medium = bench.flash("disk.img", &[]);
    // The same medium, made for a board of another name.
    let mut bytes = fs::read(&medium).expect("medium");
    let script = find(&bytes, &[0x27, 0x05, 0x19, 0x56]);
    let text = find(&bytes[script..], b"fdt addr");
    let size = find(&bytes[script + text..], &[0, 0]);
    let old = String::from_utf8(bytes[script + text..script + text + size].to_vec()).expect("text");
    let new = bulkhead_flash::script::wrapped(&old.replace("linux,dummy-virt", "xlnx,versal-virt"));
    bytes[script..script + new.len()].copy_from_slice(&new);
    fs::write(&medium, &bytes).expect("medium");
    let words = "the boot loader refused: this medium is for qemu-virt (xlnx,versal-virt), the board is linux,dummy-virt";
    not_started(&bench.run(&medium, &[]), &[words]);
}

/// A board of the same name with less than the system needs: U-Boot starts it, EL2 refuses. Verifies: BH-FLSH-003.
#[test]
fn a_smaller_board() {
    let bench = Bench::new(SMALL);
    let medium = bench.flash("disk.img", &[]);
    let run = bench.run(&medium, &["--qemu-arg=-smp", "--qemu-arg=2"]);
    assert_eq!(run.status, 1, "{}", run.said);
    assert!(
        run.said
            .contains("EL2 refused: number of cores (blob: 4, board: 2)"),
        "{}",
        run.said
    );
}

/// What another board's `flash` is given. Verifies: BH-FLSH-003.
#[test]
fn a_folder_of_another_board() {
    let bench = Bench::new(SMALL);
    let mut command = bench.flash_command("disk.img", &[]);
    let folder = bench.system.folder().as_os_str().to_owned();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut other = std::process::Command::new(command.get_program());
    other
        .args(&arguments[..1])
        .arg("qemu-virt-32")
        .arg(folder)
        .args(&arguments[3..]);
    for (name, value) in command.get_envs() {
        other.env(name, value.expect("value"));
    }
    let said = other.output().expect("the tool starts");
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("the system `small` was built for board `qemu-virt`, not for `qemu-virt-32`"),
        "{said}"
    );
    assert!(!bench.path("disk.img").exists());
    command = bench.flash_command("disk.img", &["--set", "board=qemu-virt-32"]);
    let said = command.output().expect("the tool starts");
    assert_eq!(said.status.code(), Some(1), "{said:?}");
}
