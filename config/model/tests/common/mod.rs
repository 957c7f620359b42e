// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Payload files with the headers of real ones, in a folder that is removed afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_model::Paths;
use tempfile::TempDir;

/// Folders of payloads.
pub(crate) struct Fixture {
    folder: TempDir,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A 64-bit ELF header with one load segment of a page at `address` that may be used for everything.
pub(crate) fn elf(machine: u16, address: u64) -> Vec<u8> {
    elf_of(machine, &[(7, address, 0x1000)])
}

/// A 64-bit ELF header with load segments: flags, address, bytes.
pub(crate) fn elf_of(machine: u16, segments: &[(u32, u64, u64)]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(2_u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for word in [segments[0].1, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64, 56, segments.len(), 64, 0, 0] {
        file.extend(u16::try_from(half).unwrap().to_le_bytes());
    }
    for (flags, address, size) in segments {
        file.extend(1_u32.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [0, *address, *address, 64, *size, *size] {
            file.extend(word.to_le_bytes());
        }
    }
    file
}

/// The header of an arm64 `Image` that says it occupies `size` bytes.
pub(crate) fn image(size: u64) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[16..24].copy_from_slice(&size.to_le_bytes());
    file[56..60].copy_from_slice(b"ARM\x64");
    file
}

impl Fixture {
    /// All payloads that the reference system and tests/invalid name.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { folder };
        for name in ["adas", "vehicle", "cluster", "attackers", "conformance"] {
            let segments = [(5, 0x4008_0000, 0x1800), (6, 0x4008_2000, 0x1000)];
            fixture.write(&format!("images/{name}.elf"), &elf_of(183, &segments));
        }
        let mixed = [(5, 0x4008_0000, 0x1800), (6, 0x4008_1c00, 0x1000)];
        fixture.write("images/mixed.elf", &elf_of(183, &mixed));
        fixture.write("images/loader.elf", &elf(183, 0x7f_0000_0000));
        fixture.write("images/cut-short.elf", &elf(183, 0x4000_0000));
        fixture.write("images/other-machine.elf", &elf(62, 0x4000_0000));
        fixture.write("images/foreign-tree", b"for the compiler");
        for program in ["vehicle-state", "settings"] {
            fixture.write(&format!("images/{program}"), &elf(183, 0x20_0000));
        }
        fixture.write(
            "guest/linux-image-cloud-arm64/boot/vmlinuz-6.1.0-cloud-arm64",
            &image(30 << 20),
        );
        fixture.write("guest/busybox-static/bin/busybox", &elf(183, 0x40_0000));
        fixture
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Paths for a spec, relative to the root of the repository.
    pub(crate) fn paths(&self, spec: &str) -> Paths {
        Paths {
            spec: root().join(spec),
            boards: root().join("config/boards"),
            images: self.folder.path().join("images"),
            guest: self.folder.path().join("guest"),
        }
    }
}
