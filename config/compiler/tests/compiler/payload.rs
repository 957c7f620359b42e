// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Payloads: what the load list does, executed by a model of the loader on an empty RAM.

use std::collections::BTreeMap;
use std::fs;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::payload::{PayloadError, elf, initramfs, linux};
use bulkhead_model::system::MemoryRights;
use bulkhead_types::load::{PAYLOAD_IPA, Step, step};
use cpio::newc::Reader;
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use object::elf::{EM_386, ET_DYN, PT_INTERP};

use crate::support::elf::{Segment, TEXT, executable};
use crate::support::{ONE, Workshop, hypervisor_bin, kernel, partition_elf, program_elf};

const RAM: u64 = 0x4000_0000;
const RANDOM: u8 = 0xa5;

/// A partition after its loader: RAM, device writes and polls, entry point and argument.
struct Loaded {
    ram: Vec<u8>,
    writes: Vec<(u64, u64)>,
    polls: Vec<(u64, u64)>,
    entry: u64,
    argument: u64,
}

fn run(compiled: &Compiled, partition: usize, ram_size: usize) -> Loaded {
    let area = &compiled.areas[partition];
    let mut loaded = Loaded {
        ram: vec![0xee; ram_size],
        writes: Vec::new(),
        polls: Vec::new(),
        entry: 0,
        argument: 0,
    };
    let index = |value: u64| usize::try_from(value).unwrap();
    let words: Vec<u64> = area
        .list
        .chunks(8)
        .map(|c| u64::from_le_bytes(c.try_into().unwrap()))
        .collect();
    for words in words.chunks(4) {
        let [kind, target, source, size] = words.try_into().unwrap();
        let Step {
            kind,
            target,
            source,
            size,
        } = Step {
            kind,
            target,
            source,
            size,
        };
        let ram = |ram: &mut Vec<u8>| -> std::ops::Range<usize> {
            let start = index(target - RAM);
            assert!(start + index(size) <= ram.len(), "outside the RAM");
            start..start + index(size)
        };
        match kind {
            step::ZERO => {
                let range = ram(&mut loaded.ram);
                loaded.ram[range].fill(0);
            }
            step::COPY => {
                let range = ram(&mut loaded.ram);
                let from = index(source - PAYLOAD_IPA);
                loaded.ram[range].copy_from_slice(&area.payload[from..from + index(size)]);
            }
            step::RANDOM => {
                let range = ram(&mut loaded.ram);
                assert!(
                    loaded.ram[range.clone()].iter().all(|b| *b == 0),
                    "seeds are filled, not overwritten"
                );
                loaded.ram[range].fill(RANDOM);
            }
            step::WRITE32 => loaded.writes.push((target, source)),
            step::POLL32 => loaded.polls.push((target, source)),
            step::JUMP => {
                (loaded.entry, loaded.argument) = (target, source);
                return loaded;
            }
            other => panic!("step {other}"),
        }
    }
    panic!("no jump");
}

/// The device tree that a loaded partition finds at its argument.
fn tree(loaded: &Loaded) -> Fdt<'_> {
    let at = usize::try_from(loaded.argument - RAM).unwrap();
    let size = u32::from_be_bytes(loaded.ram[at + 4..at + 8].try_into().unwrap());
    Fdt::new(&loaded.ram[at..at + size as usize]).unwrap()
}

