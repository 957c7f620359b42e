// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `crash`: runs a system until an error ends a partition's life, and writes what is left as an ELF core.
//! Implements: BH-HEALTH-035.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_abi::crash::EL1_REGISTERS;
use bulkhead_abi::health::Error;
use bulkhead_model::files::Paths;
use bulkhead_model::system::System;
use bulkhead_runner::cli::signals;
use bulkhead_runner::crash::Crash;
use bulkhead_runner::{RunnerError, Session, SessionOptions};

use serde::Serialize;

use crate::cli::{CrashArgs, Format};
use crate::failure::Failure;
use crate::{build, output, place};

mod core_file;
mod el2;
mod rings;

/// What is asked for instead of a partition when EL2 failed.
const EL2: &str = "el2";

/// Host time between looks.
const LOOK: Duration = Duration::from_millis(100);

/// What the core is of.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    output: &'a Path,
    partition: &'a str,
    /// Whether the core has RAM; otherwise a later life has it.
    ram: bool,
    vcpus: Vec<Vcpu>,
}

/// A vCPU when the life ended.
#[derive(Serialize)]
struct Vcpu {
    vcpu: u32,
    /// What ended the life; `null` for an error that this tool does not know.
    error: Option<&'static str>,
    /// Start of the partition that ended, 0 for the first.
    start: u64,
    /// Ticks since the epoch.
    time: u64,
    pc: u64,
    sp: u64,
    pstate: u64,
    /// EL1 and EL0 registers by name.
    registers: BTreeMap<&'static str, u64>,
}

impl<'a> Outcome<'a> {
    fn of(args: &'a CrashArgs, crash: &Crash) -> Self {
        let vcpu = |crashed: &bulkhead_runner::crash::Crashed| {
            let record = &crashed.record;
            let error = u8::try_from(record.error).ok().and_then(Error::from_code);
            Vcpu {
                vcpu: crashed.vcpu,
                error: error.map(Error::word),
                start: record.start,
                time: record.time,
                pc: record.pc,
                sp: record.sp(),
                pstate: record.pstate,
                registers: EL1_REGISTERS.into_iter().zip(record.el1).collect(),
            }
        };
        Outcome {
            verdict: "pass",
            output: &args.output,
            partition: &args.partition,
            ram: crash.ram.is_some(),
            vcpus: crash.vcpus.iter().map(vcpu).collect(),
        }
    }
}

/// Runs a system until the partition crashes, or for the virtual time that was asked for.
pub(crate) fn run(args: &CrashArgs, format: Format) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let (system, _) = bulkhead_analysis::rules::load(&paths, &args.spec.overrides)?;
    if args.partition == EL2 && system.partitions.iter().all(|p| p.name.value != EL2) {
        return el2::run(args, format, &system, &paths);
    }
    let names = system.partitions.iter().map(|p| p.name.value.as_str());
    let Some(index) = names.clone().position(|name| name == args.partition) else {
        let all: Vec<&str> = names.collect();
        return Err(Failure::wrong(format!(
            "the system has no partition `{}`; it has {}, and EL2 is `el2`",
            args.partition,
            all.join(", ")
        )));
    };
    let (mut session, _folder) = started(args, &system, &paths)?;
    let crash = looked_for(args, &mut session, |session| session.crash(index))?;
    session
        .finish("the crash was looked for")
        .map_err(Failure::unable)?;
    let Some(crash) = crash else {
        return Err(Failure::wrong(format!("`{}` did not crash", args.partition)));
    };
    let threads: Vec<_> = crash.vcpus.iter().map(core_file::Thread::of_vcpu).collect();
    let bytes = core_file::encode(&threads, crash.ram.as_ref()).map_err(Failure::unable)?;
    fs::write(&args.output, bytes).map_err(|e| Failure::file(&args.output, &e))?;
    let outcome = Outcome::of(args, &crash);
    match format {
        Format::Json => output::json(&outcome),
        Format::Text => output::line(&told(&outcome)),
    }
}

/// The running system, and the folder that it was built in.
fn started(
    args: &CrashArgs,
    system: &System,
    paths: &Paths,
) -> Result<(Session, tempfile::TempDir), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    build::compile(system, paths, folder.path())?;
    let mut options = SessionOptions::new(&paths.images);
    options.launch.gdb = args.gdb;
    let session = Session::start(folder.path(), options).map_err(Failure::unable)?;
    Ok((session, folder))
}

/// Lets the system run until `found` finds something, the time is over, or a signal comes.
fn looked_for<T>(
    args: &CrashArgs,
    session: &mut Session,
    mut found: impl FnMut(&mut Session) -> Result<Option<T>, RunnerError>,
) -> Result<Option<T>, Failure> {
    let signalled = signals().map_err(Failure::unable)?;
    loop {
        session.step(LOOK).map_err(Failure::unable)?;
        if let Some(crash) = found(session).map_err(Failure::unable)? {
            return Ok(Some(crash));
        }
        let over = session.over().is_some() || signalled.load(Ordering::Relaxed);
        if over || u128::from(session.now_ns()) >= args.time.as_nanos() {
            return Ok(None);
        }
    }
}

/// What the core is of, for people.
fn told(outcome: &Outcome<'_>) -> String {
    let mut lines = Vec::new();
    for vcpu in &outcome.vcpus {
        lines.push(format!(
            "{} vCPU {}: {} ended start {} at tick {}; PC {:#x}, SP {:#x}, PSTATE {:#x}",
            outcome.partition,
            vcpu.vcpu,
            vcpu.error.unwrap_or("an unknown error"),
            vcpu.start,
            vcpu.time,
            vcpu.pc,
            vcpu.sp,
            vcpu.pstate,
        ));
        let held = |name: &&str| Some(format!("{name} {:#x}", vcpu.registers.get(*name)?));
        let registers: Vec<String> = EL1_REGISTERS.iter().filter_map(held).collect();
        lines.push(format!("  {}", registers.join(", ")));
    }
    let ram = if outcome.ram {
        "registers and RAM"
    } else {
        "registers only: a later life has its RAM"
    };
    lines.push(format!("{}: {ram}", outcome.output.display()));
    lines.join("\n")
}
