// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A classic CAN frame, and what every controller can do with it.

use embedded_can::Id;

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
