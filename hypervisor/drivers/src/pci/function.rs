// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One function's configuration space at run time.
//!
//! # References
//! PCI Local Bus Specification 3.0, "Device Control" (command register).

use super::{BUS_MASTER, COMMAND};
use crate::mmio::Frame;

/// Bytes of a function's configuration space.
pub const SIZE: usize = 4096;

/// The configuration space of one function.
#[derive(Debug)]
pub struct Function(Frame);

impl Function {
    /// Takes the configuration space at `base`.
    ///
    /// # Safety
    /// As [`Frame::new`], with `size` = [`SIZE`].
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, SIZE) })
    }

    /// Its registers.
    pub(crate) const fn space(&self) -> &Frame {
        &self.0
    }

    /// Lets the function master the bus, or ends that: from then on it sends no request to memory.
    /// Implements: BH-DMA-021.
    pub fn set_bus_master(&self, on: bool) {
        // The status half of the word is write-1-to-clear: zeros leave it.
        let command = self.0.read32(COMMAND) & 0xFFFF & !BUS_MASTER;
        let master = if on { BUS_MASTER } else { 0 };
        self.0.write32(COMMAND, command | master);
    }

    /// Whether it masters the bus.
    pub fn masters_bus(&self) -> bool {
        self.0.read32(COMMAND) & BUS_MASTER != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-DMA-021.
    #[test]
    fn only_bus_mastering_changes() {
        let mut space = vec![0u32; SIZE / 4];
        space[1] = 0xFFFF_0142;
        let base = space.as_mut_ptr().expose_provenance();
        assert!(base.is_multiple_of(4));
        // SAFETY: the vector outlives the driver and is used only through it; only its 32-bit words are used.
        let function = unsafe { Function::new(base) };
        function.set_bus_master(true);
        assert!(function.masters_bus());
        assert_eq!(function.0.read32(COMMAND), 0x0146);
        function.set_bus_master(false);
        assert_eq!(
            (function.masters_bus(), function.0.read32(COMMAND)),
            (false, 0x0142)
        );
    }
}
