// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decision and the car together, frame by frame. Verifies: BH-CAR-001, BH-CAN-102, BH-CAN-104.
//!
//! Each direction delays its frames by a time that varies from frame to frame, in order, so that the sum of
//! both stays within 200 ms; frames are lost, a few in a row.

use std::collections::VecDeque;

use bulkhead_adas::braking::Braking;
use bulkhead_vehicle::bus::{BRAKE_REQUEST, Kind, RADAR_DISTANCE, Receiver, Sender, WHEEL_SPEED};
use bulkhead_vehicle::car::{Car, Event, Verdict};
use proptest::prelude::*;

/// A line that delays and loses frames.
struct Line {
    frames: VecDeque<(u64, Kind, [u8; 8])>,
    least_delay_ms: u64,
    most_delay_ms: u64,
    loss_percent: u64,
    lost_in_a_row: u64,
    state: u64,
}

impl Line {
    fn new(seed: u64, least_delay_ms: u64, most_delay_ms: u64, loss_percent: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            least_delay_ms,
            most_delay_ms,
            loss_percent,
            lost_in_a_row: 0,
            state: seed | 1,
        }
    }

    fn random(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 20) % bound
    }

    fn send(&mut self, now_ms: u64, kind: Kind, frame: [u8; 8]) {
        if self.lost_in_a_row < 2 && self.random(100) < self.loss_percent {
            self.lost_in_a_row += 1;
            return;
        }
        self.lost_in_a_row = 0;
        let delay = self.least_delay_ms + self.random(self.most_delay_ms - self.least_delay_ms + 1);
        // In order: never before the frame that was sent earlier.
        let arrival = (now_ms + delay).max(self.frames.back().map_or(0, |f| f.0));
        self.frames.push_back((arrival, kind, frame));
    }

    fn arrived(&mut self, now_ms: u64) -> Option<(Kind, [u8; 8])> {
        let (arrival, kind, frame) = *self.frames.front()?;
        (arrival <= now_ms).then(|| self.frames.pop_front())?;
        Some((kind, frame))
    }
}

/// What is wrong with the requests on their way.
#[derive(Clone, Copy, PartialEq)]
enum Requests {
    Sent,
    Damaged,
    Absent,
    /// Nothing is sent for 500 ms, once, this many ms after braking began.
    Held(u64),
}

struct Outcome {
    verdicts: Vec<Verdict>,
    timeouts: usize,
    errors: usize,
    longest_ms: u64,
}

fn simulate(seed: u64, phase_ms: u64, mut there: Line, mut back: Line, requests: Requests) -> Outcome {
    let mut car = Car::new(seed);
    let mut braking = Braking::new();
    let (mut speed_out, mut distance_out) = (Sender::new(WHEEL_SPEED), Sender::new(RADAR_DISTANCE));
    let (mut speed_in, mut distance_in) = (Receiver::new(WHEEL_SPEED), Receiver::new(RADAR_DISTANCE));
    let (mut request_out, mut request_in) = (Sender::new(BRAKE_REQUEST), Receiver::new(BRAKE_REQUEST));
    let mut outcome = Outcome {
        verdicts: Vec::new(),
        timeouts: 0,
        errors: 0,
        longest_ms: 0,
    };
    let (mut began, mut braked_ms) = (0, None);
    for now in 0..12_000 {
        if now % 10 == 0 {
            while let Some((_, frame)) = back.arrived(now) {
                match request_in.signal(&frame) {
                    Ok(request) => car.request(request),
                    Err(_) => outcome.errors += 1,
                }
            }
            for event in car.step().into_iter().flatten() {
                match event {
                    Event::Began(..) => began = now,
                    Event::TimedOut => outcome.timeouts += 1,
                    Event::Ended(_, _, verdict) => {
                        outcome.verdicts.push(verdict);
                        outcome.longest_ms = outcome.longest_ms.max(now - began);
                    }
                }
            }
            there.send(now, WHEEL_SPEED, speed_out.frame(car.wheel_speed()));
            there.send(now, RADAR_DISTANCE, distance_out.frame(car.radar_distance()));
        }
        if now % 10 == phase_ms && requests != Requests::Absent {
            let held = matches!((requests, braked_ms), (Requests::Held(after), Some(since))
                if (after..after + 500).contains(&(now - since)));
            if held {
                continue;
            }
            while let Some((kind, frame)) = there.arrived(now) {
                let measured = if kind == WHEEL_SPEED {
                    speed_in
                        .signal(&frame)
                        .map(|signal| braking.wheel_speed(signal, now))
                } else {
                    distance_in
                        .signal(&frame)
                        .map(|signal| braking.radar_distance(signal))
                };
                outcome.errors += usize::from(measured.is_err());
            }
            if let Some((situation, request)) = braking.decide(now) {
                if situation.brake_permille > 0 {
                    braked_ms.get_or_insert(now);
                }
                let mut frame = request_out.frame(request);
                if requests == Requests::Damaged {
                    frame[0] ^= 0xff;
                }
                back.send(now, BRAKE_REQUEST, frame);
            }
        }
    }
    outcome
}

