// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors that no partition can cause and the emulator does not have, put there by a debugger.

use std::fs;
use std::ptr;
use std::time::Duration;

use bulkhead_abi::health::Error;
use bulkhead_on_target::gdb::{Debugger, PC, SP, X0, free_port, symbol};
use bulkhead_on_target::{FIXED_SEEDS, REFERENCE, System, core, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::{Start, Timing};
use bulkhead_runner::health::Event;
use bulkhead_runner::report::Report;
use bulkhead_types::system::System as Tables;

const ATTACKERS: &str = "tests/systems/attackers.yaml";
/// A core that runs Linux and the cluster, and how many cores there are.
const VICTIM: u32 = 1;
const CORES: u32 = 4;
/// A core of the attackers' system whose partition is not started.
const IDLE: u32 = 3;
/// `ESR_EL2` of an SError: EC, IL.
const SERROR: u64 = 0x2f << 26 | 1 << 25;

/// The one event of an error on a level; it was answered so.
fn fired<'a>(report: &'a Report, level: &str, error: &str, action: &str) -> &'a Event {
    let events = report.health.iter();
    let mut events = events.filter(|event| (event.level.as_str(), event.error.as_str()) == (level, error));
    let event = events.next().unwrap_or_else(|| panic!("{:?}", report.health));
    assert_eq!(
        (event.action.as_str(), events.next()),
        (action, None),
        "{event:?}"
    );
    event
}

/// A system that has come as far as `text`, and a debugger that has stopped it.
fn stopped(system: &System, [name, text]: [&str; 2]) -> (Session, Debugger) {
    let port = free_port();
    let mut session = system.start(|options| options.launch.gdb = Some(port));
    says(&mut session, name, text, 60);
    let debugger = Debugger::connect(port);
    (session, debugger)
}

/// A system before its first instruction, and a debugger.
fn unstarted(system: &System) -> (Session, Debugger) {
    let port = free_port();
    let session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.start = Start::WaitForDebugger;
        options.launch.gdb = Some(port);
    });
    let debugger = Debugger::connect(port);
    (session, debugger)
}

fn ends(mut session: Session, debugger: Debugger) -> Report {
    debugger.release();
    session.run_for(Duration::from_millis(500)).expect("time passes");
    session.finish("the error was found").expect("report")
}

