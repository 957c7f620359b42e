// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The main task: every 10 ms it takes measurements, decides, requests, publishes.

use core::sync::atomic::AtomicU64;

use bulkhead_abi::sampling::VehicleState;
use bulkhead_abi::window::Metrics;
use bulkhead_adas::arguments::{Arguments, Crc};
use bulkhead_adas::braking::{Braking, Situation};
use bulkhead_devices::can::Frame;
use bulkhead_partition::el1::{Partition, can, stop, time, trespass};
use bulkhead_partition::periodic::Periodic;
use bulkhead_partition::sampling::Writer;
use bulkhead_vehicle::bus::{
    BRAKE_REQUEST, FrameError, RADAR_DISTANCE, Receiver, Sender, Signal, WHEEL_SPEED,
};
use bulkhead_vehicle::plant::km_h;
use embedded_can::{Frame as _, Id, StandardId};

bulkhead_partition::entry!(run);

const PERIOD_NS: u64 = 10_000_000;
const MS: u64 = 1_000_000;
/// Time from the arrival of the first measurements to the first activation, in ns: those of later periods have
/// then arrived before theirs.
const AFTER_SENSORS_NS: u64 = 200_000;
/// Activations of braking before the main task is held or fails, if it is asked for.
const HOLD_AFTER: u32 = 10;
/// Words of the message of the sampling port.
const WORDS: usize = size_of::<VehicleState>() / 8;

fn run(partition: Partition) -> ! {
    let arguments = match Arguments::parse(partition.machine.arguments) {
        Ok(arguments) => arguments,
        Err(word) => {
            defmt::error!("unknown argument: {}", word);
            stop()
        }
    };
    if partition.machine.cans.is_empty() {
        // It goes on and publishes that it knows nothing: silence would look like a fault of its own.
        defmt::error!(
            "NO BUS: this partition has no CAN controller, nothing is measured and no brake requested"
        );
    }
    let mut port = match partition.writer::<WORDS>("vehicle-state") {
        Ok(port) => port,
        Err(error) => {
            defmt::error!(
                "no channel vehicle-state to write to: {}",
                defmt::Debug2Format(&error)
            );
            stop()
        }
    };
    let is_restart = port.number() > 0;
    if is_restart {
        // A restart. Whether the last request was sent nobody knows: numbers are left out so that none is repeated.
        port.leave_out(2);
    }
    let output = if partition.gives_safe_output() {
        defmt::warn!("adas: safe output: the vehicle state, no brake requests");
        Output::Safe
    } else {
        defmt::info!("adas: emergency braking every {} ms", PERIOD_NS / MS);
        Output::Full
    };
    let mut adas = Adas {
        braking: Braking::new(),
        speeds: Receiver::new(WHEEL_SPEED),
        distances: Receiver::new(RADAR_DISTANCE),
        port,
        metrics: Metrics {
            smallest_margin_mm: u64::MAX,
            ..Metrics::default()
        },
        crc: arguments.crc,
        hold_ms: arguments.hold_ms,
        fault_us: arguments.fault_us.filter(|_| !is_restart),
        phase: Phase::Silent,
        output,
    };
    let mut task = Periodic::new(time::now(), PERIOD_NS, PERIOD_NS);
    loop {
        while !time::doze_until(task.release()) {
            if adas.phase == Phase::Silent && adas.measures() {
                // The sensors' period is its own from here on.
                task = Periodic::new(time::now() + AFTER_SENSORS_NS, PERIOD_NS, PERIOD_NS);
                adas.phase = Phase::Waiting;
            }
        }
        adas.activation(time::now());
        adas.metrics.deadline_misses += task.finish(time::now());
        adas.publish_counts(&partition);
    }
}

/// What the log was last told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No measurements.
    Silent,
    /// The first have arrived.
    Waiting,
    /// Measuring, not braking.
    Watching,
    /// Braking for this many activations.
    Braking(u32),
}

/// What it does with its decisions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Requests the brake, publishes the vehicle state.
    Full,
    /// Publishes the vehicle state, as one in which it does not brake: without requests the car brakes by itself.
    Safe,
}

struct Adas {
    braking: Braking,
    speeds: Receiver,
    distances: Receiver,
    port: Writer<&'static [AtomicU64], WORDS>,
    metrics: Metrics,
    crc: Crc,
    hold_ms: Option<u64>,
    fault_us: Option<u64>,
    phase: Phase,
    output: Output,
}

impl Adas {
    fn activation(&mut self, now_ns: u64) {
        self.take_measurements();
        let decision = self.braking.decide(now_ns / MS);
        let mut situation = decision.map(|(situation, _)| situation);
        match (self.output, decision, &mut situation) {
            (Output::Full, Some((_, request)), _) => self.request(request),
            (Output::Safe, _, Some(situation)) => situation.brake_permille = 0,
            (Output::Full | Output::Safe, _, _) => {}
        }
        self.publish_state(situation, now_ns);
        self.log(situation);
        self.fail();
    }

