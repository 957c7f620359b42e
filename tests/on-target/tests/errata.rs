// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the images must not contain for the sake of cores that would execute it wrongly.
//!
//! # References
//! Cortex-A53 MPCore Software Developers Errata Notice, 835769, 843419; Arm, "Spectre-BHB" whitepaper.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;

use bulkhead_on_target::images;
use object::{Object, ObjectSection, SectionKind};

/// What runs on boards with a Cortex-A53.
const IMAGES: [&str; 8] = [
    "xlnx-zcu102/boot.elf",
    "xlnx-zcu102/runtime.elf",
    "imx8mp-evk/boot.elf",
    "imx8mp-evk/runtime.elf",
    "loader.elf",
    "adas.elf",
    "vehicle.elf",
    "cluster.elf",
];

const BOARDS: [&str; 6] = [
    "qemu-virt",
    "qemu-virt-32",
    "xlnx-versal-virt",
    "xlnx-zcu102",
    "imx8mp-evk",
    "ti-j721e",
];

/// Register in bits 4:0, and in bits 9:5.
fn registers(word: u32) -> (u32, u32) {
    (word & 0x1f, word >> 5 & 0x1f)
}

fn is_load_or_store(word: u32) -> bool {
    word >> 25 & 0b0101 == 0b0100
}

fn is_branch(word: u32) -> bool {
    word >> 26 & 0b111 == 0b101
}

/// A load or store at a base with an unsigned immediate offset.
fn is_at_offset(word: u32, base: u32) -> bool {
    word & 0x3b00_0000 == 0x3900_0000 && registers(word).1 == base
}

/// Whether instructions that begin at `address` are those after which a Cortex-A53 may use a wrong address: an ADRP in
/// the last eight bytes of a page, a load or store, and as third or fourth one at the address that ADRP made.
fn is_erratum_843419(address: u64, words: [u32; 4]) -> bool {
    let [first, second, third, fourth] = words;
    let (page, _) = registers(first);
    let adrp = first & 0x9f00_0000 == 0x9000_0000;
    let at_the_end = address & 0xfff >= 0xff8;
    let last = is_at_offset(third, page) || (!is_branch(third) && is_at_offset(fourth, page));
    adrp && at_the_end && is_load_or_store(second) && registers(second).0 != page && last
}

/// Whether the second instruction is a 64-bit multiply-accumulate right after a load, store or prefetch, which a
/// Cortex-A53 may execute wrongly. A multiplication adds the zero register and is none.
fn is_erratum_835769(_: u64, words: [u32; 2]) -> bool {
    let [first, second] = words;
    let multiplies = second & 0xff00_0000 == 0x9b00_0000;
    // MADD and MSUB; SMADDL and SMSUBL; UMADDL and UMSUBL: not SMULH and UMULH.
    let accumulates = matches!(second >> 21 & 7, 0 | 1 | 5) && second >> 10 & 31 != 31;
    is_load_or_store(first) && multiplies && accumulates
}

/// Whether it is a branch to an address in a register that no return stack predicts: BR or BLR.
fn is_indirect_branch(_: u64, [word]: [u32; 1]) -> bool {
    matches!(word & 0xffff_fc1f, 0xd61f_0000 | 0xd63f_0000)
}

/// Where the code has instructions of a kind.
fn found<const N: usize>(address: u64, code: &[u8], is: fn(u64, [u32; N]) -> bool) -> Vec<u64> {
    let words: Vec<u32> = code
        .chunks_exact(4)
        .filter_map(|bytes| bytes.try_into().ok().map(u32::from_le_bytes))
        .collect();
    let windows = words.windows(N).zip((address..).step_by(4));
    windows
        .filter(|(words, at)| words.first_chunk().is_some_and(|w| is(*at, *w)))
        .map(|(_, at)| at)
        .collect()
}

/// Searches all code of an image, in hexadecimal what is there.
fn search<const N: usize>(image: &str, is: fn(u64, [u32; N]) -> bool) -> Vec<String> {
    let bytes = fs::read(images().join(image)).expect(image);
    let file = object::File::parse(&*bytes).expect(image);
    let mut searched = 0;
    let mut all = Vec::new();
    for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
        let code = section.data().expect("code");
        searched += code.len();
        all.extend(found(section.address(), code, is));
    }
    assert!(searched > 1000, "{image} has code");
    all.iter().map(|at| format!("{at:#x}")).collect()
}

fn code<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.map(u32::to_le_bytes).concat()
}

/// Verifies: BH-BRD-031.
#[test]
fn no_image_has_the_sequence_of_erratum_843419() {
    // `adrp x9; ldr w10, [x22, #4088]; ldr w11, [x9, #1948]; subs`, and as the linker repairs it.
    let sequence = [0x9000_0149, 0xb94b_faca, 0xb947_9d2b, 0x7100_815f];
    let repaired = [0x9000_0149, 0xb94b_faca, 0x1400_1000, 0x7100_815f];
    let at = |address, words| found(address, &code(words), is_erratum_843419);
    assert_eq!(at(0x25_5ff8, sequence), [0x25_5ff8]);
    assert_eq!(at(0x25_5ff8, repaired), [0_u64; 0]);
    assert_eq!(at(0x25_5ff4, sequence), [0_u64; 0]);
    for image in IMAGES {
        assert_eq!(search(image, is_erratum_843419), [""; 0], "{image}");
    }
}

/// Verifies: BH-BRD-032.
#[test]
fn no_image_has_the_sequence_of_erratum_835769() {
    let at = |words: [u32; 3]| found(0, &code(words), is_erratum_835769);
    // `ldr x8, [x0]` or `str` or `ldp`, then `madd x0, x1, x2, x3` or `umsubl`.
    assert_eq!(at([0xf940_0008, 0x9b02_0c20, 0xd503_201f]), [0]);
    assert_eq!(at([0xd503_201f, 0xf900_0008, 0x9ba2_8c20]), [4]);
    assert_eq!(at([0xa940_0408, 0x9b02_0c20, 0xd503_201f]), [0]);
    // With `nop` between them; `mul`; `umulh`; a 32-bit `madd`.
    for harmless in [
        [0xf940_0008, 0xd503_201f, 0x9b02_0c20],
        [0xf940_0008, 0x9b02_7c20, 0xd503_201f],
        [0xf940_0008, 0x9bc2_7c20, 0xd503_201f],
        [0xf940_0008, 0x1b02_0c20, 0xd503_201f],
    ] {
        assert_eq!(at(harmless), [0_u64; 0]);
    }
    for image in IMAGES {
        assert_eq!(search(image, is_erratum_835769), [""; 0], "{image}");
    }
}

/// Verifies: BH-BRD-033.
#[test]
fn no_branch_of_the_run_time_part_is_indirect() {
    // `br x8`, `blr x8`, `ret`, `eret`.
    let words = [0xd61f_0100, 0xd63f_0100, 0xd65f_03c0, 0xd69f_03e0];
    assert_eq!(found(0, &code(words), is_indirect_branch), [0, 4]);
    for board in BOARDS {
        let image = format!("{board}/runtime.elf");
        assert_eq!(search(&image, is_indirect_branch), [""; 0], "{image}");
    }
}
