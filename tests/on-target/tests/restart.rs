// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a fault of `adas` in mid-brake to the first frame of its next life, and to the car's reaction when there is
//! none. Deterministic: times are ns of virtual time, and of EL2 instructions.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_benches::{counts, plugin};
use bulkhead_on_target::gdb::{Debugger, SP, X0, free_port};
use bulkhead_on_target::{FIXED_SEEDS, REFERENCE, System, images, in_tree, lines, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::{Start, Timing};
use bulkhead_runner::report::Report;
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object};
use serde_json::json;

/// Where EL2 enters a partition that starts.
const LOADER_IPA: u64 = 0x7f_0000_0000;

/// From the fault to the first valid frame that `vehicle` takes, ns.
const AIM_NS: u64 = 10_000_000;
/// What of that the wait for the sensors' frames does not cause: EL2, the loader, the start, the activation, the frame on
/// the bus, `vehicle`'s next look at it; measured 1 540 897, beside a booting Linux 2 576 473.
const REST_NS: u64 = 3_000_000;
/// Period of the sensors' frames: a life that begins just after them waits for the next ones.
const SENSORS_NS: u64 = 10_000_000;
/// Between those frames and the activation that answers them (`partitions/adas`).
const AFTER_SENSORS_NS: u64 = 200_000;
/// Instructions of EL2 from the fault to the entry of the next life, measured 6 698: the record and its log lines, the
/// closing and opening of streams, the reset of the emulated machine, the root page. Beside Linux 7 642, since the longest
/// start of any partition is counted there.
const EL2_BOUND: u64 = 8_000;

/// Builds and starts the reference system with changed values, the same in every run.
fn start(changes: &[&str], extra: Vec<String>) -> (System, Session) {
    let system = System::build(REFERENCE, &[changes, &FIXED_SEEDS].concat());
    let session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.extra = extra;
    });
    (system, session)
}

/// What a restart took.
struct Restart {
    /// From the fault to the valid frame that `vehicle` takes, ns.
    took: u64,
    /// Of that, how long the next life has listened before its first activation, ns: the sensors' next frames are waited
    /// for, and [`AFTER_SENSORS_NS`].
    wait: u64,
    /// EL2's instructions from the fault to the entry of the loader, a path to its end and one from there.
    el2: u64,
}

/// Between the first two lines of the last life of `adas`: it listens, and its first activation, in ns.
fn waited(said: &[String]) -> u64 {
    let us = |line: &String| {
        let stamp = line.split(' ').next().expect("a time stamp");
        let (s, us) = stamp.split_once('.').expect("seconds and us");
        s.parse::<u64>().expect("seconds") * 1_000_000 + us.parse::<u64>().expect("us")
    };
    let listens = said
        .iter()
        .rposition(|line| line.contains("adas: emergency braking"));
    match said.get(listens.expect("its first line")..) {
        Some([listens, acts, ..]) => (us(acts) - us(listens)) * 1000,
        _ => panic!("{said:?}"),
    }
}

