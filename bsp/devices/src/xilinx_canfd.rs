// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AMD's (Xilinx's) CAN FD controller 2.0, sending and receiving classic frames.
//!
//! Reception uses FIFO 0 with one filter that accepts everything. Transmission keeps the order of the calls
//! among frames of one identifier: the controller sends the lowest identifier first and, among equal ones, the
//! lowest buffer, so that a frame goes into a buffer above all that wait. No method waits for the bus.
//!
//! Implements: BH-CAN-011, BH-CAN-012, BH-CAN-013.
//!
//! # References
//! AMD PG223 (CAN FD Product Guide), "Register Space", "RX Message Space", "Message Transmission".

use embedded_can::{ExtendedId, Frame as _, Id, StandardId};
use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, RegisterLongName, register_bitfields};

use crate::block::{Mmio, RegisterBlock};
use crate::can::{Controller, Error, Frame, Timing};

const RESET: usize = 0x00;
const MODE: usize = 0x04;
const PRESCALER: usize = 0x08;
const BIT_TIMING: usize = 0x0c;
const STATUS: usize = 0x18;
const INTERRUPT_STATUS: usize = 0x1c;
const INTERRUPT_ENABLE: usize = 0x20;
const INTERRUPT_CLEAR: usize = 0x24;
const TRANSMIT_REQUEST: usize = 0x90;
const FILTER_CONTROL: usize = 0xe0;
const RECEIVE_STATUS: usize = 0xe8;
const TRANSMIT_BUFFER: usize = 0x100;
const FILTER_MASK: usize = 0xa00;
const FILTER_ID: usize = 0xa04;
const RECEIVE_FIFO: usize = 0x2100;
/// Bytes from message to message.
const STRIDE: usize = 0x48;
/// Transmit buffers.
const BUFFERS: u32 = 32;
/// Frames that the receive FIFO can hold.
const FIFO: usize = 64;

/// 32-bit words of a controller's registers.
pub const WORDS: usize = (RECEIVE_FIFO + FIFO * STRIDE) / 4;
/// A controller in memory.
pub type MmioXilinxCanFd = XilinxCanFd<Mmio<WORDS>>;

register_bitfields! {
    u32,
    Reset [
        SOFTWARE OFFSET(0) NUMBITS(1) [],
        ENABLE OFFSET(1) NUMBITS(1) [],
    ],
    BitTiming [
        SEGMENT1 OFFSET(0) NUMBITS(8) [],
        SEGMENT2 OFFSET(8) NUMBITS(7) [],
        JUMP_WIDTH OFFSET(16) NUMBITS(7) [],
    ],
    Status [
        CONFIGURATION OFFSET(0) NUMBITS(1) [],
        NORMAL OFFSET(3) NUMBITS(1) [],
    ],
    Interrupt [
        RECEIVED OFFSET(4) NUMBITS(1) [],
        OVERFLOW OFFSET(6) NUMBITS(1) [],
    ],
    ReceiveStatus [
        INDEX OFFSET(0) NUMBITS(6) [],
        NEXT OFFSET(7) NUMBITS(1) [],
        LEVEL OFFSET(8) NUMBITS(7) [],
    ],
    Identifier [
        EXTENSION_REMOTE OFFSET(0) NUMBITS(1) [],
        EXTENSION OFFSET(1) NUMBITS(18) [],
        EXTENDED OFFSET(19) NUMBITS(1) [],
        /// Remote frame; recessive (1) in every extended frame.
        REMOTE OFFSET(20) NUMBITS(1) [],
        BASE OFFSET(21) NUMBITS(11) [],
    ],
    Length [
        FLEXIBLE_DATA_RATE OFFSET(27) NUMBITS(1) [],
        CODE OFFSET(28) NUMBITS(4) [],
    ],
}

/// The timing for a bit rate with the sample point at 80 %; `None` when the clock cannot be divided so.
///
/// # Units
/// Hz, bit/s.
#[must_use]
pub fn timing(clock: u32, bit_rate: u32) -> Option<Timing> {
    Timing::at_80_percent(clock, bit_rate, &[20, 25, 15, 10, 5], 256)
}

/// A controller that takes part in the bus.
pub struct XilinxCanFd<R> {
    registers: R,
}

impl<R: RegisterBlock> XilinxCanFd<R> {
    /// Resets the controller, sets timing and filter and joins the bus, with all interrupts off.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    ///
    /// # Timing
    /// At most `polls` readings of one register, twice.
    pub fn new(registers: R, timing: Timing, polls: u32) -> Result<Self, Error> {
        registers.write(RESET, Reset::SOFTWARE::SET.value);
        let state = |wanted: FieldValue<u32, Status::Register>, name| {
            let there = |_| copy::<Status::Register>(&registers, STATUS).matches_all(wanted);
            (0..polls)
                .any(there)
                .then_some(())
                .ok_or(Error::Timeout(name, polls))
        };
        state(Status::CONFIGURATION::SET, "configuration mode")?;
        registers.write(INTERRUPT_ENABLE, 0);
        registers.write(INTERRUPT_CLEAR, u32::MAX);
        registers.write(MODE, 0);
        registers.write(PRESCALER, timing.prescaler.saturating_sub(1));
        let bits = BitTiming::SEGMENT1.val(timing.segment1.saturating_sub(1))
            + BitTiming::SEGMENT2.val(timing.segment2.saturating_sub(1))
            + BitTiming::JUMP_WIDTH.val(0);
        registers.write(BIT_TIMING, bits.value);
        // A filter is written while it is off; without one nothing is received.
        registers.write(FILTER_CONTROL, 0);
        registers.write(FILTER_MASK, 0);
        registers.write(FILTER_ID, 0);
        registers.write(FILTER_CONTROL, 1);
        registers.write(RESET, Reset::ENABLE::SET.value);
        state(Status::NORMAL::SET, "normal mode")?;
        Ok(Self { registers })
    }
}