fn all_stopped(outcome: &Outcome) -> bool {
    outcome.verdicts.len() >= 3
        && outcome
            .verdicts
            .iter()
            .all(|v| matches!(v, Verdict::Stopped(1000..) | Verdict::Degraded(1000..)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Late by up to 200 ms in sum, up to a fifth of the frames lost: never a crash, at least one scenario in 3 s.
    #[test]
    fn it_stops_with_late_and_lost_frames(
        seed: u64, phase in 0_u64..10, line: u64, there_ms in 0_u64..=200,
        least in 0_u64..=100, loss in 0_u64..=20,
    ) {
        let there = Line::new(line, there_ms * least / 100, there_ms, loss);
        let back_ms = 200 - there_ms;
        let back = Line::new(!line, back_ms * least / 100, back_ms, loss);
        let outcome = simulate(seed, phase, there, back, Requests::Sent);
        prop_assert!(all_stopped(&outcome), "{:?}", outcome.verdicts);
        prop_assert!(outcome.longest_ms < 3000, "{} ms", outcome.longest_ms);
    }

    /// On a bus without trouble nothing is degraded and nothing is refused.
    #[test]
    fn a_sound_bus_needs_no_safe_state(seed: u64, phase in 0_u64..10) {
        let outcome = simulate(seed, phase, Line::new(1, 0, 0, 0), Line::new(1, 0, 0, 0), Requests::Sent);
        prop_assert!(outcome.verdicts.len() >= 3);
        prop_assert!(outcome.verdicts.iter().all(|v| matches!(v, Verdict::Stopped(1000..))), "{:?}", outcome.verdicts);
        prop_assert_eq!((outcome.timeouts, outcome.errors), (0, 0));
    }
}

proptest! {
    /// The controls: without requests, or with none that is sound, every scenario is a crash.
    #[test]
    fn nothing_else_stops_the_car(seed: u64, phase in 0_u64..10) {
        for requests in [Requests::Absent, Requests::Damaged] {
            let outcome = simulate(seed, phase, Line::new(1, 0, 0, 0), Line::new(1, 0, 0, 0), requests);
            prop_assert!(outcome.verdicts.len() >= 3);
            prop_assert!(outcome.verdicts.iter().all(|v| matches!(v, Verdict::Crashed(8000..))), "{:?}", outcome.verdicts);
            prop_assert_eq!(outcome.timeouts, 0);
            prop_assert_eq!(outcome.errors > 100, requests == Requests::Damaged);
        }
    }

    /// Held in mid-brake: the car's timeout acts, and it stops all the same.
    #[test]
    fn a_held_adas_is_noticed(seed: u64, phase in 0_u64..10, after in 10_u64..200) {
        let outcome = simulate(seed, phase, Line::new(1, 0, 0, 0), Line::new(1, 0, 0, 0), Requests::Held(after));
        prop_assert!(all_stopped(&outcome), "{:?}", outcome.verdicts);
        prop_assert!(matches!(outcome.verdicts[0], Verdict::Degraded(_)));
        prop_assert!(outcome.timeouts >= 1);
    }
}