/// Verifies: BH-CFG-011.
#[test]
fn an_elf_is_loaded() {
    let workshop = Workshop::new();
    let compiled = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    let loaded = run(&compiled, 0, 2 << 20);
    assert_eq!(loaded.entry, 0x4008_0004);
    assert_eq!(loaded.ram[0x8_0000..0x8_1804], [1; 0x1804]);
    assert_eq!(loaded.ram[0x9_0000..0x9_0010], [1; 0x10]);
    assert!(
        loaded.ram[0x9_0010..0x9_4000].iter().all(|b| *b == 0),
        "zeroed data"
    );
    assert!(
        loaded.argument >= 0x401f_0000,
        "the device tree lies in the last 64 KiB"
    );
    let registers = compiled.devices[0].registers[0].start;
    assert_eq!(
        loaded.writes,
        [(registers + 4, 1), (registers + 0x4004, 1)],
        "both cores are reset"
    );
    assert_eq!(
        loaded.polls,
        [(registers + 4, 1), (registers + 0x4004, 1)],
        "until RST reads 0"
    );
    let chosen = tree(&loaded).find_node("/chosen").unwrap();
    for name in ["rng-seed", "kaslr-seed"] {
        let seed = chosen.property(name).unwrap();
        assert!(
            seed.value().iter().all(|b| *b == RANDOM),
            "{name} is filled in place"
        );
    }
}

/// Verifies: BH-CFG-011.
#[test]
fn linux_is_loaded() {
    let workshop = Workshop::new();
    let compiled = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    let loaded = run(&compiled, 2, 256 << 20);
    let image = kernel(0x30_1234, 0x38_0000);
    assert_eq!(loaded.entry, RAM, "2 MiB aligned, text_offset 0");
    assert_eq!(loaded.ram[..image.len()], image);
    assert_eq!(loaded.argument, RAM + (254 << 20), "the last 2 MiB");
    let chosen = tree(&loaded).find_node("/chosen").unwrap();
    let address = |name| chosen.property(name).unwrap().value_as::<u64>().unwrap();
    let (start, end) = (address("linux,initrd-start"), address("linux,initrd-end"));
    assert!(start >= RAM + 0x38_0000, "behind all memory of the kernel");
    let range = usize::try_from(start - RAM).unwrap()..usize::try_from(end - RAM).unwrap();
    let (names, _) = unpack(&loaded.ram[range]);
    assert!(names.contains_key("init"));
}

type Entries = BTreeMap<String, (u32, Vec<u8>)>;

/// Entries of an archive, and their names in order.
fn unpack(mut archive: &[u8]) -> (Entries, Vec<String>) {
    let (mut entries, mut order) = (BTreeMap::new(), Vec::new());
    loop {
        let mut reader = Reader::new(archive).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            return (entries, order);
        }
        assert_eq!(
            (entry.mtime(), entry.uid(), entry.gid()),
            (0, 0, 0),
            "{}",
            entry.name()
        );
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut content).unwrap();
        order.push(entry.name().to_owned());
        let old = entries.insert(entry.name().to_owned(), (entry.mode(), content));
        assert!(old.is_none(), "{} twice", entry.name());
        archive = reader.finish().unwrap();
    }
}

/// Verifies: BH-CFG-011.
#[test]
fn the_initramfs_is_complete() {
    let programs = [
        ("vehicle-state".to_owned(), b"program".to_vec()),
        ("ls".to_owned(), b"own ls".to_vec()),
    ];
    let archive = initramfs::build(b"busybox", &programs).unwrap();
    assert_eq!(archive, initramfs::build(b"busybox", &programs).unwrap());
    let (entries, order) = unpack(&archive);
    let script = include_bytes!("../../../../partitions/infotainment/init");
    assert_eq!(entries["init"], (0o100_755, script.to_vec()));
    assert_eq!(entries["bin/busybox"], (0o100_755, b"busybox".to_vec()));
    assert_eq!(entries["bin/vehicle-state"], (0o100_755, b"program".to_vec()));
    assert_eq!(
        entries["bin/ls"],
        (0o100_755, b"own ls".to_vec()),
        "a program wins over a link"
    );
    assert_eq!(entries["bin/sh"], (0o120_777, b"busybox".to_vec()));
    assert_eq!(entries["dev/console"].0, 0o020_600);
    for (position, name) in order.iter().enumerate() {
        if let Some((folder, _)) = name.rsplit_once('/') {
            assert!(
                order[..position].iter().any(|n| n == folder),
                "{folder} comes before {name}"
            );
        }
    }
}