    fn take_measurements(&mut self) {
        let now_ms = time::now() / MS;
        while let Some(frame) = can::receive() {
            self.measurement(&frame, now_ms);
        }
    }

    /// Whether speed and distance are known.
    fn measures(&mut self) -> bool {
        self.take_measurements();
        self.braking.decide(time::now() / MS).is_some()
    }

    fn measurement(&mut self, frame: &Frame, now_ms: u64) {
        let Id::Standard(id) = frame.id() else { return };
        let checked = if id.as_raw() == WHEEL_SPEED.id {
            self.speeds
                .signal(frame.data())
                .map(|signal| self.braking.wheel_speed(signal, now_ms))
        } else if id.as_raw() == RADAR_DISTANCE.id {
            self.distances
                .signal(frame.data())
                .map(|signal| self.braking.radar_distance(signal))
        } else {
            return;
        };
        match checked {
            Ok(()) if self.metrics.first_valid_frame_ns == 0 => {
                self.metrics.first_valid_frame_ns = time::now()
            }
            Ok(()) => {}
            Err(error) => self.refused(error),
        }
    }

    fn refused(&mut self, error: FrameError) {
        if self.metrics.can_e2e_errors == 0 {
            defmt::warn!("measurement refused: {}", defmt::Debug2Format(&error));
        }
        self.metrics.can_e2e_errors += 1;
    }

    fn request(&mut self, request: Signal) {
        // Request and state of an activation have one number, which outlives a restart.
        let number = self.port.number().wrapping_add(1);
        let mut bytes = Sender::at(BRAKE_REQUEST, number).frame(request);
        if let (Crc::Broken, [check, ..]) = (self.crc, &mut bytes) {
            *check ^= 0xff;
        }
        let id = StandardId::new(BRAKE_REQUEST.id).unwrap_or(StandardId::ZERO);
        if let Some(frame) = Frame::new(id, &bytes) {
            can::send(&frame);
        }
    }

    fn publish_state(&mut self, situation: Option<Situation>, now_ns: u64) {
        let sequence = self.port.number().wrapping_add(1);
        let state = situation.map_or(
            VehicleState {
                distance_mm: u32::MAX,
                time_to_collision_ms: u32::MAX,
                ..VehicleState::default()
            },
            |s| VehicleState {
                speed_mm_s: s.speed_mm_s,
                distance_mm: s.distance_mm,
                time_to_collision_ms: s.time_to_collision_ms,
                brake_permille: s.brake_permille.into(),
                ..VehicleState::default()
            },
        );
        let state = VehicleState {
            sequence,
            time_ns: now_ns,
            sequence_again: sequence,
            ..state
        };
        self.port.write(&zerocopy::transmute!(state));
        self.metrics.port_sequence = sequence;
    }

    /// Says what changed, not every cycle.
    fn log(&mut self, situation: Option<Situation>) {
        let phase = match (situation, self.phase) {
            (None, _) => Phase::Silent,
            (Some(s), Phase::Braking(activations)) if s.brake_permille > 0 => Phase::Braking(activations + 1),
            (Some(s), _) if s.brake_permille > 0 => {
                defmt::info!(
                    "braking: {} km/h, obstacle in {} m, collision in {} ms, required {} mm/s2",
                    km_h(s.speed_mm_s),
                    s.distance_mm / 1000,
                    s.time_to_collision_ms,
                    s.required_mm_s2
                );
                Phase::Braking(1)
            }
            (Some(_), _) => Phase::Watching,
        };
        match (self.phase, phase) {
            (Phase::Silent | Phase::Waiting, Phase::Watching) => defmt::info!("measurements arrive"),
            (Phase::Waiting | Phase::Watching | Phase::Braking(_), Phase::Silent) => {
                self.metrics.can_timeouts += 1;
                defmt::warn!("measurements stopped: no requests");
            }
            _ => {}
        }
        self.phase = phase;
    }

    /// What it was asked to do wrong.
    fn fail(&mut self) {
        if self.phase != Phase::Braking(HOLD_AFTER) {
            return;
        }
        if let Some(ms) = self.hold_ms.take() {
            defmt::warn!("held for {} ms in mid-brake", ms);
            time::spin(ms * MS);
        }
        if let Some(us) = self.fault_us.take() {
            defmt::warn!("reaches beside its memory in mid-brake");
            time::spin(us * 1000);
            trespass()
        }
    }

    fn publish_counts(&mut self, partition: &Partition) {
        let counts = can::counts();
        self.metrics.heartbeat += 1;
        self.metrics.can_tx = counts.sent;
        self.metrics.can_rx = counts.received;
        self.metrics.can_overrun = counts.overruns;
        partition.publish(&self.metrics);
    }
}
