// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers in memory, each access one load or store of a general register: a hypervisor that emulates the
//! device gets a syndrome for nothing else.

use core::arch::asm;

use bulkhead_partition::machine::Range;

use super::span;

/// A block of registers.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    start: u64,
    size: u64,
}

impl Frame {
    /// The registers of `range`, which the device tree names as a device.
    pub(crate) const fn new(range: Range) -> Self {
        Self {
            start: range.start,
            size: range.size,
        }
    }

    /// The part of `size` bytes at `offset`; nothing is accessible when it does not lie in the block.
    pub(crate) fn part(self, offset: u64, size: u64) -> Self {
        let fits = offset.checked_add(size).is_some_and(|end| end <= self.size);
        Self {
            start: self.start.wrapping_add(offset),
            size: if fits { size } else { 0 },
        }
    }

    /// The address of a register of `bytes` bytes.
    fn at(self, offset: u64, bytes: u64) -> u64 {
        let inside =
            offset.is_multiple_of(bytes) && offset.checked_add(bytes).is_some_and(|e| e <= self.size);
        assert!(inside, "no register at {offset:#x} of {:#x}", self.start);
        self.start + offset
    }

    pub(crate) fn read32(self, offset: u64) -> u32 {
        let value;
        // SAFETY: `at` gives an aligned address in a block that the device tree names as the GIC or UART and
        // that is mapped as Device memory for ever.
        unsafe {
            asm!("ldr {:w}, [{}]", out(reg) value, in(reg) self.at(offset, 4), options(nostack, preserves_flags))
        };
        value
    }

    pub(crate) fn write32(self, offset: u64, value: u32) {
        // SAFETY: as in `read32`; device registers alias no Rust object.
        unsafe {
            asm!("str {:w}, [{}]", in(reg) value, in(reg) self.at(offset, 4), options(nostack, preserves_flags))
        };
    }

    pub(crate) fn read64(self, offset: u64) -> u64 {
        let value;
        // SAFETY: as in `read32`.
        unsafe {
            asm!("ldr {}, [{}]", out(reg) value, in(reg) self.at(offset, 8), options(nostack, preserves_flags))
        };
        value
    }

    pub(crate) fn write64(self, offset: u64, value: u64) {
        // SAFETY: as in `write32`.
        unsafe {
            asm!("str {}, [{}]", in(reg) value, in(reg) self.at(offset, 8), options(nostack, preserves_flags))
        };
    }

    pub(crate) fn read8(self, offset: u64) -> u8 {
        let value: u32;
        // SAFETY: as in `read32`.
        unsafe {
            asm!("ldrb {:w}, [{}]", out(reg) value, in(reg) self.at(offset, 1), options(nostack, preserves_flags))
        };
        u8::try_from(value & 0xff).unwrap_or(0)
    }

    pub(crate) fn write8(self, offset: u64, value: u8) {
        // SAFETY: as in `write32`.
        unsafe {
            asm!("strb {:w}, [{}]", in(reg) u32::from(value), in(reg) self.at(offset, 1), options(nostack, preserves_flags));
        }
    }

    /// Loads a word; gives the ticks that it took.
    pub(crate) fn time_read32(self, offset: u64) -> u64 {
        span::load(self.at(offset, 4))
    }

    /// Stores a word; gives the ticks that it took.
    pub(crate) fn time_write32(self, offset: u64, value: u32) -> u64 {
        span::store(self.at(offset, 4), value)
    }
}
