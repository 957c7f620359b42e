// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `crash`: runs a system until an error ends a partition's life, and writes what is left as an ELF core.
//! Implements: BH-HEALTH-035.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_abi::crash::EL1_REGISTERS;
use bulkhead_abi::health::Error;
use bulkhead_runner::cli::signals;
use bulkhead_runner::crash::Crash;
use bulkhead_runner::{Session, SessionOptions};

use crate::cli::CrashArgs;
use crate::failure::Failure;
use crate::{build, output, place};

mod core_file;

/// Host time between looks.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a system until the partition crashes, or for the virtual time that was asked for.
pub(crate) fn run(args: &CrashArgs) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let (system, _) = bulkhead_analysis::rules::load(&paths, &args.spec.overrides)?;
    let names = system.partitions.iter().map(|p| p.name.value.as_str());
    let Some(index) = names.clone().position(|name| name == args.partition) else {
        let all: Vec<&str> = names.collect();
        return Err(Failure::wrong(format!(
            "the system has no partition `{}`; it has {}",
            args.partition,
            all.join(", ")
        )));
    };
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    build::compile(&system, &paths, folder.path())?;
    let signalled = signals().map_err(Failure::unable)?;
    let options = SessionOptions::new(&paths.images);
    let mut session = Session::start(folder.path(), options).map_err(Failure::unable)?;
    let crash = loop {
        session.step(LOOK).map_err(Failure::unable)?;
        if let Some(crash) = session.crash(index).map_err(Failure::unable)? {
            break Some(crash);
        }
        let over = session.over().is_some() || signalled.load(Ordering::Relaxed);
        if over || u128::from(session.now_ns()) >= args.time.as_nanos() {
            break None;
        }
    };
    session
        .finish("the crash was looked for")
        .map_err(Failure::unable)?;
    let Some(crash) = crash else {
        return Err(Failure::wrong(format!("`{}` did not crash", args.partition)));
    };
    let bytes = core_file::encode(&crash).map_err(Failure::unable)?;
    fs::write(&args.output, bytes).map_err(|e| Failure::file(&args.output, &e))?;
    output::line(&told(args, &crash))
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
