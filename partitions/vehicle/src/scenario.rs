// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seeded scenarios.
//!
//! A distance leaves room for a reaction of [`REACTION_MS`] (200 ms of lateness, three activations of 10 ms,
//! the actuator's ramp and a reserve), braking with nine tenths of the full deceleration, a metre, and
//! another 100 to 400 ms of approach. Without braking the car is at the obstacle within 2 s.
//!
//! Implements: BH-CAR-003.

/// Time from a distance to a fully applied brake that every scenario leaves, in ms.
pub const REACTION_MS: u64 = 360;
/// Deceleration that every scenario counts on, in mm/s².
pub const DECELERATION_MM_S2: u64 = 9000;
/// Distance that is left in the worst case, in mm.
pub const MARGIN_MM: u64 = 1000;

/// How a scenario begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Speed in mm/s, 8000 to 20000.
    pub speed_mm_s: u32,
    /// Distance to the obstacle in mm.
    pub distance_mm: u32,
}

/// Distance in mm in which a car at `speed` mm/s stops in the worst case.
#[must_use]
pub const fn needed_mm(speed_mm_s: u64) -> u64 {
    speed_mm_s * REACTION_MS / 1000 + speed_mm_s * speed_mm_s / (2 * DECELERATION_MM_S2) + MARGIN_MM
}

/// An endless sequence of scenarios, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Scenarios {
    state: u64,
}

impl Scenarios {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // Never 0, and different for all seeds below 2^63: xorshift needs a state with bits in it.
        Self {
            state: (seed << 1) | 1,
        }
    }

    /// A number in `0..bound`, by Marsaglia's xorshift with the shifts 13, 7, 17.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) % bound
    }
}

impl Iterator for Scenarios {
    type Item = Scenario;

    fn next(&mut self) -> Option<Scenario> {
        let speed = 8000 + self.below(12_001);
        let approach_ms = 100 + self.below(301);
        let distance = needed_mm(speed) + speed * approach_ms / 1000;
        Some(Scenario {
            speed_mm_s: u32::try_from(speed).ok()?,
            distance_mm: u32::try_from(distance).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::plant::{Motion, Plant};
    use proptest::prelude::*;

    proptest! {
        /// Every scenario ends in a crash when nobody brakes, and within 2 s.
        /// Verifies: BH-CAR-003.
        #[test]
        fn nobody_is_safe_without_braking(seed: u64) {
            for scenario in Scenarios::new(seed).take(20) {
                prop_assert!((8000..=20_000).contains(&scenario.speed_mm_s));
                let mut plant = Plant::new(scenario.speed_mm_s, scenario.distance_mm);
                prop_assert!((0..200).any(|_| plant.step(0) == Motion::Crashed), "{:?}", scenario);
            }
        }

        /// Every scenario ends well when braking begins 300 ms late, and within 3 s.
        /// Verifies: BH-CAR-003.
        #[test]
        fn late_braking_is_soon_enough(seed: u64) {
            for scenario in Scenarios::new(seed).take(20) {
                let mut plant = Plant::new(scenario.speed_mm_s, scenario.distance_mm);
                let end = (0..300).find(|step| {
                    assert_eq!(plant.step(if *step < 30 { 0 } else { 1000 }), Motion::Free);
                    plant.stands()
                });
                prop_assert!(end.is_some());
                prop_assert!(plant.distance_mm() >= 1000, "{:?}", scenario);
            }
        }
    }

    /// Verifies: BH-CAR-003.
    #[test]
    fn a_seed_means_the_same_everywhere_and_seeds_differ() {
        let first = |seed| Scenarios::new(seed).take(3).collect::<std::vec::Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(0), first(1));
        assert_ne!(first(1), first(2));
    }
}
