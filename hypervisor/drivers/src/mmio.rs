// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Register frames and bounded polls.

use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// A hardware poll that did not end within its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Name of the register and field as the Arm document has it.
    pub register: &'static str,
}

/// Asks `done` at most `bound` times.
///
/// # Errors
/// [`Timeout`] with the name of what was polled.
///
/// # Timing
/// At most `bound` calls of `done`.
pub fn poll(register: &'static str, bound: u64, mut done: impl FnMut() -> bool) -> Result<(), Timeout> {
    for _ in 0..bound {
        if done() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(Timeout { register })
}

/// `size` bytes of device registers.
///
/// An access outside the frame or not aligned to its width never reaches the device: it reads as zero and
/// is ignored as a write.
#[derive(Debug)]
pub struct Frame {
    base: usize,
    size: usize,
}

impl Frame {
    /// Takes the registers at `base`; an address beyond this machine's pointers gives an empty frame.
    ///
    /// # Safety
    /// 1. `size` bytes at `base` are device registers (or, in a test, memory that is not otherwise used) and
    ///    readable and writable wherever this frame is used: identity-mapped Device memory, or the MMU is off.
    /// 2. `base` is 8-byte aligned.
    pub const unsafe fn new(base: usize, size: usize) -> Self {
        Self { base, size }
    }

    /// Address of a `width`-byte register, if it lies in the frame.
    fn address(&self, offset: usize, width: usize) -> Option<usize> {
        let end = offset.checked_add(width)?;
        if end > self.size || !offset.is_multiple_of(width) {
            return None;
        }
        self.base.checked_add(offset)
    }

    /// Writes the byte register at byte `offset`.
    #[inline]
    pub fn write8(&self, offset: usize, value: u8) {
        let Some(address) = self.address(offset, 1) else {
            return;
        };
        // SAFETY: the address lies in the frame (`address`); the frame holds device registers (claim 1 of
        // `new`), so no Rust object changes.
        unsafe { with_exposed_provenance_mut::<u8>(address).write_volatile(value) }
    }

    /// Reads the byte register at byte `offset`, 0 when there is none.
    #[inline]
    pub fn read8(&self, offset: usize) -> u8 {
        let Some(address) = self.address(offset, 1) else {
            return 0;
        };
        // SAFETY: as in `read32`.
        unsafe { with_exposed_provenance::<u8>(address).read_volatile() }
    }

    /// Reads the 16-bit register at byte `offset`, 0 when there is none.
    #[inline]
    pub fn read16(&self, offset: usize) -> u16 {
        let Some(address) = self.address(offset, 2) else {
            return 0;
        };
        // SAFETY: as in `read32`.
        unsafe { with_exposed_provenance::<u16>(address).read_volatile() }
    }

    /// Writes the 16-bit register at byte `offset`.
    #[inline]
    pub fn write16(&self, offset: usize, value: u16) {
        let Some(address) = self.address(offset, 2) else {
            return;
        };
        // SAFETY: as in `write32`.
        unsafe { with_exposed_provenance_mut::<u16>(address).write_volatile(value) }
    }

    /// Reads the 32-bit register at byte `offset`, 0 when there is none.
    #[inline]
    pub fn read32(&self, offset: usize) -> u32 {
        let Some(address) = self.address(offset, 4) else {
            return 0;
        };
        // SAFETY: the address lies in the frame and is aligned (`address`); the frame is readable (claim 1
        // of `new`).
        unsafe { with_exposed_provenance::<u32>(address).read_volatile() }
    }

    /// Writes the 32-bit register at byte `offset`.
    #[inline]
    pub fn write32(&self, offset: usize, value: u32) {
        let Some(address) = self.address(offset, 4) else {
            return;
        };
        // SAFETY: the address lies in the frame and is aligned (`address`); the frame holds device registers
        // (claim 1 of `new`), so no Rust object changes.
        unsafe { with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
    }

    /// Reads the 64-bit register at byte `offset`, 0 when there is none.
    #[inline]
    pub fn read64(&self, offset: usize) -> u64 {
        let Some(address) = self.address(offset, 8) else {
            return 0;
        };
        // SAFETY: as in `read32`.
        unsafe { with_exposed_provenance::<u64>(address).read_volatile() }
    }

    /// Writes the 64-bit register at byte `offset`.
    #[inline]
    pub fn write64(&self, offset: usize, value: u64) {
        let Some(address) = self.address(offset, 8) else {
            return;
        };
        // SAFETY: as in `write32`.
        unsafe { with_exposed_provenance_mut::<u64>(address).write_volatile(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_frame_is_touched() {
        let mut memory = [0u64; 4];
        let base = memory.as_mut_ptr().expose_provenance();
        // SAFETY: two of the four words of a local array, aligned, used through the frame until it is dropped.
        let frame = unsafe { Frame::new(base + 8, 16) };
        frame.write32(12, 7);
        frame.write32(16, 7);
        frame.write32(2, 7);
        frame.write64(12, 7);
        frame.write64(usize::MAX - 3, 7);
        assert_eq!((frame.read32(12), frame.read32(16), frame.read64(16)), (7, 0, 0));
        assert_eq!(memory, [0, 0, 7 << 32, 0]);
    }

    #[test]
    fn a_poll_ends() {
        let mut tries = 0;
        let never = poll("X.Y", 5, || {
            tries += 1;
            false
        });
        assert_eq!((never, tries), (Err(Timeout { register: "X.Y" }), 5));
        assert_eq!(poll("X.Y", 1, || true), Ok(()));
    }
}
