// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The UART of NXP's i.MX, polled: no interrupt, no DMA, no wait for the line.
//!
//! Implements: BH-DEV-002.
//!
//! # References
//! NXP IMX8MPRM (i.MX 8M Plus Applications Processor Reference Manual), "Universal Asynchronous
//! Receiver/Transmitter (UART)", "UART Memory Map/Register Definition".

use tock_registers::{LocalRegisterCopy, register_bitfields};

use crate::block::{Mmio, RegisterBlock};

const RECEIVE: usize = 0x00;
const TRANSMIT: usize = 0x40;
const CONTROL1: usize = 0x80;
const CONTROL2: usize = 0x84;
const CONTROL3: usize = 0x88;
const CONTROL4: usize = 0x8c;
const TEST: usize = 0xb4;

/// 32-bit words of the registers that the driver uses.
pub const WORDS: usize = TEST / 4 + 1;
/// An i.MX UART in memory.
pub type MmioImxUart = ImxUart<Mmio<WORDS>>;

register_bitfields! {
    u32,
    Receive [
        BYTE OFFSET(0) NUMBITS(8) [],
        ERROR OFFSET(14) NUMBITS(1) [],
        READY OFFSET(15) NUMBITS(1) [],
    ],
    Control1 [
        UART OFFSET(0) NUMBITS(1) [],
    ],
    Control2 [
        /// 0 resets the transmitter, the receiver and their FIFOs.
        NO_RESET OFFSET(0) NUMBITS(1) [],
        RECEIVER OFFSET(1) NUMBITS(1) [],
        TRANSMITTER OFFSET(2) NUMBITS(1) [],
        EIGHT_BITS OFFSET(5) NUMBITS(1) [],
        IGNORE_RTS OFFSET(14) NUMBITS(1) [],
    ],
    Control3 [
        /// Always set: "RXD Muxed Input Selected".
        RECEIVE_MUXED OFFSET(2) NUMBITS(1) [],
    ],
    Test [
        TRANSMIT_FULL OFFSET(4) NUMBITS(1) [],
    ],
}

/// An i.MX UART.
pub struct ImxUart<R> {
    registers: R,
}

impl<R: RegisterBlock> ImxUart<R> {
    /// Takes the UART as it is; a UART that firmware uses is ready to write to.
    #[must_use]
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    /// Makes it ready to transmit and receive eight bits without parity, with all interrupts and DMA requests off.
    /// The baud rate and the levels of the FIFOs stay as firmware left them, and no byte on its way is lost.
    pub fn enable(&self) {
        let on = Control2::NO_RESET::SET
            + Control2::RECEIVER::SET
            + Control2::TRANSMITTER::SET
            + Control2::EIGHT_BITS::SET
            + Control2::IGNORE_RTS::SET;
        self.registers.write(CONTROL1, Control1::UART::SET.value);
        self.registers.write(CONTROL2, on.value);
        self.registers.write(CONTROL3, Control3::RECEIVE_MUXED::SET.value);
        self.registers.write(CONTROL4, 0);
    }

    /// Hands one byte to the transmit FIFO; `false` when it is full, and nothing was written.
    ///
    /// # Timing
    /// One reading and at most one write.
    pub fn try_write(&self, byte: u8) -> bool {
        let test: LocalRegisterCopy<u32, Test::Register> = LocalRegisterCopy::new(self.registers.read(TEST));
        let room = !test.is_set(Test::TRANSMIT_FULL);
        if room {
            self.registers.write(TRANSMIT, u32::from(byte));
        }
        room
    }

    /// Takes one byte from the receive FIFO.
    ///
    /// `None` when it is empty, and also when the character was damaged on the line (framing, parity, overrun,
    /// break): it is discarded, the next call looks at the next one.
    ///
    /// # Timing
    /// One reading.
    pub fn read(&self) -> Option<u8> {
        let data: LocalRegisterCopy<u32, Receive::Register> =
            LocalRegisterCopy::new(self.registers.read(RECEIVE));
        if !data.is_set(Receive::READY) || data.is_set(Receive::ERROR) {
            return None;
        }
        u8::try_from(data.read(Receive::BYTE)).ok()
    }
}
