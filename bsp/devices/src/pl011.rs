// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Arm PL011 UART, polled: no interrupt, no wait for the line.
//!
//! Implements: BH-DEV-001.
//!
//! # References
//! Arm DDI 0183 (PrimeCell UART PL011 TRM), "Register descriptions" and "Control register, UARTCR".

use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, register_bitfields};

use crate::block::{Mmio, RegisterBlock};

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;
const INTERRUPT_CLEAR: usize = 0x44;

/// 32-bit words of the registers that the driver uses.
pub const WORDS: usize = INTERRUPT_CLEAR / 4 + 1;
/// A PL011 in memory.
pub type MmioPl011 = Pl011<Mmio<WORDS>>;

/// Every interrupt bit of UARTICR.
const ALL_INTERRUPTS: u32 = 0x7ff;

register_bitfields! {
    u32,
    Data [
        BYTE OFFSET(0) NUMBITS(8) [],
        FRAMING OFFSET(8) NUMBITS(1) [],
        PARITY OFFSET(9) NUMBITS(1) [],
        BREAK OFFSET(10) NUMBITS(1) [],
    ],
    Flags [
        BUSY OFFSET(3) NUMBITS(1) [],
        RECEIVE_EMPTY OFFSET(4) NUMBITS(1) [],
        TRANSMIT_FULL OFFSET(5) NUMBITS(1) [],
    ],
    LineControl [
        FIFOS OFFSET(4) NUMBITS(1) [],
        WORD_LENGTH OFFSET(5) NUMBITS(2) [EightBits = 3],
    ],
    Control [
        UART OFFSET(0) NUMBITS(1) [],
        TRANSMIT OFFSET(8) NUMBITS(1) [],
        RECEIVE OFFSET(9) NUMBITS(1) [],
    ],
}

/// Why the UART could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It was still transmitting after the stated number of polls.
    Busy(u32),
}

/// A PL011.
pub struct Pl011<R> {
    registers: R,
}

impl<R: RegisterBlock> Pl011<R> {
    /// Takes the UART as it is; a UART that firmware uses is ready to write to.
    #[must_use]
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    fn flags(&self) -> LocalRegisterCopy<u32, Flags::Register> {
        LocalRegisterCopy::new(self.registers.read(FLAGS))
    }

    /// Sets 8N1 with FIFOs on and interrupts off; the baud rate divisors stay as firmware set them.
    ///
    /// # Errors
    /// [`Error::Busy`] when the last transmission did not end within `polls` readings; nothing was changed.
    ///
    /// # Timing
    /// At most `polls` readings of one register.
    pub fn enable(&self, polls: u32) -> Result<(), Error> {
        if !(0..polls).any(|_| !self.flags().is_set(Flags::BUSY)) {
            return Err(Error::Busy(polls));
        }
        let line: FieldValue<u32, _> = LineControl::FIFOS::SET + LineControl::WORD_LENGTH::EightBits;
        let on: FieldValue<u32, _> = Control::UART::SET + Control::TRANSMIT::SET + Control::RECEIVE::SET;
        self.registers.write(CONTROL, 0);
        self.registers.write(INTERRUPT_MASK, 0);
        self.registers.write(INTERRUPT_CLEAR, ALL_INTERRUPTS);
        self.registers.write(LINE_CONTROL, line.value);
        self.registers.write(CONTROL, on.value);
        Ok(())
    }

    /// Hands one byte to the transmit FIFO; `false` when it is full, and nothing was written.
    ///
    /// # Timing
    /// One reading and at most one write.
    pub fn try_write(&self, byte: u8) -> bool {
        let room = !self.flags().is_set(Flags::TRANSMIT_FULL);
        if room {
            self.registers.write(DATA, u32::from(byte));
        }
        room
    }

    /// Takes one byte from the receive FIFO.
    ///
    /// `None` when it is empty, and also when the character was damaged on the line (framing, parity,
    /// break): it is discarded, the next call looks at the next one.
    ///
    /// # Timing
    /// At most two readings.
    pub fn read(&self) -> Option<u8> {
        if self.flags().is_set(Flags::RECEIVE_EMPTY) {
            return None;
        }
        let data: LocalRegisterCopy<u32, Data::Register> = LocalRegisterCopy::new(self.registers.read(DATA));
        if data.any_matching_bits_set(Data::FRAMING::SET + Data::PARITY::SET + Data::BREAK::SET) {
            return None;
        }
        u8::try_from(data.read(Data::BYTE)).ok()
    }
}
