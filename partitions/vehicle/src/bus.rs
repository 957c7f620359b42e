// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The frames of the vehicle bus. Implements: BH-CAN-103.
//!
//! Every frame is eight bytes: CRC, counter ([`bulkhead_partition::e2e`]), a value of 16 bits and a plant
//! time in ms, little-endian. A value out of its range is an error although its CRC is right.

use bulkhead_partition::e2e::{Checker, E2eError, Protector};

/// A kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Standard identifier on the bus; also the data ID of the protection.
    pub id: u16,
    /// Largest value that makes sense.
    pub most: u16,
}

/// Brake request in per mille of the full deceleration.
pub const BRAKE_REQUEST: Kind = Kind {
    id: 0x080,
    most: 1000,
};
/// Wheel speed in cm/s, at most 100 m/s.
pub const WHEEL_SPEED: Kind = Kind {
    id: 0x101,
    most: 10_000,
};
/// Radar distance in cm; [`NOTHING_AHEAD`] when there is no obstacle.
pub const RADAR_DISTANCE: Kind = Kind {
    id: 0x102,
    most: u16::MAX,
};
/// The radar sees nothing.
pub const NOTHING_AHEAD: u16 = u16::MAX;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// In the unit of its [`Kind`].
    pub value: u16,
    /// Plant time in ms.
    pub time_ms: u32,
}

/// Why a frame is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Its protection is wrong.
    Protection(E2eError),
    /// It is not eight bytes.
    Length(usize),
    /// Its value is out of range.
    Implausible(u16),
}

/// Makes the frames of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    protector: Protector,
}

impl Sender {
    /// A sender that starts.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            protector: Protector::new(kind.id),
        }
    }

    /// A sender whose next frame is number `number`.
    #[must_use]
    pub fn at(kind: Kind, number: u64) -> Self {
        Self {
            protector: Protector::at(kind.id, number),
        }
    }

    /// The next frame.
    pub fn frame(&mut self, signal: Signal) -> [u8; 8] {
        let [low, high] = signal.value.to_le_bytes();
        let [a, b, c, d] = signal.time_ms.to_le_bytes();
        let mut frame = [0, 0, low, high, a, b, c, d];
        self.protector.protect(&mut frame);
        frame
    }
}

/// Checks the frames of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    kind: Kind,
    checker: Checker,
    /// Frames were missing before the newest one.
    missing: bool,
    /// The newest one was refused.
    refused: bool,
}

impl Receiver {
    /// A receiver that starts.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            checker: Checker::new(kind.id),
            missing: false,
            refused: false,
        }
    }

    /// Whether frames were missing before the newest valid one. Implements: BH-CAN-105.
    #[must_use]
    pub const fn were_missing(&self) -> bool {
        self.missing
    }

    /// What a frame says.
    ///
    /// # Errors
    /// The frame must not be used.
    pub fn signal(&mut self, frame: &[u8]) -> Result<Signal, FrameError> {
        let checked = self.checker.check(frame);
        self.missing = !matches!(checked, Ok(0)) || self.refused;
        self.refused = checked.is_err();
        checked.map_err(FrameError::Protection)?;
        let &[_, _, low, high, a, b, c, d] = frame else {
            return Err(FrameError::Length(frame.len()));
        };
        let value = u16::from_le_bytes([low, high]);
        if value > self.kind.most {
            return Err(FrameError::Implausible(value));
        }
        Ok(Signal {
            value,
            time_ms: u32::from_le_bytes([a, b, c, d]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Verifies: BH-CAN-103.
        #[test]
        fn what_is_sent_is_received_if_it_makes_sense(value: u16, time_ms: u32) {
            let signal = Signal { value, time_ms };
            let frame = Sender::new(BRAKE_REQUEST).frame(signal);
            let expected = if value <= 1000 { Ok(signal) } else { Err(FrameError::Implausible(value)) };
            prop_assert_eq!(Receiver::new(BRAKE_REQUEST).signal(&frame), expected);
            let other = Receiver::new(WHEEL_SPEED).signal(&frame);
            prop_assert_eq!(other, Err(FrameError::Protection(E2eError::Crc)));
        }
    }

    /// Verifies: BH-CAN-105.
    #[test]
    fn a_receiver_knows_that_frames_were_missing() {
        let signal = Signal { value: 7, time_ms: 9 };
        let mut receiver = Receiver::new(BRAKE_REQUEST);
        let mut take = |number| {
            let taken = receiver.signal(&Sender::at(BRAKE_REQUEST, number).frame(signal));
            (taken.is_ok(), receiver.were_missing())
        };
        // Number, whether it is taken, whether some were missing: a restarted sender leaves out two.
        for (number, taken, missing) in [
            (13, true, false),
            (14, true, false),
            (15, true, false),
            (18, true, true),
            (19, true, false),
            (19, false, true),
            (20, true, true),
            (21, true, false),
            (30, false, true),
            (31, true, true),
            (32, true, false),
        ] {
            let (ok, were) = take(number);
            assert_eq!(ok, taken, "{number}");
            assert!(!ok || were == missing, "{number}");
        }
    }

    #[test]
    fn a_frame_of_another_length_is_refused() {
        let mut short = [0; 7];
        Protector::new(BRAKE_REQUEST.id).protect(&mut short);
        assert_eq!(
            Receiver::new(BRAKE_REQUEST).signal(&short),
            Err(FrameError::Length(7))
        );
    }
}
