// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CTU CAN FD controller, sending and receiving classic frames.
//!
//! Transmission uses all transmit buffers in turn; the priorities are rotated with each frame so that the
//! oldest pending one is sent first. Reception reads the FIFO one whole frame at a time and says when the
//! controller lost frames. No method waits for the bus.
//!
//! Implements: BH-CAN-001, BH-CAN-002, BH-CAN-003.
//!
//! # References
//! CTU CAN FD IP Core Datasheet, "Configuration", "Frame transmission", "Frame reception", "Interrupts".

mod registers;

use embedded_can::{ErrorKind, ExtendedId, Frame as _, Id, StandardId};
use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, RegisterLongName};

use crate::block::{Mmio, RegisterBlock};
use crate::can::{Controller, Frame, MAX_DATA};
use registers::{
    BIT_TIMING, BitTiming, COMMAND, Command, DEVICE_ID, DEVICE_ID_VALUE, DeviceId, FrameFormat,
    INTERRUPT_ENABLE_SET, INTERRUPT_STATUS, Identifier, Interrupt, MAX_BUFFERS, MODE, Mode, RECEIVE_DATA,
    RECEIVE_STATUS, ReceiveStatus, SIZE, STATUS, Status, TRANSMIT_BUFFER, TRANSMIT_BUFFER_STRIDE,
    TRANSMIT_COMMAND, TRANSMIT_PRIORITY, TRANSMIT_STATUS, TransmitCommand, buffer_state,
};

/// 32-bit words of a core's registers.
pub const WORDS: usize = SIZE / 4;
/// A controller in memory.
pub type MmioCtuCanFd = CtuCanFd<Mmio<WORDS>>;

/// Fewest words after the frame format word: identifier and two words of time stamp.
const LEAST_WORDS: u32 = 3;
/// Most words after the frame format word: those and 64 bytes of data.
const MOST_WORDS: u32 = 19;

/// Most transmit buffers that the driver uses: each pending one has a priority of its own from 1 to 7.
const MOST_BUFFERS: u32 = 7;

/// Division of the nominal bit time, in time quanta of `prescaler` controller clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Controller clocks per time quantum, 1 to 255.
    pub prescaler: u8,
    /// Propagation segment in quanta, 0 to 127.
    pub propagation: u8,
    /// Phase segment 1 in quanta, 0 to 63.
    pub phase1: u8,
    /// Phase segment 2 in quanta, 1 to 63.
    pub phase2: u8,
    /// Synchronisation jump width in quanta, 1 to 31.
    pub jump_width: u8,
}

impl Timing {
    /// 500 kbit/s from a 100 MHz controller clock: 20 quanta a bit, sample point at 80 %.
    pub const KBIT_500_AT_100_MHZ: Self = Self {
        prescaler: 10,
        propagation: 7,
        phase1: 8,
        phase2: 4,
        jump_width: 2,
    };

    fn is_valid(self) -> bool {
        self.prescaler >= 1
            && self.propagation < 128
            && self.phase1 < 64
            && (1..64).contains(&self.phase2)
            && (1..32).contains(&self.jump_width)
    }
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Another device answers: its identification.
    WrongDevice(u16),
    /// The controller did not come back from its reset within the stated number of polls.
    ResetTimeout(u32),
    /// A value of the bit timing is out of range.
    Timing(Timing),
    /// The receive FIFO was full and at least one frame was lost; the frames in it are intact.
    Overrun,
    /// A frame that is not a classic CAN frame was skipped.
    NotClassic,
    /// The receive FIFO held no sensible frame; it was emptied.
    Malformed,
}

impl embedded_can::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Overrun => ErrorKind::Overrun,
            Self::WrongDevice(_)
            | Self::ResetTimeout(_)
            | Self::Timing(_)
            | Self::NotClassic
            | Self::Malformed => ErrorKind::Other,
        }
    }
}

/// A CTU CAN FD controller that takes part in the bus.
pub struct CtuCanFd<R> {
    registers: R,
    /// Transmit buffers in use, 1 to [`MOST_BUFFERS`].
    buffers: u32,
    /// Transmit buffer that the next frame goes to.
    next: u32,
}

