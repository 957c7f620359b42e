// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One translation table descriptor, 4 KiB granule.
//!
//! What it does follows the architecture; what is wrong with its form follows `FORMAT.md`, "Descriptors".
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 Table descriptor formats", "VMSAv8-64 Block descriptor and Page descriptor
//! formats", "Attribute fields in VMSAv8-64 translation table formats".

use crate::bytes::bits;

/// Readable.
pub const R: u8 = 1;
/// Writable.
pub const W: u8 = 2;
/// Executable.
pub const X: u8 = 4;

/// Type of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Normal, Inner and Outer Write-Back.
    WriteBack,
    /// Normal, Non-cacheable.
    NonCacheable,
    /// Device-nGnRE.
    Device,
    /// Anything else; holds its encoding.
    Other(u8),
}

/// Which tables a descriptor is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Stage 2 of a partition, or of a stream.
    Stage2,
    /// Stage 1 of EL2; holds `MAIR_EL2`.
    El2(u64),
}

/// A mapping that a leaf makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Output address.
    pub output: u64,
    /// [`R`], [`W`], [`X`]; nothing when every access faults.
    pub rights: u8,
    /// Type.
    pub kind: Kind,
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Every access through it faults.
    Invalid,
    /// The next table; rights that it takes away.
    Table(u64, u8),
    /// A block or page.
    Leaf(Leaf),
}

/// Type and shareability that the format gives each type.
const STAGE2_TYPES: [(u64, u64, Kind); 3] = [
    (0b1111, 0b11, Kind::WriteBack),
    (0b0101, 0b10, Kind::NonCacheable),
    (0b0001, 0b10, Kind::Device),
];

/// Decodes the descriptor `raw` of a table of `level` (1 to 3); also what is wrong with its form.
pub fn decode(regime: Regime, level: u32, raw: u64, address_bits: u32) -> (Meaning, Option<&'static str>) {
    match (raw & 3, level) {
        (0b11, 1 | 2) => table(regime, raw, address_bits),
        (0b01, 1) => (leaf(regime, level, raw, address_bits).0, Some("a block of 1 GiB")),
        (0b01, 2) | (0b11, 3) => leaf(regime, level, raw, address_bits),
        _ => (
            Meaning::Invalid,
            (raw != 0).then_some("an invalid descriptor that is not zero"),
        ),
    }
}

fn table(regime: Regime, raw: u64, address_bits: u32) -> (Meaning, Option<&'static str>) {
    let next = bits(raw, 47, 12) << 12;
    if next >> address_bits != 0 {
        return (
            Meaning::Invalid,
            Some("a table beyond the physical address space"),
        );
    }
    let taken = match regime {
        // APTable[1] takes writing away, XNTable executing; stage 2 has no such fields.
        Regime::El2(_) => (u8::from(bits(raw, 62, 62) == 1) * W) | (u8::from(bits(raw, 60, 60) == 1) * X),
        Regime::Stage2 => 0,
    };
    let wrong = (raw & !(next | 3) != 0).then_some("a table descriptor with attributes");
    (Meaning::Table(next, taken), wrong)
}

fn leaf(regime: Regime, level: u32, raw: u64, address_bits: u32) -> (Meaning, Option<&'static str>) {
    let low = match level {
        1 => 30,
        2 => 21,
        _ => 12,
    };
    let output = bits(raw, 47, low) << low;
    let beyond = output >> address_bits != 0;
    let (rights, kind, wrong) = match regime {
        Regime::Stage2 => stage2(raw),
        Regime::El2(mair) => el2(raw, mair),
    };
    let common = [
        (beyond, "an output address beyond the physical address space"),
        (bits(raw, 10, 10) == 0, "no access flag"),
        (
            low > 12 && bits(raw, low - 1, 12) != 0,
            "a block whose low address bits are not zero",
        ),
        (bits(raw, 63, 55) != 0, "reserved or software bits"),
        (bits(raw, 53, 48) != 0, "reserved, dirty or contiguous bits"),
    ];
    let first = common.iter().find(|(is, _)| *is).map(|(_, text)| *text);
    // Hardware management of the access flag is off: without the flag every access faults.
    let faults = beyond || bits(raw, 10, 10) == 0;
    let rights = if faults { 0 } else { rights };
    (Meaning::Leaf(Leaf { output, rights, kind }), first.or(wrong))
}

fn stage2(raw: u64) -> (u8, Kind, Option<&'static str>) {
    let (attributes, share) = (bits(raw, 5, 2), bits(raw, 9, 8));
    let found = STAGE2_TYPES.iter().find(|(a, _, _)| *a == attributes);
    let kind = found.map_or(Kind::Other(u8::try_from(attributes).unwrap_or(u8::MAX)), |f| f.2);
    let readable = u8::from(bits(raw, 6, 6) == 1) * R;
    let writable = u8::from(bits(raw, 7, 7) == 1) * W;
    let executable = u8::from(bits(raw, 54, 54) == 0) * X;
    let rules = [
        (
            found.is_none_or(|f| f.1 != share),
            "an undefined type or shareability",
        ),
        (readable == 0, "not readable"),
        (bits(raw, 11, 11) != 0, "bit 11"),
    ];
    let wrong = rules.iter().find(|(is, _)| *is).map(|(_, text)| *text);
    let rights = readable | writable;
    (if rights == 0 { 0 } else { rights | executable }, kind, wrong)
}

fn el2(raw: u64, mair: u64) -> (u8, Kind, Option<&'static str>) {
    let attribute = bits(raw, 4, 2);
    let byte = u8::try_from((mair >> (8 * attribute)) & 0xFF).unwrap_or(u8::MAX);
    let (kind, share) = match byte {
        0xFF => (Kind::WriteBack, 0b11),
        0x44 => (Kind::NonCacheable, 0b10),
        0x04 => (Kind::Device, 0b10),
        other => (Kind::Other(other), bits(raw, 9, 8)),
    };
    let writable = u8::from(bits(raw, 7, 7) == 0) * W;
    let executable = u8::from(bits(raw, 54, 54) == 0) * X;
    let rules = [
        (attribute > 2, "an undefined attribute index"),
        (bits(raw, 5, 5) != 0 || bits(raw, 11, 11) != 0, "NS or nG"),
        (bits(raw, 6, 6) == 0, "AP[1] is RES1"),
        (bits(raw, 9, 8) != share, "shareability"),
    ];
    (
        R | writable | executable,
        kind,
        rules.iter().find(|(is, _)| *is).map(|(_, text)| *text),
    )
}