#[test]
fn kernels_that_are_none_are_refused() {
    let cases: [(Vec<u8>, &str); 4] = [
        (vec![0x1f, 0x8b, 8, 0], "gzip"),
        (b"MZ\0\0zimg\0\0\0\0".to_vec(), "compressed EFI"),
        (program_elf(), "ELF"),
        (vec![0; 4096], "ARM"),
    ];
    for (file, word) in cases {
        let error = linux::prepare(file, None, 64 << 20).unwrap_err().to_string();
        assert!(
            error.starts_with("it is not an arm64 Image") && error.contains(word),
            "{error}"
        );
    }
    let mut big = kernel(4096, 8192);
    big[24] |= 1;
    assert!(
        linux::prepare(big, None, 64 << 20)
            .unwrap_err()
            .to_string()
            .contains("big-endian")
    );
    let mut absurd = kernel(4096, u64::MAX);
    absurd[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(linux::prepare(absurd, None, 64 << 20).is_err());
    // It ends at the last address, behind which no RAM disk lies.
    let mut last = kernel(4096, 4096);
    last[8..16].copy_from_slice(&(u64::MAX - RAM - 4096).to_le_bytes());
    let error = linux::prepare(last, None, 64 << 20).unwrap_err().to_string();
    assert!(error.contains("absurd"), "{error}");
    let error = linux::prepare(kernel(4096, 30 << 20), Some(vec![0; 1 << 20]), 32 << 20).unwrap_err();
    assert!(matches!(error, PayloadError::TooSmall { .. }), "{error}");
}

#[test]
fn the_text_offset_is_honoured() {
    let mut image = kernel(4096, 0x10_0000);
    image[8..16].copy_from_slice(&0x8_0000u64.to_le_bytes());
    let program = linux::prepare(image, Some(vec![1; 10]), 64 << 20).unwrap();
    assert_eq!(program.entry, RAM + 0x8_0000);
    assert_eq!(program.initrd, Some((RAM + 0x18_0000, RAM + 0x18_000a)));
}

#[test]
fn elf_files_that_cannot_be_loaded_are_refused() {
    let good = partition_elf(1);
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        elf::prepare(&file, MemoryRights::Open).unwrap_err().to_string()
    };
    assert!(patched(0, b"NOPE").contains("not a 64-bit little-endian ELF"));
    assert!(patched(4, &[1]).contains("not a 64-bit little-endian ELF"));
    assert!(patched(18, &EM_386.0.to_le_bytes()).contains("AArch64"));
    assert!(patched(16, &ET_DYN.0.to_le_bytes()).contains("statically linked"));
    assert!(patched(64, &PT_INTERP.0.to_le_bytes()).contains("dynamic linker"));
    assert!(
        patched(24, &0x4009_0000u64.to_le_bytes()).contains("entry point 0x40090000"),
        "in data"
    );
    assert!(patched(64 + 8, &u64::MAX.to_le_bytes()).contains("outside the file"));
    assert!(elf::prepare(&good[..40], MemoryRights::Open).is_err());
}

/// A payload that leaves the RAM, or whose parts overlap, is refused with the names of both.
#[test]
fn segments_must_fit_the_memory() {
    let workshop = Workshop::new();
    let system = workshop.load(ONE);
    let message = |segments: &[Segment<'_>]| {
        fs::write(workshop.path("images/adas.elf"), executable(RAM, segments, &[])).unwrap();
        compile(&system, &hypervisor_bin()).unwrap_err().to_string()
    };
    let outside = message(&[Segment::new(RAM, TEXT, &[1; 16], 3 << 20)]);
    assert!(
        outside.contains(
            "adas.elf: its load segment (0x40000000 to 0x40300000) does not lie in the partition's RAM"
        ),
        "{outside}"
    );
    let (a, b) = (
        Segment::new(RAM, TEXT, &[1; 16], 4096),
        Segment::new(RAM + 0x800, TEXT, &[1; 16], 16),
    );
    let overlap = message(&[a, b]);
    assert!(
        overlap.ends_with(
            "its load segment (0x40000800 to 0x40000810) overlaps its load segment (0x40000000 to 0x40001000)"
        ),
        "{overlap}"
    );
    let full = message(&[Segment::new(RAM, TEXT, &[1; 16], 2 << 20)]);
    assert!(full.contains("there is no room for its device tree: "), "{full}");
}

