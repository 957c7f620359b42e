// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An initial RAM disk from a static busybox, programs, and the project's `init` script.
//!
//! The archive is a function of its inputs alone: owner 0, modification time 0, ascending inode numbers.
//!
//! # References
//! Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`, "initramfs buffer format".

use std::io::{self, Write};

use cpio::newc::{Builder, trailer};

/// `/init`: mounts, starts the programs, opens a shell.
const INIT: &[u8] = include_bytes!("../../../../partitions/infotainment/init");

/// Folders, parents first.
const FOLDERS: [&str; 8] = ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"];

/// Commands that are links to busybox.
const APPLETS: &str = "\
    ash awk basename cat chmod clear cmp cp cttyhack cut date dd devmem df dirname dmesg echo env expr \
    false find free getty grep halt head hexdump hostname id kill killall ln ls mkdir mknod more mount \
    mountpoint mv nproc od poweroff printf ps reboot rm sed seq setsid sh sleep sort stty sync tail test \
    top touch tr true tty umount uname uptime vi wc which xargs yes";

const FOLDER: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Writes entries with ascending inode numbers.
struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        let entry = Builder::new(name)
            .ino(self.inode)
            .mode(mode)
            .nlink(1)
            .rdev_major(device.0)
            .rdev_minor(device.1);
        let mut writer = entry.write(&mut self.bytes, size);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }
}

/// Builds the archive; `programs` are names and contents of static executables.
///
/// # Errors
/// When a file has 4 GiB or more.
pub fn build(busybox: &[u8], programs: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let bytes = Vec::new();
    let mut archive = Archive { bytes, inode: 0 };
    for folder in FOLDERS {
        archive.add(folder, FOLDER, (0, 0), &[])?;
    }
    archive.add("dev/console", CHARACTER_DEVICE, (5, 1), &[])?;
    archive.add("dev/null", CHARACTER_DEVICE, (1, 3), &[])?;
    archive.add("init", EXECUTABLE, (0, 0), INIT)?;
    archive.add("bin/busybox", EXECUTABLE, (0, 0), busybox)?;
    let is_program = |name: &str| programs.iter().any(|(program, _)| program == name);
    for applet in APPLETS.split_whitespace().filter(|a| !is_program(a)) {
        archive.add(&format!("bin/{applet}"), LINK, (0, 0), b"busybox")?;
    }
    for (name, content) in programs {
        archive.add(&format!("bin/{name}"), EXECUTABLE, (0, 0), content)?;
    }
    trailer(archive.bytes)
}
