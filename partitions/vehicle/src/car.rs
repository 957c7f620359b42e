// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Scenario after scenario: motion, supervision of the brake requests, verdicts.
//!
//! Implements: BH-CAN-104. A silent `adas` is not safe: when requests stop for [`TIMEOUT_MS`] the car brakes
//! by itself until it stands. It does so only after a first valid request: before, nobody promised to brake.

use crate::bus::{NOTHING_AHEAD, Signal};
use crate::plant::{Motion, Plant, STEP_MS};
use crate::scenario::{Scenario, Scenarios};

/// Longest time between valid requests, in ms of plant time.
pub const TIMEOUT_MS: u32 = 100;
/// The first scenario begins with the first valid request, or after this time, in ms.
pub const PATIENCE_MS: u32 = 3000;
/// Steps that may be made up for in one activation; what is later than that, the plant's time pauses.
pub const MOST_STEPS: u64 = 5;

/// How a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The car stands before the obstacle, this many mm.
    Stopped(u32),
    /// The same, braking by itself.
    Degraded(u32),
    /// The car hit the obstacle at this many mm/s.
    Crashed(u32),
}

/// What a step brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Scenario number, and how it begins.
    Began(u32, Scenario),
    /// No valid request in time: the car brakes by itself.
    TimedOut,
    /// Scenario number, how it began, how it ended.
    Ended(u32, Scenario, Verdict),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Standing, nothing ahead.
    Waiting,
    /// On the way to an obstacle since the stated time.
    Driving(Plant, Scenario, u32),
}

/// Who decides about the brake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Requests,
    Degraded,
}

/// The car.
#[derive(Clone, Debug)]
pub struct Car {
    scenarios: Scenarios,
    number: u32,
    phase: Phase,
    time_ms: u32,
    request: u16,
    last_valid_ms: Option<u32>,
    control: Control,
}

impl Car {
    /// A standing car with the scenarios of `seed` before it.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            scenarios: Scenarios::new(seed),
            number: 0,
            phase: Phase::Waiting,
            time_ms: 0,
            request: 0,
            last_valid_ms: None,
            control: Control::Requests,
        }
    }

    /// Plant time in ms.
    #[must_use]
    pub const fn time_ms(&self) -> u32 {
        self.time_ms
    }

    /// Takes a valid request. One that answers frames from before this scenario brakes nothing.
    pub fn request(&mut self, request: Signal) {
        self.last_valid_ms = Some(self.time_ms);
        let current = match self.phase {
            Phase::Waiting => false,
            // Plant time wraps after 49 days: compared by difference.
            Phase::Driving(_, _, since) => request.time_ms.wrapping_sub(since) < u32::MAX / 2,
        };
        self.request = if current { request.value } else { 0 };
    }

    /// What the wheel speed sensor says, in cm/s.
    #[must_use]
    pub fn wheel_speed(&self) -> Signal {
        let value = match &self.phase {
            Phase::Waiting => 0,
            // Rounded up: a speed is never understated.
            Phase::Driving(plant, ..) => u16::try_from(plant.speed_mm_s().div_ceil(10)).unwrap_or(u16::MAX),
        };
        Signal {
            value,
            time_ms: self.time_ms,
        }
    }

    /// What the radar says, in cm.
    #[must_use]
    pub fn radar_distance(&self) -> Signal {
        let value = match &self.phase {
            Phase::Waiting => NOTHING_AHEAD,
            Phase::Driving(plant, ..) => u16::try_from(plant.distance_mm() / 10).unwrap_or(NOTHING_AHEAD - 1),
        };
        Signal {
            value,
            time_ms: self.time_ms,
        }
    }

    /// Moves on by one step: a time-out, if there is one, and what became of the scenario.
    pub fn step(&mut self) -> [Option<Event>; 2] {
        self.time_ms = self.time_ms.wrapping_add(STEP_MS);
        let Phase::Driving(plant, scenario, since) = self.phase else {
            return [None, self.begin()];
        };
        let times_out = self.control == Control::Requests && self.is_overdue();
        if times_out {
            self.control = Control::Degraded;
        }
        [
            times_out.then_some(Event::TimedOut),
            self.drive(plant, scenario, since),
        ]
    }

    fn is_overdue(&self) -> bool {
        self.last_valid_ms
            .is_some_and(|last| self.time_ms.wrapping_sub(last) > TIMEOUT_MS)
    }

    fn begin(&mut self) -> Option<Event> {
        if self.number == 0 && self.last_valid_ms.is_none() && self.time_ms < PATIENCE_MS {
            return None;
        }
        let scenario = self.scenarios.next()?;
        self.number = self.number.wrapping_add(1);
        self.request = 0;
        self.control = Control::Requests;
        let plant = Plant::new(scenario.speed_mm_s, scenario.distance_mm);
        self.phase = Phase::Driving(plant, scenario, self.time_ms);
        Some(Event::Began(self.number, scenario))
    }

    fn drive(&mut self, mut plant: Plant, scenario: Scenario, since: u32) -> Option<Event> {
        let request = match self.control {
            Control::Requests => self.request,
            Control::Degraded => 1000,
        };
        let verdict = match (plant.step(request), self.control) {
            (Motion::Crashed, _) => Some(Verdict::Crashed(plant.speed_mm_s())),
            (Motion::Free, _) if !plant.stands() => None,
            (Motion::Free, Control::Requests) => Some(Verdict::Stopped(plant.distance_mm())),
            (Motion::Free, Control::Degraded) => Some(Verdict::Degraded(plant.distance_mm())),
        };
        self.phase = if verdict.is_some() {
            Phase::Waiting
        } else {
            Phase::Driving(plant, scenario, since)
        };
        Some(Event::Ended(self.number, scenario, verdict?))
    }
}

