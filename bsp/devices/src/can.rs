// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A classic CAN frame, and what every controller can do with it.

use embedded_can::{ErrorKind, Frame as _, Id};

/// Largest payload of a classic frame in bytes.
pub const MAX_DATA: usize = 8;

/// A classic CAN frame: identifier and up to eight bytes, or a remote request for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    id: Id,
    kind: Kind,
    length: usize,
    data: [u8; MAX_DATA],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Remote,
}

impl embedded_can::Frame for Frame {
    fn new(id: impl Into<Id>, data: &[u8]) -> Option<Self> {
        let mut copy = [0; MAX_DATA];
        copy.get_mut(..data.len())?.copy_from_slice(data);
        Some(Self {
            id: id.into(),
            kind: Kind::Data,
            length: data.len(),
            data: copy,
        })
    }

    fn new_remote(id: impl Into<Id>, dlc: usize) -> Option<Self> {
        (dlc <= MAX_DATA).then(|| Self {
            id: id.into(),
            kind: Kind::Remote,
            length: dlc,
            data: [0; MAX_DATA],
        })
    }

    fn is_extended(&self) -> bool {
        matches!(self.id, Id::Extended(_))
    }

    fn is_remote_frame(&self) -> bool {
        self.kind == Kind::Remote
    }

    fn id(&self) -> Id {
        self.id
    }

    fn dlc(&self) -> usize {
        self.length
    }

    /// The payload; empty for a remote frame.
    fn data(&self) -> &[u8] {
        match self.kind {
            Kind::Data => self.data.get(..self.length).unwrap_or(&self.data),
            Kind::Remote => &[],
        }
    }
}

impl Frame {
    /// What a controller received: `code` is the DLC. A classic frame may carry codes 9 to 15 and has eight bytes then
    /// (ISO 11898-1, "DLC").
    pub(crate) fn received(id: Id, is_remote: bool, code: u32, data: [u8; MAX_DATA]) -> Option<Self> {
        let length = usize::try_from(code).unwrap_or(0).min(MAX_DATA);
        if is_remote {
            Self::new_remote(id, length)
        } else {
            Self::new(id, data.get(..length)?)
        }
    }

    /// The DLC, and the payload with zeros behind it.
    pub(crate) fn parts(&self) -> (u32, [u8; MAX_DATA]) {
        (u32::try_from(self.length).unwrap_or(0), self.data)
    }
}

/// Division of the bit time, in time quanta of `prescaler` controller clocks; one quantum is the synchronisation. Each
/// controller has ranges of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Controller clocks a quantum.
    pub prescaler: u32,
    /// Propagation and phase segment 1 in quanta.
    pub segment1: u32,
    /// Phase segment 2 in quanta.
    pub segment2: u32,
}

impl Timing {
    /// The timing for a bit rate with the sample point at 80 %, by the first number of `quanta` in a bit, each a multiple of
    /// 5, with which the clock can be divided by at most `most`.
    ///
    /// # Units
    /// Hz, bit/s.
    pub(crate) fn at_80_percent(clock: u32, bit_rate: u32, quanta: &[u32], most: u32) -> Option<Self> {
        quanta.iter().find_map(|quanta| {
            let rate = bit_rate.checked_mul(*quanta).filter(|rate| *rate > 0)?;
            let prescaler = clock / rate;
            let segment2 = quanta / 5;
            let fits = clock.is_multiple_of(rate) && (1..=most).contains(&prescaler);
            fits.then_some(Self {
                prescaler,
                segment1: quanta - 1 - segment2,
                segment2,
            })
        })
    }
}

/// What can go wrong in a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It did not enter the named mode within the stated number of polls.
    Timeout(&'static str, u32),
    /// The receive FIFO was full and at least one frame was lost; the frames in it are intact.
    Overrun,
    /// What is no classic frame was skipped.
    NotClassic,
}

impl embedded_can::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Overrun => ErrorKind::Overrun,
            Self::Timeout(..) | Self::NotClassic => ErrorKind::Other,
        }
    }
}

/// A controller whose reception is driven by its interrupt.
pub trait Controller: embedded_can::nb::Can<Frame = Frame> {
    /// Lets it raise its interrupt when a frame was received, and when frames were lost.
    fn enable_receive_interrupt(&mut self);

    /// Called by the handler before it reads frames.
    fn begin_reception(&mut self);

    /// Called by the handler after it has read frames; a frame that is left, or that arrived since, raises the
    /// interrupt again.
    fn end_reception(&mut self);
}
