// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The emulated PL011 of a partition.
//!
//! A transmitted byte leaves at once, so the transmitter is always empty and ready. The receive FIFO is filled
//! by EL2. Two things differ from the hardware, as they do in QEMU's model: transmission and reception work
//! whatever `UARTCR` enables, and one received character raises the receive interrupt whatever trigger level
//! `UARTIFLS` selects. It raises the receive timeout too, since no further character is ever on its way.
//!
//! # References
//! Arm DDI 0183, PrimeCell UART (PL011), "Programmers Model", "Interrupts".

use heapless::Deque;

use crate::bits::{low8, low32};

/// Bytes of the register page.
pub const SIZE: u64 = 0x1000;

/// Register offsets.
mod reg {
    pub(super) const DR: u64 = 0x000;
    pub(super) const RSR_ECR: u64 = 0x004;
    pub(super) const FR: u64 = 0x018;
    pub(super) const ILPR: u64 = 0x020;
    pub(super) const IBRD: u64 = 0x024;
    pub(super) const FBRD: u64 = 0x028;
    pub(super) const LCR_H: u64 = 0x02c;
    pub(super) const CR: u64 = 0x030;
    pub(super) const IFLS: u64 = 0x034;
    pub(super) const IMSC: u64 = 0x038;
    pub(super) const RIS: u64 = 0x03c;
    pub(super) const MIS: u64 = 0x040;
    pub(super) const ICR: u64 = 0x044;
    pub(super) const DMACR: u64 = 0x048;
    pub(super) const PERIPH_ID0: u64 = 0xfe0;
    pub(super) const PERIPH_ID1: u64 = 0xfe4;
    pub(super) const PERIPH_ID2: u64 = 0xfe8;
    pub(super) const PERIPH_ID3: u64 = 0xfec;
    pub(super) const CELL_ID0: u64 = 0xff0;
    pub(super) const CELL_ID1: u64 = 0xff4;
    pub(super) const CELL_ID2: u64 = 0xff8;
    pub(super) const CELL_ID3: u64 = 0xffc;
}

/// `UARTFR` bits.
const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;
const FR_TXFE: u32 = 1 << 7;
/// `UARTLCR_H.FEN`.
const LCR_H_FEN: u32 = 1 << 4;
/// `UARTCR.LBE`.
const CR_LBE: u32 = 1 << 7;
/// `UARTCR` without its reserved bits 6:3.
const CR_BITS: u32 = 0xff87;
/// Interrupt bits of `UARTRIS` and its kin.
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const INTERRUPTS: u32 = 0x7ff;

/// What EL2 has to do after an access. In every case it then compares [`Pl011::line`] with the last level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Append the byte to the partition's console.
    Transmit(u8),
    /// The receive FIFO has room again.
    ReceiveSpace,
}

/// The registers.
#[derive(Clone, Debug)]
pub struct Pl011 {
    receive: Deque<u8, 16>,
    ilpr: u32,
    ibrd: u32,
    fbrd: u32,
    lcr_h: u32,
    cr: u32,
    ifls: u32,
    imsc: u32,
    ris: u32,
    dmacr: u32,
}

impl Pl011 {
    /// The state after reset.
    pub const fn new() -> Self {
        Self {
            receive: Deque::new(),
            ilpr: 0,
            ibrd: 0,
            fbrd: 0,
            lcr_h: 0,
            cr: 0x300,
            ifls: 0x12,
            imsc: 0,
            ris: 0,
            dmacr: 0,
        }
    }

    /// Carries out a load at `offset` from the first register. Reserved and misaligned offsets read as zero.
    ///
    /// Implements: BH-CON-003.
    pub fn read(&mut self, offset: u64) -> (u32, Effect) {
        let value = match offset {
            reg::DR => {
                let byte = self.receive.pop_front();
                if self.receive.is_empty() {
                    self.ris &= !(RX | RT);
                }
                return (byte.map_or(0, u32::from), Effect::ReceiveSpace);
            }
            reg::FR => self.flags(),
            reg::ILPR => self.ilpr,
            reg::IBRD => self.ibrd,
            reg::FBRD => self.fbrd,
            reg::LCR_H => self.lcr_h,
            reg::CR => self.cr,
            reg::IFLS => self.ifls,
            reg::IMSC => self.imsc,
            reg::RIS => self.ris,
            reg::MIS => self.ris & self.imsc,
            reg::DMACR => self.dmacr,
            reg::PERIPH_ID0 => 0x11,
            reg::PERIPH_ID1 => 0x10,
            reg::PERIPH_ID2 => 0x14,
            reg::PERIPH_ID3 => 0x00,
            reg::CELL_ID0 => 0x0d,
            reg::CELL_ID1 => 0xf0,
            reg::CELL_ID2 => 0x05,
            reg::CELL_ID3 => 0xb1,
            // No error is ever received: RSR reads as zero like the write-only and reserved offsets.
            _ => 0,
        };
        (value, Effect::None)
    }

    /// Carries out a store of the low 32 bits of `value`. Reserved and misaligned offsets are ignored.
    pub fn write(&mut self, offset: u64, value: u64) -> Effect {
        let byte = low8(value);
        let value = low32(value);
        match offset {
            reg::DR => return self.transmit(byte),
            reg::RSR_ECR => {}
            reg::ILPR => self.ilpr = value & 0xff,
            reg::IBRD => self.ibrd = value & 0xffff,
            reg::FBRD => self.fbrd = value & 0x3f,
            reg::LCR_H => {
                if (self.lcr_h ^ value) & LCR_H_FEN != 0 {
                    self.receive.clear();
                    self.ris &= !(RX | RT);
                }
                self.lcr_h = value & 0xff;
            }
            reg::CR => self.cr = value & CR_BITS,
            reg::IFLS => self.ifls = value & 0x3f,
            reg::IMSC => self.imsc = value & INTERRUPTS,
            reg::ICR => self.ris &= !value,
            reg::DMACR => self.dmacr = value & 7,
            _ => {}
        }
        Effect::None
    }

    /// Puts a byte into the receive FIFO; `false` when it is full and the byte has to wait.
    pub fn receive(&mut self, byte: u8) -> bool {
        let accepted = self.has_room() && self.receive.push_back(byte).is_ok();
        if accepted {
            self.ris |= RX | RT;
        }
        accepted
    }

    /// Whether [`Pl011::receive`] would take a byte.
    pub const fn has_room(&self) -> bool {
        self.receive.len() < self.depth()
    }

    /// Level of the interrupt line.
    #[inline]
    pub const fn line(&self) -> bool {
        self.ris & self.imsc != 0
    }

    /// The transmit interrupt follows the byte's leaving, so it is raised after every byte, and only so.
    fn transmit(&mut self, byte: u8) -> Effect {
        self.ris |= TX;
        if self.cr & CR_LBE == 0 {
            return Effect::Transmit(byte);
        }
        self.receive(byte);
        Effect::None
    }

    const fn depth(&self) -> usize {
        if self.lcr_h & LCR_H_FEN == 0 { 1 } else { 16 }
    }

    fn flags(&self) -> u32 {
        let empty = if self.receive.is_empty() { FR_RXFE } else { 0 };
        let full = if self.has_room() { 0 } else { FR_RXFF };
        FR_TXFE | empty | full
    }
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new()
    }
}