/// A fault `us` after an activation of `adas` in mid-brake.
fn restart(us: u64, others: &[&str]) -> Restart {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("counts");
    let plugin = plugin::build(&in_tree("."), folder.path(), "count").expect("what counts instructions");
    let argument = format!(
        "file={},out={},loader={LOADER_IPA:#x}",
        plugin.display(),
        file.display()
    );
    let fault = format!(r#"partitions.adas.args="fault={us}us@brake""#);
    let changes: Vec<&str> = [fault.as_str()]
        .into_iter()
        .chain(others.iter().copied())
        .collect();
    let (_system, mut session) = start(&changes, vec!["-plugin".to_owned(), argument]);
    says(&mut session, "vehicle", "brake requests were missing", 30);
    let end = says(&mut session, "vehicle", "STOPPED, ", 20);
    let wait = waited(&lines(&session, "adas"));
    let report = session.finish("measured").expect("report");
    assert_eq!(partition(&report, "adas").restarts, 1, "{end}");
    let reaction = reaction(&report);
    assert_eq!(reaction.0, None, "the car braked by itself");
    let counts = counts::read(&file).expect("counts");
    let path = counts.paths.get("fault_sleep").expect("the fault's path");
    assert_eq!(path.samples(), 1);
    // Linux is started by such a path too, of another core.
    let start = counts.paths.get("wake_start").expect("the start's path");
    Restart {
        took: reaction.1.expect("a frame of the next life"),
        wait,
        el2: path.max().expect("a path") + start.max().expect("a path"),
    }
}

/// ns from the fault to the safe state of `vehicle`, and to its next valid frame.
fn reaction(report: &Report) -> (Option<u64>, Option<u64>) {
    let found = report.reactions.iter().find(|r| r.partition == "adas");
    let found = found.expect("adas declares a fault-tolerant time");
    let fault = found.fault_ns.expect("a fault");
    let since = |at: Option<u64>| at.map(|at| at - fault);
    (since(found.degraded_ns), since(found.resumed_ns))
}

/// Verifies: BH-LIFE-009, BH-CAN-105.
#[test]
fn a_restart_in_mid_brake_loses_no_more_than_a_period() {
    let quiet = [
        "partitions.infotainment.autostart=false",
        "partitions.cluster.autostart=false",
    ];
    // In its activation, between two, and so late that the next life just misses the sensors.
    let mut found = Vec::new();
    for (us, others) in [(20, &quiet[..]), (4000, &quiet), (8500, &quiet), (20, &[])] {
        let beside = if others.is_empty() {
            "beside a booting Linux"
        } else {
            "others in WFI"
        };
        let Restart { took, wait, el2 } = restart(us, others);
        let figures = json!({
            "fault_us_after_an_activation": us, "beside": beside, "to_next_valid_frame_ns": took, "aim_ns": AIM_NS,
            "of_which_waiting_for_sensors_ns": wait, "el2_instructions": el2, "el2_instructions_bound": EL2_BOUND,
        });
        println!("{}", json!({ "restart": figures }));
        found.push((us, took, wait, el2));
    }
    for (us, took, wait, el2) in found {
        assert!(
            wait <= SENSORS_NS + AFTER_SENSORS_NS,
            "{us} us: it waits {wait} ns"
        );
        let rest = took - wait;
        assert!(rest <= REST_NS, "{us} us: {rest} ns beside the wait");
        // The last one's life begins just after the sensors' frames.
        assert!(took <= AIM_NS || us == 8500, "{us} us: {took} ns, aim {AIM_NS}");
        assert!(el2 <= EL2_BOUND, "{us} us: {el2} EL2 instructions");
    }
}

/// Verifies: BH-HEALTH-033, BH-CAN-104.
#[test]
fn without_a_restart_the_car_reacts_in_the_fault_tolerant_time() {
    let (_system, mut session) = start(
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.adas.restart_limit=0",
            "partitions.infotainment.autostart=false",
        ],
        Vec::new(),
    );
    says(
        &mut session,
        "vehicle",
        "brake request timeout: degraded braking",
        30,
    );
    let end = says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    assert!(!lines(&session, "vehicle").iter().any(|l| l.contains("CRASHED")));
    let report = session.finish("measured").expect("report");
    let adas = partition(&report, "adas");
    assert_eq!((adas.state.as_str(), adas.restarts), ("failed", 0));
    println!("{end}");
    let found = &report.reactions[0];
    let took = found.took_ns.expect("a reaction");
    assert_eq!(found.resumed_ns, None);
    println!("{}", json!({ "reaction": found }));
    assert!((90_000_000..=found.limit_ns).contains(&took), "{took} ns");
    assert!(!report.reasons.iter().any(|reason| reason.contains("tolerated")));
}

