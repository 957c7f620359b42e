// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to brake. Implements: BH-CAR-001, BH-CAR-002.
//!
//! The brake is applied fully as soon as the distance is no more than the car needs when everything goes as
//! late as is allowed for: reaction of [`REACTION_MS`] at full speed, then [`DECELERATION_MM_S2`], and
//! [`MARGIN_MM`] left. It stays applied until the car stands or the obstacle is another one.

use bulkhead_vehicle::bus::{NOTHING_AHEAD, Signal};

/// Time that may pass from a measurement to a fully applied brake, in ms: 200 ms of lateness on the way
/// there and back, three activations of 10 ms, the actuator's ramp.
pub const REACTION_MS: u64 = 330;
/// Deceleration that the brake surely reaches, in mm/s².
pub const DECELERATION_MM_S2: u64 = 9000;
/// Distance that is to be left, in mm.
pub const MARGIN_MM: u64 = 1000;
/// Without a new measurement for this long, in ms, nothing is requested.
pub const SILENCE_MS: u64 = 300;
/// A distance that grows by more than this between measurements, in cm, is that of another obstacle.
const ANOTHER_OBSTACLE_CM: u16 = 200;

/// What the sensors and the decision say, in the units of the sampling port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Speed in mm/s.
    pub speed_mm_s: u32,
    /// Distance in mm, `u32::MAX` when nothing is ahead.
    pub distance_mm: u32,
    /// Time to collision in ms, `u32::MAX` when none.
    pub time_to_collision_ms: u32,
    /// Deceleration with which the car would just stop before the obstacle, after the reaction, in mm/s²;
    /// `u32::MAX` when it cannot.
    pub required_mm_s2: u32,
    /// Brake request in per mille.
    pub brake_permille: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brake {
    Released,
    Applied,
}

/// The decision, from measurement to measurement.
#[derive(Clone, Debug)]
pub struct Braking {
    speed: Option<Signal>,
    distance: Option<Signal>,
    heard_ms: u64,
    brake: Brake,
}

impl Default for Braking {
    fn default() -> Self {
        Self::new()
    }
}

impl Braking {
    /// Nothing measured yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            speed: None,
            distance: None,
            heard_ms: 0,
            brake: Brake::Released,
        }
    }

    /// Takes a measured speed in cm/s at the partition's own time `now_ms`.
    pub fn wheel_speed(&mut self, signal: Signal, now_ms: u64) {
        self.speed = Some(signal);
        self.heard_ms = now_ms;
    }

    /// Takes a measured distance in cm.
    pub fn radar_distance(&mut self, signal: Signal) {
        let before = self
            .distance
            .replace(signal)
            .map_or(NOTHING_AHEAD, |last| last.value);
        if signal.value > before.saturating_add(ANOTHER_OBSTACLE_CM) || signal.value == NOTHING_AHEAD {
            self.brake = Brake::Released;
        }
    }

    /// Decides at the partition's own time `now_ms`; `None` while the sensors are silent.
    ///
    /// The request answers the older of the two measurements.
    pub fn decide(&mut self, now_ms: u64) -> Option<(Situation, Signal)> {
        let (speed, distance) = (self.speed?, self.distance?);
        if now_ms.saturating_sub(self.heard_ms) > SILENCE_MS {
            return None;
        }
        let (v, d) = (u64::from(speed.value) * 10, u64::from(distance.value) * 10);
        let ahead = distance.value != NOTHING_AHEAD;
        if v == 0 || !ahead {
            self.brake = Brake::Released;
        } else if d <= needed_mm(v) {
            self.brake = Brake::Applied;
        }
        let brake_permille = match self.brake {
            Brake::Released => 0,
            Brake::Applied => 1000,
        };
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let situation = Situation {
            speed_mm_s: narrow(v),
            distance_mm: if ahead { narrow(d) } else { u32::MAX },
            time_to_collision_ms: if ahead {
                (d * 1000).checked_div(v).map_or(u32::MAX, narrow)
            } else {
                u32::MAX
            },
            required_mm_s2: if ahead {
                required_mm_s2(v, d).map_or(u32::MAX, narrow)
            } else {
                0
            },
            brake_permille,
        };
        let older = if speed.time_ms.wrapping_sub(distance.time_ms) < u32::MAX / 2 {
            distance
        } else {
            speed
        };
        Some((
            situation,
            Signal {
                value: brake_permille,
                time_ms: older.time_ms,
            },
        ))
    }
}

/// Distance in mm in which a car at `speed` mm/s surely stops, with the margin.
#[must_use]
pub const fn needed_mm(speed: u64) -> u64 {
    // Rounded up, since a distance must not be understated.
    (speed * REACTION_MS).div_ceil(1000) + (speed * speed).div_ceil(2 * DECELERATION_MM_S2) + MARGIN_MM
}