/// Turns counter time into steps: those that are due, at most [`MOST_STEPS`] at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    next_ns: u64,
}

impl Pace {
    const STEP_NS: u64 = 10_000_000;

    /// The first step is due at `first_ns`.
    #[must_use]
    pub const fn new(first_ns: u64) -> Self {
        Self { next_ns: first_ns }
    }

    /// Steps to make at `now_ns`; those beyond the bound never happen.
    pub fn due(&mut self, now_ns: u64) -> u64 {
        let Some(late) = now_ns.checked_sub(self.next_ns) else {
            return 0;
        };
        let due = late / Self::STEP_NS + 1;
        self.next_ns += due * Self::STEP_NS;
        due.min(MOST_STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    extern crate std;

    /// Runs `steps` steps; each is told by `requests` what request arrives before it.
    fn run(steps: u32, mut requests: impl FnMut(&Car) -> Option<u16>) -> Vec<Event> {
        let mut car = Car::new(1);
        let mut events = Vec::new();
        for _ in 0..steps {
            if let Some(value) = requests(&car) {
                car.request(Signal {
                    value,
                    time_ms: car.time_ms(),
                });
            }
            events.extend(car.step().into_iter().flatten());
        }
        events
    }

    fn verdicts(events: &[Event]) -> Vec<Verdict> {
        events
            .iter()
            .filter_map(|e| {
                if let Event::Ended(_, _, v) = e {
                    Some(*v)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Verifies: BH-CAN-104. Nobody there: every scenario crashes at full speed, at least one every 3 s.
    #[test]
    fn without_any_request_the_car_crashes() {
        let events = run(6000, |_| None);
        let all = verdicts(&events);
        assert!(all.len() >= 19, "{}", all.len());
        assert!(all.iter().all(|v| matches!(v, Verdict::Crashed(8000..))));
        assert!(!events.contains(&Event::TimedOut));
    }

    /// Verifies: BH-CAN-104. Requests that end bring the local safe state.
    #[test]
    fn requests_that_end_make_the_car_brake_by_itself() {
        let mut left = 5;
        let events = run(1000, |_| {
            left -= 1;
            (left > 0).then_some(0)
        });
        let all = verdicts(&events);
        assert!(all.len() > 2);
        assert!(all.iter().all(|v| matches!(v, Verdict::Degraded(1..))), "{all:?}");
        let timeouts = events.iter().filter(|e| **e == Event::TimedOut).count();
        assert!((all.len()..=all.len() + 1).contains(&timeouts), "once a scenario");
    }

    #[test]
    fn a_gap_of_just_the_timeout_is_no_timeout() {
        for (gap, timed_out) in [(10, false), (11, true)] {
            let mut step = 0;
            let events = run(40, |_| {
                step += 1;
                (step % gap == 1).then_some(0)
            });
            assert_eq!(events.contains(&Event::TimedOut), timed_out, "{gap} steps");
        }
    }

    #[test]
    fn prompt_braking_stops_the_car_and_requests_for_the_past_do_not() {
        let all = verdicts(&run(1000, |_| Some(1000)));
        assert!(all.len() >= 4 && all.iter().all(|v| matches!(v, Verdict::Stopped(1000..))));
        let mut car = Car::new(1);
        let mut crashed = false;
        for _ in 0..1000 {
            car.request(Signal {
                value: 1000,
                time_ms: 0,
            });
            crashed |= matches!(car.step()[1], Some(Event::Ended(_, _, Verdict::Crashed(_))));
        }
        assert!(crashed);
    }

    #[test]
    fn late_activations_make_up_for_a_bounded_number_of_steps() {
        let mut pace = Pace::new(100);
        assert_eq!([99, 100, 101, 10_000_100].map(|now| pace.due(now)), [0, 1, 0, 1]);
        assert_eq!(pace.due(40_000_100), 3);
        assert_eq!(pace.due(1_040_000_100), MOST_STEPS);
        assert_eq!(pace.due(1_050_000_099), 0);
        assert_eq!(pace.due(1_050_000_100), 1);
    }
}
