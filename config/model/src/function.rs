// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a device is reached: its PCI function and its interrupt.

use crate::span::Spanned;

/// A PCI function.
#[derive(Clone, Debug)]
pub struct PciFunction {
    /// Number of its bus, 0 to 255.
    pub bus: u32,
    /// Device number, 0 to 31; the function is 0.
    pub slot: u32,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Size of each BAR in bytes, a power of two; 0 where there is none.
    pub bars: [Spanned<u64>; 6],
}

impl PciFunction {
    /// Bus, device, function: bits 15:8, 7:3, 2:0. Also its StreamID.
    pub fn bdf(&self) -> u32 {
        self.bus << 8 | self.slot << 3
    }
}

/// A physical interrupt.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupt {
    /// INTID of an SPI.
    pub intid: u32,
    /// When it is pending.
    pub trigger: Trigger,
    /// What its driver calls it, where it has several.
    pub name: Option<Spanned<String>>,
}

/// Trigger of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Level-sensitive.
    Level,
    /// Edge-triggered.
    Edge,
}
