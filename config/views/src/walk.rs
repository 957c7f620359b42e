// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks the emitted translation tables, leaf by leaf, without storing them.
//!
//! VMSAv8-64, 4 KiB granule, 39-bit input addresses, start at level 1. Bits are read as the hardware reads
//! them; whether they should have these values is the checker's question.
//!
//! # References
//! - Arm ARM (DDI 0487), "VMSAv8-64 translation table format descriptors", "Stage 2 attribute fields in
//!   VMSAv8-64 Block and Page descriptors", "Stage 1 attribute fields in VMSAv8-64 Block and Page descriptors"
//! - Arm SMMUv3 (IHI 0070), "Stream Table Entry"

use std::fmt;

use serde::Serialize;

use crate::built::{Built, BuiltError};
use crate::records::Span;

/// Bits 47:12: address of a table or page.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// Access flag.
const AF: u64 = 1 << 10;
/// Entries of a table.
const ENTRIES: u64 = 512;
/// Bytes of a stream table entry.
const STE: u64 = 64;

/// Which translation a root is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// EL2's own.
    One,
    /// A partition's or a stream's.
    Two,
}

/// What a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
    /// Instruction fetches.
    pub execute: bool,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |has, letter| if has { letter } else { '-' };
        let (read, write) = (letter(self.read, 'r'), letter(self.write, 'w'));
        write!(f, "{read}{write}{}", letter(self.execute, 'x'))
    }
}

/// Consecutive input addresses that reach consecutive physical addresses alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// First input address.
    pub input: u64,
    /// First physical address.
    pub output: u64,
    /// Bytes.
    pub size: u64,
    /// What is allowed.
    pub rights: Rights,
    /// Memory type: `normal-wb`, `normal-nc`, `device-ngnre`, or `other`.
    pub memory: &'static str,
}

impl Leaf {
    /// Its physical addresses.
    pub fn physical(&self) -> Span {
        Span {
            start: self.output,
            end: self.output.saturating_add(self.size),
        }
    }

    /// Whether `next` continues it.
    pub fn continues(&self, next: &Leaf) -> bool {
        self.input.wrapping_add(self.size) == next.input
            && self.output.wrapping_add(self.size) == next.output
            && (self.rights, self.memory) == (next.rights, next.memory)
    }
}

/// Whom a root serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// EL2 on every core until boot ends.
    Boot,
    /// EL2 on a core at run time.
    Core(usize),
    /// A partition's vCPUs.
    Partition(usize),
    /// A StreamID.
    Stream(u64),
}

/// A translation root.
#[derive(Clone, Debug)]
pub struct Root {
    /// `el2:boot`, `el2:core:N`, `partition:NAME`, `stream:ID`.
    pub name: String,
    /// Whom it serves.
    pub serves: Use,
    /// Which translation.
    pub stage: Stage,
    /// Where the blob holds it.
    offset: Option<u64>,
}

/// Every root: EL2's, the partitions', and that of each valid stream.
pub fn roots(built: &Built<'_>) -> Vec<Root> {
    let header = &built.header;
    let el2 = |name: String, serves, address: u64| Root {
        name,
        serves,
        stage: Stage::One,
        offset: address.checked_sub(header.base),
    };
    let mut roots = vec![el2("el2:boot".to_owned(), Use::Boot, header.boot_root)];
    for (k, core) in built.cores.iter().enumerate() {
        roots.push(el2(format!("el2:core:{k}"), Use::Core(k), core.el2_root));
    }
    for (p, partition) in built.partitions.iter().enumerate() {
        roots.push(Root {
            name: format!("partition:{}", built.partition_name(p)),
            serves: Use::Partition(p),
            stage: Stage::Two,
            offset: Some(partition.pristine_root),
        });
    }
    for (id, words) in streams(built) {
        roots.push(Root {
            name: format!("stream:{id:#x}"),
            serves: Use::Stream(id),
            stage: Stage::Two,
            offset: (words[3] & 0x000f_ffff_ffff_f000).checked_sub(header.base),
        });
    }
    roots
}