impl<R: RegisterBlock> CtuCanFd<R> {
    /// Resets the controller, sets the bit timing and joins the bus, with all interrupts off.
    ///
    /// # Errors
    /// [`Error::WrongDevice`], [`Error::Timing`] or [`Error::ResetTimeout`].
    ///
    /// # Timing
    /// At most `polls` readings of one register.
    pub fn new(registers: R, timing: Timing, polls: u32) -> Result<Self, Error> {
        let found = device_id(&registers);
        if u32::from(found) != DEVICE_ID_VALUE {
            return Err(Error::WrongDevice(found));
        }
        if !timing.is_valid() {
            return Err(Error::Timing(timing));
        }
        registers.write(MODE, Mode::RESET::SET.value);
        let came_back = |_| {
            let mode: LocalRegisterCopy<u32, Mode::Register> = copy(&registers, MODE);
            u32::from(device_id(&registers)) == DEVICE_ID_VALUE && !mode.is_set(Mode::RESET)
        };
        if !(0..polls).any(came_back) {
            return Err(Error::ResetTimeout(polls));
        }
        let bits = BitTiming::PRESCALER.val(timing.prescaler.into())
            + BitTiming::PROPAGATION.val(timing.propagation.into())
            + BitTiming::PHASE1.val(timing.phase1.into())
            + BitTiming::PHASE2.val(timing.phase2.into())
            + BitTiming::JUMP_WIDTH.val(timing.jump_width.into());
        registers.write(BIT_TIMING, bits.value);
        let states = registers.read(TRANSMIT_STATUS);
        let buffers = (0..MAX_BUFFERS)
            .take_while(|&b| state(states, b) != buffer_state::ABSENT)
            .count();
        let on: FieldValue<u32, _> = Mode::ENABLE::SET + Mode::AUTOMATIC_READ::SET;
        registers.write(MODE, on.value);
        let buffers = u32::try_from(buffers).unwrap_or(1).clamp(1, MOST_BUFFERS);
        Ok(Self {
            registers,
            buffers,
            next: 0,
        })
    }

    fn command(&self, command: FieldValue<u32, Command::Register>) {
        self.registers.write(COMMAND, command.value);
    }

    /// Drops all received frames, so that the next word read starts a frame again.
    fn resynchronise(&self) -> nb::Error<Error> {
        self.command(Command::RELEASE_RECEIVE_BUFFER::SET);
        nb::Error::Other(Error::Malformed)
    }

    /// Reads one frame whose first word is `format`.
    fn read_frame(&self, format: LocalRegisterCopy<u32, FrameFormat::Register>) -> nb::Result<Frame, Error> {
        let words = format.read(FrameFormat::WORDS);
        if !(LEAST_WORDS..=MOST_WORDS).contains(&words) {
            return Err(self.resynchronise());
        }
        let next = || self.registers.read(RECEIVE_DATA);
        let identifier: LocalRegisterCopy<u32, Identifier::Register> = LocalRegisterCopy::new(next());
        let _time_stamp = (next(), next());
        let mut data = [0; MAX_DATA];
        let mut chunks = data.chunks_exact_mut(4);
        for _ in LEAST_WORDS..words {
            // Words beyond eight bytes are read all the same: the next frame starts after them.
            let word = next();
            if let Some(chunk) = chunks.next() {
                chunk.copy_from_slice(&word.to_le_bytes());
            }
        }
        if format.is_set(FrameFormat::FLEXIBLE_DATA_RATE) {
            return Err(nb::Error::Other(Error::NotClassic));
        }
        // A classic frame may carry codes 9 to 15 and has eight bytes then: ISO 11898-1, "DLC".
        let length = usize::try_from(format.read(FrameFormat::DATA_LENGTH_CODE))
            .unwrap_or(0)
            .min(MAX_DATA);
        let id = id_of(identifier, format.is_set(FrameFormat::EXTENDED));
        let held = usize::try_from(words - LEAST_WORDS).unwrap_or(0) * 4;
        let frame = if format.is_set(FrameFormat::REMOTE) {
            id.and_then(|id| Frame::new_remote(id, length))
        } else {
            id.filter(|_| held >= length)
                .and_then(|id| Frame::new(id, data.get(..length)?))
        };
        frame.ok_or_else(|| self.resynchronise())
    }
}

impl<R: RegisterBlock> Controller for CtuCanFd<R> {
    fn enable_receive_interrupt(&mut self) {
        self.registers.write(INTERRUPT_ENABLE_SET, receive_interrupts());
    }

    fn begin_reception(&mut self) {}

    /// Takes the receive interrupts back; the FIFO raises them again while it is not empty.
    fn end_reception(&mut self) {
        self.registers.write(INTERRUPT_STATUS, receive_interrupts());
    }
}

impl<R: RegisterBlock> embedded_can::nb::Can for CtuCanFd<R> {
    type Frame = Frame;
    type Error = Error;

