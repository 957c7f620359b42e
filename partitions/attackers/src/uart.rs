// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The emulated UART of a partition without a window: what it must answer, and lines that leave by it.
//!
//! # References
//! Arm DDI 0183, PrimeCell UART (PL011), "Programmers Model", "Interrupts"; `hypervisor/policy`, "The emulated PL011", for
//! what a UART without a line does: a byte leaves at once, one received byte raises receive interrupt and timeout. The
//! code of EL2 is not used.

use core::fmt::{Arguments, Write};

use bulkhead_partition::el1::{Partition, console, time};

use crate::edge::{Operation, attempt};

/// Where a partition has it, and its SPI.
pub(crate) const UART: u64 = 0x0900_0000;
pub(crate) const INTID: u32 = 33;
const DR: u32 = 0x00;
const FR: u32 = 0x18;
const LCR_H: u32 = 0x2c;
const CR: u32 = 0x30;
const IMSC: u32 = 0x38;
const RIS: u32 = 0x3c;
const MIS: u32 = 0x40;
const ICR: u32 = 0x44;
/// Registers that keep what is written to some of their bits, and what they hold after reset: UARTILPR, UARTIBRD, UARTFBRD,
/// UARTLCR_H, UARTCR, UARTIFLS, UARTIMSC, UARTDMACR.
const KEPT: [(u32, u32, u32); 8] = [
    (0x20, 0xff, 0),
    (0x24, 0xffff, 0),
    (0x28, 0x3f, 0),
    (LCR_H, 0xff, 0),
    (CR, 0xff87, 0x300),
    (0x34, 0x3f, 0x12),
    (IMSC, 0x7ff, 0),
    (0x48, 7, 0),
];
/// UARTPeriphID0 to UARTPCellID3, from 0xfe0.
const IDENTITY: [u32; 8] = [0x11, 0x10, 0x14, 0, 0x0d, 0xf0, 0x05, 0xb1];
/// UARTFR: receive FIFO empty, full; transmit FIFO empty.
const EMPTY: u32 = 1 << 4;
const FULL: u32 = 1 << 6;
const SENT: u32 = 1 << 7;
/// UARTRIS: received (RX and receive timeout), transmitted.
const RECEIVED: u32 = 1 << 4 | 1 << 6;
const TRANSMITTED: u32 = 1 << 5;
/// UARTLCR_H.FEN, UARTCR.LBE.
const FIFO: u32 = 1 << 4;
const LOOP: u32 = 1 << 7;
/// Time in which EL2 moves what waits to the host.
const DRAIN_NS: u64 = 100_000_000;

/// The registers, as the host types nothing: only what loops back is received.
pub(crate) struct Uart {
    kept: [u32; KEPT.len()],
    raised: u32,
    fifo: [u8; 16],
    held: usize,
}

impl Uart {
    /// After reset.
    pub(crate) fn new() -> Self {
        Self {
            kept: KEPT.map(|(_, _, value)| value),
            raised: 0,
            fifo: [0; 16],
            held: 0,
        }
    }

    fn register(&self, offset: u32) -> u32 {
        let mut all = KEPT.iter().zip(self.kept);
        all.find(|((at, ..), _)| *at == offset)
            .map_or(0, |(_, value)| value)
    }

    fn flush(&mut self) {
        self.held = 0;
        self.raised &= !RECEIVED;
    }

    fn is_full(&self) -> bool {
        let depth = if self.register(LCR_H) & FIFO == 0 { 1 } else { 16 };
        self.held >= depth
    }

    /// Level of its interrupt.
    pub(crate) fn line(&self) -> bool {
        self.raised & self.register(IMSC) != 0
    }

    /// A store.
    pub(crate) fn store(&mut self, offset: u32, value: u64) {
        // Lossless: the registers have 32 bits, a character eight.
        let (value, character) = (value as u32, value as u8);
        match offset {
            DR => {
                self.raised |= TRANSMITTED;
                if self.register(CR) & LOOP != 0 && !self.is_full() {
                    if let Some(place) = self.fifo.get_mut(self.held) {
                        *place = character;
                    }
                    self.held += 1;
                    self.raised |= RECEIVED;
                }
            }
            ICR => self.raised &= !value,
            LCR_H if (self.register(LCR_H) ^ value) & FIFO != 0 => self.flush(),
            _ => {}
        }
        let all = KEPT.iter().zip(&mut self.kept);
        for ((_, bits, _), kept) in all.filter(|((at, ..), _)| *at == offset) {
            *kept = value & bits;
        }
    }

    /// What a load gives.
    pub(crate) fn load(&mut self, offset: u32) -> u64 {
        let value = match offset {
            DR => {
                let [first, ..] = self.fifo;
                let character = if self.held == 0 { 0 } else { first };
                self.fifo.rotate_left(1);
                self.held = self.held.saturating_sub(1);
                if self.held == 0 {
                    self.flush();
                }
                u32::from(character)
            }
            FR => {
                let empty = if self.held == 0 { EMPTY } else { 0 };
                SENT | empty | if self.is_full() { FULL } else { 0 }
            }
            RIS => self.raised,
            MIS => self.raised & self.register(IMSC),
            0xfe0..0x1000 if offset.is_multiple_of(4) => {
                let n = usize::try_from((offset - 0xfe0) / 4).unwrap_or(0);
                IDENTITY.get(n).copied().unwrap_or(0)
            }
            _ => self.register(offset),
        };
        u64::from(value)
    }
}

/// Whether the partition has its console by the UART.
pub(crate) fn is_there(partition: &Partition) -> bool {
    partition.machine.window.is_none()
}

/// A byte at a time, with the MMU off.
struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            let (_, _) = attempt(Operation::StoreWord, UART + u64::from(DR), byte.into());
        }
        Ok(())
    }
}

/// Writes a line to the console, whichever it is. What programs left in the UART is ended before.
pub(crate) fn say(partition: &Partition, text: Arguments<'_>) {
    if !is_there(partition) {
        return console::line(text);
    }
    let (_, _) = attempt(Operation::StoreWord, UART + u64::from(CR), 0x300);
    let until = time::now() + DRAIN_NS;
    while time::now() < until {
        core::hint::spin_loop();
    }
    // Behind what programs have sent.
    let _ = writeln!(Line, "\n{text}");
}

/// What the host typed first, if it has.
pub(crate) fn typed() -> bool {
    let flags = attempt(Operation::Load, UART + u64::from(FR), 0).0;
    let waits = flags & u64::from(EMPTY) == 0;
    if waits {
        let (_, _) = attempt(Operation::Load, UART + u64::from(DR), 0);
    }
    waits
}
