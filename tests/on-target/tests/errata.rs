// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the images must not contain for the sake of cores that would execute it wrongly.
//!
//! # References
//! Cortex-A53 MPCore Software Developers Errata Notice, 843419.
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

fn found(address: u64, code: &[u8]) -> Vec<u64> {
    let words: Vec<u32> = code
        .chunks_exact(4)
        .filter_map(|bytes| bytes.try_into().ok().map(u32::from_le_bytes))
        .collect();
    let windows = words.windows(4).zip((address..).step_by(4));
    windows
        .filter(|(words, at)| words.first_chunk().is_some_and(|w| is_erratum_843419(*at, *w)))
        .map(|(_, at)| at)
        .collect()
}

/// Verifies: BH-BRD-031.
#[test]
fn no_image_has_the_sequence_of_erratum_843419() {
    // `adrp x9; ldr w10, [x22, #4088]; ldr w11, [x9, #1948]; subs`, and as the linker repairs it.
    let sequence = [0x9000_0149_u32, 0xb94b_faca, 0xb947_9d2b, 0x7100_815f];
    let repaired = [0x9000_0149_u32, 0xb94b_faca, 0x1400_1000, 0x7100_815f];
    let code = |words: [u32; 4]| words.map(u32::to_le_bytes).concat();
    assert_eq!(found(0x25_5ff8, &code(sequence)), [0x25_5ff8]);
    assert_eq!(found(0x25_5ff8, &code(repaired)), [0_u64; 0]);
    assert_eq!(found(0x25_5ff4, &code(sequence)), [0_u64; 0]);
    for image in IMAGES {
        let bytes = fs::read(images().join(image)).expect(image);
        let file = object::File::parse(&*bytes).expect(image);
        let text = file.sections().filter(|s| s.kind() == SectionKind::Text);
        let mut searched = 0;
        for section in text {
            let code = section.data().expect("code");
            searched += code.len();
            assert_eq!(found(section.address(), code), [0_u64; 0], "{image}");
        }
        assert!(searched > 1000, "{image} has code");
    }
}
