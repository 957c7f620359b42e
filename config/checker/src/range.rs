// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Address ranges and little-endian fields: the vocabulary of the decoders.

use std::fmt;

use crate::work::step;

/// Page size of every table.
pub(crate) const PAGE: u64 = 4096;

/// An address range, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Range {
    /// A range of `size` bytes from `start`; ends at the last address when it would wrap around.
    pub(crate) fn sized(start: u64, size: u64) -> Self {
        step();
        Self {
            start,
            end: start.saturating_add(size),
        }
    }

    /// Bytes in it.
    pub(crate) fn size(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it contains no address.
    pub(crate) fn is_empty(self) -> bool {
        self.size() == 0
    }

    /// Whether all of `other` lies in it.
    pub(crate) fn contains(self, other: Self) -> bool {
        step();
        self.start <= other.start && other.end <= self.end
    }

    /// The addresses in both, if any.
    pub(crate) fn intersection(self, other: Self) -> Option<Self> {
        step();
        let both = Self {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        };
        (both.start < both.end).then_some(both)
    }

    /// Whether begin and end are multiples of the page size.
    pub(crate) fn is_page_aligned(self) -> bool {
        self.start.is_multiple_of(PAGE) && self.end.is_multiple_of(PAGE)
    }

    /// What remains of it when the addresses in `holes` are taken out.
    pub(crate) fn minus(self, holes: &[Self]) -> Vec<Self> {
        let mut rest = vec![self];
        for hole in holes {
            rest = rest
                .into_iter()
                .flat_map(|r| match r.intersection(*hole) {
                    None => vec![r],
                    Some(cut) => {
                        vec![
                            Self {
                                start: r.start,
                                end: cut.start,
                            },
                            Self {
                                start: cut.end,
                                end: r.end,
                            },
                        ]
                    }
                })
                .filter(|r| !r.is_empty())
                .collect();
        }
        rest
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start, self.end)
    }
}

/// The `size` bytes from `offset`, if all of them exist.
pub(crate) fn slice(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(size)?).ok()?;
    bytes.get(start..end)
}

/// The array of `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// The little-endian 16-bit field at `offset`.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// The little-endian 32-bit field at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// The little-endian 64-bit field at `offset`.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}
