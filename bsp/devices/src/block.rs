// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The register block that a driver is given: memory-mapped, or a fake of a test.

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::ReadWrite;

/// A block of 32-bit registers, each at a multiple of 4 bytes.
///
/// Methods take `&self` because a device register changes on its own anyway.
pub trait RegisterBlock {
    /// Reads the register at byte `offset`; reading may have a side effect.
    fn read(&self, offset: usize) -> u32;

    /// Writes the register at byte `offset`.
    fn write(&self, offset: usize, value: u32);
}

/// A register block in memory mapped as Device.
#[derive(Clone, Copy)]
pub struct Mmio<const WORDS: usize> {
    words: &'static [ReadWrite<u32>; WORDS],
}

impl<const WORDS: usize> Mmio<WORDS> {
    /// Takes the registers; making the reference is the duty of the caller's edge.
    #[must_use]
    pub const fn new(words: &'static [ReadWrite<u32>; WORDS]) -> Self {
        Self { words }
    }
}

impl<const WORDS: usize> RegisterBlock for Mmio<WORDS> {
    /// A register beyond the block reads as zero; drivers here use constant offsets inside it.
    #[inline(always)]
    fn read(&self, offset: usize) -> u32 {
        self.words.get(offset / 4).map_or(0, Readable::get)
    }

    #[inline(always)]
    fn write(&self, offset: usize, value: u32) {
        if let Some(word) = self.words.get(offset / 4) {
            word.set(value);
        }
    }
}
