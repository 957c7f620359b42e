// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `flash` onto block devices of this machine: loop devices over files, which show what was changed.
//!
//! Both tests have entries of their own in the catalogue, which count them as skipped where the machine gives no
//! loop device or mounts nothing.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulkhead_on_target::succeeded;

use crate::bench::{Bench, SMALL};
use crate::command::said;

/// Bytes of a card.
const CARD: usize = 64 << 20;

/// A loop device, given back at the end.
struct Loop(String);

impl Loop {
    /// Absent where the system gives none.
    fn new(file: &Path, arguments: &[&str]) -> Option<Self> {
        let output = Command::new("losetup")
            .args(arguments)
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .ok()?;
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !name.is_empty()).then_some(Loop(name))
    }

    /// Its first partition, once the kernel knows the partitions; absent where it does not learn them.
    fn partition(&self) -> Option<String> {
        let known = Command::new("partx").args(["--add", &self.0]).output();
        let name = format!("{}p1", self.0);
        let is_device = fs::metadata(&name).is_ok_and(|m| m.file_type().is_block_device());
        (known.is_ok() && is_device).then_some(name)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("partx").args(["--delete", &self.0]).output();
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

/// A card: a file of bytes that no medium has.
struct Card {
    bench: Bench,
    file: PathBuf,
}

impl Card {
    fn new() -> Self {
        let bench = Bench::new(SMALL);
        let file = bench.path("card");
        Card { bench, file }
    }

    fn fill(&self, size: usize) {
        fs::write(&self.file, vec![0xc3; size]).expect("file");
    }

    /// Calls `flash` for a device; an absolute path takes the folder's place.
    fn flash(&self, device: &str, arguments: &[&str]) -> Output {
        let mut command = self.bench.flash_command(device, arguments);
        command.output().expect("the tool starts")
    }

    /// `flash` refuses with these words and status 1, and the card stays as it is.
    fn refused(&self, device: &str, arguments: &[&str], words: &str) {
        let before = fs::read(&self.file).expect("file");
        let output = self.flash(device, arguments);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
        assert!(fs::read(&self.file).expect("file") == before, "{words}: written");
    }
}

/// Verifies: BH-FLSH-005, BH-FLSH-006.
#[test]
#[ignore = "may be skipped: ./bulkhead test --only flash-device"]
fn a_block_device_is_written_only_when_it_may_be() {
    let card = Card::new();
    card.fill(CARD);
    let Some(device) = Loop::new(&card.file, &[]) else {
        println!("SKIPPED: this machine gives no loop device");
        return;
    };
    card.refused(&device.0, &[], "nobody can answer here");
    succeeded(&card.flash(&device.0, &["--yes"]));
    let medium = fs::read(card.bench.flash("disk.img", &[])).expect("medium");
    assert!(fs::read(&card.file).expect("file").starts_with(&medium));
    card.refused("/dev/no-such-card", &["--yes"], "there is no device");
    drop(device);

    card.fill(8 << 20);
    let device = Loop::new(&card.file, &[]).expect("loop device");
    card.refused(&device.0, &["--yes"], "has 8388608 bytes, the medium needs");
    drop(device);

    card.fill(CARD);
    let device = Loop::new(&card.file, &["--read-only"]).expect("loop device");
    card.refused(&device.0, &["--yes"], "is write-protected");
}

/// Runs a command where a device is mounted, which nobody else sees.
fn beside_mount(device: &str, place: &Path, command: &Command) -> Output {
    let mut inside = Command::new("unshare");
    inside
        .args(["--mount", "sh", "-c"])
        .arg(r#"mount -t ext2 -o ro "$0" "$1" || exit 99; shift; exec "$@""#)
        .args([device.as_ref(), place.as_os_str(), command.get_program()])
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        inside.env(name, value.unwrap_or_default());
    }
    inside.output().expect("unshare")
}

/// A card is left alone while it, or a partition of it, is mounted; and the more so where a system runs from it.
/// Verifies: BH-FLSH-005.
#[test]
#[ignore = "may be skipped: ./bulkhead test --only flash-mounted"]
fn a_mounted_block_device_is_left_alone() {
    let card = Card::new();
    card.fill(CARD);
    let Some(device) = Loop::new(&card.file, &[]) else {
        println!("SKIPPED: this machine gives no loop device");
        return;
    };
    // A card that an earlier `flash` wrote; a file system in its partition.
    succeeded(&card.flash(&device.0, &["--yes"]));
    drop(device);
    let device = Loop::new(&card.file, &[]).expect("loop device");
    let Some(partition) = device.partition() else {
        println!("SKIPPED: the kernel learns no partitions of a loop device");
        return;
    };
    card.refused(&partition, &["--yes"], "is a partition; name the whole device");
    let made = Command::new("mke2fs").args(["-q", "-F", &partition]).output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no mke2fs (sudo apt-get install e2fsprogs)");
        return;
    }
    let place = card.bench.path("mounted");
    fs::create_dir(&place).expect("folder");
    if !beside_mount(&partition, &place, &Command::new("true"))
        .status
        .success()
    {
        println!("SKIPPED: this machine mounts no loop device");
        return;
    }

    let before = fs::read(&card.file).expect("file");
    let system = Path::new("/boot");
    let of_system = "is the disk that this system runs from: /boot is on it";
    for (place, words) in [(place.as_path(), "is mounted at"), (system, of_system)] {
        for name in [&device.0, &partition] {
            let command = card.bench.flash_command(name, &["--yes"]);
            let output = beside_mount(&partition, place, &command);
            assert_eq!(output.status.code(), Some(1), "{}", said(&output));
            assert!(said(&output).contains(words), "{}", said(&output));
        }
    }
    assert!(fs::read(&card.file).expect("file") == before);
    // Nobody has it mounted any more.
    succeeded(&card.flash(&device.0, &["--yes"]));
}
