// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks a translation table completely, reading each descriptor by itself.
//!
//! VMSAv8-64, 4 KiB granule, 39-bit input addresses, start at level 1.
//!
//! # References
//! - Arm ARM (DDI 0487), "VMSAv8-64 translation table format descriptors", "Stage 2 attribute fields in
//!   VMSAv8-64 Block and Page descriptors", "Stage 1 attribute fields in VMSAv8-64 Block and Page descriptors"

use std::collections::BTreeSet;

use crate::range::{PAGE, Range, slice};
use crate::reach::{Access, MemoryType, Run, push};
use crate::work::step;

/// Which translation a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// EL2's own, stage 1.
    One,
    /// A partition's, stage 2.
    Two,
}

/// Bits 47:12, the address of a table or page.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// Bits 47:21, the address of a 2 MiB block.
const BLOCK_ADDRESS: u64 = 0x0000_ffff_ffe0_0000;
const AF: u64 = 1 << 10;
const XN: u64 = 1 << 54;

/// Bits of a leaf descriptor beside address and type that mean `access`.
fn attributes(stage: Stage, access: Access) -> u64 {
    let execute_never = if access.execute { 0 } else { XN };
    let shareability = match access.memory {
        MemoryType::NormalWb => 0b11 << 8,
        MemoryType::NormalNc | MemoryType::Device => 0b10 << 8,
    };
    let (memory, permissions) = match stage {
        Stage::One => {
            let index = match access.memory {
                MemoryType::NormalWb => 0,
                MemoryType::Device => 1,
                MemoryType::NormalNc => 2,
            };
            (index << 2, if access.write { 0b01 << 6 } else { 0b11 << 6 })
        }
        Stage::Two => {
            let memory_attribute = match access.memory {
                MemoryType::NormalWb => 0b1111,
                MemoryType::NormalNc => 0b0101,
                MemoryType::Device => 0b0001,
            };
            (
                memory_attribute << 2,
                if access.write { 0b11 << 6 } else { 0b01 << 6 },
            )
        }
    };
    execute_never | AF | shareability | permissions | memory
}

/// What the attribute bits of a leaf descriptor mean, if they are exactly one of the defined encodings.
fn decode(stage: Stage, bits: u64) -> Option<Access> {
    Access::all().find(|access| attributes(stage, *access) == bits)
}

/// Says what is unusual about attribute bits that [`decode`] does not know.
fn blame(bits: u64) -> &'static str {
    if bits & AF == 0 {
        "access flag clear"
    } else if bits & (1 << 52) != 0 {
        "contiguous bit set"
    } else if bits & !(XN | (1 << 53) | 0xffc) != 0 {
        "reserved or software bits set"
    } else {
        "rights, shareability and memory type are no defined combination"
    }
}

/// Everything found by walking one root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    /// What is reachable, by input address.
    pub runs: Vec<Run>,
    /// Offsets in the blob of all table pages, the root first.
    pub pages: Vec<u64>,
    /// Descriptors that were looked at and are not zero.
    pub descriptors: u64,
    /// Table pages that are out of place or reached twice.
    pub table_faults: Vec<String>,
    /// Descriptors that are not of a defined form.
    pub descriptor_faults: Vec<String>,
}

impl Walk {
    /// Bytes of input addresses that are mapped.
    pub(crate) fn size(&self) -> u64 {
        self.runs.iter().map(|run| run.input.size()).sum()
    }
}

/// Where tables may lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables<'a> {
    /// The blob.
    pub blob: &'a [u8],
    /// Physical address of its first byte.
    pub base: u64,
    /// Offsets in the blob at which tables below the root may lie.
    pub lower: Range,
}

struct Walker<'a> {
    tables: Tables<'a>,
    stage: Stage,
    seen: BTreeSet<u64>,
    /// Attribute bits of the leaf before and what they mean: neighbours are mostly alike.
    last: Option<(u64, Access)>,
    walk: Walk,
}

/// Walks from the root page at `offset` of the blob.
pub(crate) fn walk(tables: Tables<'_>, stage: Stage, offset: u64) -> Walk {
    let mut walker = Walker {
        tables,
        stage,
        seen: BTreeSet::new(),
        last: None,
        walk: Walk::default(),
    };
    walker.table(offset, 1, 0);
    walker.walk
}

/// Bytes of input addresses that an entry of a table of `level` covers.
fn entry_size(level: u32) -> u64 {
    match level {
        1 => 1 << 30,
        2 => 1 << 21,
        _ => PAGE,
    }
}

impl Walker<'_> {
    fn table(&mut self, offset: u64, level: u32, input: u64) {
        let Some(page) = slice(self.tables.blob, offset, PAGE).filter(|_| offset.is_multiple_of(PAGE)) else {
            let fault =
                format!("table for {input:#x} at blob offset {offset:#x} is outside the blob or unaligned");
            return self.walk.table_faults.push(fault);
        };
        if !self.seen.insert(offset) {
            let fault = format!("table at blob offset {offset:#x} is reached twice, again for {input:#x}");
            return self.walk.table_faults.push(fault);
        }
        self.walk.pages.push(offset);
        let mut next = input;
        for bytes in page.chunks_exact(8) {
            step();
            let descriptor = bytes.try_into().map_or(0, u64::from_le_bytes);
            if descriptor != 0 {
                self.walk.descriptors += 1;
                self.entry(descriptor, level, next);
            }
            next += entry_size(level);
        }
    }

    fn entry(&mut self, descriptor: u64, level: u32, input: u64) {
        match (descriptor & 0b11, level) {
            (0b11, 1 | 2) => self.lower(descriptor, level, input),
            (0b01, 2) => self.leaf(descriptor, BLOCK_ADDRESS, level, input),
            (0b11, _) => self.leaf(descriptor, ADDRESS, level, input),
            (0b01, 1) => self.undefined(descriptor, level, input, "1 GiB block"),
            (0b01, _) => self.undefined(descriptor, level, input, "reserved descriptor type"),
            (_, _) => self.undefined(descriptor, level, input, "invalid descriptor that is not zero"),
        }
    }

    fn undefined(&mut self, descriptor: u64, level: u32, input: u64, what: &str) {
        let fault = format!("{input:#x}: level {level} descriptor {descriptor:#018x}: {what}");
        self.walk.descriptor_faults.push(fault);
    }

    fn lower(&mut self, descriptor: u64, level: u32, input: u64) {
        if descriptor & !ADDRESS != 0b11 {
            return self.undefined(descriptor, level, input, "table descriptor with attribute bits");
        }
        let address = descriptor & ADDRESS;
        match address.checked_sub(self.tables.base) {
            Some(offset) if self.tables.lower.contains(Range::sized(offset, PAGE)) => {
                self.table(offset, level + 1, input);
            }
            Some(_) | None => {
                let fault = format!("table for {input:#x} at {address:#x} is outside the blob's area for it");
                self.walk.table_faults.push(fault);
            }
        }
    }

    fn leaf(&mut self, descriptor: u64, address: u64, level: u32, input: u64) {
        let bits = descriptor & !address & !0b11;
        let known = self
            .last
            .filter(|(last, _)| *last == bits)
            .map(|(_, access)| access);
        let access = known.or_else(|| decode(self.stage, bits));
        self.last = access.map(|access| (bits, access));
        match access {
            None => self.undefined(descriptor, level, input, blame(bits)),
            Some(access) => {
                let input = Range::sized(input, entry_size(level));
                push(
                    &mut self.walk.runs,
                    Run {
                        input,
                        output: descriptor & address,
                        access,
                    },
                );
            }
        }
    }
}
