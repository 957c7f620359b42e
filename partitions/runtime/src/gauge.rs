// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What readers of the `vehicle-state` channel make of it: a line of text, and a check.
//! Implements: BH-PORT-002.

use core::fmt::{Display, Formatter, Result};

use bulkhead_abi::sampling::VehicleState;

/// A vehicle state as a line of text, without its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(pub &'a VehicleState);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let state = self.0;
        let km_h = (u64::from(state.speed_mm_s) * 36 + 5000) / 10_000;
        write!(f, "vehicle-state {}: {km_h} km/h, ", state.sequence)?;
        match state.distance_mm {
            u32::MAX => write!(f, "nothing ahead, ")?,
            distance => write!(f, "obstacle {} m, ", distance / 1000)?,
        }
        write!(f, "brake {} %", state.brake_permille / 10)
    }
}

/// What a message is, compared with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A later message than the last.
    New,
    /// The last message once more.
    Same,
    /// The writer started again: later in the port, with a smaller sequence of its own.
    Restarted,
    /// Its two sequence numbers differ, or the port went backwards.
    Broken,
}

/// Remembers the last message of a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    number: u64,
    sequence: u64,
}

impl Watch {
    /// Compares message `number` of the port, with its content, to the last.
    pub fn reading(&mut self, number: u64, state: &VehicleState) -> Reading {
        let reading = if state.sequence != state.sequence_again || number < self.number {
            Reading::Broken
        } else if number == self.number {
            if state.sequence == self.sequence {
                Reading::Same
            } else {
                Reading::Broken
            }
        } else if state.sequence > self.sequence {
            Reading::New
        } else {
            Reading::Restarted
        };
        if reading != Reading::Broken {
            (self.number, self.sequence) = (number, state.sequence);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn state(sequence: u64) -> VehicleState {
        VehicleState {
            sequence,
            speed_mm_s: 15_000,
            distance_mm: 31_900,
            brake_permille: 400,
            sequence_again: sequence,
            ..VehicleState::default()
        }
    }

    #[test]
    fn the_display_reads_like_a_cluster() {
        assert_eq!(
            Line(&state(123)).to_string(),
            "vehicle-state 123: 54 km/h, obstacle 31 m, brake 40 %"
        );
        let alone = VehicleState {
            distance_mm: u32::MAX,
            brake_permille: 0,
            ..state(1)
        };
        assert_eq!(
            Line(&alone).to_string(),
            "vehicle-state 1: 54 km/h, nothing ahead, brake 0 %"
        );
    }

    /// Verifies: BH-PORT-002.
    #[test]
    fn what_is_torn_or_goes_backwards_is_noticed() {
        let mut watch = Watch::default();
        let mut read = |number, state: VehicleState| watch.reading(number, &state);
        assert_eq!(read(5, state(5)), Reading::New);
        assert_eq!(read(5, state(5)), Reading::Same);
        assert_eq!(
            read(5, state(6)),
            Reading::Broken,
            "another content under the same number"
        );
        assert_eq!(read(4, state(6)), Reading::Broken, "back in the port");
        assert_eq!(
            read(
                9,
                VehicleState {
                    sequence_again: 8,
                    ..state(9)
                }
            ),
            Reading::Broken,
            "torn"
        );
        assert_eq!(read(9, state(9)), Reading::New);
        assert_eq!(read(10, state(1)), Reading::Restarted);
        assert_eq!(read(11, state(2)), Reading::New);
    }
}
