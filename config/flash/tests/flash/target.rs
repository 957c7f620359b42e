// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reasons not to write.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_flash::disk::Disk;
use bulkhead_flash::target::{Device, Kind, Refusal, Sources, Target};
use tempfile::TempDir;

const NEEDED: u64 = 64 << 20;

/// A disk that may be written.
fn free() -> Device {
    Device {
        model: "ACME card reader".to_owned(),
        size: NEEDED,
        removable: true,
        ..Device::default()
    }
}

fn check(device: Device) -> Result<(), String> {
    let target = Target {
        path: "/dev/acme".into(),
        kind: Kind::Device(device),
    };
    target.check(NEEDED).map_err(|refusal| refusal.to_string())
}

/// Verifies: BH-FLSH-005.
#[test]
fn each_reason_has_its_words() {
    assert_eq!(check(free()), Ok(()));
    let refused = |change: fn(&mut Device), words: &str| {
        let mut device = free();
        change(&mut device);
        assert_eq!(check(device), Err(format!("/dev/acme {words}")));
    };
    refused(
        |d| d.mounts = vec!["/media/card".into(), "/".into()],
        "is the disk that this system runs from: / is on it",
    );
    refused(
        |d| d.mounts = vec!["/media/card".into()],
        "is mounted at /media/card; unmount it first",
    );
    refused(|d| d.users = vec!["dm-0".into()], "is in use by dm-0");
    refused(|d| d.partition = true, "is a partition; name the whole device");
    refused(|d| d.read_only = true, "is write-protected");
    refused(|d| d.size -= 1, "has 67108863 bytes, the medium needs 67108864");
}

/// `/sys` and `/proc` of a machine with a disk 8:0, its partition 8:1, and a volume on that.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Machine {
            folder: tempfile::tempdir().unwrap(),
        };
        machine.put("sys/dev/block/8:0/size", "131072\n");
        machine.put("sys/dev/block/8:0/dev", "8:0\n");
        machine.put("sys/dev/block/8:0/ro", "0\n");
        machine.put("sys/dev/block/8:0/removable", "1\n");
        machine.put("sys/dev/block/8:0/device/vendor", "ACME    \n");
        machine.put("sys/dev/block/8:0/device/model", "card reader  \n");
        machine.put("sys/dev/block/8:0/sda1/partition", "1\n");
        machine.put("sys/dev/block/8:0/sda1/dev", "8:1\n");
        machine.put(
            "proc/self/mountinfo",
            "22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n",
        );
        machine.put("proc/swaps", "Filename Type Size Used Priority\n");
        machine
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self) -> Sources {
        Sources {
            sys: self.folder.path().join("sys"),
            proc: self.folder.path().join("proc"),
        }
    }

    fn disk(&self) -> Device {
        self.sources().device("8:0")
    }
}

/// Verifies: BH-FLSH-005.
#[test]
fn facts_come_from_the_system() {
    let machine = Machine::new();
    let device = Device {
        size: 64 << 20,
        ..free()
    };
    assert_eq!(machine.disk(), device);
    // The partition is mounted: the disk is, too.
    machine.put(
        "proc/self/mountinfo",
        "22 1 8:1 / /media/card rw - vfat /dev/sda1 rw\n",
    );
    assert_eq!(machine.disk().mounts, ["/media/card"]);
    machine.put("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    assert!(matches!(
        check(machine.disk()),
        Err(words) if words.contains("this system runs from")
    ));
    machine.put("proc/self/mountinfo", "");
    machine.put("sys/dev/block/8:0/sda1/holders/dm-3/dev", "253:3\n");
    assert_eq!(machine.disk().users, ["dm-3"]);
    machine.put("sys/dev/block/8:1/partition", "1\n");
    assert!(machine.sources().device("8:1").partition);
    machine.put("sys/dev/block/8:0/ro", "1\n");
    assert!(machine.disk().read_only);
}

fn look(path: &Path) -> Target {
    Sources::default().look(path).unwrap()
}

/// Verifies: BH-FLSH-005.
#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("thesis.odt");
    assert_eq!(look(&path).kind, Kind::New);
    fs::write(&path, "ten years of work").unwrap();
    assert_eq!(look(&path).check(NEEDED), Err(Refusal::Foreign(path.clone())));
    assert_eq!(fs::read(&path).unwrap(), b"ten years of work");
    fs::write(&path, Disk::default().build().unwrap()).unwrap();
    assert_eq!(look(&path).check(NEEDED), Ok(()));
    fs::write(&path, "").unwrap();
    assert_eq!(look(&path).check(NEEDED), Ok(()));
    assert_eq!(
        look(folder.path()).check(NEEDED),
        Err(Refusal::Kind(folder.path().into()))
    );
    let absent = Path::new("/dev/no-such-card");
    assert_eq!(look(absent).check(NEEDED), Err(Refusal::Absent(absent.into())));
    assert!(
        Sources::default()
            .look(&folder.path().join("nowhere/disk.img"))
            .is_err()
    );
}

/// What this very machine runs from is refused, where the disk is to be seen. Verifies: BH-FLSH-005.
#[test]
fn the_disks_of_this_machine_that_are_in_use_are_refused() {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for line in table.lines() {
        let number = line.split_whitespace().nth(2).unwrap();
        if Path::new("/sys/dev/block").join(number).exists() {
            let device = Sources::default().device(number);
            assert!(!device.mounts.is_empty(), "{line}");
            assert!(check(device).is_err(), "{line}");
        }
    }
}