/// Physical address of the word of the blob that `choose` finds in its tables.
fn in_blob<T>(system: &System, choose: impl FnOnce(&Tables<'_>) -> *const T) -> u64 {
    let blob = fs::read(system.folder().join("system.blob")).expect("the blob");
    let tables = Tables::parse(&blob).expect("tables");
    let at = choose(&tables).addr() - blob.as_ptr().addr();
    let manifest = system.manifest();
    let part = manifest.parts.iter().find(|part| part.name == "system");
    part.expect("the part of the blob").address + at as u64
}

/// In the place of a trap. Verifies: BH-HEALTH-003, BH-HEALTH-004.
#[test]
fn an_serror_while_a_partition_runs_is_its_own() {
    let system = System::build(REFERENCE, &[]);
    let (session, mut debugger) = stopped(&system, ["infotainment", "Booting Linux"]);
    debugger.run_to(VICTIM - 1, symbol(&["bulkhead_on_sync"]));
    debugger.set(X0, SERROR);
    debugger.set(PC, symbol(&["bulkhead_on_serror"]));
    let report = ends(session, debugger);
    let event = fired(&report, "partition", "serror", "restart-partition");
    assert_eq!(event.partition.as_deref(), Some("infotainment"));
    assert_eq!(event.detail[0], SERROR);
    assert_eq!(partition(&report, "infotainment").restarts, 1);
    for name in ["adas", "vehicle", "cluster"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}

/// Pending when the attacker's slot ends and the cluster is next on its core: it is the attacker's, who was there when
/// it came. Verifies: BH-CORE-006.
#[test]
fn an_serror_at_a_switch_is_of_who_leaves() {
    let system = System::build(ATTACKERS, &[r#"partitions.attacker.args="attack=hog""#]);
    let (session, mut debugger) = unstarted(&system);
    let manifest = system.manifest();
    let whose = |name: &str| {
        let found = manifest.vcpus.iter().position(|vcpu| {
            let partition = manifest.partitions.get(vcpu.partition as usize);
            partition.is_some_and(|partition| partition.name == name)
        });
        u32::try_from(found.expect("a vCPU")).expect("small")
    };
    let (attacker, cluster) = (whose("attacker"), whose("cluster"));
    let running = symbol(&["runtime", "shared", "RUNNING"]);
    // It holds its core for long, so that EL2's own interrupt is the end of its slot.
    let mut slots = 0;
    debugger.run_until(0, symbol(&["bulkhead_on_fiq"]), |d| {
        slots += u32::from(d.read_physical(running) == attacker);
        slots == 20
    });
    debugger.run_to(0, symbol(&["bulkhead_synchronise_errors"]));
    debugger.set(X0, SERROR);
    debugger.set(PC, symbol(&["bulkhead_error_window_end"]));
    debugger.run_to(0, symbol(&["bulkhead_resume"]));
    let next = debugger.read_physical(running);
    let report = ends(session, debugger);
    let event = fired(&report, "partition", "serror", "restart-partition");
    assert_eq!(
        (event.partition.as_deref(), event.detail[0]),
        (Some("attacker"), SERROR)
    );
    assert_eq!(next, cluster, "it was a switch to the cluster");
    assert_eq!(partition(&report, "attacker").restarts, 1);
    for name in ["cluster", "beside"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}

/// Found by a core without a vCPU. Verifies: BH-HEALTH-003, BH-CORE-008.
#[test]
fn an_serror_of_nobody_stops_its_core() {
    let system = System::build(ATTACKERS, &[]);
    let (mut session, mut debugger) = unstarted(&system);
    debugger.run_to(IDLE, symbol(&["bulkhead_synchronise_errors"]));
    debugger.set(X0, SERROR);
    debugger.set(PC, symbol(&["bulkhead_error_window_end"]));
    debugger.release();
    says(&mut session, "beside", "ready", 20);
    let report = session.finish("the error was found").expect("report");
    let event = fired(&report, "core", "serror", "stop-core");
    assert_eq!((event.core, event.detail[1]), (IDLE, SERROR));
    assert_eq!(core(&report, IDLE).state, "failed");
    assert_eq!(core(&report, 0).state, "running");
}

/// It stands still for a while: its slots pass. Verifies: BH-HEALTH-003, BH-HEALTH-004.
#[test]
fn a_core_that_misses_slots_is_reported() {
    let system = System::build(REFERENCE, &[]);
    let (session, mut debugger) = stopped(&system, ["cluster", "cluster: ready"]);
    debugger.hold(VICTIM, CORES, Duration::from_millis(200));
    let report = ends(session, debugger);
    let events: Vec<_> = report.health.iter().filter(|e| e.level == "core").collect();
    let found = events.iter().find(|event| event.core == VICTIM);
    let event = found.unwrap_or_else(|| panic!("{:?}", report.health));
    assert_eq!(
        (event.error.as_str(), event.action.as_str()),
        ("deadline-overrun", "log")
    );
    let missed = partition(&report, "cluster").slots.missed;
    assert!(missed >= 10, "{missed} of some 20 slots");
    assert_eq!(core(&report, VICTIM).state, "running");
    for name in ["adas", "vehicle"] {
        assert_eq!(
            partition(&report, name).el2_entries.steady.unwrap_or(0),
            0,
            "{name}"
        );
    }
}

/// A core finds its state impossible, which no spec leads to: it stops, and the others drive on.
///
/// Verifies: BH-HEALTH-003, BH-CORE-008.
#[test]
fn an_assertion_stops_its_core() {
    let (mut session, debugger) = impossible(&[]);
    debugger.release();
    says(&mut session, "vehicle", "scenario 1: STOPPED", 60);
    let report = session.finish("the error was found").expect("report");
    let event = fired(&report, "core", "assertion", "stop-core");
    assert_eq!(event.core, VICTIM);
    assert_eq!(core(&report, VICTIM).state, "failed");
    for name in ["adas", "vehicle"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}

/// The same error where the spec answers it with the global safe state: a core that goes on carries it out, since the one
/// that found it cannot.
///
/// Verifies: BH-HEALTH-003, BH-HEALTH-005.
#[test]
fn an_assertion_ends_everything_where_the_spec_says_so() {
    let (session, debugger) = impossible(&["health={core: {assertion: global-safe-state}}"]);
    let report = ends(session, debugger);
    let event = fired(&report, "core", "assertion", "global-safe-state");
    assert_eq!(event.core, VICTIM);
    assert_eq!(core(&report, VICTIM).state, "failed");
    for name in ["adas", "vehicle"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("failed", 0), "{name}");
    }
}

/// The reference system where core [`VICTIM`], in the place of its first step, finds an impossible state as in its start.
fn impossible(changes: &[&str]) -> (Session, Debugger) {
    let system = System::build(REFERENCE, &[changes, &FIXED_SEEDS].concat());
    let (session, mut debugger) = unstarted(&system);
    debugger.run_to(VICTIM, symbol(&["core_state", "PerCore", "5first"]));
    // The arguments of `park`: the core, the error, no vector, and where three words lie.
    let words = debugger.get(SP) - 64;
    let error = u64::from(Error::Assertion.code());
    for (register, value) in (X0..).zip([VICTIM.into(), error, u64::MAX, words]) {
        debugger.set(register, value);
    }
    debugger.set(PC, symbol(&["runtime", "4park", "4park"]));
    (session, debugger)
}

/// The redistributor of a core does not answer: no poll of it is long enough.
///
/// Verifies: BH-HEALTH-003, BH-HEALTH-047.
#[test]
fn a_redistributor_that_does_not_answer_is_reported() {
    let system = System::build(ATTACKERS, &[]);
    let (session, mut debugger) = stopped(&system, ["cluster", "cluster: ready"]);
    let bound = in_blob(&system, |tables| ptr::from_ref(&tables.board.poll_bound));
    debugger.write_physical(bound, 0);
    let report = ends(session, debugger);
    let event = fired(&report, "core", "hardware-poll", "log");
    assert_eq!((event.core, event.partition.as_deref()), (0, None));
    // The attacker is one that restarts, and the steps of that are counted by the same bound.
    for name in ["cluster", "beside"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}

/// The SMMU takes no command any more: the partition whose function it guards does not start again.
/// Verifies: BH-HEALTH-003, BH-DMA-023, BH-DMA-024.
#[test]
fn an_smmu_that_does_not_obey_is_reported() {
    /// `SMMU_CR0` on QEMU virt: SMMUEN and EVENTQEN, without CMDQEN.
    const CR0: u64 = 0x0905_0020;
    const NO_COMMANDS: u32 = 0b101;
    let system = System::build(
        ATTACKERS,
        &[
            "partitions.attacker.payload.elf=inversion",
            "partitions.attacker.args=\"role=restarts\"",
            "partitions.attacker.restart_limit=2",
        ],
    );
    let (session, mut debugger) = stopped(&system, ["beside", "ready"]);
    debugger.write_device(CR0, NO_COMMANDS);
    let report = ends(session, debugger);
    let event = fired(&report, "system", "hardware-poll", "log");
    assert_eq!(event.partition, None);
    assert_eq!(partition(&report, "attacker").state, "failed");
    for name in ["cluster", "beside"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}
