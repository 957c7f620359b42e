// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run of a built system, step by step: for `bulkhead run` and for on-target tests in Rust.
//!
//! ```no_run
//! # fn main() -> Result<(), bulkhead_runner::RunnerError> {
//! use bulkhead_runner::{Session, SessionOptions};
//! use std::{path::Path, time::Duration};
//!
//! let options = SessionOptions::new(Path::new("target/images"));
//! let mut session = Session::start(Path::new("target/system"), options)?;
//! session.wait_for("infotainment", "infotainment: ready", Duration::from_secs(60))?;
//! session.send("infotainment", b"echo $((6 * 7))\n")?;
//! session.wait_for("infotainment", "\n42", Duration::from_secs(10))?;
//! let report = session.finish("the test is over")?;
//! assert_eq!(report.partitions["infotainment"].restarts, 0);
//! # Ok(())
//! # }
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use bulkhead_model::manifest::Manifest;

use crate::account::{Facts, Known, report};
use crate::command::{LaunchOptions, Line as Wiring, Timing, arguments};
use crate::console::{Console, Transcript};
use crate::counts::Counts;
use crate::demux::Demux;
use crate::event::Event;
use crate::host_core::HostCore;
use crate::judge::Judge;
use crate::qemu::{self, Qemu, RunFolder};
use crate::qmp::{Qmp, QmpError};
use crate::report::Report;
use crate::serial::{self, SerialWriter};
use crate::stats::Snapshot;
use crate::view::Show;
use crate::{RunnerError, manifest_of};

/// Host time between readings of the statistics.
const POLL: Duration = Duration::from_millis(200);
/// Host time in which QEMU ends after it was asked to, or after it broke the control connection.
const END: Duration = Duration::from_secs(20);

/// How a session runs.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The machine.
    pub launch: LaunchOptions,
    /// Folder that the manifest's ELFs are relative to.
    pub images: PathBuf,
    /// What is shown on standard output.
    pub show: Show,
    /// The run is given up when virtual time stands still for this long (host time); `None`: never.
    pub stall: Option<Duration>,
}

impl SessionOptions {
    /// Shows nothing; gives up after 300 s without progress.
    pub fn new(images: &Path) -> Self {
        Self {
            launch: LaunchOptions::default(),
            images: images.to_owned(),
            show: Show::Nothing,
            stall: Some(Duration::from_secs(300)),
        }
    }
}

/// A running system; dropping it ends QEMU.
#[derive(Debug)]
pub struct Session {
    pub(crate) manifest: Manifest,
    pub(crate) judge: Judge,
    pub(crate) counts: Counts,
    /// Exit status of QEMU when it ended by itself.
    exited: Option<ExitStatus>,
    /// Whether the user asked for the end.
    pub(crate) quit: bool,
    pub(crate) events: Sender<Event>,
    received: Receiver<Event>,
    serial: SerialWriter,
    serial_closed: bool,
    demux: Demux,
    /// Up to where [`Session::wait_for`] has read each console.
    read_to: Vec<usize>,
    input: Option<usize>,
    stall: Option<Duration>,
    polled: Instant,
    progress: Instant,
    // Dropped last: it removes the folder of the others' sockets.
    qemu: Qemu,
}

impl Session {
    /// Starts the system that was built in `dir`.
    ///
    /// # Errors
    /// The folder is incomplete, or QEMU cannot be started.
    pub fn start(dir: &Path, options: SessionOptions) -> Result<Self, RunnerError> {
        let manifest = manifest_of(dir)?;
        let demux = Demux::new(&manifest, &options.images, options.show)?;
        let program = qemu::program_of(&manifest)?;
        let run = RunFolder::new()?;
        let (serial, qmp) = (run.path("serial"), run.path("qmp"));
        let wiring = Wiring::Sockets {
            serial: &serial,
            qmp: &qmp,
        };
        let arguments = arguments(dir, &manifest, &options.launch, wiring)?;
        let (events, received) = mpsc::channel();
        let tell = events.clone();
        let one_at_a_time = options.launch.timing == Timing::Deterministic;
        let core = one_at_a_time.then(HostCore::take).flatten();
        let qemu = Qemu::start(&program, &arguments, run, core, move |status| {
            // The session may be gone, which is why QEMU ends.
            let _ = tell.send(Event::Exited(status));
        })?;
        let (line, control) = qemu.connect()?;
        let serial = serial::start(line, events.clone()).map_err(RunnerError::Start)?;
        let qmp = Qmp::new(control, &qemu.path("memory")).map_err(|error| qemu.explain(error.into()))?;
        let now = Instant::now();
        Ok(Self {
            judge: Judge::new(&manifest),
            counts: Counts::new(qmp, &manifest),
            exited: None,
            quit: false,
            events,
            received,
            serial,
            serial_closed: false,
            read_to: vec![0; demux.consoles().len()],
            input: None,
            stall: options.stall.filter(|_| options.launch.gdb.is_none()),
            polled: now,
            progress: now,
            demux,
            manifest,
            qemu,
        })
    }

