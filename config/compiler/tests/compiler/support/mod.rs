// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tests of this crate share: small ELF files, a `hypervisor.bin` packed from them, specs.

#[allow(dead_code, reason = "shared with the model's tests")]
#[path = "../../../../model/tests/cases/mod.rs"]
pub(crate) mod cases;
pub(crate) mod elf;
pub(crate) mod walker;

use std::fs;
use std::path::{Path, PathBuf};

use self::elf::{DATA, RODATA, Segment, TEXT, executable};
use bulkhead_compiler::blob::sha256;
use bulkhead_compiler::grants::hex;
use bulkhead_compiler::pack::{PackError, pack};
use bulkhead_compiler::payload::area::Area;
use bulkhead_compiler::{ProveError, Step};
use bulkhead_model::system::System;
use bulkhead_model::{LoadError, Paths, load_text};
use bulkhead_types::blob::{CERTIFICATE_MAGIC, CERTIFICATE_VERSION, Certificate};
use bulkhead_types::load::LOADER_IPA;
use tempfile::TempDir;
use zerocopy::IntoBytes;

/// Where the image of the tests lies, as the QEMU board file says.
pub(crate) const BASE: u64 = 0x4020_0000;
/// Where its blob lies.
pub(crate) const BLOB: u64 = 0x4030_0000;

/// The boot part: header and description, code, data with stacks.
pub(crate) fn boot_elf() -> Vec<u8> {
    let mut head = vec![0; 0x800];
    head[24] = 0xa;
    head[56..60].copy_from_slice(b"ARM\x64");
    let segments = [
        Segment::new(BASE, RODATA, &head, 0x800),
        Segment::new(BASE + 0x1000, TEXT, &[0x11; 0x234], 0x234),
        Segment::new(BASE + 0x2000, DATA, &[0x22; 16], 0x3000),
    ];
    let symbols = [
        ("__boot_rodata_start", BASE),
        ("__boot_rodata_end", BASE + 0x1000),
        ("__boot_text_start", BASE + 0x1000),
        ("__boot_text_end", BASE + 0x2000),
        ("__boot_data_start", BASE + 0x2000),
        ("__boot_data_end", BASE + 0x5000),
    ];
    executable(BASE, &segments, &symbols)
}

/// Begin of the run-time part.
pub(crate) const RUNTIME: u64 = BASE + 0x6_0000;

/// Symbols of the run-time part, for four cores.
pub(crate) fn runtime_symbols() -> Vec<(&'static str, u64)> {
    vec![
        ("__text_start", RUNTIME),
        ("__text_end", RUNTIME + 0x1000),
        ("__rodata_start", RUNTIME + 0x1000),
        ("__rodata_end", RUNTIME + 0x2000),
        ("__shared_start", RUNTIME + 0x2000),
        ("__shared_end", RUNTIME + 0x3000),
        ("__handoff_start", RUNTIME + 0x3000),
        ("__handoff_end", RUNTIME + 0x4000),
        ("__stats_start", RUNTIME + 0x4000),
        ("__stats_end", RUNTIME + 0x2_4000),
        ("__per_core_start", RUNTIME + 0x2_8000),
        ("__per_core_end", RUNTIME + 0x3_8000),
        ("__per_core_stride", 0x4000),
        ("__max_cores", 4),
        ("runtime_entry", RUNTIME),
    ]
}

/// The run-time part.
pub(crate) fn runtime_elf(symbols: &[(&str, u64)]) -> Vec<u8> {
    let segments = [
        Segment::new(RUNTIME, TEXT, &[0x33; 64], 64),
        Segment::new(RUNTIME + 0x1000, RODATA, &[0x44; 64], 64),
        Segment::new(RUNTIME + 0x2000, DATA, &[0x55; 64], 0x3_6000),
    ];
    executable(RUNTIME, &segments, symbols)
}

/// The loader.
pub(crate) fn loader_elf() -> Vec<u8> {
    let code = [0x66; 0x1234];
    executable(LOADER_IPA, &[Segment::new(LOADER_IPA, TEXT, &code, 0x1234)], &[])
}

/// A `hypervisor.bin` for the QEMU board.
pub(crate) fn hypervisor_bin() -> Vec<u8> {
    try_pack(&runtime_elf(&runtime_symbols())).expect("the parts fit together")
}

/// Packs the parts with another run-time part.
pub(crate) fn try_pack(runtime: &[u8]) -> Result<Vec<u8>, PackError> {
    pack(&boot_elf(), runtime, &loader_elf(), 1, BLOB)
}

/// One dedicated partition.
pub(crate) const ONE: &str = "
bulkhead: 1
name: one
board: qemu-virt
partitions:
  adas:
    criticality: asil-d
    cores: { dedicated: [3], interrupts: direct }
    memory: 2MiB
    payload: { elf: adas }
    console: text
schedule:
  major_frame: 10ms
  cores:
    0:
      - { run: system, for: 10ms }
";