/// Deceleration in mm/s² that stops a car at `speed` mm/s within `distance` mm after the reaction, with the
/// margin; `None` when no distance is left.
#[must_use]
pub const fn required_mm_s2(speed: u64, distance: u64) -> Option<u64> {
    if speed == 0 {
        return Some(0);
    }
    let Some(left) = distance.checked_sub(speed * REACTION_MS / 1000 + MARGIN_MM) else {
        return None;
    };
    (speed * speed).checked_div(2 * left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speed_cm_s: u16, distance_cm: u16) -> Braking {
        let mut braking = Braking::new();
        braking.wheel_speed(
            Signal {
                value: speed_cm_s,
                time_ms: 20,
            },
            1000,
        );
        braking.radar_distance(Signal {
            value: distance_cm,
            time_ms: 10,
        });
        braking
    }

    /// Verifies: BH-CAR-001.
    #[test]
    fn it_brakes_exactly_when_the_required_deceleration_is_the_sure_one() {
        for speed in [800, 1234, 2000] {
            let needed = u16::try_from(needed_mm(u64::from(speed) * 10) / 10).unwrap();
            let (before, _) = at(speed, needed + 1).decide(1000).unwrap();
            let (now, _) = at(speed, needed).decide(1000).unwrap();
            assert_eq!((before.brake_permille, now.brake_permille), (0, 1000));
            assert!(
                before.required_mm_s2 <= 9000 && now.required_mm_s2 >= 8990,
                "{before:?} {now:?}"
            );
        }
    }

    #[test]
    fn times_and_decelerations_are_those_of_physics() {
        let (situation, _) = at(2000, 4000).decide(1000).unwrap();
        assert_eq!(situation.time_to_collision_ms, 2000);
        // 40 m - 6.6 m - 1 m left for 20²/2 = 200 m²/s².
        assert_eq!(situation.required_mm_s2, 6172);
        let (standing, _) = at(0, 100).decide(1000).unwrap();
        assert_eq!(
            (
                standing.time_to_collision_ms,
                standing.required_mm_s2,
                standing.brake_permille
            ),
            (u32::MAX, 0, 0)
        );
        let (alone, _) = at(2000, NOTHING_AHEAD).decide(1000).unwrap();
        assert_eq!(
            (
                alone.distance_mm,
                alone.time_to_collision_ms,
                alone.brake_permille
            ),
            (u32::MAX, u32::MAX, 0)
        );
        assert_eq!(at(2000, 50).decide(1000).unwrap().0.required_mm_s2, u32::MAX);
    }

    #[test]
    fn the_brake_stays_applied_until_the_car_stands_or_the_obstacle_is_another() {
        let brake = |braking: &mut Braking| braking.decide(1000).unwrap().0.brake_permille;
        let mut braking = at(2000, 2500);
        assert_eq!(brake(&mut braking), 1000);
        braking.wheel_speed(
            Signal {
                value: 300,
                time_ms: 30,
            },
            1000,
        );
        assert_eq!(brake(&mut braking), 1000, "slow, far enough, still braking");
        braking.radar_distance(Signal {
            value: 2600,
            time_ms: 30,
        });
        assert_eq!(brake(&mut braking), 1000, "noise");
        braking.radar_distance(Signal {
            value: 2900,
            time_ms: 40,
        });
        assert_eq!(brake(&mut braking), 0, "another obstacle");
        let mut braking = at(2000, 2500);
        assert_eq!(brake(&mut braking), 1000);
        braking.wheel_speed(
            Signal {
                value: 0,
                time_ms: 30,
            },
            1000,
        );
        assert_eq!(brake(&mut braking), 0, "stands");
    }

    /// Verifies: BH-CAR-002.
    #[test]
    fn silence_of_the_sensors_silences_the_requests() {
        assert_eq!(Braking::new().decide(0), None);
        let mut braking = at(2000, 2500);
        assert!(braking.decide(1300).is_some());
        assert_eq!(braking.decide(1301), None);
    }

    #[test]
    fn a_request_answers_the_older_measurement_also_when_time_wraps() {
        assert_eq!(at(2000, 4000).decide(1000).unwrap().1.time_ms, 10);
        let mut braking = at(2000, 4000);
        braking.radar_distance(Signal {
            value: 4000,
            time_ms: 30,
        });
        assert_eq!(braking.decide(1000).unwrap().1.time_ms, 20);
        braking.wheel_speed(
            Signal {
                value: 2000,
                time_ms: 4,
            },
            1000,
        );
        braking.radar_distance(Signal {
            value: 4000,
            time_ms: u32::MAX - 5,
        });
        assert_eq!(braking.decide(1000).unwrap().1.time_ms, u32::MAX - 5);
    }
}