/// Stream table entries with V = 1, by StreamID: their eight doublewords.
pub fn streams(built: &Built<'_>) -> Vec<(u64, [u64; 8])> {
    let count = match built.board.smmu {
        0 => 0,
        _ => 1u64.checked_shl(built.board.stream_bits).unwrap_or(0),
    };
    let table = built.header.live_image.checked_add(built.board.stream_table);
    let entry = |id: u64| {
        let at = table?.checked_add(id.checked_mul(STE)?)?;
        let mut words = [0; 8];
        for (k, word) in (0u64..).zip(&mut words) {
            *word = doubleword(built.blob, at.checked_add(8 * k)?)?;
        }
        Some(words)
    };
    let entries = (0..count).map_while(|id| Some((id, entry(id)?)));
    entries.filter(|(_, words)| words[0] & 1 == 1).collect()
}

fn doubleword(blob: &[u8], offset: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let bytes = blob.get(start..start.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Visits every leaf below a root, by input address.
///
/// # Errors
/// [`BuiltError::Table`] when a table lies outside the blob.
pub fn leaves(built: &Built<'_>, root: &Root, visit: &mut impl FnMut(Leaf)) -> Result<(), BuiltError> {
    let walk = Walk {
        blob: built.blob,
        base: built.header.base,
        stage: root.stage,
        mair: built.header.el2_mair,
    };
    let outside = |input| BuiltError::Table {
        root: root.name.clone(),
        input,
    };
    let offset = root.offset.ok_or_else(|| outside(0))?;
    walk.table(offset, 1, 0, visit).map_err(outside)
}

/// Visits the longest runs of leaves that continue each other.
///
/// # Errors
/// As [`leaves`].
pub fn runs(built: &Built<'_>, root: &Root, visit: &mut impl FnMut(Leaf)) -> Result<(), BuiltError> {
    let mut open: Option<Leaf> = None;
    leaves(built, root, &mut |leaf| match &mut open {
        Some(run) if run.continues(&leaf) => run.size = run.size.saturating_add(leaf.size),
        Some(run) => {
            visit(*run);
            *run = leaf;
        }
        None => open = Some(leaf),
    })?;
    if let Some(run) = open {
        visit(run);
    }
    Ok(())
}

struct Walk<'a> {
    blob: &'a [u8],
    base: u64,
    stage: Stage,
    mair: u64,
}

impl Walk<'_> {
    /// The error is the input address at which a table lies outside the blob.
    fn table(&self, offset: u64, level: u32, input: u64, visit: &mut impl FnMut(Leaf)) -> Result<(), u64> {
        let size: u64 = match level {
            1 => 1 << 30,
            2 => 1 << 21,
            _ => 1 << 12,
        };
        for entry in 0..ENTRIES {
            let here = input.saturating_add(entry.saturating_mul(size));
            let at = offset.checked_add(8 * entry).ok_or(here)?;
            let descriptor = doubleword(self.blob, at).ok_or(here)?;
            match (descriptor & 0b11, level) {
                (0b11, 1 | 2) => {
                    let next = (descriptor & ADDRESS).checked_sub(self.base).ok_or(here)?;
                    self.table(next, level + 1, here, visit)?;
                }
                (0b11, _) | (0b01, 1 | 2) if descriptor & AF != 0 => visit(self.leaf(descriptor, here, size)),
                // Invalid, reserved, or without access flag: a fault.
                _ => {}
            }
        }
        Ok(())
    }

    fn leaf(&self, descriptor: u64, input: u64, size: u64) -> Leaf {
        let bit = |n: u32| descriptor >> n & 1 == 1;
        let (rights, memory) = match self.stage {
            Stage::One => {
                let attribute = self.mair >> (8 * (descriptor >> 2 & 0b111)) & 0xff;
                let memory = match attribute {
                    0xff => "normal-wb",
                    0x44 => "normal-nc",
                    0x04 => "device-ngnre",
                    _ => "other",
                };
                let rights = Rights {
                    read: true,
                    write: !bit(7),
                    execute: !bit(54),
                };
                (rights, memory)
            }
            Stage::Two => {
                let memory = match descriptor >> 2 & 0b1111 {
                    0b1111 => "normal-wb",
                    0b0101 => "normal-nc",
                    0b0001 => "device-ngnre",
                    _ => "other",
                };
                let rights = Rights {
                    read: bit(6),
                    write: bit(7),
                    // XN[1:0] = 0b10 forbids fetches at EL1 and EL0, every other value allows some.
                    execute: descriptor >> 53 & 0b11 != 0b10,
                };
                (rights, memory)
            }
        };
        Leaf {
            input,
            output: descriptor & ADDRESS & !(size - 1),
            size,
            rights,
            memory,
        }
    }
}