/// A folder with images and guest packages, in which specs are loaded and systems built.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// Makes the folder and all files that the reference system names.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
            fs::write(path, content).expect("a new file");
        };
        for (byte, name) in (1u8..).zip(["adas", "vehicle", "cluster", "attackers", "conformance"]) {
            put(&format!("images/{name}.elf"), &partition_elf(byte));
        }
        let whole = partition_elf(9);
        put("images/cut-short.elf", &whole[..whole.len() / 2]);
        put("images/mixed.elf", &mixed_elf());
        for program in ["vehicle-state", "settings"] {
            put(&format!("images/{program}"), &program_elf());
        }
        put("guest/busybox-static/bin/busybox", &program_elf());
        put(
            "guest/linux-image-cloud-arm64/boot/vmlinuz-6.1",
            &kernel(0x30_1234, 0x38_0000),
        );
        Workshop { folder }
    }

    /// Puts there what the system with every key names beside images and packages.
    pub(crate) fn put_beside_every_key(&self) {
        let systems = repository().join("tests/systems");
        for name in ["every-key/panel.yaml", "boards/virt-virtio.yaml"] {
            let path = self.path(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
            fs::copy(systems.join(name), path).expect("a new file");
        }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Loads a spec.
    pub(crate) fn try_load(&self, text: &str) -> Result<System, LoadError> {
        let paths = Paths {
            spec: self.path("spec.yaml"),
            boards: repository().join("config/boards"),
            images: self.path("images"),
            guest: self.path("guest"),
        };
        load_text(text, &paths, &[])
    }

    /// Loads a spec that breaks no rule.
    pub(crate) fn load(&self, text: &str) -> System {
        match self.try_load(text) {
            Ok(system) => system,
            Err(LoadError::Invalid(found)) => panic!("rules broken: {:#?}", found.list),
            Err(error) => panic!("{error}"),
        }
    }

    /// Loads the reference system.
    pub(crate) fn reference(&self) -> System {
        let path = repository().join("config/systems/adas-infotainment.yaml");
        self.load(&fs::read_to_string(path).expect("the reference system"))
    }
}

/// The workspace.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Headers of an ELF file whose two segments, with different rights, meet in a page.
fn mixed_elf() -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let words = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    file.extend(words(&[2, 183, 1, 0]));
    file.extend([0x4008_0000_u64, 64, 0].iter().flat_map(|v| v.to_le_bytes()));
    file.extend(words(&[0, 0, 64, 56, 2, 0, 0, 0]));
    for (flags, address, memory) in [(5_u64, 0x4008_0000_u64, 0x1800_u64), (6, 0x4008_1c00, 0x1000)] {
        let header = [1 | flags << 32, 0, address, address, 0, memory, 0x1000];
        file.extend(header.iter().flat_map(|v| v.to_le_bytes()));
    }
    file
}

/// A bare-metal payload.
pub(crate) fn partition_elf(byte: u8) -> Vec<u8> {
    let (code, data) = ([byte; 0x1804], [byte; 0x10]);
    let segments = [
        Segment::new(0x4008_0000, TEXT, &code, 0x1804),
        Segment::new(0x4009_0000, DATA, &data, 0x4000),
    ];
    executable(0x4008_0004, &segments, &[])
}

/// A program for Linux.
pub(crate) fn program_elf() -> Vec<u8> {
    executable(
        0x40_0000,
        &[Segment::new(0x40_0000, TEXT, &[7; 0x345], 0x345)],
        &[],
    )
}

/// An arm64 `Image`.
pub(crate) fn kernel(file_size: usize, image_size: u64) -> Vec<u8> {
    let mut kernel: Vec<u8> = (0..file_size).map(|i| (i % 251) as u8).collect();
    kernel[8..64].fill(0);
    kernel[16..24].copy_from_slice(&image_size.to_le_bytes());
    kernel[24] = 0xa;
    kernel[56..60].copy_from_slice(b"ARM\x64");
    kernel
}

/// Stands in for the checker where its proof is not what is tested: certifies nothing but the hash.
pub(crate) fn certify(folder: &Path, step: Step) -> Result<(), ProveError> {
    if step == Step::Seal {
        let digest = |name: &str| {
            hex(&sha256(
                &fs::read(folder.join(name)).expect("a file of the build"),
            ))
        };
        let [blob, image, manifest] = ["system.blob", "image.bin", "manifest.json"].map(digest);
        let contents = format!(r#"{{"image_sha256": "{image}", "manifest_sha256": "{manifest}"}}"#);
        let statement = format!(r#"{{"blob_hash": "{blob}", "contents": {contents}}}"#);
        fs::write(folder.join("certificate.json"), statement).expect("a new file");
        return Ok(());
    }
    let blob = fs::read(folder.join("system.blob")).expect("the blob");
    let certificate = Certificate {
        magic: CERTIFICATE_MAGIC,
        version: CERTIFICATE_VERSION,
        properties: 0,
        blob_hash: sha256(&blob),
        pages: 0,
        roots: 0,
    };
    let mut page = certificate.as_bytes().to_vec();
    page.resize(4096, 0);
    fs::write(folder.join("certificate.bin"), page).expect("a new file");
    Ok(())
}

/// All of an area, in bytes that are cheap to compare.
pub(crate) fn bytes_of_area(area: &Area) -> [Vec<u8>; 3] {
    let Area {
        list,
        payload,
        copied,
        parts,
        steps,
    } = area;
    let rest = format!("{copied} {parts:?} {steps:?}");
    [list.clone(), payload.clone(), rest.into_bytes()]
}
