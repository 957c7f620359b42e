// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `hypervisor.bin` out of three parts.

use crate::support::elf::{DATA, Segment, TEXT, executable};
use crate::support::{
    BASE, BLOB, RUNTIME, boot_elf, hypervisor_bin, loader_elf, runtime_elf, runtime_symbols, try_pack,
};
use bulkhead_compiler::pack::{PackError, pack};
use bulkhead_types::image::{ImageInfo, Range};
use bulkhead_types::load::LOADER_IPA;
use sha2::{Digest, Sha256};
use zerocopy::FromBytes;

fn info(file: &[u8]) -> ImageInfo {
    ImageInfo::read_from_prefix(&file[64..]).unwrap().0
}

/// Verifies: BH-CFG-017.
#[test]
fn parts_lie_at_their_addresses() {
    let file = hypervisor_bin();
    let info = info(&file);
    let at = |address: u64| file[usize::try_from(address - BASE).unwrap()];
    assert_eq!((info.base, info.blob_base, info.board_id), (BASE, BLOB, 1));
    assert_eq!(info.end, BASE + file.len() as u64);
    let (start, end) = (BASE + 0x1000, BASE + 0x2000);
    assert_eq!(info.boot_text, Range { start, end });
    assert_eq!((at(start), at(start + 0x233), at(start + 0x234)), (0x11, 0x11, 0));
    assert_eq!(
        (at(RUNTIME), at(RUNTIME + 0x1000), at(RUNTIME + 0x2000)),
        (0x33, 0x44, 0x55)
    );
    assert_eq!(info.runtime_entry, RUNTIME);
    let (start, end) = (RUNTIME + 0x4_0000, RUNTIME + 0x4_2000);
    assert_eq!(info.loader, Range { start, end });
    assert_eq!(
        (at(start), at(start + 0x1233), at(start + 0x1234)),
        (0x66, 0x66, 0)
    );
    assert_eq!(file[16..24], (file.len() as u64).to_le_bytes(), "image_size");
}

#[test]
fn the_build_id_is_the_hash_of_the_rest() {
    let mut file = hypervisor_bin();
    let id = info(&file).build_id;
    file[64 + 16..64 + 32].fill(0);
    assert_eq!(Sha256::digest(&file)[..16], id);
    assert_eq!(hypervisor_bin(), hypervisor_bin(), "packing is reproducible");
}

#[test]
fn a_missing_symbol_is_named() {
    let mut symbols = runtime_symbols();
    symbols.retain(|(name, _)| *name != "__max_cores");
    let error = try_pack(&runtime_elf(&symbols)).unwrap_err();
    assert_eq!(error.to_string(), "runtime.elf: no symbol `__max_cores`");
}

fn with_symbol(name: &str, value: u64) -> String {
    let mut symbols = runtime_symbols();
    symbols
        .iter_mut()
        .filter(|(n, _)| *n == name)
        .for_each(|(_, v)| *v = value);
    try_pack(&runtime_elf(&symbols)).unwrap_err().to_string()
}

#[test]
fn impossible_ranges_are_refused() {
    assert!(with_symbol("__text_end", RUNTIME + 0x800).contains("text"));
    assert!(with_symbol("__text_end", RUNTIME + 0x2000).contains("overlaps"));
    assert!(with_symbol("__stats_end", RUNTIME + 0xa000).contains("stats"));
    assert!(with_symbol("__per_core_stride", 0x1000).contains("per-core"));
    assert!(
        with_symbol("__rodata_end", RUNTIME + 0x1000).contains("segment"),
        "constants outside rodata"
    );
}

#[test]
fn segments_must_fit_their_kind() {
    let writable_code = executable(
        RUNTIME,
        &[Segment::new(RUNTIME, DATA, &[1; 16], 16)],
        &runtime_symbols(),
    );
    let error = try_pack(&writable_code).unwrap_err();
    assert!(
        matches!(error, PackError::Segment { part: "runtime", .. }),
        "{error}"
    );
}

#[test]
fn a_loader_may_not_need_memory() {
    let bss = executable(LOADER_IPA, &[Segment::new(LOADER_IPA, TEXT, &[1; 16], 64)], &[]);
    let runtime = runtime_elf(&runtime_symbols());
    let error = pack(&boot_elf(), &runtime, &bss, 1, BLOB).unwrap_err();
    assert!(error.to_string().contains("zeroed data"), "{error}");
    let elsewhere = executable(0x1000, &[Segment::new(0x1000, TEXT, &[1; 16], 16)], &[]);
    assert!(pack(&boot_elf(), &runtime, &elsewhere, 1, BLOB).is_err());
    let long = vec![1; 0x1_0001];
    let long = executable(
        LOADER_IPA,
        &[Segment::new(LOADER_IPA, TEXT, &long, 0x1_0001)],
        &[],
    );
    let error = pack(&boot_elf(), &runtime, &long, 1, BLOB).unwrap_err();
    assert!(error.to_string().contains("64 KiB"), "{error}");
}

#[test]
fn the_image_must_end_below_the_blob() {
    let runtime = runtime_elf(&runtime_symbols());
    let error = pack(&boot_elf(), &runtime, &loader_elf(), 1, RUNTIME + 0x2_1000).unwrap_err();
    assert!(matches!(error, PackError::TooLong { .. }), "{error}");
}

#[test]
fn other_files_are_refused() {
    let runtime = runtime_elf(&runtime_symbols());
    let error = pack(b"not an ELF", &runtime, &loader_elf(), 1, BLOB).unwrap_err();
    assert!(
        error.to_string().starts_with("boot.elf: it is not a 64-bit"),
        "{error}"
    );
    let headless = boot_elf();
    let at = headless.windows(4).position(|w| w == b"ARM\x64").unwrap();
    let mut headless = headless.clone();
    headless[at] = 0;
    let error = pack(&headless, &runtime, &loader_elf(), 1, BLOB).unwrap_err();
    assert!(matches!(error, PackError::Header), "{error}");
}
