// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Cadence UART of AMD (Xilinx) SoCs, polled: no interrupt, no wait for the line.
//!
//! Implements: BH-DEV-010.
//!
//! # References
//! AMD UG1085 (Zynq UltraScale+ TRM), "UART Controllers"; UG1087, module "UART".

use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, register_bitfields};

use crate::block::{Mmio, RegisterBlock};

const CONTROL: usize = 0x00;
const MODE: usize = 0x04;
const INTERRUPT_DISABLE: usize = 0x0c;
const INTERRUPT_STATUS: usize = 0x14;
const STATUS: usize = 0x2c;
const FIFO: usize = 0x30;

/// 32-bit words of the registers that the driver uses.
pub const WORDS: usize = FIFO / 4 + 1;
/// A Cadence UART in memory.
pub type MmioCadenceUart = CadenceUart<Mmio<WORDS>>;

/// Every interrupt bit.
const ALL_INTERRUPTS: u32 = 0x1fff;

register_bitfields! {
    u32,
    Control [
        RECEIVE_ENABLE OFFSET(2) NUMBITS(1) [],
        TRANSMIT_ENABLE OFFSET(4) NUMBITS(1) [],
        STOP_BREAK OFFSET(8) NUMBITS(1) [],
    ],
    Mode [
        CHARACTER_LENGTH OFFSET(1) NUMBITS(2) [EightBits = 0],
        PARITY OFFSET(3) NUMBITS(3) [None = 4],
        STOP_BITS OFFSET(6) NUMBITS(2) [One = 0],
        CHANNEL OFFSET(8) NUMBITS(2) [Normal = 0],
    ],
    Interrupt [
        FRAMING OFFSET(6) NUMBITS(1) [],
        PARITY OFFSET(7) NUMBITS(1) [],
    ],
    Status [
        RECEIVE_EMPTY OFFSET(1) NUMBITS(1) [],
        TRANSMIT_FULL OFFSET(4) NUMBITS(1) [],
    ],
}

/// A Cadence UART.
pub struct CadenceUart<R> {
    registers: R,
}

impl<R: RegisterBlock> CadenceUart<R> {
    /// Takes the UART as it is.
    #[must_use]
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    fn status(&self) -> LocalRegisterCopy<u32, Status::Register> {
        LocalRegisterCopy::new(self.registers.read(STATUS))
    }

    /// Sets 8N1 in normal mode with both directions on and interrupts off; the baud rate divisors, the clock
    /// selection and what is in the FIFOs stay as firmware left them.
    ///
    /// # Timing
    /// One reading and four writes.
    pub fn enable(&self) {
        let frame: FieldValue<u32, _> = Mode::CHARACTER_LENGTH::EightBits
            + Mode::PARITY::None
            + Mode::STOP_BITS::One
            + Mode::CHANNEL::Normal;
        let on: FieldValue<u32, _> =
            Control::RECEIVE_ENABLE::SET + Control::TRANSMIT_ENABLE::SET + Control::STOP_BREAK::SET;
        self.registers.write(INTERRUPT_DISABLE, ALL_INTERRUPTS);
        self.registers.write(INTERRUPT_STATUS, ALL_INTERRUPTS);
        self.registers
            .write(MODE, frame.modify(self.registers.read(MODE)));
        // The disabling bits, which win over the enabling ones, are written as zeros.
        self.registers.write(CONTROL, on.value);
    }

    /// Hands one byte to the transmit FIFO; `false` when it is full, and nothing was written.
    ///
    /// # Timing
    /// One reading and at most one write.
    pub fn try_write(&self, byte: u8) -> bool {
        let room = !self.status().is_set(Status::TRANSMIT_FULL);
        if room {
            self.registers.write(FIFO, u32::from(byte));
        }
        room
    }

    /// Takes one byte from the receive FIFO.
    ///
    /// `None` when it is empty, and also after a character was damaged on the line (framing, parity), which this UART
    /// says of the FIFO, not of the character: the next one is discarded with it.
    ///
    /// # Timing
    /// At most three readings and one write.
    pub fn read(&self) -> Option<u8> {
        if self.status().is_set(Status::RECEIVE_EMPTY) {
            return None;
        }
        let errors: FieldValue<u32, _> = Interrupt::FRAMING::SET + Interrupt::PARITY::SET;
        let damaged = self.registers.read(INTERRUPT_STATUS) & errors.value;
        let byte = self.registers.read(FIFO);
        if damaged != 0 {
            self.registers.write(INTERRUPT_STATUS, damaged);
            return None;
        }
        u8::try_from(byte & 0xff).ok()
    }
}
