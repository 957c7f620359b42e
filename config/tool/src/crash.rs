// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `crash`: runs a system until an error ends a partition's life, and writes what is left as an ELF core.
//! Implements: BH-HEALTH-035.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_abi::crash::EL1_REGISTERS;
use bulkhead_abi::health::Error;
use bulkhead_model::files::Paths;
use bulkhead_model::system::System;
use bulkhead_runner::cli::signals;
use bulkhead_runner::crash::Crash;
use bulkhead_runner::{RunnerError, Session, SessionOptions};

use crate::cli::CrashArgs;
use crate::failure::Failure;
use crate::{build, output, place};

mod core_file;
mod el2;

/// What is asked for instead of a partition when EL2 failed.
const EL2: &str = "el2";

/// Host time between looks.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a system until the partition crashes, or for the virtual time that was asked for.
pub(crate) fn run(args: &CrashArgs) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let (system, _) = bulkhead_analysis::rules::load(&paths, &args.spec.overrides)?;
    if args.partition == EL2 && system.partitions.iter().all(|p| p.name.value != EL2) {
        return el2::run(args, &system, &paths);
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
    output::line(&told(args, &crash))
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

/// What the core is of.
fn told(args: &CrashArgs, crash: &Crash) -> String {
    let mut lines = Vec::new();
    for crashed in &crash.vcpus {
        let record = &crashed.record;
        let error = u8::try_from(record.error).ok().and_then(Error::from_code);
        lines.push(format!(
            "{} vCPU {}: {} ended start {} at tick {}; PC {:#x}, SP {:#x}, PSTATE {:#x}",
            args.partition,
            crashed.vcpu,
            error.map_or("an unknown error", Error::word),
            record.start,
            record.time,
            record.pc,
            record.sp(),
            record.pstate,
        ));
        let registers = EL1_REGISTERS.iter().zip(record.el1);
        let registers: Vec<String> = registers
            .map(|(name, value)| format!("{name} {value:#x}"))
            .collect();
        lines.push(format!("  {}", registers.join(", ")));
    }
    let ram = if crash.ram.is_some() {
        "registers and RAM"
    } else {
        "registers only: a later life has its RAM"
    };
    lines.push(format!("{}: {ram}", args.output.display()));
    lines.join("\n")
}