    /// Process number of QEMU.
    pub fn process(&self) -> u32 {
        self.qemu.id()
    }

    /// Virtual time in ns since the epoch, as last read.
    pub fn now_ns(&self) -> u64 {
        self.counts.snapshot.now_ns()
    }

    /// Why nothing more can happen, if so.
    pub fn over(&self) -> Option<String> {
        let exited = self
            .exited
            .as_ref()
            .map(|status| format!("QEMU ended ({status})"));
        let halted = || {
            self.counts
                .halted()
                .map(|why| format!("the machine switched itself off ({why})"))
        };
        exited.or_else(halted)
    }

    /// What a console said so far (at least its last MiB).
    ///
    /// # Errors
    /// There is no such partition.
    pub fn transcript(&self, partition: &str) -> Result<&Transcript, RunnerError> {
        let console = self.demux.consoles().get(self.console(partition)?);
        console
            .map(|console| &console.transcript)
            .ok_or_else(|| self.no_partition(partition))
    }

    /// Sends bytes to the console of a partition.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn send(&self, partition: &str, bytes: &[u8]) -> Result<(), RunnerError> {
        self.send_to(self.console(partition)?, bytes);
        Ok(())
    }

    /// Input of the user goes to this partition from now on.
    ///
    /// # Errors
    /// There is no such partition.
    pub(crate) fn direct_input_to(&mut self, partition: &str) -> Result<(), RunnerError> {
        self.input = Some(self.console(partition)?);
        Ok(())
    }

    fn send_to(&self, index: usize, bytes: &[u8]) {
        if let Some(console) = self.demux.consoles().get(index) {
            self.serial.send(console.channel, bytes);
        }
    }

    fn console(&self, name: &str) -> Result<usize, RunnerError> {
        self.demux.find(name).ok_or_else(|| self.no_partition(name))
    }

    fn no_partition(&self, name: &str) -> RunnerError {
        let known: Vec<&str> = self.manifest.partitions.iter().map(|p| p.name.as_str()).collect();
        RunnerError::NoPartition {
            name: name.to_owned(),
            known: known.join(", "),
        }
    }

    /// Waits until a console has said `text` after what the last call found; gives the line as far as seen.
    ///
    /// # Errors
    /// It was not seen within that much virtual time, or QEMU ended, or it stands still.
    pub fn wait_for(&mut self, partition: &str, text: &str, within: Duration) -> Result<String, RunnerError> {
        let index = self.console(partition)?;
        let start = self.stats()?.now_ns();
        // Who waits for a shorter time than that wants to know sooner that it is over.
        let pause = within.min(POLL);
        loop {
            let (from, transcript) = (self.read_to[index], &self.demux.consoles()[index].transcript);
            if let Some((line, next)) = transcript.find(from, text) {
                self.read_to[index] = next;
                return Ok(line);
            }
            if let Some(why) = self.over() {
                return Err(RunnerError::Ended(why));
            }
            if u128::from(self.now_ns().saturating_sub(start)) > within.as_nanos() {
                return Err(RunnerError::NotSeen {
                    partition: partition.to_owned(),
                    text: text.to_owned(),
                    within,
                    tail: transcript.tail(),
                });
            }
            self.step(pause)?;
            if pause < POLL {
                self.poll()?;
            }
        }
    }

    /// Lets the system run for that much virtual time.
    ///
    /// # Errors
    /// QEMU ended, or stands still.
    pub fn run_for(&mut self, time: Duration) -> Result<(), RunnerError> {
        let start = self.stats()?.now_ns();
        while u128::from(self.now_ns().saturating_sub(start)) < time.as_nanos() {
            if let Some(why) = self.over() {
                return Err(RunnerError::Ended(why));
            }
            self.step(POLL)?;
        }
        Ok(())
    }

    /// From now on the run is given up when virtual time stands still for this long (host time): a debugger, beside
    /// which it may stand still as long as it likes, has left.
    pub fn debugger_left(&mut self, stall: Duration) {
        self.stall = Some(stall);
        self.progress = Instant::now();
    }

    /// Reads the statistics now.
    ///
    /// # Errors
    /// QEMU does not answer, or the area is damaged.
    pub fn stats(&mut self) -> Result<&Snapshot, RunnerError> {
        self.poll()?;
        Ok(&self.counts.snapshot)
    }

    /// Handles what happens within that much host time, or until something was handled.
    /// Implements: BH-QEMU-008.
    ///
    /// # Errors
    /// QEMU does not answer, the statistics are damaged, or virtual time stands still.
    pub fn step(&mut self, host: Duration) -> Result<(), RunnerError> {
        self.receive(host);
        self.follow()
    }

    /// The part of [`Self::step`] that asks QEMU nothing.
    pub(crate) fn receive(&mut self, host: Duration) {
        let wait = host.min(POLL.saturating_sub(self.polled.elapsed()));
        match self.received.recv_timeout(wait) {
            Ok(event) => self.handle(event),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        while let Ok(event) = self.received.try_recv() {
            self.handle(event);
        }
    }

    /// The rest of it.
    pub(crate) fn follow(&mut self) -> Result<(), RunnerError> {
        if self.polled.elapsed() >= POLL || self.judge.wants_time() {
            self.poll()?;
            self.judge.stamp(self.now_ns());
        }
        let shown = self.demux.idle();
        self.shown(shown);
        match self.stall {
            Some(limit) if self.over().is_none() && self.progress.elapsed() > limit => {
                Err(RunnerError::Stalled {
                    host_seconds: limit.as_secs(),
                    virtual_ns: self.now_ns(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Serial(bytes) => {
                let shown = self.demux.receive(&bytes, &mut self.judge);
                self.shown(shown);
            }
            Event::SerialClosed => self.serial_closed = true,
            Event::Exited(status) => self.exited = Some(status),
            Event::Quit => self.quit = true,
            Event::Input(bytes) => {
                if let Some(index) = self.input {
                    self.send_to(index, &bytes);
                }
            }
        }
    }

    /// A closed output ends the run in order, as Ctrl-C does.
    fn shown(&mut self, result: io::Result<()>) {
        self.quit |= result.is_err();
    }

    /// Reads statistics and metrics; after QEMU's end the last ones stay.
    fn poll(&mut self) -> Result<(), RunnerError> {
        self.polled = Instant::now();
        if self.exited.is_some() {
            return Ok(());
        }
        match self.counts.read(&self.manifest) {
            Ok(true) => {
                self.progress = self.polled;
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(RunnerError::Qmp(QmpError::Connection { command, source })) => {
                // QEMU is ending, or has hung.
                self.await_end(|session| session.exited.is_some());
                match self.exited {
                    Some(_) => Ok(()),
                    None => Err(QmpError::Connection { command, source }.into()),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// Handles events until `done`, for a bounded host time.
    fn await_end(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + END;
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Stops the machine, takes what is left, ends QEMU and makes the report; `why` the run ended.
    ///
    /// Virtual time stops first, so that consoles and counts belong to one moment.
    ///
    /// # Errors
    /// QEMU does not answer, or the statistics are damaged.
    pub fn finish(mut self, why: &str) -> Result<Report, RunnerError> {
        // An emulator that fails proves nothing, however much was seen before.
        let failed = self.exited.filter(|status| !status.success());
        let mut left = Vec::new();
        if self.exited.is_none() {
            match self.counts.collect(&self.manifest) {
                Ok(windows) => left = windows,
                Err(RunnerError::Qmp(QmpError::Connection { .. })) => {}
                Err(other) => return Err(other),
            }
        }
        // The end of the line says that all that QEMU sent has been seen.
        self.await_end(|session| session.serial_closed && session.exited.is_some());
        self.qemu.kill();
        for (index, bytes) in left.into_iter().enumerate() {
            // An output that was closed has lost its reader; the report is what counts now.
            let _ = self.demux.console(index, &bytes, &mut self.judge);
        }
        self.judge.stamp(self.now_ns());
        let _ = self.demux.finish();
        let tail = |console: &Console| console.transcript.tail();
        let (partitions, hypervisor) = self.demux.consoles().split_at(self.manifest.partitions.len());
        let known: Vec<Known> = partitions
            .iter()
            .zip(&self.counts.metrics)
            .map(|(console, &metrics)| Known {
                metrics,
                tail: tail(console),
            })
            .collect();
        Ok(report(Facts {
            manifest: &self.manifest,
            judge: &self.judge,
            ended: why.to_owned(),
            failed: failed.map(|status| format!("QEMU failed ({status})")),
            stats: &self.counts.snapshot,
            known: &known,
            queues: &self.counts.queues,
            hypervisor_tail: hypervisor.iter().map(tail).collect(),
            stray_bytes: self.demux.stray_bytes(),
        }))
    }
}