impl<R: RegisterBlock> Controller for XilinxCanFd<R> {
    fn enable_receive_interrupt(&mut self) {
        self.registers.write(INTERRUPT_ENABLE, receive_interrupts());
    }

    /// Takes "received" back before the FIFO is read: what arrives meanwhile raises it again.
    fn begin_reception(&mut self) {
        self.registers
            .write(INTERRUPT_CLEAR, Interrupt::RECEIVED::SET.value);
    }

    fn end_reception(&mut self) {}
}

impl<R: RegisterBlock> embedded_can::nb::Can for XilinxCanFd<R> {
    type Frame = Frame;
    type Error = Error;

    /// Hands a frame to the lowest transmit buffer above all that wait.
    ///
    /// # Errors
    /// `WouldBlock` while the highest buffer waits for the bus. No frame is ever replaced.
    ///
    /// # Timing
    /// One reading and five writes.
    fn transmit(&mut self, frame: &Frame) -> nb::Result<Option<Frame>, Error> {
        let waiting = self.registers.read(TRANSMIT_REQUEST);
        let buffer = BUFFERS - waiting.leading_zeros();
        if buffer == BUFFERS {
            return Err(nb::Error::WouldBlock);
        }
        let base = TRANSMIT_BUFFER + usize::try_from(buffer).unwrap_or(0) * STRIDE;
        for (index, word) in words_of(frame).into_iter().enumerate() {
            self.registers.write(base + 4 * index, word);
        }
        // Bits of other buffers are left alone by zeros.
        self.registers.write(TRANSMIT_REQUEST, 1 << buffer);
        Ok(None)
    }

    /// Takes the oldest received frame.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; [`Error::Overrun`] once after frames were lost; [`Error::NotClassic`] for
    /// what had to be skipped.
    ///
    /// # Timing
    /// At most six readings and one write.
    fn receive(&mut self) -> nb::Result<Frame, Error> {
        let interrupts: LocalRegisterCopy<u32, Interrupt::Register> = copy(&self.registers, INTERRUPT_STATUS);
        if interrupts.is_set(Interrupt::OVERFLOW) {
            self.registers
                .write(INTERRUPT_CLEAR, Interrupt::OVERFLOW::SET.value);
            return Err(nb::Error::Other(Error::Overrun));
        }
        let status: LocalRegisterCopy<u32, ReceiveStatus::Register> = copy(&self.registers, RECEIVE_STATUS);
        if status.read(ReceiveStatus::LEVEL) == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let index = usize::try_from(status.read(ReceiveStatus::INDEX)).unwrap_or(0);
        let word = |number: usize| self.registers.read(RECEIVE_FIFO + index * STRIDE + 4 * number);
        let frame = frame_of([word(0), word(1), word(2), word(3)]);
        self.registers
            .write(RECEIVE_STATUS, ReceiveStatus::NEXT::SET.value);
        frame.ok_or(nb::Error::Other(Error::NotClassic))
    }
}

fn copy<T: RegisterLongName>(registers: &impl RegisterBlock, offset: usize) -> LocalRegisterCopy<u32, T> {
    LocalRegisterCopy::new(registers.read(offset))
}

fn receive_interrupts() -> u32 {
    (Interrupt::RECEIVED::SET + Interrupt::OVERFLOW::SET).value
}

/// A classic frame from identifier, length and two words of data.
fn frame_of([identifier, length, data0, data1]: [u32; 4]) -> Option<Frame> {
    let identifier: LocalRegisterCopy<u32, Identifier::Register> = LocalRegisterCopy::new(identifier);
    let length: LocalRegisterCopy<u32, Length::Register> = LocalRegisterCopy::new(length);
    if length.is_set(Length::FLEXIBLE_DATA_RATE) {
        return None;
    }
    let base = identifier.read(Identifier::BASE);
    let (id, remote) = if identifier.is_set(Identifier::EXTENDED) {
        let id = ExtendedId::new((base << 18) | identifier.read(Identifier::EXTENSION))?;
        (Id::Extended(id), Identifier::EXTENSION_REMOTE)
    } else {
        let id = StandardId::new(u16::try_from(base).ok()?)?;
        (Id::Standard(id), Identifier::REMOTE)
    };
    let ([a, b, c, d], [e, f, g, h]) = (data0.to_be_bytes(), data1.to_be_bytes());
    let data = [a, b, c, d, e, f, g, h];
    Frame::received(id, identifier.is_set(remote), length.read(Length::CODE), data)
}

/// Identifier, length and two words of data of a classic frame.
fn words_of(frame: &Frame) -> [u32; 4] {
    let remote = frame.is_remote_frame();
    let identifier = match frame.id() {
        Id::Standard(id) => {
            Identifier::BASE.val(id.as_raw().into()) + Identifier::REMOTE.val(u32::from(remote))
        }
        Id::Extended(id) => {
            Identifier::BASE.val(id.as_raw() >> 18)
                + Identifier::REMOTE::SET
                + Identifier::EXTENDED::SET
                + Identifier::EXTENSION.val(id.as_raw())
                + Identifier::EXTENSION_REMOTE.val(u32::from(remote))
        }
    };
    let (code, [a, b, c, d, e, f, g, h]) = frame.parts();
    [
        identifier.value,
        Length::CODE.val(code).value,
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
}