#[test]
fn a_raw_binary_starts_at_the_begin_of_ram() {
    let workshop = Workshop::new();
    fs::write(workshop.path("program.bin"), [9; 5000]).unwrap();
    let spec = ONE.replace("{ elf: adas }", "{ raw: ./program.bin }");
    let compiled = compile(&workshop.load(&spec), &hypervisor_bin()).unwrap();
    let loaded = run(&compiled, 0, 2 << 20);
    assert_eq!((loaded.entry, &loaded.ram[..5000]), (RAM, [9; 5000].as_slice()));
    assert!(tree(&loaded).find_node("/window@b000000").is_some());
}

/// A virtio function forgets its queues: 0 into `device_status`, until that reads so. Verifies: BH-CFG-171, BH-CFG-012.
#[test]
fn a_virtio_function_is_reset_and_described() {
    use bulkhead_types::load::step::{POLL32, WRITE32};
    let workshop = Workshop::new();
    let mut system = workshop.reference();
    let owned = system.partitions[0].devices[0].value;
    system.board.devices[owned].kind = bulkhead_model::board::DeviceKind::VirtioPci;
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let registers = compiled.devices[0].registers[0].start;
    let steps = compiled.areas[0]
        .steps
        .iter()
        .filter(|s| s.target == registers + 0x14);
    let found: Vec<_> = steps.map(|s| (s.kind, s.source)).collect();
    assert_eq!(found, [(WRITE32, 0), (POLL32, 0xff)]);
    let tree = Fdt::new(&compiled.trees[0].dtb).unwrap();
    let node = tree.find_node(&format!("/virtio@{registers:x}")).unwrap();
    let compatible = node.property("compatible").unwrap();
    assert_eq!(compatible.value_as::<&str>().unwrap(), "bulkhead,virtio-pci-1");
}

/// The board file's recipe takes the place of the kind's. Verifies: BH-CFG-221.
#[test]
fn a_device_is_reset_as_the_board_file_says() {
    use bulkhead_model::reset::{ResetAction, ResetStep};
    use bulkhead_model::span::Spanned;
    let workshop = Workshop::new();
    let mut system = workshop.reference();
    let span = system.board.name.span;
    let owned = system.partitions[0].devices[0].value;
    let poll = ResetAction::Poll {
        mask: 0x30,
        until: Spanned::new(0x10, span),
        tries: 7,
    };
    let steps = [(0x8, ResetAction::Write(5)), (0xc, poll)];
    let steps = steps.map(|(offset, action)| ResetStep {
        block: Spanned::new(0, span),
        offset: Spanned::new(offset, span),
        action,
    });
    system.board.devices[owned].reset = Some(steps.to_vec());
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let registers = compiled.devices[0].registers[0].start;
    let on_registers = |s: &&Step| (registers..registers + 0x1_0000).contains(&s.target);
    let found: Vec<_> = compiled.areas[0]
        .steps
        .iter()
        .filter(on_registers)
        .map(|s| (s.kind, s.target, s.source, s.size))
        .collect();
    use bulkhead_types::load::step::{POLL32, WRITE32};
    assert_eq!(
        found,
        [
            (WRITE32, registers + 8, 5, 0),
            (POLL32, registers + 0xc, 0x30 | 0x10 << 32, 7),
        ]
    );
}
