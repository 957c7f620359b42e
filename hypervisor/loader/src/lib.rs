// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the EL1 loader computes: regions around its stack, and the random bytes of a start.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::indexing_slicing, missing_docs)]

use sha2::{Digest, Sha256};

/// A region of IPAs, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Region {
    /// The region of `size` bytes from `start`; `None` when it wraps around.
    pub fn new(start: u64, size: u64) -> Option<Self> {
        Some(Self {
            start,
            end: start.checked_add(size)?,
        })
    }

    /// Whether both have a byte in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end && self.start < self.end && other.start < other.end
    }

    /// What lies before and what lies after `hole`; either may be empty.
    pub fn without(self, hole: Self) -> [Self; 2] {
        [
            Self {
                start: self.start,
                end: self.end.min(hole.start).max(self.start),
            },
            Self {
                start: self.start.max(hole.end).min(self.end),
                end: self.end,
            },
        ]
    }
}

/// The random bytes of one start of a partition: block *n* is SHA-256(secret || start count || *n*), all
/// numbers little-endian. They differ between partitions, boots and restarts.
///
/// Implements: BH-BOOT-021.
#[derive(Clone, Debug)]
pub struct Random {
    secret: [u64; 4],
    starts: u64,
    block: u64,
}

impl Random {
    /// A generator at block 0.
    pub const fn new(secret: [u64; 4], starts: u64) -> Self {
        Self {
            secret,
            starts,
            block: 0,
        }
    }

    /// The next 32 bytes.
    pub fn block(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.secret
            .iter()
            .for_each(|word| hash.update(word.to_le_bytes()));
        hash.update(self.starts.to_le_bytes());
        hash.update(self.block.to_le_bytes());
        self.block = self.block.wrapping_add(1);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64) -> Region {
        Region { start, end }
    }

    #[test]
    fn a_region_without_a_hole_has_no_byte_of_it_and_loses_no_other() {
        for start in 0..8 {
            for end in start..8 {
                for first in 0..8 {
                    for last in first..8 {
                        let (whole, hole) = (region(start, end), region(first, last));
                        let parts = whole.without(hole);
                        for byte in 0..8 {
                            let wanted = (start..end).contains(&byte) && !(first..last).contains(&byte);
                            let times = parts.iter().filter(|p| (p.start..p.end).contains(&byte)).count();
                            assert_eq!(times, usize::from(wanted), "{whole:?} {hole:?} {byte}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn overlap_is_a_common_byte() {
        assert!(region(0, 4).overlaps(region(3, 5)));
        assert!(!region(0, 4).overlaps(region(4, 5)));
        assert!(!region(0, 4).overlaps(region(2, 2)));
        assert_eq!(Region::new(u64::MAX, 2), None);
    }

    /// Verifies: BH-BOOT-021.
    #[test]
    fn random_bytes_differ_between_starts_secrets_and_blocks() {
        let mut one = Random::new([1, 2, 3, 4], 0);
        let (first, second) = (one.block(), one.block());
        assert_ne!(first, second);
        assert_ne!(first, Random::new([1, 2, 3, 4], 1).block());
        assert_ne!(first, Random::new([1, 2, 3, 5], 0).block());
        assert_eq!(first, Random::new([1, 2, 3, 4], 0).block());
    }
}
