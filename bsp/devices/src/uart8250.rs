// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A UART of the 8250 family with 32-bit registers (TI's K3 SoCs), polled: no interrupt, no wait for the line.
//!
//! Implements: BH-DEV-003.
//!
//! # References
//! TI SPRUIL1 (J721E Technical Reference Manual), "Universal Asynchronous Receiver/Transmitter (UART)",
//! "UART Registers".

use tock_registers::{LocalRegisterCopy, register_bitfields};

use crate::block::{Mmio, RegisterBlock};

/// Receive holding register when read, transmit holding register when written.
const DATA: usize = 0x00;
const INTERRUPT_ENABLE: usize = 0x04;
const LINE_CONTROL: usize = 0x0c;
const LINE_STATUS: usize = 0x14;

/// 32-bit words of the registers that the driver uses.
pub const WORDS: usize = LINE_STATUS / 4 + 1;
/// A UART in memory.
pub type MmioUart8250 = Uart8250<Mmio<WORDS>>;

register_bitfields! {
    u32,
    LineControl [
        WORD_LENGTH OFFSET(0) NUMBITS(2) [EightBits = 3],
    ],
    LineStatus [
        RECEIVED OFFSET(0) NUMBITS(1) [],
        PARITY OFFSET(2) NUMBITS(1) [],
        FRAMING OFFSET(3) NUMBITS(1) [],
        BREAK OFFSET(4) NUMBITS(1) [],
        TRANSMIT_EMPTY OFFSET(5) NUMBITS(1) [],
    ],
}

/// A UART of the 8250 family.
pub struct Uart8250<R> {
    registers: R,
}

impl<R: RegisterBlock> Uart8250<R> {
    /// Takes the UART as it is; a UART that firmware uses is ready to write to.
    #[must_use]
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    /// Sets eight bits without parity, with all interrupts off and the divisor latch closed; baud rate and FIFOs stay.
    pub fn enable(&self) {
        self.registers
            .write(LINE_CONTROL, LineControl::WORD_LENGTH::EightBits.value);
        self.registers.write(INTERRUPT_ENABLE, 0);
    }

    fn status(&self) -> LocalRegisterCopy<u32, LineStatus::Register> {
        LocalRegisterCopy::new(self.registers.read(LINE_STATUS))
    }

    /// Hands one byte to the transmitter when it is empty; `false` otherwise, and nothing was written.
    ///
    /// # Timing
    /// One reading and at most one write.
    pub fn try_write(&self, byte: u8) -> bool {
        let room = self.status().is_set(LineStatus::TRANSMIT_EMPTY);
        if room {
            self.registers.write(DATA, u32::from(byte));
        }
        room
    }

    /// Takes one received byte.
    ///
    /// `None` when there is none, and also when the character was damaged on the line (framing, parity, break): it
    /// is discarded, the next call looks at the next one.
    ///
    /// # Timing
    /// At most two readings.
    pub fn read(&self) -> Option<u8> {
        let status = self.status();
        if !status.is_set(LineStatus::RECEIVED) {
            return None;
        }
        let byte = u8::try_from(self.registers.read(DATA) & 0xff).ok();
        let damaged = LineStatus::PARITY::SET + LineStatus::FRAMING::SET + LineStatus::BREAK::SET;
        byte.filter(|_| !status.any_matching_bits_set(damaged))
    }
}
