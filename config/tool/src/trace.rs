// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `trace`: runs a system and writes what EL2 did as a Perfetto trace.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_abi::trace::EVENTS;
use bulkhead_runner::cli::{RunArgs, signals};
use bulkhead_runner::command::{LaunchOptions, Timing};
use bulkhead_runner::{RunnerError, Session, SessionOptions};

use serde::Serialize;

use crate::cli::{Format, TraceArgs};
use crate::failure::Failure;
use crate::{build, output, place};

mod perfetto;
mod story;

pub(crate) use story::path_name;

/// Host time between readings of the rings, from when much happens to when little does.
const OFTEN: Duration = Duration::from_micros(50);
const SELDOM: Duration = Duration::from_millis(1);
/// Events of a core between two readings that ask for more readings.
const MANY: u64 = EVENTS as u64 / 8;

/// What was written.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    output: &'a Path,
    events: usize,
    /// Events that were overwritten before they were read.
    lost: u64,
}

/// Runs a system for the virtual time that was asked for.
pub(crate) fn run(args: &TraceArgs, format: Format) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let (system, _) = bulkhead_analysis::rules::load(&paths, &args.spec.overrides)?;
    let system = if args.deterministic {
        let run = RunArgs {
            deterministic: true,
            ..RunArgs::default()
        };
        let mut all = run.overrides(system.partitions.iter().map(|p| p.name.value.as_str()));
        all.extend(args.spec.overrides.iter().cloned());
        bulkhead_analysis::rules::load(&paths, &all)?.0
    } else {
        system
    };
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    build::compile(&system, &paths, folder.path())?;
    let mut options = SessionOptions::new(&paths.images);
    options.launch = LaunchOptions {
        timing: if args.deterministic {
            Timing::Deterministic
        } else {
            Timing::Host
        },
        ..LaunchOptions::default()
    };
    let signalled = signals().map_err(Failure::unable)?;
    let mut session = Session::start(folder.path(), options).map_err(Failure::unable)?;
    let mut tape = session.tape();
    let end = |session: &Session| {
        let over = session.over().is_some() || signalled.load(Ordering::Relaxed);
        over || u128::from(session.now_ns()) >= args.time.as_nanos()
    };
    let mut pause = OFTEN;
    let recorded = loop {
        let read = session.record(pause, &mut tape);
        pause = if tape.burst > MANY {
            OFTEN.max(pause / 4)
        } else {
            SELDOM.min(pause * 2)
        };
        match read {
            Ok(()) if end(&session) => break Ok(()),
            Ok(()) => {}
            // QEMU has ended between two readings.
            Err(_) if session.over().is_some() => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    recorded.map_err(|error: RunnerError| Failure::unable(error))?;
    let bytes = story::encode(session.manifest(), &tape);
    let events: usize = tape.cores.iter().map(|core| core.entries.len()).sum();
    session.finish("the trace is over").map_err(Failure::unable)?;
    fs::write(&args.output, bytes).map_err(|e| Failure::file(&args.output, &e))?;
    let lost = tape.lost();
    match format {
        Format::Json => output::json(&Outcome {
            verdict: "pass",
            output: &args.output,
            events,
            lost,
        }),
        Format::Text => output::line(&format!(
            "{}: {events} events, {lost} lost; open it at ui.perfetto.dev",
            args.output.display()
        )),
    }
}
