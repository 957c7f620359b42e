// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PCIe configuration space (ECAM).
//!
//! [`Ecam::silence`] takes every function off the bus; [`Ecam::assign`] then checks one function against
//! the blob, gives it its addresses, and lets it answer there. A [`function::Function`] is what is left of it at run
//! time: one function, its bus mastering.
//!
//! # References
//! PCI Express Base Specification, "PCI Express Enhanced Configuration Access Mechanism (ECAM)"; PCI Local
//! Bus Specification 3.0, "Configuration Space Organization", "Base Addresses".

use bulkhead_types::tables::{PciBar, PciFunction};

use crate::mmio::Frame;

pub mod function;

/// Bytes of a bus's configuration space.
pub const BUS_SIZE: usize = 1 << 20;
/// Functions of a bus.
const FUNCTIONS: u32 = 256;

const ID: usize = 0x00;
const COMMAND: usize = 0x04;
const HEADER_TYPE: usize = 0x0C;
const BAR0: usize = 0x10;
const ROM_BAR: usize = 0x30;

const MEMORY_SPACE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;
/// What a function reads as that is not there.
const ABSENT: u32 = u32::MAX;

/// Why a function is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciError {
    /// Another device than the blob names; holds the ID found.
    Id(u32),
    /// It has no type 0 header; holds the type found.
    Header(u32),
    /// A BAR has another size than the blob names.
    BarSize {
        /// Which BAR.
        bar: u32,
        /// Size found.
        found: u64,
    },
    /// A BAR does not accept its address.
    BarAddress {
        /// Which BAR.
        bar: u32,
        /// Address read back.
        found: u64,
    },
}

/// A function that keeps mastering the bus or decoding; holds its bus, device, function number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSilent(pub u32);

/// A configuration space.
#[derive(Debug)]
pub struct Ecam {
    frame: Frame,
    buses: u32,
}

/// What a BAR asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Absent,
    Io,
    Memory32,
    Memory64,
}

impl Ecam {
    /// Takes the configuration space at `base` with `buses` buses from bus 0.
    ///
    /// # Safety
    /// As [`Frame::new`], with `size` = `buses` × [`BUS_SIZE`].
    pub const unsafe fn new(base: usize, buses: u8) -> Self {
        // Widening; `From` is not const.
        #[allow(clippy::as_conversions)]
        let (size, buses) = ((buses as usize).saturating_mul(BUS_SIZE), buses as u32);
        Self {
            // SAFETY: the caller's claim.
            frame: unsafe { Frame::new(base, size) },
            buses,
        }
    }

    fn at(bdf: u32, register: usize) -> usize {
        usize::try_from(bdf)
            .unwrap_or(usize::MAX)
            .saturating_mul(4096)
            .saturating_add(register)
    }

    fn read(&self, bdf: u32, register: usize) -> u32 {
        self.frame.read32(Self::at(bdf, register))
    }

    fn write(&self, bdf: u32, register: usize, value: u32) {
        self.frame.write32(Self::at(bdf, register), value);
    }

    /// Switches bus mastering and the decoding of memory and I/O off on every function of every bus.
    /// Implements: BH-DMA-004. Returns how many functions there are.
    ///
    /// # Errors
    /// [`NotSilent`] for the first function that does not obey.
    ///
    /// # Timing
    /// Three accesses for each of 256 functions a bus.
    pub fn silence(&self) -> Result<u32, NotSilent> {
        let mut count = 0u32;
        for bdf in 0..self.buses.saturating_mul(FUNCTIONS) {
            if matches!(self.read(bdf, ID), ABSENT | 0) {
                continue;
            }
            // The status half of the word is write-1-to-clear: zeros leave it.
            self.write(bdf, COMMAND, 0);
            if self.read(bdf, COMMAND) & (BUS_MASTER | MEMORY_SPACE | 1) != 0 {
                return Err(NotSilent(bdf));
            }
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Checks a silenced function against the blob, programs its BARs and lets it decode memory. It masters the
    /// bus only when its partition starts ([`function::Function`]). Implements: BH-DMA-005.
    ///
    /// # Errors
    /// The first thing that differs; the function then stays silent.
    ///
    /// # Timing
    /// At most 40 accesses.
    pub fn assign(&self, function: &PciFunction) -> Result<(), PciError> {
        let bdf = function.bdf;
        let id = self.read(bdf, ID);
        if id != function.id {
            return Err(PciError::Id(id));
        }
        let header = (self.read(bdf, HEADER_TYPE) >> 16) & 0x7F;
        if header != 0 {
            return Err(PciError::Header(header));
        }
        let mut bars = function.bars.iter().zip(0u32..);
        while let Some((wanted, bar)) = bars.next() {
            let kind = self.program(bdf, bar, wanted)?;
            if kind == Kind::Memory64 {
                // The next register is this BAR's upper half; the blob says nothing there.
                match bars.next() {
                    Some((upper, _)) if upper.size == 0 => {}
                    Some(_) | None => return Err(PciError::BarSize { bar, found: 0 }),
                }
            }
        }
        self.write(bdf, ROM_BAR, 0);
        self.write(bdf, COMMAND, MEMORY_SPACE);
        Ok(())
    }

    fn bar_register(bar: u32) -> usize {
        usize::try_from(bar)
            .unwrap_or(usize::MAX)
            .saturating_mul(4)
            .saturating_add(BAR0)
    }

    /// Asks a BAR for its kind and size by writing ones, as "Base Addresses" describes.
    fn probe(&self, bdf: u32, bar: u32) -> (Kind, u64) {
        let register = Self::bar_register(bar);
        self.write(bdf, register, u32::MAX);
        let low = self.read(bdf, register);
        let (kind, mask) = match (low, low & 1, low & 6) {
            (0, _, _) => return (Kind::Absent, 0),
            (_, 1, _) => return (Kind::Io, 0),
            (_, _, 4) => {
                let upper = register.saturating_add(4);
                self.write(bdf, upper, u32::MAX);
                let high = u64::from(self.read(bdf, upper)) << 32;
                (Kind::Memory64, high | u64::from(low & !0xF))
            }
            (_, _, _) => (Kind::Memory32, u64::from(low & !0xF) | (u64::MAX << 32)),
        };
        (kind, mask.wrapping_neg())
    }

    fn program(&self, bdf: u32, bar: u32, wanted: &PciBar) -> Result<Kind, PciError> {
        let (kind, size) = self.probe(bdf, bar);
        let register = Self::bar_register(bar);
        if size != wanted.size {
            return Err(PciError::BarSize { bar, found: size });
        }
        let [b0, b1, b2, b3, b4, b5, b6, b7] = wanted.address.to_le_bytes();
        let (low, high) = (
            u32::from_le_bytes([b0, b1, b2, b3]),
            u32::from_le_bytes([b4, b5, b6, b7]),
        );
        self.write(bdf, register, low);
        let mut found = u64::from(self.read(bdf, register));
        match kind {
            // I/O decoding stays off and no I/O BAR is assigned.
            Kind::Absent | Kind::Io => return Ok(kind),
            Kind::Memory32 => found &= !0xF,
            Kind::Memory64 => {
                let upper = register.saturating_add(4);
                self.write(bdf, upper, high);
                found = (found & !0xF) | (u64::from(self.read(bdf, upper)) << 32);
            }
        }
        if found == wanted.address {
            Ok(kind)
        } else {
            Err(PciError::BarAddress { bar, found })
        }
    }
}
