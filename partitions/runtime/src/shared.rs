// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Shared memory without a protocol: one partition writes words, others read them. Implements: BH-PORT-020.

use core::ops::RangeInclusive;
use core::sync::atomic::Ordering;

use crate::sampling::Words;

/// A value that another partition wrote: nothing is known of it until it was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(u64);

impl Claim {
    /// The value, if it lies in `range`.
    pub fn within(self, range: RangeInclusive<u64>) -> Option<u64> {
        range.contains(&self.0).then_some(self.0)
    }

    /// The value as an index into something of `length` entries.
    pub fn index(self, length: usize) -> Option<usize> {
        usize::try_from(self.0).ok().filter(|index| *index < length)
    }
}

/// The writer's side.
pub struct SharedWriter<W>(W);

impl<W: Words> SharedWriter<W> {
    /// The memory of a channel that this partition writes.
    pub fn new(words: W) -> Self {
        Self(words)
    }

    /// Words of the memory.
    pub fn length(&self) -> usize {
        self.0.length()
    }

    /// Stores a word after everything that was stored before; one that does not exist is left out.
    pub fn store(&self, index: usize, value: u64) {
        self.0.store(index, value, Ordering::Release);
    }
}

/// A reader's side.
pub struct SharedReader<W>(W);

impl<W: Words> SharedReader<W> {
    /// The memory of a channel that this partition reads.
    pub fn new(words: W) -> Self {
        Self(words)
    }

    /// Words of the memory.
    pub fn length(&self) -> usize {
        self.0.length()
    }

    /// Loads a word before everything that is loaded after; `None` for one that does not exist.
    pub fn load(&self, index: usize) -> Option<Claim> {
        (index < self.0.length()).then(|| Claim(self.0.load(index, Ordering::Acquire)))
    }
}
