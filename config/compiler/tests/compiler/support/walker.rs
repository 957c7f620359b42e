// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table walker that shares nothing with the builder: written from the architecture's text alone.
//!
//! Regime: 4 KiB granule, T0SZ = 25 (39 bits), initial lookup level 1, no contiguous hint expected.
//!
//! # References
//! Arm DDI 0487, section D8.3 "Translation table descriptor formats", D8.4 "Memory access control",
//! D8.6 "Memory region attributes".

/// Which stage a table belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// EL2, one VA range.
    One,
    /// Stage 2 of EL1&0.
    Two,
}

/// What a leaf descriptor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// Loads allowed.
    pub(crate) read: bool,
    /// Stores allowed.
    pub(crate) write: bool,
    /// Fetches allowed.
    pub(crate) execute: bool,
    /// `wb`, `nc` or `dev`.
    pub(crate) memory: &'static str,
    /// SH[1:0].
    pub(crate) shareability: u64,
}

/// One leaf found in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// First input address.
    pub(crate) input: u64,
    /// First output address.
    pub(crate) output: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Meaning of the descriptor.
    pub(crate) meaning: Meaning,
}

/// Field `high`:`low` of a descriptor.
fn field(descriptor: u64, high: u32, low: u32) -> u64 {
    (descriptor >> low) & ((1u64 << (high - low + 1)) - 1)
}

/// Every leaf below a root, by input address; `read` gives the doubleword at a physical address.
///
/// # Panics
/// When a reserved or ignored field is set, or a descriptor has a reserved type.
pub(crate) fn leaves(read: &dyn Fn(u64) -> u64, root: u64, stage: Stage) -> Vec<Leaf> {
    let mut found = Vec::new();
    table(read, root, 1, 0, stage, &mut found);
    found
}

fn table(read: &dyn Fn(u64) -> u64, at: u64, level: u32, input: u64, stage: Stage, found: &mut Vec<Leaf>) {
    let span = match level {
        1 => 1u64 << 30,
        2 => 1 << 21,
        3 => 1 << 12,
        _ => panic!("level {level}"),
    };
    for entry in 0..512 {
        let descriptor = read(at + 8 * entry);
        let here = input + entry * span;
        match (field(descriptor, 1, 0), level) {
            (0b00, _) => assert_eq!(descriptor, 0, "an invalid entry carries information"),
            (0b11, 1 | 2) => {
                assert_eq!(field(descriptor, 63, 48), 0, "table attributes {descriptor:#x}");
                assert_eq!(field(descriptor, 11, 2), 0, "ignored bits {descriptor:#x}");
                table(
                    read,
                    field(descriptor, 47, 12) << 12,
                    level + 1,
                    here,
                    stage,
                    found,
                );
            }
            (0b01, 2) => {
                assert_eq!(
                    field(descriptor, 20, 12),
                    0,
                    "block address or nT {descriptor:#x}"
                );
                found.push(leaf(descriptor, here, span, stage));
            }
            (0b11, 3) => found.push(leaf(descriptor, here, span, stage)),
            _ => panic!("descriptor {descriptor:#x} is reserved or too large a block at level {level}"),
        }
    }
}

fn leaf(descriptor: u64, input: u64, size: u64, stage: Stage) -> Leaf {
    assert_eq!(field(descriptor, 63, 55), 0, "upper ignored bits {descriptor:#x}");
    assert_eq!(field(descriptor, 53, 53), 0, "XN[0] / PXN {descriptor:#x}");
    assert_eq!(field(descriptor, 52, 52), 0, "contiguous hint {descriptor:#x}");
    assert_eq!(
        field(descriptor, 51, 48),
        0,
        "reserved address bits {descriptor:#x}"
    );
    assert_eq!(field(descriptor, 11, 11), 0, "nG {descriptor:#x}");
    assert_eq!(field(descriptor, 10, 10), 1, "access flag {descriptor:#x}");
    let never_execute = field(descriptor, 54, 54) == 1;
    let access = field(descriptor, 7, 6);
    let (read, write, memory) = match stage {
        Stage::Two => {
            let memory = match field(descriptor, 5, 2) {
                0b1111 => "wb",
                0b0101 => "nc",
                0b0001 => "dev",
                other => panic!("MemAttr {other:#b}"),
            };
            (access & 1 == 1, access & 2 == 2, memory)
        }
        Stage::One => {
            assert_eq!(field(descriptor, 5, 5), 0, "NS {descriptor:#x}");
            assert_eq!(access & 1, 1, "AP[1] is RES1 {descriptor:#x}");
            let memory = match 0x0044_04ff_u64 >> (8 * field(descriptor, 4, 2)) & 0xff {
                0xff => "wb",
                0x04 => "dev",
                0x44 => "nc",
                other => panic!("MAIR attribute {other:#x}"),
            };
            (true, access & 2 == 0, memory)
        }
    };
    Leaf {
        input,
        output: field(descriptor, 47, 12) << 12,
        size,
        meaning: Meaning {
            read,
            write,
            execute: !never_execute,
            memory,
            shareability: field(descriptor, 9, 8),
        },
    }
}

/// Where an input address goes, nothing when it faults.
pub(crate) fn translate(leaves: &[Leaf], input: u64) -> Option<(u64, Meaning)> {
    let leaf = leaves
        .iter()
        .find(|l| l.input <= input && input < l.input + l.size)?;
    Some((leaf.output + (input - leaf.input), leaf.meaning))
}

/// Reads doublewords of a blob that lies at its own base address.
pub(crate) fn reader(blob: &[u8], base: u64) -> impl Fn(u64) -> u64 + '_ {
    move |address| {
        let offset = usize::try_from(address - base).expect("inside the blob");
        let bytes = blob.get(offset..offset + 8).expect("a table outside the blob");
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }
}
