// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The watchdog of the Intel 6300ESB, a PCI function.
//!
//! Two stages count down one after the other; at the end of the second the board is reset. A pet begins the first
//! one again. EL2 locks it once it runs: nothing but a reset of the board stops it.
//!
//! # References
//! Intel 6300ESB I/O Controller Hub datasheet, "Watchdog Timer (WDT)": configuration and memory-mapped registers.

use crate::mmio::Frame;
use crate::pci::function::Function;

/// Bytes of its register BAR, number 0.
pub const SIZE: usize = 16;

/// Configuration space, 16 bits: output and interrupt of the stages, unit of the count.
const CONFIG: usize = 0x60;
/// The second stage resets the board, the first one interrupts nobody, the unit is 2^15 clocks of 33 MHz.
const RESETS: u16 = 0x0003;
/// Bits of [`CONFIG`] that say so but for the interrupt, which QEMU keeps in one bit.
const CONFIG_MASK: u16 = 0x0024;
/// Configuration space, 8 bits.
const LOCK: usize = 0x68;
/// Runs, and cannot be stopped.
const LOCKED: u8 = 0b11;
/// Memory-mapped: what the stages count down from.
const STAGES: [usize; 2] = [0x00, 0x04];
/// Memory-mapped, 16 bits: pets after the two words that unlock one write.
const RELOAD: usize = 0x0C;
const UNLOCK: [u16; 2] = [0x80, 0x86];
const PET: u16 = 0x100;

/// It does not run as it was told: configuration word and lock register as they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub u8);

/// The watchdog's registers.
#[derive(Debug)]
pub struct Watchdog(Frame);

impl Watchdog {
    /// Takes the registers at `base`.
    ///
    /// # Safety
    /// As [`Frame::new`], with `size` = [`SIZE`].
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, SIZE) })
    }

    /// Starts it for ever: each stage counts down from `count`, at most 2^20 - 1. Implements: BH-HEALTH-040.
    ///
    /// # Errors
    /// [`Refused`] when it does not run so, as when a boot loader locked it otherwise.
    ///
    /// # Timing
    /// 14 accesses.
    pub fn start(&self, function: &Function, count: u32) -> Result<(), Refused> {
        let space = function.space();
        space.write8(LOCK, 0);
        space.write16(CONFIG, RESETS);
        for stage in STAGES {
            self.unlock();
            self.0.write32(stage, count);
        }
        self.pet();
        space.write8(LOCK, LOCKED);
        runs(space.read16(CONFIG), space.read8(LOCK))
    }

    /// Begins the first stage again.
    ///
    /// # Timing
    /// Three accesses.
    pub fn pet(&self) {
        self.unlock();
        self.0.write16(RELOAD, PET);
    }

    fn unlock(&self) {
        for word in UNLOCK {
            self.0.write16(RELOAD, word);
        }
    }
}

/// Whether it runs as it was told, by its configuration word and lock register.
const fn runs(config: u16, lock: u8) -> Result<(), Refused> {
    if config & CONFIG_MASK == RESETS & CONFIG_MASK && lock & LOCKED == LOCKED {
        Ok(())
    } else {
        Err(Refused(config, lock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::function;

    /// Verifies: BH-HEALTH-040.
    #[test]
    fn it_is_told_to_reset_the_board_and_locked() {
        let mut registers = [0u32; SIZE / 4];
        let mut space = vec![0u32; function::SIZE / 4];
        let base = registers.as_mut_ptr().expose_provenance();
        // SAFETY: local memory, used only through the drivers until they end.
        let watchdog = unsafe { Watchdog::new(base) };
        let base = space.as_mut_ptr().expose_provenance();
        assert!(base.is_multiple_of(4));
        // SAFETY: as above; only registers of up to 32 bits are used.
        let function = unsafe { Function::new(base) };
        assert_eq!(watchdog.start(&function, 254), Ok(()));
        assert_eq!((watchdog.0.read32(0), watchdog.0.read32(4)), (254, 254));
        assert_eq!(watchdog.0.read16(RELOAD), PET);
        let space = function.space();
        assert_eq!((space.read16(CONFIG), space.read8(LOCK)), (RESETS, LOCKED));
    }

    /// Verifies: BH-HEALTH-040.
    #[test]
    fn one_that_resets_nothing_or_can_be_stopped_is_refused() {
        assert_eq!(runs(0x0003, 0b11), Ok(()));
        assert_eq!(runs(0x0001, 0b111), Ok(()));
        for (config, lock) in [
            (0x0023, 0b11),
            (0x0007, 0b11),
            (0x0003, 0b01),
            (0x0003, 0b10),
            (0, 0),
        ] {
            assert_eq!(runs(config, lock), Err(Refused(config, lock)));
        }
    }
}
