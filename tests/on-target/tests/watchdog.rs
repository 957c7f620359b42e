// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's watchdog fires when a sliced core stands still unnoticed, and only then.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_on_target::gdb::{Debugger, PC, free_port};
use bulkhead_on_target::{System, images, says};
use bulkhead_runner::qmp::WATCHDOG;
use bulkhead_runner::{RunnerError, Session};
use object::{Object, ObjectSymbol};

const SPEC: &str = "tests/systems/watchdog.yaml";
/// The sliced cores; the first has the system slot.
const CORES: [u32; 3] = [0, 1, 2];
/// Four times the timeout.
const LONG: Duration = Duration::from_secs(2);
/// `b .`, twice.
const SPIN: u64 = 0x1400_0000_1400_0000;

/// Address of a symbol of the run-time part.
fn symbol(name: &str) -> u64 {
    let bytes = fs::read(images().join("qemu-virt/runtime.elf")).expect("the run-time part");
    let file = object::File::parse(bytes.as_slice()).expect("an ELF");
    file.symbol_by_name(name).expect("the symbol").address()
}

/// A running system that a debugger may stop.
fn started(system: &System) -> (Session, u16) {
    let port = free_port();
    let mut session = system.start(|options| options.launch.gdb = Some(port));
    for name in ["first", "second", "third"] {
        says(&mut session, name, "cluster: ready", 60);
    }
    (session, port)
}

/// Has EL2 on `core` go on at `place`, once it sleeps there.
fn goes_on_at(port: u16, core: u32, place: u64) {
    let text = symbol("__text_start")..symbol("__text_end");
    let asleep = || {
        let mut debugger = Debugger::connect(port);
        debugger.choose(core);
        let found = text.contains(&debugger.get(PC));
        if !found {
            debugger.release();
            std::thread::sleep(Duration::from_millis(3));
            return None;
        }
        Some(debugger)
    };
    let mut debugger = (0..1000).find_map(|_| asleep()).expect("the core sleeps in EL2");
    if place == spin() {
        debugger.write_physical(place, SPIN);
    }
    debugger.set(PC, place);
    debugger.release();
}

/// The end of the first vector, which is shorter than the architecture gives it room.
fn spin() -> u64 {
    symbol("bulkhead_vectors") + 0x78
}

/// Pets by core.
fn pets(session: &mut Session) -> Vec<u64> {
    let snapshot = session.stats().expect("statistics");
    let cores = CORES
        .iter()
        .map(|core| &snapshot.cores[usize::try_from(*core).expect("small")]);
    cores
        .map(|core| core.as_ref().expect("core").stats.pets)
        .collect()
}

/// The machine ends because its watchdog fired.
fn fires(session: &mut Session) {
    let ended = session.run_for(LONG);
    let why = match ended {
        Err(RunnerError::Ended(why)) => why,
        other => panic!("the watchdog does not fire: {other:?}"),
    };
    assert!(why.contains(WATCHDOG), "{why}");
}

/// Verifies: BH-HEALTH-040, BH-HEALTH-041, BH-HEALTH-043.
#[test]
fn it_fires_when_any_sliced_core_stands_still() {
    let system = System::build(SPEC, &[]);
    for core in CORES {
        let (mut session, port) = started(&system);
        let before = session.now_ns();
        goes_on_at(port, core, spin());
        fires(&mut session);
        println!(
            "core {core} stood still: fired within {} ms",
            (session.now_ns() - before) / 1_000_000
        );
        session.finish("the test is over").expect("report");
    }
}

/// A core that EL2 parked is no longer watched; the next one pets in its stead. When the last one is parked nobody pets.
/// Verifies: BH-HEALTH-041, BH-HEALTH-042.
#[test]
fn it_is_quiet_while_the_slots_of_those_that_are_left_go_on() {
    let system = System::build(SPEC, &[]);
    let (mut session, port) = started(&system);
    let mut before = vec![0; CORES.len()];
    for parked in 0..CORES.len() {
        session.run_for(LONG).expect("the watchdog is quiet");
        let after = pets(&mut session);
        println!("{parked} cores parked: pets {after:?}");
        for (core, (now, then)) in after.iter().zip(&before).enumerate() {
            assert_eq!(now > then, core == parked, "core {core}: {before:?}, {after:?}");
        }
        before = after;
        goes_on_at(port, CORES[parked], 0x10);
        // What the core did until then.
        before[parked] = pets(&mut session)[parked];
    }
    fires(&mut session);
    session.finish("the test is over").expect("report");
}
