// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `crash el2`: EL2 on a core where it failed: its registers, its block of memory with stack and state, the trace rings.
//! Implements: BH-HEALTH-045.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bulkhead_model::files::Paths;
use bulkhead_model::system::System;
use bulkhead_runner::crash::El2Failure;
use object::{Object, ObjectSymbol};
use serde::Serialize;

use super::core_file::{self, Thread};
use super::rings::{self, Ring};
use super::{looked_for, started};
use crate::cli::{CrashArgs, Format};
use crate::failure::Failure;
use crate::output;

/// Bytes of the guard page at the begin of a core's block.
const GUARD: u64 = 4096;
/// A register and what it points to, in a line.
const IN_A_LINE: usize = 4;
/// Events of the failed core that people are shown.
const SHOWN: usize = 16;

/// What the core is of.
#[derive(Serialize)]
struct Outcome<'a> {
    verdict: &'static str,
    output: &'a Path,
    /// The program of which it is, for a debugger.
    program: &'a Path,
    core: u32,
    vector: u64,
    esr: u64,
    far: u64,
    elr: u64,
    /// The symbol in EL2's code before `elr`, and the distance; `null` when it is no code of EL2.
    at: Option<String>,
    /// The same for the call: the return address may be another function's first.
    called_from: Option<String>,
    sp: u64,
    pstate: u64,
    /// `X0` to `X30`.
    x: [u64; 31],
    /// What each core's EL2 did last.
    rings: Vec<Ring>,
}

/// Runs a system until EL2 fails on a core, or for the virtual time that was asked for.
pub(super) fn run(args: &CrashArgs, format: Format, system: &System, paths: &Paths) -> Result<(), Failure> {
    let (mut session, _folder) = started(args, system, paths)?;
    let elf = paths.images.join(&session.manifest().runtime_elf);
    let program = fs::read(&elf).map_err(|e| Failure::file(&elf, &e))?;
    let program = object::File::parse(program.as_slice()).map_err(Failure::unable)?;
    let found = looked_for(args, &mut session, bulkhead_runner::Session::el2_failure)?;
    let Some(failure) = found else {
        return Err(Failure::wrong("EL2 did not fail on any core"));
    };
    let symbol = |name: &str| {
        let symbol = program.symbol_by_name(name).map(|s| s.address());
        symbol.ok_or_else(|| Failure::unable(format!("{}: no symbol {name}", elf.display())))
    };
    let stride = symbol("__per_core_stride")?;
    let block = symbol("__per_core_start")? + u64::from(failure.core) * stride + GUARD;
    let size = usize::try_from(stride - GUARD).map_err(Failure::unable)?;
    let memory = session.memory(block, size).map_err(Failure::unable)?;
    let mut tape = session.tape();
    session
        .record(Duration::ZERO, &mut tape)
        .map_err(Failure::unable)?;
    let rings = rings::of(&tape, session.manifest());
    session.finish("EL2 failed").map_err(Failure::unable)?;
    let threads = [Thread::of_el2(&failure)];
    let bytes = core_file::encode(&threads, Some(&(block, memory))).map_err(Failure::unable)?;
    fs::write(&args.output, bytes).map_err(|e| Failure::file(&args.output, &e))?;
    let outcome = outcome(&args.output, &elf, &failure, &program, rings);
    match format {
        Format::Json => output::json(&outcome),
        Format::Text => output::line(&told(&outcome)),
    }
}

/// The last symbol of EL2's code up to an address in it, and how far it is away.
fn place(program: &object::File<'_>, address: u64) -> Option<String> {
    let text =
        program.symbol_by_name("__text_start")?.address()..program.symbol_by_name("__text_end")?.address();
    let is_before = |s: &object::Symbol<'_, '_>| {
        // Names of the assembler's own begin with a dollar sign.
        let named = s
            .name()
            .is_ok_and(|name| !name.is_empty() && !name.starts_with('$'));
        named && text.contains(&s.address()) && s.address() <= address
    };
    let symbols = program.symbols().filter(is_before);
    let nearest = symbols.max_by_key(ObjectSymbol::address);
    let nearest = nearest.filter(|_| text.contains(&address))?;
    Some(format!(
        "{}+{:#x}",
        nearest.name().ok()?,
        address - nearest.address()
    ))
}

fn outcome<'a>(
    output: &'a Path,
    elf: &'a Path,
    failure: &El2Failure,
    program: &object::File<'_>,
    rings: Vec<Ring>,
) -> Outcome<'a> {
    let [vector, esr, elr, far] = failure.failure;
    let held = &failure.registers;
    Outcome {
        verdict: "pass",
        output,
        program: elf,
        core: failure.core,
        vector,
        esr,
        far,
        elr,
        at: place(program, elr),
        called_from: place(program, call(held.x[30])),
        sp: held.sp,
        pstate: held.pstate,
        x: held.x,
        rings,
    }
}

/// Where the call is to which a return address belongs.
fn call(returns: u64) -> u64 {
    returns.wrapping_sub(4)
}

/// The failure and the registers, for people.
fn told(outcome: &Outcome<'_>) -> String {
    let at = |place: &Option<String>| place.clone().unwrap_or_else(|| "no code of EL2".to_owned());
    let mut lines = vec![
        format!(
            "EL2 failed on core {}: vector {}, ESR {:#x}, FAR {:#x}",
            outcome.core, outcome.vector, outcome.esr, outcome.far
        ),
        format!("  at {:#x}, {}", outcome.elr, at(&outcome.at)),
        format!(
            "  called from {:#x}, {}",
            call(outcome.x[30]),
            at(&outcome.called_from)
        ),
        format!("  SP {:#x}, PSTATE {:#x}", outcome.sp, outcome.pstate),
    ];
    for (line, registers) in outcome.x.chunks(IN_A_LINE).enumerate() {
        let numbered = (line * IN_A_LINE..).zip(registers);
        let registers: Vec<String> = numbered.map(|(n, value)| format!("X{n} {value:#x}")).collect();
        lines.push(format!("  {}", registers.join(", ")));
    }
    let failed = usize::try_from(outcome.core).unwrap_or(usize::MAX);
    if let Some(ring) = outcome.rings.get(failed) {
        lines.push(format!("what EL2 did last on core {failed}:"));
        lines.extend(ring.newest(SHOWN));
    }
    let (elf, core) = (outcome.program.display(), outcome.output.display());
    lines.push(format!(
        "{core}: registers, stack and state; `gdb-multiarch -batch -ex bt {elf} {core}`"
    ));
    lines.join("\n")
}
