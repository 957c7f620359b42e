// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The main task of the instrument cluster.

use core::sync::atomic::AtomicU64;

use bulkhead_abi::sampling::VehicleState;
use bulkhead_abi::window::Metrics;
use bulkhead_partition::el1::lock::Lock;
use bulkhead_partition::el1::{Partition, console, stop, time};
use bulkhead_partition::gauge::{Line, Reading, Watch};
use bulkhead_partition::periodic::Periodic;
use bulkhead_partition::sampling::{PortError, Reader};
use bulkhead_partition::settings::Settings;

bulkhead_partition::entry!(run);

const PERIOD_NS: u64 = 10_000_000;
/// An activation may end this late, since the core is shared.
const DEADLINE_NS: u64 = 2 * PERIOD_NS;
/// Activations from reading to reading.
const READ_EVERY: u64 = 10;
/// Activations from line to line.
const SHOW_EVERY: u64 = 100;
/// Words of the message of the port.
const WORDS: usize = size_of::<VehicleState>() / 8;

fn run(partition: Partition) -> ! {
    if let Some(word) = partition.machine.arguments.split_ascii_whitespace().next() {
        console::line(format_args!("cluster: unknown argument: {word}"));
        stop()
    }
    console::line(format_args!("cluster: ready"));
    let mut cluster = Cluster {
        port: None,
        lock: partition.lock("settings"),
        settings: Settings::default(),
        watch: Watch::default(),
        shown: None,
        metrics: Metrics {
            smallest_margin_mm: u64::MAX,
            ..Metrics::default()
        },
    };
    let mut task = Periodic::new(time::now(), PERIOD_NS, DEADLINE_NS);
    loop {
        time::sleep_until(task.release());
        if cluster.metrics.heartbeat.is_multiple_of(READ_EVERY) {
            cluster.read(&partition);
            cluster.look_at_settings();
        }
        if cluster.metrics.heartbeat % SHOW_EVERY == SHOW_EVERY - 1 {
            cluster.show();
        }
        cluster.metrics.heartbeat += 1;
        cluster.metrics.deadline_misses += task.finish(time::now());
        partition.publish(&cluster.metrics);
    }
}

struct Cluster {
    port: Option<Reader<&'static [AtomicU64], WORDS>>,
    /// Of the settings that it shares, where the spec has it.
    lock: Option<Lock>,
    /// Those that it applies.
    settings: Settings,
    watch: Watch,
    /// The last sound message.
    shown: Option<VehicleState>,
    metrics: Metrics,
}

impl Cluster {
    fn read(&mut self, partition: &Partition) {
        let port = match self
            .port
            .take()
            .map_or_else(|| partition.reader("vehicle-state"), Ok)
        {
            Ok(port) => self.port.insert(port),
            // The writer starts when it starts.
            Err(PortError::NotReady) => return,
            Err(error) => return self.broken(format_args!("{error:?}")),
        };
        match port.read() {
            // Nothing yet, or the writer was faster than every try; the next reading is 100 ms away.
            Ok(None) | Err(PortError::Unstable) => {}
            Ok(Some((number, message))) => self.message(number, zerocopy::transmute!(message)),
            Err(error) => self.broken(format_args!("{error:?}")),
        }
    }

    /// Applies new settings. Whoever holds the lock may be less critical, so it is tried and never waited for; when it
    /// is taken, the next look is 100 ms away.
    fn look_at_settings(&mut self) {
        let Some(held) = self.lock.as_ref().and_then(Lock::try_take) else {
            return;
        };
        let found = self.lock.as_ref().and_then(|lock| Settings::read(lock.record()));
        let died = held.owner_died();
        if held.give().is_err() {
            return;
        }
        if died {
            console::line(format_args!("settings: who changed them died, the old ones stay"));
            return;
        }
        if let Some(settings) = found.filter(|new| *new != self.settings) {
            self.settings = settings;
            console::line(format_args!("settings: {settings}"));
        }
    }

    fn message(&mut self, number: u64, state: VehicleState) {
        match self.watch.reading(number, &state) {
            Reading::New | Reading::Same => {}
            Reading::Restarted => console::line(format_args!("vehicle-state: its writer restarted")),
            Reading::Broken => return self.broken(format_args!("message {number}: {state:?}")),
        }
        self.metrics.port_sequence = state.sequence;
        self.shown = Some(state);
    }

    fn broken(&mut self, why: core::fmt::Arguments<'_>) {
        if self.metrics.port_errors == 0 {
            console::line(format_args!("vehicle-state: {why}"));
        }
        self.metrics.port_errors += 1;
    }

    fn show(&self) {
        match &self.shown {
            Some(state) => console::line(format_args!("{}", Line(state))),
            None => console::line(format_args!("vehicle-state: none yet")),
        }
    }
}
