// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The live stage-2 root page of a partition, as words: withdrawn when the partition stops, restored when it
//! starts (design decisions D1, D3).
//!
//! An entry of zero is invalid: Arm DDI 0487, "VMSAv8-64 translation table level -1 to level 2 descriptor formats". Walkers
//! read the page while it is written, so each entry is one atomic store; barriers and TLB invalidation
//! are the caller's.

use core::sync::atomic::{AtomicU64, Ordering};

/// Makes every entry invalid. Implements: BH-LIFE-003.
///
/// # Timing
/// One store an entry.
pub fn withdraw(root: &[AtomicU64]) {
    for entry in root {
        entry.store(0, Ordering::Relaxed);
    }
}

/// Makes every entry what it is in the pristine copy; one that the copy does not have becomes invalid.
/// Implements: BH-LIFE-004.
///
/// # Timing
/// One load and one store an entry.
pub fn restore(root: &[AtomicU64], pristine: &[u64]) {
    for (entry, word) in root.iter().zip(pristine) {
        entry.store(*word, Ordering::Relaxed);
    }
    withdraw(root.get(pristine.len()..).unwrap_or(&[]));
}
