// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End-to-end protection of frames by a CRC and an alive counter.
//!
//! Byte 0 of a frame is the CRC-8 over its data ID and all other bytes; the low nibble of byte 1 is a counter
//! that runs from 0 to 14. Data IDs are not sent: a frame that arrives as another one fails its CRC.
//! Implements: BH-CAN-101, BH-CAN-102.
//!
//! # References
//! AUTOSAR PRS_E2EProtocol, "Specification of E2E Profile 1"; SAE J1850 (CRC-8 polynomial 0x1D).

use crc::{CRC_8_SAE_J1850, Crc};

/// Counter values: 0 to 14. The value 15 is never sent.
pub const COUNTER_MODULUS: u8 = 15;
/// Frames that may be missing in a row before a valid one is refused once.
pub const MAX_LOST: u8 = 6;

const CRC: Crc<u8> = Crc::<u8>::new(&CRC_8_SAE_J1850);

/// Why a frame is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum E2eError {
    /// Too short to be protected.
    Length,
    /// Damaged, or another frame.
    Crc,
    /// The counter's value is never sent.
    Counter,
    /// The frame that was accepted last once more.
    Repeated,
    /// More than [`MAX_LOST`] frames are missing, or the sender restarted; the next one is good again.
    Sequence,
}

fn crc(data_id: u16, bytes: &[u8]) -> u8 {
    let mut digest = CRC.digest();
    digest.update(&data_id.to_le_bytes());
    digest.update(bytes);
    digest.finalize()
}

/// The sender of one kind of frame.
#[derive(Clone, Copy, Debug)]
pub struct Protector {
    data_id: u16,
    counter: u8,
}

impl Protector {
    /// A sender whose first frame has counter 0.
    #[must_use]
    pub const fn new(data_id: u16) -> Self {
        Self { data_id, counter: 0 }
    }

    /// A sender whose next frame is number `number`, for one that counts its frames elsewhere.
    #[must_use]
    pub fn at(data_id: u16, number: u64) -> Self {
        Self {
            data_id,
            counter: u8::try_from(number % u64::from(COUNTER_MODULUS)).unwrap_or(0),
        }
    }

    /// Sets counter and CRC of the next frame; the caller has filled the rest.
    pub fn protect<const N: usize>(&mut self, frame: &mut [u8; N]) {
        if let [check, first, ..] = frame.as_mut_slice() {
            *first = (*first & 0xf0) | self.counter;
            *check = 0;
        }
        self.counter = (self.counter + 1) % COUNTER_MODULUS;
        if let Some((check, rest)) = frame.split_first_mut() {
            *check = crc(self.data_id, rest);
        }
    }
}

/// The receiver of one kind of frame.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    data_id: u16,
    last: Option<u8>,
}

impl Checker {
    /// A receiver that accepts any counter in its first frame.
    #[must_use]
    pub const fn new(data_id: u16) -> Self {
        Self { data_id, last: None }
    }

    /// Checks a frame and returns how many frames went missing before it.
    ///
    /// # Errors
    /// The frame must not be used. A frame with a good CRC sets the expected counter all the same.
    pub fn check(&mut self, frame: &[u8]) -> Result<u8, E2eError> {
        let (&check, rest) = frame.split_first().ok_or(E2eError::Length)?;
        let counter = rest.first().ok_or(E2eError::Length)? & 0x0f;
        if crc(self.data_id, rest) != check {
            return Err(E2eError::Crc);
        }
        if counter >= COUNTER_MODULUS {
            return Err(E2eError::Counter);
        }
        let Some(last) = self.last.replace(counter) else {
            return Ok(0);
        };
        match (counter + COUNTER_MODULUS - last) % COUNTER_MODULUS {
            0 => Err(E2eError::Repeated),
            step if step - 1 <= MAX_LOST => Ok(step - 1),
            _ => Err(E2eError::Sequence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize) -> Vec<[u8; 8]> {
        let mut sender = Protector::new(0x80);
        (0..count)
            .map(|_| {
                let mut frame = [0, 0, 1, 2, 3, 4, 5, 6];
                sender.protect(&mut frame);
                frame
            })
            .collect()
    }

    /// Verifies: BH-CAN-101.
    #[test]
    fn the_crc_is_the_one_of_sae_j1850() {
        // Check value of the published catalogue for "123456789".
        assert_eq!(crc(u16::from_le_bytes(*b"12"), b"3456789"), 0x4b);
    }

    /// Verifies: BH-CAN-101.
    #[test]
    fn an_unbroken_stream_is_accepted() {
        let mut receiver = Checker::new(0x80);
        assert!(frames(100).iter().all(|f| receiver.check(f) == Ok(0)));
    }

    /// Verifies: BH-CAN-102.
    #[test]
    fn gaps_repetitions_and_restarts() {
        let all = frames(40);
        let mut receiver = Checker::new(0x80);
        assert_eq!(receiver.check(&all[3]), Ok(0));
        assert_eq!(receiver.check(&all[3]), Err(E2eError::Repeated));
        assert_eq!(receiver.check(&all[10]), Ok(6));
        assert_eq!(receiver.check(&all[18]), Err(E2eError::Sequence));
        assert_eq!(receiver.check(&all[19]), Ok(0));
        assert_eq!(receiver.check(&all[18]), Err(E2eError::Sequence), "one step back");
    }

    /// Verifies: BH-CAN-102.
    #[test]
    fn what_is_too_short_or_from_another_sender_is_refused() {
        let mut receiver = Checker::new(0x81);
        assert_eq!(receiver.check(&[]), Err(E2eError::Length));
        assert_eq!(receiver.check(&[0]), Err(E2eError::Length));
        assert_eq!(receiver.check(&frames(1)[0]), Err(E2eError::Crc));
        let mut odd = [0, 0x0f];
        odd[0] = crc(0x81, &odd[1..]);
        assert_eq!(receiver.check(&odd), Err(E2eError::Counter));
    }

    /// Verifies: BH-CAN-102. The polynomial has Hamming distance 3 at this length and finds all bursts of 8 bits.
    #[test]
    fn two_damaged_bits_and_short_bursts_are_noticed() {
        let sound = u64::from_be_bytes(frames(1)[0]);
        let check = |damage: u64| Checker::new(0x80).check(&(sound ^ damage).to_be_bytes());
        assert_eq!(check(0), Ok(0));
        for first in 0..64 {
            for second in 0..64 {
                assert_eq!(
                    check(1 << first | 1 << second),
                    Err(E2eError::Crc),
                    "bits {first} and {second}"
                );
            }
        }
        // The CRC's byte comes first in the frame and last in the code word: a burst lies in one part.
        for start in 0..=48 {
            for pattern in 1..=255_u64 {
                assert_eq!(
                    check(pattern << start),
                    Err(E2eError::Crc),
                    "{pattern:#x} at {start}"
                );
            }
        }
    }
}
