// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The car's main task: every 10 ms it takes brake requests, moves on, sends what its sensors say.

use bulkhead_abi::window::Metrics;
use bulkhead_devices::can::Frame;
use bulkhead_partition::arguments::pairs;
use bulkhead_partition::el1::{Partition, can, stop, time};
use bulkhead_partition::periodic::Periodic;
use bulkhead_vehicle::bus::{BRAKE_REQUEST, Kind, RADAR_DISTANCE, Receiver, Sender, Signal, WHEEL_SPEED};
use bulkhead_vehicle::car::{Car, Event, Pace, Verdict};
use bulkhead_vehicle::plant::km_h;
use bulkhead_vehicle::stamps::Stamps;
use embedded_can::{Frame as _, Id, StandardId};

bulkhead_partition::entry!(run);

const PERIOD_NS: u64 = 10_000_000;

/// The scenarios' seed, and whether answers to the sensors' frames are timed.
fn read(arguments: &str) -> Option<(u64, Option<Stamps>)> {
    let (mut seed, mut stamps) = (1, None);
    for word in pairs(arguments) {
        match word {
            Ok(("seed", value)) => seed = value.parse().ok()?,
            Ok(("measure", "answers")) => stamps = Some(Stamps::default()),
            Ok(_) | Err(_) => return None,
        }
    }
    Some((seed, stamps))
}

fn run(partition: Partition) -> ! {
    let Some((seed, stamps)) = read(partition.machine.arguments) else {
        defmt::error!("unknown arguments: {}", partition.machine.arguments);
        stop()
    };
    if partition.machine.cans.is_empty() {
        defmt::error!("the spec gives no CAN controller to this partition");
        stop()
    }
    defmt::info!("vehicle: seed {}", seed);
    let start = time::now();
    let mut task = Periodic::new(start, PERIOD_NS, PERIOD_NS);
    let mut vehicle = Vehicle {
        car: Car::new(seed),
        requests: Receiver::new(BRAKE_REQUEST),
        speeds: Sender::new(WHEEL_SPEED),
        distances: Sender::new(RADAR_DISTANCE),
        metrics: Metrics {
            smallest_margin_mm: u64::MAX,
            ..Metrics::default()
        },
        heard: false,
        stamps,
    };
    let mut pace = Pace::new(start);
    loop {
        // Requests are checked when they arrive.
        while !time::doze_until(task.release()) {
            vehicle.take_requests(&partition);
        }
        vehicle.take_requests(&partition);
        for _ in 0..pace.due(time::now()) {
            for event in vehicle.car.step().into_iter().flatten() {
                vehicle.report(event);
            }
        }
        vehicle.send_sensors();
        vehicle.metrics.deadline_misses += task.finish(time::now());
        vehicle.publish(&partition);
    }
}

struct Vehicle {
    car: Car,
    requests: Receiver,
    speeds: Sender,
    distances: Sender,
    metrics: Metrics,
    /// Whether a valid request came since the last time-out.
    heard: bool,
    /// Times of answers, where they are measured.
    stamps: Option<Stamps>,
}

impl Vehicle {
    fn take_requests(&mut self, partition: &Partition) {
        while let Some(frame) = can::receive() {
            if !is(&frame, BRAKE_REQUEST) {
                continue;
            }
            match self.requests.signal(frame.data()) {
                Ok(request) => {
                    self.first_request(partition);
                    self.heard = true;
                    self.answered();
                    if self.requests.were_missing() {
                        self.metrics.resumed_ns = time::now();
                        defmt::warn!("brake requests were missing");
                    }
                    self.car.request(request);
                }
                Err(error) => {
                    if self.metrics.can_e2e_errors == 0 {
                        defmt::warn!("brake request refused: {}", defmt::Debug2Format(&error));
                    }
                    self.metrics.can_e2e_errors += 1;
                }
            }
        }
    }

    /// A valid request answers the newest frames of the sensors.
    fn answered(&mut self) {
        let Some(stamps) = &mut self.stamps else { return };
        if stamps.answered(time::now()) {
            stamps.for_each(|value, times| defmt::info!("bench sensor_to_brake {} {}", value, times));
            defmt::info!("bench done");
        }
    }

    /// The steady state begins with the first valid request.
    fn first_request(&mut self, partition: &Partition) {
        if self.metrics.first_valid_frame_ns != 0 {
            return;
        }
        self.metrics.first_valid_frame_ns = time::now();
        match partition.mark_steady() {
            Ok(()) => defmt::info!("first valid brake request"),
            Err(error) => defmt::info!("first valid brake request; steady state not marked ({})", error),
        }
    }

    fn report(&mut self, event: Event) {
        match event {
            Event::Began(number, scenario) => defmt::info!(
                "scenario {}: {} km/h, obstacle in {} m",
                number,
                km_h(scenario.speed_mm_s),
                scenario.distance_mm / 1000
            ),
            Event::TimedOut => {
                self.metrics.can_timeouts += 1;
                // Of a silence that lasts over scenarios, the first.
                if core::mem::take(&mut self.heard) {
                    self.metrics.degraded_ns = time::now();
                }
                defmt::warn!("brake request timeout: degraded braking");
            }
            Event::Ended(number, scenario, verdict) => {
                let from = km_h(scenario.speed_mm_s);
                match verdict {
                    Verdict::Stopped(margin) => {
                        self.stopped(margin);
                        let (metres, tenths) = (margin / 1000, margin % 1000 / 100);
                        defmt::info!(
                            "scenario {}: STOPPED, {}.{} m to spare (from {} km/h)",
                            number,
                            metres,
                            tenths,
                            from
                        );
                    }
                    Verdict::Degraded(margin) => {
                        self.stopped(margin);
                        let (metres, tenths) = (margin / 1000, margin % 1000 / 100);
                        defmt::warn!(
                            "scenario {}: STOPPED (degraded), {}.{} m to spare (from {} km/h)",
                            number,
                            metres,
                            tenths,
                            from
                        );
                    }
                    Verdict::Crashed(speed) => {
                        self.metrics.scenarios_crashed += 1;
                        defmt::error!("scenario {}: CRASHED at {} km/h", number, km_h(speed));
                    }
                }
            }
        }
    }

    fn stopped(&mut self, margin_mm: u32) {
        self.metrics.scenarios_stopped += 1;
        self.metrics.smallest_margin_mm = self.metrics.smallest_margin_mm.min(margin_mm.into());
    }

    fn send_sensors(&mut self) {
        if let Some(stamps) = &mut self.stamps {
            stamps.sent(time::now());
        }
        let (speed, distance) = (self.car.wheel_speed(), self.car.radar_distance());
        send(WHEEL_SPEED, &mut self.speeds, speed);
        send(RADAR_DISTANCE, &mut self.distances, distance);
    }

    fn publish(&mut self, partition: &Partition) {
        let counts = can::counts();
        self.metrics.heartbeat += 1;
        self.metrics.can_tx = counts.sent;
        self.metrics.can_rx = counts.received;
        self.metrics.can_overrun = counts.overruns;
        partition.publish(&self.metrics);
    }
}

fn is(frame: &Frame, kind: Kind) -> bool {
    matches!(frame.id(), Id::Standard(id) if id.as_raw() == kind.id)
}

fn send(kind: Kind, sender: &mut Sender, signal: Signal) {
    let id = StandardId::new(kind.id).unwrap_or(StandardId::MAX);
    if let Some(frame) = Frame::new(id, &sender.frame(signal)) {
        can::send(&frame);
    }
}