    /// Hands a frame to the next transmit buffer; frames leave in the order of the calls.
    ///
    /// # Errors
    /// `WouldBlock` while that buffer still waits for the bus. No frame is ever replaced.
    ///
    /// # Timing
    /// One reading and at most seven writes.
    fn transmit(&mut self, frame: &Frame) -> nb::Result<Option<Frame>, Error> {
        let buffer = self.next;
        match state(self.registers.read(TRANSMIT_STATUS), buffer) {
            buffer_state::SENT | buffer_state::FAILED | buffer_state::ABORTED | buffer_state::EMPTY => {}
            _ => return Err(nb::Error::WouldBlock),
        }
        let base = TRANSMIT_BUFFER + usize::try_from(buffer).unwrap_or(0) * TRANSMIT_BUFFER_STRIDE;
        let words = words_of(frame);
        for (index, word) in words.into_iter().enumerate() {
            self.registers.write(base + 4 * index, word);
        }
        self.registers
            .write(TRANSMIT_PRIORITY, priorities(buffer, self.buffers));
        let command = TransmitCommand::SET_READY::SET + TransmitCommand::BUFFERS.val(1 << buffer);
        self.registers.write(TRANSMIT_COMMAND, command.value);
        self.next = (buffer + 1) % self.buffers;
        Ok(None)
    }

    /// Takes the oldest received frame.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; [`Error::Overrun`] once after frames were lost;
    /// [`Error::NotClassic`] or [`Error::Malformed`] for what had to be skipped.
    ///
    /// # Timing
    /// At most 22 readings and one write.
    fn receive(&mut self) -> nb::Result<Frame, Error> {
        let status: LocalRegisterCopy<u32, Status::Register> = copy(&self.registers, STATUS);
        if status.is_set(Status::DATA_OVERRUN) {
            self.command(Command::CLEAR_DATA_OVERRUN::SET);
            return Err(nb::Error::Other(Error::Overrun));
        }
        let fifo: LocalRegisterCopy<u32, ReceiveStatus::Register> = copy(&self.registers, RECEIVE_STATUS);
        if fifo.is_set(ReceiveStatus::EMPTY) {
            return Err(nb::Error::WouldBlock);
        }
        self.read_frame(copy(&self.registers, RECEIVE_DATA))
    }
}

fn copy<T: RegisterLongName>(registers: &impl RegisterBlock, offset: usize) -> LocalRegisterCopy<u32, T> {
    LocalRegisterCopy::new(registers.read(offset))
}

fn device_id(registers: &impl RegisterBlock) -> u16 {
    let value: LocalRegisterCopy<u32, DeviceId::Register> = copy(registers, DEVICE_ID);
    u16::try_from(value.read(DeviceId::ID)).unwrap_or(0)
}

fn receive_interrupts() -> u32 {
    (Interrupt::RECEIVE_NOT_EMPTY::SET + Interrupt::DATA_OVERRUN::SET).value
}

/// The four bits of `buffer` in a register of four bits a buffer.
fn state(register: u32, buffer: u32) -> u32 {
    (register >> (4 * buffer)) & 0xf
}

/// Priorities that send `newest` last and the buffer after it, the oldest, first.
///
/// The lowest is 1: the emulated core never sends a buffer of priority 0.
fn priorities(newest: u32, buffers: u32) -> u32 {
    (0..buffers).fold(0, |all, age| {
        // `age` 0 is the buffer after the newest: it was filled longest ago.
        let buffer = (newest + 1 + age) % buffers;
        all | ((buffers - age) << (4 * buffer))
    })
}

fn id_of(word: LocalRegisterCopy<u32, Identifier::Register>, extended: bool) -> Option<Id> {
    if extended {
        ExtendedId::new(word.read(Identifier::WHOLE)).map(Id::Extended)
    } else {
        StandardId::new(u16::try_from(word.read(Identifier::BASE)).ok()?).map(Id::Standard)
    }
}

/// The six words of a classic frame in a transmit buffer: format, identifier, time stamp 0, data.
fn words_of(frame: &Frame) -> [u32; 6] {
    let mut format = FrameFormat::DATA_LENGTH_CODE
        .val(u32::try_from(frame.dlc()).unwrap_or(0))
        .value;
    if frame.is_remote_frame() {
        format |= FrameFormat::REMOTE::SET.value;
    }
    let identifier = match frame.id() {
        Id::Standard(id) => Identifier::BASE.val(id.as_raw().into()).value,
        Id::Extended(id) => {
            format |= FrameFormat::EXTENDED::SET.value;
            Identifier::WHOLE.val(id.as_raw()).value
        }
    };
    let mut data = [0; MAX_DATA];
    for (to, from) in data.iter_mut().zip(frame.data()) {
        *to = *from;
    }
    let [a, b, c, d, e, f, g, h] = data;
    [
        format,
        identifier,
        0,
        0,
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}
