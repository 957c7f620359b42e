// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The live stage-2 root page of a partition, as words: withdrawn when the partition stops, restored when it
//! starts (design decisions D1, D3).
//!
//! An entry of zero is invalid: Arm DDI 0487, "VMSAv8-64 translation table level -1 to level 2 descriptor formats". Walkers
//! read the page while it is written, so each entry is one atomic store; barriers and TLB invalidation
//! are the caller's.
//!
//! Most entries are zero in the pristine copy, and so in the live page, which boot copied from it and which nobody but
//! the functions here writes: they visit only the others, which [`Used`] names.

use core::sync::atomic::{AtomicU64, Ordering};

/// Entries of a root page.
const ENTRIES: usize = 512;
const BITS: usize = 64;

/// The entries of a root page that are not zero in its pristine copy.
#[derive(Debug)]
pub struct Used([AtomicU64; ENTRIES / BITS]);

impl Default for Used {
    fn default() -> Self {
        Self::new()
    }
}

impl Used {
    /// None.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ENTRIES / BITS])
    }

    /// Those of a pristine copy.
    pub fn note(&self, pristine: &[u64]) {
        for (bits, part) in self.0.iter().zip(pristine.chunks(BITS)) {
            let used = part
                .iter()
                .rev()
                .fold(0, |sum, word| sum << 1 | u64::from(*word != 0));
            bits.store(used, Ordering::Relaxed);
        }
    }

    /// Calls `visit` with the index of each.
    fn each(&self, mut visit: impl FnMut(usize)) {
        for (first, bits) in (0..).step_by(BITS).zip(&self.0) {
            each_bit(bits.load(Ordering::Relaxed), |bit| visit(first | bit));
        }
    }
}

/// Calls `visit` with the number of each bit that is set.
#[inline]
fn each_bit(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(usize::try_from(bits.trailing_zeros()).unwrap_or(0));
        bits &= bits.wrapping_sub(1);
    }
}

/// Makes every entry invalid. Implements: BH-LIFE-003.
///
/// # Timing
/// One store an entry that is in use.
pub fn withdraw(root: &[AtomicU64], used: &Used) {
    used.each(|index| {
        if let Some(entry) = root.get(index) {
            entry.store(0, Ordering::Relaxed);
        }
    });
}

/// Makes every entry what it is in the pristine copy; one that the copy does not have becomes invalid.
/// Implements: BH-LIFE-004.
///
/// # Timing
/// One load and one store an entry that is in use.
pub fn restore(root: &[AtomicU64], pristine: &[u64], used: &Used) {
    used.each(|index| {
        if let Some(entry) = root.get(index) {
            entry.store(pristine.get(index).copied().unwrap_or(0), Ordering::Relaxed);
        }
    });
}
