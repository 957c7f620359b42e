// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CAN controller of AMD (Xilinx) Zynq SoCs, for classic frames.
//!
//! Frames go through its transmit FIFO and leave in the order of the calls; every received frame goes to its receive
//! FIFO, since no acceptance filter is on. No method waits for the bus.
//!
//! Implements: BH-CAN-021, BH-CAN-022, BH-CAN-023.
//!
//! # References
//! AMD UG1085 (Zynq UltraScale+ TRM), "CAN Controller"; UG1087, module "CAN".

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
const TRANSMIT_FIFO: usize = 0x30;
const RECEIVE_FIFO: usize = 0x50;
const FILTERS: usize = 0x60;

/// 32-bit words of a controller's registers.
pub const WORDS: usize = FILTERS / 4 + 1;
/// A controller in memory.
pub type MmioXilinxCan = XilinxCan<Mmio<WORDS>>;

register_bitfields! {
    u32,
    Reset [
        SOFTWARE OFFSET(0) NUMBITS(1) [],
        ENABLE OFFSET(1) NUMBITS(1) [],
    ],
    BitTiming [
        SEGMENT1 OFFSET(0) NUMBITS(4) [],
        SEGMENT2 OFFSET(4) NUMBITS(3) [],
        JUMP_WIDTH OFFSET(7) NUMBITS(2) [],
    ],
    Status [
        CONFIGURATION OFFSET(0) NUMBITS(1) [],
        NORMAL OFFSET(3) NUMBITS(1) [],
        TRANSMIT_FULL OFFSET(10) NUMBITS(1) [],
    ],
    Interrupt [
        OVERFLOW OFFSET(6) NUMBITS(1) [],
        RECEIVE_NOT_EMPTY OFFSET(7) NUMBITS(1) [],
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
        CODE OFFSET(28) NUMBITS(4) [],
    ],
}

/// The timing for a bit rate with the sample point at 80 %; `None` when the clock cannot be divided so.
///
/// # Units
/// Hz, bit/s.
#[must_use]
pub fn timing(clock: u32, bit_rate: u32) -> Option<Timing> {
    Timing::at_80_percent(clock, bit_rate, &[20, 15, 10, 5], 256)
}

/// A controller that takes part in the bus.
pub struct XilinxCan<R> {
    registers: R,
}

impl<R: RegisterBlock> XilinxCan<R> {
    /// Resets the controller, sets the timing and joins the bus, with all filters and interrupts off.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    ///
    /// # Timing
    /// At most `polls` readings of one register, twice.
    pub fn new(registers: R, timing: Timing, polls: u32) -> Result<Self, Error> {
        registers.write(RESET, Reset::SOFTWARE::SET.value);
        let enters = |wanted: FieldValue<u32, Status::Register>, name| {
            let there = |_| copy::<Status::Register>(&registers, STATUS).matches_all(wanted);
            let found = (0..polls).any(there);
            found.then_some(()).ok_or(Error::Timeout(name, polls))
        };
        enters(Status::CONFIGURATION::SET, "configuration mode")?;
        registers.write(INTERRUPT_ENABLE, 0);
        registers.write(INTERRUPT_CLEAR, u32::MAX);
        registers.write(MODE, 0);
        registers.write(FILTERS, 0);
        registers.write(PRESCALER, timing.prescaler.saturating_sub(1));
        let bits = BitTiming::SEGMENT1.val(timing.segment1.saturating_sub(1))
            + BitTiming::SEGMENT2.val(timing.segment2.saturating_sub(1))
            + BitTiming::JUMP_WIDTH.val(0);
        registers.write(BIT_TIMING, bits.value);
        registers.write(RESET, Reset::ENABLE::SET.value);
        enters(Status::NORMAL::SET, "normal mode")?;
        Ok(Self { registers })
    }
}

impl<R: RegisterBlock> Controller for XilinxCan<R> {
    fn enable_receive_interrupt(&mut self) {
        let on = Interrupt::RECEIVE_NOT_EMPTY::SET + Interrupt::OVERFLOW::SET;
        self.registers.write(INTERRUPT_ENABLE, on.value);
    }

    fn begin_reception(&mut self) {}

    /// Each frame took its interrupt back already; the FIFO raises it again while it is not empty.
    fn end_reception(&mut self) {}
}

impl<R: RegisterBlock> embedded_can::nb::Can for XilinxCan<R> {
    type Frame = Frame;
    type Error = Error;

    /// Hands a frame to the transmit FIFO; frames leave in the order of the calls.
    ///
    /// # Errors
    /// `WouldBlock` while it is full. No frame is ever replaced.
    ///
    /// # Timing
    /// One reading and four writes.
    fn transmit(&mut self, frame: &Frame) -> nb::Result<Option<Frame>, Error> {
        if copy::<Status::Register>(&self.registers, STATUS).is_set(Status::TRANSMIT_FULL) {
            return Err(nb::Error::WouldBlock);
        }
        // The last word, data bytes 4 to 7, sends the frame.
        for (index, word) in words_of(frame).into_iter().enumerate() {
            self.registers.write(TRANSMIT_FIFO + 4 * index, word);
        }
        Ok(None)
    }

    /// Takes the oldest received frame.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; [`Error::Overrun`] once after frames were lost; [`Error::NotClassic`] for what
    /// had to be skipped.
    ///
    /// # Timing
    /// Five readings and one write.
    fn receive(&mut self) -> nb::Result<Frame, Error> {
        let found: LocalRegisterCopy<u32, Interrupt::Register> = copy(&self.registers, INTERRUPT_STATUS);
        if found.is_set(Interrupt::OVERFLOW) {
            self.registers
                .write(INTERRUPT_CLEAR, Interrupt::OVERFLOW::SET.value);
            return Err(nb::Error::Other(Error::Overrun));
        }
        if !found.is_set(Interrupt::RECEIVE_NOT_EMPTY) {
            return Err(nb::Error::WouldBlock);
        }
        // All four words are read, whatever the length: the last one frees the place.
        let words = [0, 4, 8, 12].map(|at| self.registers.read(RECEIVE_FIFO + at));
        // The flag stays set over an empty FIFO until it is cleared, and comes back over one that is not.
        self.registers
            .write(INTERRUPT_CLEAR, Interrupt::RECEIVE_NOT_EMPTY::SET.value);
        frame_of(words).ok_or(nb::Error::Other(Error::NotClassic))
    }
}

fn copy<T: RegisterLongName>(registers: &impl RegisterBlock, offset: usize) -> LocalRegisterCopy<u32, T> {
    LocalRegisterCopy::new(registers.read(offset))
}

/// A frame from identifier, length and two words of data.
fn frame_of([identifier, length, data0, data1]: [u32; 4]) -> Option<Frame> {
    let identifier: LocalRegisterCopy<u32, Identifier::Register> = LocalRegisterCopy::new(identifier);
    let length: LocalRegisterCopy<u32, Length::Register> = LocalRegisterCopy::new(length);
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

/// Identifier, length and two words of data of a frame.
fn words_of(frame: &Frame) -> [u32; 4] {
    let remote = u32::from(frame.is_remote_frame());
    let identifier = match frame.id() {
        Id::Standard(id) => Identifier::BASE.val(id.as_raw().into()) + Identifier::REMOTE.val(remote),
        Id::Extended(id) => {
            Identifier::BASE.val(id.as_raw() >> 18)
                + Identifier::REMOTE::SET
                + Identifier::EXTENDED::SET
                + Identifier::EXTENSION.val(id.as_raw())
                + Identifier::EXTENSION_REMOTE.val(remote)
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
