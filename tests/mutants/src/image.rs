// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `hypervisor.bin`, as `hypervisor/types/src/image.rs` documents it.

use crate::bytes::{array, u32_at, u64_at};

/// Offset of the header in the file.
pub const INFO: u64 = 64;
/// Bytes of the header.
pub const INFO_SIZE: u64 = 240;

/// A range of physical addresses, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Range {
    /// A range of `size` bytes; nothing when it wraps.
    pub fn sized(start: u64, size: u64) -> Option<Self> {
        start.checked_add(size).map(|end| Self { start, end })
    }

    /// Whether all of `self` is in `outer`.
    pub fn within(self, outer: Self) -> bool {
        outer.start <= self.start && self.start <= self.end && self.end <= outer.end
    }

    /// Whether the two share an address.
    pub fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Bytes.
    pub fn size(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The header of the file.
#[derive(Clone, Debug)]
pub struct Image {
    /// Board number.
    pub board: u32,
    /// Build ID.
    pub build: [u8; 16],
    /// All memory of the image.
    pub all: Range,
    /// Code of the boot part.
    pub boot_text: Range,
    /// Constants of the boot part.
    pub boot_rodata: Range,
    /// Data of the boot part.
    pub boot_data: Range,
    /// Code of the run-time part.
    pub text: Range,
    /// Constants of the run-time part.
    pub rodata: Range,
    /// Data of all cores.
    pub shared: Range,
    /// What boot hands over.
    pub handoff: Range,
    /// Statistics: for each core an equal part.
    pub stats: Range,
    /// Blocks of the cores.
    pub per_core: Range,
    /// From block to block.
    pub stride: u64,
    /// The loader.
    pub loader: Range,
    /// Cores that there is room for.
    pub max_cores: u64,
    /// Where the blob lies.
    pub blob_base: u64,
}

impl Image {
    /// Reads the header; nothing when it has another form than this version's.
    pub fn read(file: &[u8]) -> Option<Self> {
        let word = |offset: u64| u64_at(file, INFO + offset);
        let range = |offset: u64| {
            let range = Range {
                start: word(offset)?,
                end: word(offset + 8)?,
            };
            (range.start <= range.end).then_some(range)
        };
        let version = u32_at(file, INFO + 8)?;
        if array(file, INFO) != Some(*b"BULKHEAD") || version != 1 {
            return None;
        }
        Some(Self {
            board: u32_at(file, INFO + 12)?,
            build: array(file, INFO + 16)?,
            all: range(32)?,
            boot_text: range(48)?,
            boot_rodata: range(64)?,
            boot_data: range(80)?,
            text: range(96)?,
            rodata: range(112)?,
            shared: range(128)?,
            handoff: range(144)?,
            stats: range(160)?,
            per_core: range(176)?,
            stride: word(192)?,
            loader: range(200)?,
            max_cores: word(216)?,
            blob_base: word(232)?,
        })
    }

    /// The part of the statistics that core `core` writes.
    pub fn stats_of(&self, core: u64) -> Range {
        let size = self.stats.size().checked_div(self.max_cores).unwrap_or(0);
        let start = self.stats.start + core * size;
        Range {
            start,
            end: start + size,
        }
    }

    /// The block of core `core` without its guard page.
    pub fn block_of(&self, core: u64) -> Range {
        let start = self.per_core.start + core * self.stride;
        Range {
            start: start + crate::bytes::PAGE,
            end: start + self.stride,
        }
    }
}
