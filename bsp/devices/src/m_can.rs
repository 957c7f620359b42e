// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Bosch M_CAN controller of TI's K3 SoCs, for classic frames.
//!
//! Frames go through its transmit FIFO and leave in the order of the calls; every received frame goes to receive
//! FIFO 0, since no filter is on. No method waits for the bus. Its clock and power are somebody else's duty.
//!
//! Implements: BH-CAN-024, BH-CAN-025, BH-CAN-026. Run on no hardware and on no emulator.
//!
//! # References
//! Bosch M_CAN User's Manual 3.3.0, "Register Map", "Message RAM", "Rx Buffer and FIFO Element", "Tx Buffer Element".

use embedded_can::{ExtendedId, Frame as _, Id, StandardId};
use tock_registers::{LocalRegisterCopy, RegisterLongName, register_bitfields};

use crate::block::{Mmio, RegisterBlock};
use crate::can::{Controller, Error, Frame, Timing};

const CCCR: usize = 0x18;
const NBTP: usize = 0x1c;
const IR: usize = 0x50;
const IE: usize = 0x54;
const ILS: usize = 0x58;
const ILE: usize = 0x5c;
const GFC: usize = 0x80;
const SIDFC: usize = 0x84;
const XIDFC: usize = 0x88;
const RXF0C: usize = 0xa0;
const RXF0S: usize = 0xa4;
const RXF0A: usize = 0xa8;
const RXESC: usize = 0xbc;
const TXBC: usize = 0xc0;
const TXFQS: usize = 0xc4;
const TXESC: usize = 0xc8;
const TXBAR: usize = 0xd0;

/// `RXF0C`: 64 elements from the RAM's begin; `TXBC`: 32 elements behind them, as FIFO.
const RECEIVE_FIFO: u32 = 64 << 16;
const TRANSMIT_FIFO: u32 = 32 << 24 | 0x400;
const _: () = assert!(RECEIVED == 64 && SENT == 32 && TRANSMIT == 0x400);

/// Where the message RAM lies behind the registers.
pub const MESSAGE_RAM: usize = 0x7000;
/// Elements of the receive FIFO and of the transmit FIFO, the most that there can be.
const RECEIVED: usize = 64;
const SENT: usize = 32;
/// Bytes of an element with eight bytes of data.
const ELEMENT: usize = 16;
/// Offset of the transmit FIFO in the message RAM, and bytes that are used of it.
const TRANSMIT: usize = RECEIVED * ELEMENT;
const USED: usize = TRANSMIT + SENT * ELEMENT;

/// 32-bit words from the first register to the end of what is used of the message RAM.
pub const WORDS: usize = (MESSAGE_RAM + USED) / 4;
/// A controller in memory.
pub type MmioMCan = MCan<Mmio<WORDS>>;

register_bitfields! {
    u32,
    Control [
        INIT OFFSET(0) NUMBITS(1) [],
        CONFIGURE OFFSET(1) NUMBITS(1) [],
    ],
    BitTiming [
        SEGMENT2 OFFSET(0) NUMBITS(7) [],
        SEGMENT1 OFFSET(8) NUMBITS(8) [],
        PRESCALER OFFSET(16) NUMBITS(9) [],
        JUMP_WIDTH OFFSET(25) NUMBITS(7) [],
    ],
    Interrupt [
        RECEIVED OFFSET(0) NUMBITS(1) [],
        LOST OFFSET(3) NUMBITS(1) [],
    ],
    ReceiveStatus [
        LEVEL OFFSET(0) NUMBITS(7) [],
        GET OFFSET(8) NUMBITS(6) [],
    ],
    TransmitStatus [
        PUT OFFSET(16) NUMBITS(5) [],
        FULL OFFSET(21) NUMBITS(1) [],
    ],
    Identifier [
        EXTENDED_ID OFFSET(0) NUMBITS(29) [],
        STANDARD_ID OFFSET(18) NUMBITS(11) [],
        REMOTE OFFSET(29) NUMBITS(1) [],
        EXTENDED OFFSET(30) NUMBITS(1) [],
    ],
    Length [
        CODE OFFSET(16) NUMBITS(4) [],
    ],
}

/// The timing for a bit rate with the sample point at 80 %; `None` when the clock cannot be divided so.
///
/// # Units
/// Hz, bit/s.
#[must_use]
pub fn timing(clock: u32, bit_rate: u32) -> Option<Timing> {
    Timing::at_80_percent(clock, bit_rate, &[40, 20, 10], 512)
}

/// A controller that takes part in the bus.
pub struct MCan<R> {
    registers: R,
}

impl<R: RegisterBlock> MCan<R> {
    /// Sets timing and FIFOs and joins the bus, with all filters and interrupts off.
    ///
    /// The message RAM is zeroed first: it may have error correction, and nobody has written it since power-on.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    ///
    /// # Timing
    /// 397 writes, and at most `polls` readings of one register, twice.
    pub fn new(registers: R, timing: Timing, polls: u32) -> Result<Self, Error> {
        let enters = |init: bool, name| {
            let there = |_| copy::<Control::Register>(&registers, CCCR).is_set(Control::INIT) == init;
            let found = (0..polls).any(there);
            found.then_some(()).ok_or(Error::Timeout(name, polls))
        };
        registers.write(CCCR, Control::INIT::SET.value);
        enters(true, "initialisation")?;
        registers.write(CCCR, (Control::INIT::SET + Control::CONFIGURE::SET).value);
        (0..USED / 4).for_each(|word| registers.write(MESSAGE_RAM + 4 * word, 0));
        let bits = BitTiming::PRESCALER.val(timing.prescaler.saturating_sub(1))
            + BitTiming::SEGMENT1.val(timing.segment1.saturating_sub(1))
            + BitTiming::SEGMENT2.val(timing.segment2.saturating_sub(1))
            + BitTiming::JUMP_WIDTH.val(0);
        registers.write(NBTP, bits.value);
        // No filters, and what none matches is accepted, into FIFO 0; a full FIFO keeps what it has.
        for register in [GFC, SIDFC, XIDFC, RXESC, TXESC, IE, ILS] {
            registers.write(register, 0);
        }
        registers.write(RXF0C, RECEIVE_FIFO);
        registers.write(TXBC, TRANSMIT_FIFO);
        registers.write(IR, u32::MAX);
        registers.write(ILE, 1);
        registers.write(CCCR, 0);
        enters(false, "normal operation")?;
        Ok(Self { registers })
    }

