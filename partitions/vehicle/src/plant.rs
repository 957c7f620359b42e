// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The car's motion and its brake, in integers.
//!
//! Implements: BH-CAR-004.

/// Step of the plant in ms.
pub const STEP_MS: u32 = 10;
/// Deceleration with the brake fully applied, in mm/s².
pub const FULL_DECELERATION_MM_S2: u64 = 10_000;
/// What the brake actuator can change in one step, in per mille: 100 ms from released to fully applied.
pub const ACTUATOR_STEP: u16 = 100;

/// A car on its way to an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plant {
    /// µm/s.
    speed: u64,
    /// µm.
    distance: u64,
    /// Brake applied, per mille.
    brake: u16,
}

/// Where the car is after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// On its way, or standing before the obstacle.
    Free,
    /// It touched the obstacle.
    Crashed,
}

impl Plant {
    /// A car with released brake at `speed` mm/s, `distance` mm before an obstacle.
    #[must_use]
    pub const fn new(speed: u32, distance: u32) -> Self {
        // Lossless widening.
        Self {
            speed: speed as u64 * 1000,
            distance: distance as u64 * 1000,
            brake: 0,
        }
    }

    /// Moves on by [`STEP_MS`] with the brake actuator following `request` per mille.
    pub fn step(&mut self, request: u16) -> Motion {
        let target = request.min(1000);
        self.brake = if target > self.brake {
            target.min(self.brake + ACTUATOR_STEP)
        } else {
            target.max(self.brake.saturating_sub(ACTUATOR_STEP))
        };
        // mm/s² × per mille × 10 ms = µm/s × 100.
        let slower = FULL_DECELERATION_MM_S2 * u64::from(self.brake) / 1000 * u64::from(STEP_MS);
        let before = self.speed;
        self.speed = before.saturating_sub(slower);
        let way = (before + self.speed) * u64::from(STEP_MS) / 2000;
        if way >= self.distance && way > 0 {
            self.distance = 0;
            return Motion::Crashed;
        }
        self.distance -= way;
        Motion::Free
    }

    /// mm/s.
    #[must_use]
    pub fn speed_mm_s(&self) -> u32 {
        u32::try_from(self.speed / 1000).unwrap_or(u32::MAX)
    }

    /// mm.
    #[must_use]
    pub fn distance_mm(&self) -> u32 {
        u32::try_from(self.distance / 1000).unwrap_or(u32::MAX)
    }

    /// Whether the car stands.
    #[must_use]
    pub const fn stands(&self) -> bool {
        self.speed == 0
    }
}

/// km/h, rounded.
#[must_use]
pub const fn km_h(speed_mm_s: u32) -> u32 {
    (speed_mm_s * 36 + 5000) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-CAR-004.
    #[test]
    fn without_braking_the_car_rolls_into_the_obstacle() {
        let mut plant = Plant::new(15_000, 30_000);
        for _ in 0..199 {
            assert_eq!(plant.step(0), Motion::Free);
        }
        assert_eq!(plant.distance_mm(), 150);
        assert_eq!((plant.step(0), plant.speed_mm_s()), (Motion::Crashed, 15_000));
    }

    /// Verifies: BH-CAR-004.
    #[test]
    fn the_stopping_distance_is_that_of_physics() {
        let mut plant = Plant::new(20_000, 100_000);
        let mut steps = 0;
        while !plant.stands() {
            assert_eq!(plant.step(1000), Motion::Free);
            steps += 1;
        }
        // v²/2a = 20 m, and about v × 50 ms for the actuator's ramp; v/a = 2 s, and about 50 ms.
        let way = 100_000 - plant.distance_mm();
        assert!((20_850..=21_150).contains(&way), "{way} mm");
        assert!((203..=206).contains(&steps), "{steps} steps");
        assert_eq!(plant.step(0), Motion::Free);
        assert_eq!(100_000 - plant.distance_mm(), way, "a standing car stays");
    }

    /// Verifies: BH-CAR-004.
    #[test]
    fn the_actuator_takes_its_time_both_ways_and_has_an_end() {
        let mut plant = Plant::new(20_000, 100_000);
        let brakes = |plant: &mut Plant, request| {
            plant.step(request);
            plant.brake
        };
        assert_eq!([0; 4].map(|_| brakes(&mut plant, 250)), [100, 200, 250, 250]);
        assert_eq!([0; 3].map(|_| brakes(&mut plant, 0)), [150, 50, 0]);
        assert_eq!([0; 20].map(|_| brakes(&mut plant, u16::MAX))[19], 1000);
    }

    #[test]
    fn speeds_are_shown_in_km_h() {
        assert_eq!([0, 15_000, 20_000, 8611].map(km_h), [0, 54, 72, 31]);
    }
}