/// Between two lives all RAM of `adas` is filled with something else: at the first instruction of the next life it holds
/// what the spec says and zeros, the page of the loader's own stack among them, and no register holds anything else.
///
/// Verifies: BH-BOOT-020.
#[test]
fn nothing_is_left_in_ram_at_the_begin_of_a_life() {
    /// Core of `adas`, and what the RAM is filled with.
    const CORE: u32 = 3;
    const LEFT: u8 = 0xa5;
    let port = free_port();
    let system = System::build(
        REFERENCE,
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.infotainment.autostart=false",
        ],
    );
    let mut session = system.start(|options| {
        options.launch.start = Start::WaitForDebugger;
        options.launch.gdb = Some(port);
    });
    let adas = session.manifest().partitions.iter().find(|p| p.name == "adas");
    let ram = adas.and_then(|p| p.ram).expect("RAM in one piece");
    let size = usize::try_from(ram.size).expect("size");
    let file = std::fs::read(images().join("adas.elf")).expect("adas.elf");
    let elf = ElfFile64::<Endianness>::parse(&*file).expect("ELF");
    let mut debugger = Debugger::connect(port);
    let mut starts = 0;
    debugger.run_until(CORE, LOADER_IPA, |_| {
        starts += 1;
        starts == 2
    });
    debugger.fill_physical(ram.address, &vec![LEFT; size]);
    debugger.run_to(CORE, elf.entry());
    let found = session.memory(ram.address, size).expect("memory");
    let registers: Vec<u64> = (X0..SP).map(|register| debugger.get(register)).collect();
    debugger.release();
    says(&mut session, "vehicle", "brake requests were missing", 30);
    session.finish("seen").expect("report");

    let at = |ipa: u64| usize::try_from(ipa - ram.ipa).expect("in RAM");
    let mut wanted = vec![0; size];
    for segment in elf.elf_program_headers() {
        let order = Endianness::Little;
        if segment.p_type(order) == PT_LOAD {
            let bytes = segment.data(order, &*file).expect("content");
            let from = at(segment.p_paddr(order));
            wanted[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }
    // The device tree, whose random bytes are different at each start: its header says how long it is.
    let tree = at(registers[0]);
    let word = |at: usize| u32::from_be_bytes(found[at..at + 4].try_into().expect("a word"));
    assert_eq!(word(tree), 0xd00d_feed);
    let length = usize::try_from(word(tree + 4)).expect("length");
    assert!(length < 64 << 10 && wanted[tree..tree + length].iter().all(|byte| *byte == 0));
    wanted[tree..tree + length].copy_from_slice(&found[tree..tree + length]);
    let differ: Vec<usize> = (0..size).filter(|at| found[*at] != wanted[*at]).collect();
    let (count, first) = (differ.len(), differ.iter().take(8).collect::<Vec<_>>());
    assert!(
        differ.is_empty(),
        "{count} bytes of RAM are others, first {first:x?}"
    );
    assert_eq!(registers[1..], [0; 30], "X1 to X30");
}

/// In its last life `adas` goes on to publish what it measures, and requests nothing: the car brakes by itself.
///
/// Verifies: BH-LIFE-010.
#[test]
fn in_its_last_life_it_gives_its_safe_output_and_no_other() {
    let (_system, mut session) = start(
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.adas.restart_limit=0",
            "partitions.adas.safe_state=output",
            "partitions.infotainment.autostart=false",
        ],
        Vec::new(),
    );
    says(&mut session, "adas", "reaches beside its memory", 30);
    says(&mut session, "adas", "safe output: the vehicle state", 10);
    says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    // It has got as far as an ordinary life gets, and goes on.
    says(&mut session, "adas", "measurements arrive", 10);
    says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    let heard = lines(&session, "cluster");
    let shown = heard.iter().filter(|line| line.contains("vehicle-state "));
    let shown: Vec<_> = shown.rev().take(4).collect();
    assert!(
        shown.iter().any(|line| !line.contains(": 0 km/h, "))
            && shown.iter().all(|l| l.ends_with("brake 0 %")),
        "{shown:?}"
    );
    let report = session.finish("seen").expect("report");
    let adas = partition(&report, "adas");
    assert_eq!((adas.state.as_str(), adas.restarts), ("safe", 1));
    let found = &report.reactions[0];
    println!("{}", json!({ "reaction": found }));
    assert_eq!(found.resumed_ns, None, "a brake request");
    assert!(found.took_ns.is_some_and(|took| took <= found.limit_ns));
    for name in ["vehicle", "cluster"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
}

/// The same fault where less is tolerated: the run fails.
///
/// Verifies: BH-HEALTH-033.
#[test]
fn a_reaction_that_comes_late_fails_the_run() {
    let (_system, mut session) = start(
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.adas.restart_limit=0",
            "partitions.adas.fault_tolerant_time={limit: 70ms, reaction: vehicle, timeout: 50ms}",
            "partitions.infotainment.autostart=false",
        ],
        Vec::new(),
    );
    says(&mut session, "vehicle", "STOPPED (degraded)", 30);
    let report = session.finish("measured").expect("report");
    assert!(
        report
            .reasons
            .iter()
            .any(|r| r.contains("a fault of `adas` was answered after")),
        "{:?}",
        report.reasons
    );
}