    fn level(&self) -> LocalRegisterCopy<u32, ReceiveStatus::Register> {
        copy(&self.registers, RXF0S)
    }
}

impl<R: RegisterBlock> Controller for MCan<R> {
    fn enable_receive_interrupt(&mut self) {
        let on = Interrupt::RECEIVED::SET + Interrupt::LOST::SET;
        self.registers.write(IE, on.value);
    }

    fn begin_reception(&mut self) {}

    /// The interrupt was taken back only if the FIFO was found empty: frames that are left raise it again.
    fn end_reception(&mut self) {}
}

impl<R: RegisterBlock> embedded_can::nb::Can for MCan<R> {
    type Frame = Frame;
    type Error = Error;

    /// Hands a frame to the transmit FIFO; frames leave in the order of the calls.
    ///
    /// # Errors
    /// `WouldBlock` while it is full. No frame is ever replaced.
    ///
    /// # Timing
    /// One reading and five writes.
    fn transmit(&mut self, frame: &Frame) -> nb::Result<Option<Frame>, Error> {
        let status = copy::<TransmitStatus::Register>(&self.registers, TXFQS);
        if status.is_set(TransmitStatus::FULL) {
            return Err(nb::Error::WouldBlock);
        }
        let put = status.read(TransmitStatus::PUT);
        let at = element(TRANSMIT, put);
        for (index, word) in words_of(frame).into_iter().enumerate() {
            self.registers.write(at + 4 * index, word);
        }
        self.registers.write(TXBAR, 1 << put);
        Ok(None)
    }

    /// Takes the oldest received frame.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; [`Error::Overrun`] once after frames were lost; [`Error::NotClassic`] for what
    /// had to be skipped.
    ///
    /// # Timing
    /// At most seven readings and two writes.
    fn receive(&mut self) -> nb::Result<Frame, Error> {
        if copy::<Interrupt::Register>(&self.registers, IR).is_set(Interrupt::LOST) {
            self.registers.write(IR, Interrupt::LOST::SET.value);
            return Err(nb::Error::Other(Error::Overrun));
        }
        let mut status = self.level();
        if status.read(ReceiveStatus::LEVEL) == 0 {
            // A frame that comes after this raises it again, and one that came just before is seen.
            self.registers.write(IR, Interrupt::RECEIVED::SET.value);
            status = self.level();
        }
        if status.read(ReceiveStatus::LEVEL) == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let get = status.read(ReceiveStatus::GET);
        let at = element(0, get);
        let words = [0, 4, 8, 12].map(|word| self.registers.read(at + word));
        self.registers.write(RXF0A, get);
        frame_of(words).ok_or(nb::Error::Other(Error::NotClassic))
    }
}

fn copy<T: RegisterLongName>(registers: &impl RegisterBlock, offset: usize) -> LocalRegisterCopy<u32, T> {
    LocalRegisterCopy::new(registers.read(offset))
}

/// Offset of an element of the FIFO that begins at `fifo` in the message RAM.
fn element(fifo: usize, index: u32) -> usize {
    MESSAGE_RAM + fifo + usize::try_from(index).unwrap_or(0) * ELEMENT
}

/// A frame from identifier, length and two words of data.
fn frame_of([identifier, length, data0, data1]: [u32; 4]) -> Option<Frame> {
    let identifier: LocalRegisterCopy<u32, Identifier::Register> = LocalRegisterCopy::new(identifier);
    let length: LocalRegisterCopy<u32, Length::Register> = LocalRegisterCopy::new(length);
    let id = if identifier.is_set(Identifier::EXTENDED) {
        Id::Extended(ExtendedId::new(identifier.read(Identifier::EXTENDED_ID))?)
    } else {
        let id = u16::try_from(identifier.read(Identifier::STANDARD_ID)).ok()?;
        Id::Standard(StandardId::new(id)?)
    };
    let ([a, b, c, d], [e, f, g, h]) = (data0.to_le_bytes(), data1.to_le_bytes());
    let data = [a, b, c, d, e, f, g, h];
    Frame::received(
        id,
        identifier.is_set(Identifier::REMOTE),
        length.read(Length::CODE),
        data,
    )
}

/// Identifier, length and two words of data of a frame.
fn words_of(frame: &Frame) -> [u32; 4] {
    let id = match frame.id() {
        Id::Standard(id) => Identifier::STANDARD_ID.val(id.as_raw().into()),
        Id::Extended(id) => Identifier::EXTENDED_ID.val(id.as_raw()) + Identifier::EXTENDED::SET,
    };
    let identifier = id + Identifier::REMOTE.val(u32::from(frame.is_remote_frame()));
    let (code, [a, b, c, d, e, f, g, h]) = frame.parts();
    [
        identifier.value,
        Length::CODE.val(code).value,
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}
