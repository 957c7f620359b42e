// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that EL2 shares with others, word by word: statistics and partition windows.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A block of memory that others read or write while EL2 uses it; every access is a single-copy atomic.
#[derive(Clone, Copy)]
pub struct SharedBlock {
    base: usize,
    size: usize,
}

impl SharedBlock {
    /// A block of `size` bytes at `base`.
    ///
    /// # Safety
    /// 1. The range is mapped readable (and writable where it is written) in every EL2 root that uses the
    ///    block, for as long as it is used.
    /// 2. No Rust reference to any part of it exists anywhere.
    /// 3. `base` is 8-byte aligned.
    pub const unsafe fn new(base: usize, size: usize) -> Self {
        Self { base, size }
    }

    /// An empty block: reads give zero, writes are ignored.
    pub const EMPTY: Self = Self { base: 0, size: 0 };

    /// Address of the block.
    pub const fn address(&self) -> usize {
        self.base
    }

    /// A part of the block; empty when it is not inside.
    pub fn part(&self, offset: usize, size: usize) -> Self {
        match offset.checked_add(size) {
            Some(end) if end <= self.size && offset.is_multiple_of(8) => Self {
                base: self.base.wrapping_add(offset),
                size,
            },
            _ => Self::EMPTY,
        }
    }

    /// The block as words.
    pub fn words(&self) -> &[AtomicU64] {
        if self.size == 0 {
            return &[];
        }
        // SAFETY: (1) the words lie inside the block and are aligned, by `new` 3; (2) valid and only accessed
        // atomically, by `new` 1 and 2.
        unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(self.base), self.size / 8) }
    }

    fn word64(&self, offset: usize) -> Option<&AtomicU64> {
        let inside = offset.is_multiple_of(8) && offset.checked_add(8).is_some_and(|end| end <= self.size);
        // SAFETY: (1) inside the block and aligned, by the check and by `new` 3; (2) valid and only accessed
        // atomically, by `new` 1 and 2.
        inside.then(|| unsafe { &*core::ptr::with_exposed_provenance(self.base.wrapping_add(offset)) })
    }

    fn word32(&self, offset: usize) -> Option<&AtomicU32> {
        let inside = offset.is_multiple_of(4) && offset.checked_add(4).is_some_and(|end| end <= self.size);
        // SAFETY: as in `word64`, for 4 bytes.
        inside.then(|| unsafe { &*core::ptr::with_exposed_provenance(self.base.wrapping_add(offset)) })
    }

    fn byte(&self, offset: usize) -> Option<&AtomicU8> {
        // SAFETY: as in `word64`, for one byte.
        (offset < self.size)
            .then(|| unsafe { &*core::ptr::with_exposed_provenance(self.base.wrapping_add(offset)) })
    }

    /// Reads 8 bytes.
    pub fn read64(&self, offset: usize) -> u64 {
        self.word64(offset).map_or(0, |w| w.load(Ordering::Relaxed))
    }

    /// Writes 8 bytes.
    pub fn write64(&self, offset: usize, value: u64) {
        if let Some(w) = self.word64(offset) {
            w.store(value, Ordering::Relaxed);
        }
    }

    /// Reads 8 bytes, ordered before later accesses.
    pub fn read64_acquire(&self, offset: usize) -> u64 {
        self.word64(offset).map_or(0, |w| w.load(Ordering::Acquire))
    }

    /// Writes 8 bytes, ordered after earlier accesses.
    pub fn write64_release(&self, offset: usize, value: u64) {
        if let Some(w) = self.word64(offset) {
            w.store(value, Ordering::Release);
        }
    }

    /// Adds to 8 bytes that only the caller writes.
    pub fn add64(&self, offset: usize, value: u64) {
        if let Some(w) = self.word64(offset) {
            w.store(w.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
        }
    }

    /// Reads 4 bytes, ordered before later accesses.
    pub fn read32_acquire(&self, offset: usize) -> u32 {
        self.word32(offset).map_or(0, |w| w.load(Ordering::Acquire))
    }

    /// Writes 4 bytes, ordered after earlier accesses.
    pub fn write32_release(&self, offset: usize, value: u32) {
        if let Some(w) = self.word32(offset) {
            w.store(value, Ordering::Release);
        }
    }

    /// Writes 4 bytes.
    pub fn write32(&self, offset: usize, value: u32) {
        if let Some(w) = self.word32(offset) {
            w.store(value, Ordering::Relaxed);
        }
    }

    /// Adds to 4 bytes that only the caller writes.
    pub fn add32(&self, offset: usize, value: u32) {
        if let Some(w) = self.word32(offset) {
            w.store(w.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
        }
    }

    /// Reads a byte.
    pub fn read8(&self, offset: usize) -> u8 {
        self.byte(offset).map_or(0, |b| b.load(Ordering::Relaxed))
    }

    /// Writes a byte.
    pub fn write8(&self, offset: usize, value: u8) {
        if let Some(b) = self.byte(offset) {
            b.store(value, Ordering::Relaxed);
        }
    }
}
