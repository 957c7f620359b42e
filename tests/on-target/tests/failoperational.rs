// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2 fails on a sliced core: that core records it and parks, and the car still stops (design decision D4).
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::mem::offset_of;
use std::process::{Command, Stdio};
use std::time::Duration;

use bulkhead_abi::mux::ESCAPE;
use bulkhead_abi::stats::CoreStats;
use bulkhead_abi::trace::{EVENTS, Event, Kind, RING_OFFSET};
use bulkhead_model::manifest::Vcpu;
use bulkhead_on_target::gdb::{Debugger, PC, SP, free_port, symbol};
use bulkhead_on_target::{
    FIXED_SEEDS, REFERENCE, System, core, images, in_tree, lines, partition, says, succeeded, tool,
};
use bulkhead_runner::Session;
use bulkhead_runner::command::{Start, Timing};
use bulkhead_runner::report::{LockReport, Report};

/// A core that fails: one that runs Linux and the cluster.
const VICTIM: u32 = 1;
/// Core of the system slot, which does the housekeeping.
const SYSTEM: u32 = 0;
/// Data register of the UART of `qemu-virt`.
const UART: u64 = 0x0900_0000;

/// Damages core `victim`, a sliced one, when it is at `place`, at the earliest when Linux has said `booted`, then lets two
/// scenarios pass.
fn damaged(
    victim: u32,
    booted: Option<&str>,
    place: u64,
    damage: impl FnOnce(&mut Debugger, &System),
) -> Report {
    let other = if victim == SYSTEM { VICTIM } else { SYSTEM };
    let system = System::build(REFERENCE, &[]);
    let port = free_port();
    let mut session = system.start(|options| options.launch.gdb = Some(port));
    says(&mut session, "vehicle", "scenario 1: STOPPED", 60);
    says(&mut session, "cluster", " km/h, ", 60);
    if let Some(text) = booted {
        says(&mut session, "infotainment", text, 60);
    }
    let mut debugger = Debugger::connect(port);
    debugger.run_to(victim, place);
    damage(&mut debugger, &system);
    debugger.release();
    session.debugger_left(Duration::from_secs(30));
    // The car is judged by what happens from now on.
    session.run_for(Duration::from_secs(1)).expect("time passes");
    let before = session.stats().expect("statistics").cores[usize::try_from(other).expect("small")]
        .as_ref()
        .expect("core")
        .stats
        .frames;
    // Not degraded: `adas` requested the brake. A host that leaves a core aside for a while may cause one between.
    for _ in 0..2 {
        says(&mut session, "vehicle", ": STOPPED, ", 60);
    }
    assert!(
        !lines(&session, "vehicle")
            .iter()
            .any(|line| line.contains("CRASHED"))
    );
    let report = session.finish("the test is over").expect("report");
    assert_eq!(core(&report, victim).state, "failed");
    for index in [other, 2, 3] {
        assert_eq!(core(&report, index).state, "running", "core {index}");
    }
    assert!(
        core(&report, other).frames > before,
        "the other sliced core goes on"
    );
    for name in ["adas", "vehicle"] {
        let partition = partition(&report, name);
        assert_eq!(
            (partition.state.as_str(), partition.restarts),
            ("running", 0),
            "{name}"
        );
        assert_eq!(partition.el2_entries.steady, Some(0), "{name}");
    }
    let crash: Vec<_> = report
        .health
        .iter()
        .filter(|event| event.level == "core" && event.action == "stop-core")
        .collect();
    assert_eq!(crash.len(), 1, "{:?}", report.health);
    assert_eq!(
        (crash[0].core, crash[0].error.as_str(), crash[0].times),
        (victim, "crash", 1)
    );
    assert_eq!(report.health_counts[&format!("core:{victim}")]["crash"], 1);
    println!("{:x?}", crash[0]);
    report
}

/// Verifies: BH-CORE-008.
#[test]
fn a_bad_program_counter_parks_its_core_only() {
    let report = damaged(VICTIM, None, symbol(&["bulkhead_on_fiq"]), |debugger, _| {
        debugger.set(PC, 0x10)
    });
    let crash = report
        .health
        .iter()
        .find(|event| event.error == "crash")
        .expect("crash");
    assert_eq!(crash.detail[2], 0x10, "ELR_EL2 says where");
}

/// Verifies: BH-CORE-008.
#[test]
fn a_bad_stack_pointer_parks_its_core_only() {
    damaged(VICTIM, None, symbol(&["bulkhead_on_fiq"]), |debugger, _| {
        debugger.set(SP, 0x20)
    });
}

/// Verifies: BH-CORE-008.
#[test]
fn a_cleared_table_entry_parks_its_core_only() {
    damaged(VICTIM, None, symbol(&["bulkhead_on_fiq"]), |debugger, system| {
        let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
        let record = format!("root el2:core:{VICTIM} 0x");
        let root = text
            .lines()
            .find_map(|line| line.strip_prefix(&record))
            .expect("root");
        let root = u64::from_str_radix(root.split(' ').next().expect("field"), 16).expect("hex");
        // Distributor and redistributors lie in the first GiB; EL2's text in the second.
        debugger.write_physical(root, 0);
    });
}

/// The lock of Linux' machine stays taken; its vCPU on the other core goes on with what it has.
/// Verifies: BH-CORE-004, BH-CORE-008.
#[test]
fn a_crash_with_a_ticket_lock_held_parks_its_core_only() {
    let (place, slots) = (
        symbol(&["runtime", "gic", "fill"]),
        symbol(&["runtime", "shared", "RUNNING"]),
    );
    damaged(
        VICTIM,
        Some("Brought up 1 node, 2 CPUs"),
        place,
        |debugger, system| {
            // Of the partitions of this core Linux alone has a vCPU on another one, which takes the same lock.
            let manifest = system.manifest();
            let name = |vcpu: &Vcpu| {
                usize::try_from(vcpu.partition)
                    .ok()
                    .and_then(|p| manifest.partitions.get(p))
            };
            let linux = manifest
                .vcpus
                .iter()
                .position(|vcpu| vcpu.core == VICTIM && name(vcpu).is_some_and(|p| p.name == "infotainment"));
            let linux = linux.and_then(|index| u32::try_from(index).ok()).expect("a vCPU");
            let slot = slots + 4 * u64::from(VICTIM);
            debugger.run_until(VICTIM, place, |d| d.read_physical(slot) == linux);
            debugger.set(PC, 0x10);
        },
    );
}

/// EL2's housekeeping in a report.
fn housekeeping(report: &Report) -> &LockReport {
    let job = report
        .pi_locks
        .iter()
        .find(|lock| lock.name == "el2:housekeeping");
    let job = job.expect("the job");
    println!("{job:?}");
    job
}

/// Ends EL2 on the system core where a debugger has stopped it.
fn ends_on_system_core(session: &mut Session, mut debugger: Debugger) {
    debugger.set(PC, 0x10);
    debugger.release();
    session.debugger_left(Duration::from_secs(30));
}

/// What the cluster and the car say from then on comes through the other core: `damaged` waits for it.
/// Verifies: BH-CORE-008, BH-SCHED-027, BH-SCHED-029.
#[test]
fn the_successor_takes_the_housekeeping_of_the_system_core_over() {
    let report = damaged(SYSTEM, None, symbol(&["bulkhead_on_fiq"]), |debugger, _| {
        debugger.set(PC, 0x10);
    });
    let job = housekeeping(&report);
    assert!(job.helped_steps > 0, "steps in the stead of the system core");
    assert_eq!(job.revoked, 0, "no step broke off");
    assert_eq!(report.stray_bytes, 0);
}

/// Nobody helps while the system core lives. Verifies: BH-SCHED-027.
#[test]
fn the_successor_sleeps_while_the_system_core_lives() {
    let changes = ["partitions.infotainment.autostart=false"];
    let system = System::build(REFERENCE, &[&changes[..], &FIXED_SEEDS].concat());
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "vehicle", "scenario 1: STOPPED", 60);
    let report = session.finish("the test is over").expect("report");
    let job = housekeeping(&report);
    assert!(job.acquired >= 10, "a job in each system slot");
    assert_eq!((job.helped_steps, job.revoked), (0, 0));
}

/// The step of the drainer in which EL2 fails has sent the first byte of an escape. The lines of the consoles stay whole but
/// for what was under way, and a heartbeat that stops afterwards is found and answered.
/// Verifies: BH-CON-006, BH-SCHED-028, BH-SCHED-029.
#[test]
fn a_step_that_broke_off_is_taken_over() {
    /// Steps of the system core until then.
    const STEPS: u32 = 100;
    let changes = [
        r#"partitions.adas.args="hold=5000ms@brake""#,
        "partitions.adas.heartbeat={every: 30ms, grace: 20ms}",
        "partitions.infotainment.autostart=false",
        "schedule.cores.1=[{ run: infotainment, for: 4ms }, { run: cluster, for: 2ms }, { run: standby, for: 4ms }]",
        "partitions.infotainment.cores={ sliced: [0, 1], unaligned: accepted }",
    ];
    let system = System::build(REFERENCE, &[&changes[..], &FIXED_SEEDS].concat());
    let port = free_port();
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.start = Start::WaitForDebugger;
        options.launch.gdb = Some(port);
    });
    let mut debugger = Debugger::connect(port);
    let (step, mut steps) = (symbol(&["bulkhead_runtime", "console", "flush"]), 0);
    debugger.run_until(SYSTEM, step, |_| {
        steps += 1;
        steps == STEPS
    });
    debugger.write_device(UART, u32::from(ESCAPE));
    ends_on_system_core(&mut session, debugger);
    says(&mut session, "cluster", " km/h, ", 60);
    let spoken = lines(&session, "cluster").len();
    // Found by the other core, once in each life.
    for _ in 0..2 {
        says(&mut session, "adas", "held for 5000 ms in mid-brake", 60);
        says(&mut session, "vehicle", "STOPPED (degraded)", 60);
    }
    says(&mut session, "cluster", " km/h, ", 60);
    for line in lines(&session, "cluster").iter().skip(spoken + 1) {
        assert!(line.is_ascii() && line.contains("km/h"), "{line:?}");
    }
    let report = session.finish("the test is over").expect("report");
    let job = housekeeping(&report);
    assert_eq!(job.revoked, 1, "the step is known to have broken off");
    assert!(job.helped_steps > 0);
    assert_eq!(report.stray_bytes, 0, "no byte went to a channel that nobody has");
    assert_eq!(core(&report, SYSTEM).state, "failed");
    assert!(partition(&report, "adas").restarts > 0);
    // One may have been found before by the system core.
    let found = report
        .health
        .iter()
        .find(|event| event.error == "heartbeat" && event.core == VICTIM);
    let found = found.unwrap_or_else(|| panic!("{:?}", report.health));
    assert_eq!(
        (found.partition.as_deref(), found.action.as_str()),
        (Some("adas"), "restart-partition")
    );
}

/// A partition forges DMA after EL2 has failed on the system core: the other core takes the SMMU's records, and blames it.
/// Verifies: BH-DMA-023, BH-SCHED-029.
#[test]
fn the_successor_attributes_faults_of_bus_masters() {
    let system = System::build(
        "tests/systems/attackers.yaml",
        &[
            r#"partitions.attacker.args="attack=dma""#,
            "partitions.attacker.cores={sliced: [1]}",
            "schedule.cores.0=[{ run: cluster, for: 8ms }, { run: system, for: 2ms }]",
            "schedule.cores.1=[{ run: attacker, for: 9ms }, { run: standby, for: 1ms }]",
        ],
    );
    let port = free_port();
    let mut session = system.start(|options| options.launch.gdb = Some(port));
    says(&mut session, "attacker", "granted DMA: lands", 60);
    let mut debugger = Debugger::connect(port);
    debugger.run_to(SYSTEM, symbol(&["bulkhead_on_sync"]));
    ends_on_system_core(&mut session, debugger);
    says(&mut session, "attacker", " 0 succeeded", 120);
    session.run_for(Duration::from_millis(50)).expect("time passes");
    let report = session.finish("the attack is over").expect("report");
    let faults = &partition(&report, "attacker").dma_faults;
    println!("{faults:?} {:?}", report.health);
    assert!(faults.get("edu0").copied().unwrap_or(0) > 100, "the flood");
    assert_eq!((report.dma.unowned, report.dma.stream_failures), (0, 0));
    let blamed = report
        .health
        .iter()
        .filter(|e| e.error == "dma-fault" && e.core == VICTIM);
    let blamed: Vec<_> = blamed.map(|e| e.partition.as_deref()).collect();
    assert!(
        !blamed.is_empty() && blamed.iter().all(|who| *who == Some("attacker")),
        "{blamed:?}"
    );
}

/// `crash el2` of a small system whose core 0 is damaged as a guest traps: what it says, and what `gdb-multiarch`
/// makes of the core, if there is one.
fn told_of(format: &str, damage: impl FnOnce(&mut Debugger)) -> (String, Option<String>) {
    let folder = tempfile::tempdir().expect("folder");
    let (core, port) = (folder.path().join("core"), free_port());
    let child = Command::new(tool())
        .args(["crash", "el2", "--format", format])
        .arg(in_tree("tests/systems/small.yaml"))
        .arg("--output")
        .arg(&core)
        .args(["--for", "300s", "--gdb", &port.to_string()])
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool");
    // The stub takes one connection at a time, and forgets breakpoints when it notices that one has ended.
    let mut attempts = (0..600).filter_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Debugger::attempt(port)
    });
    let mut debugger = attempts.next().expect("the emulator listens");
    // Its partition sleeps and wakes, so it traps in each of its slots; some have passed, and left events behind.
    let mut visits = 0;
    debugger.run_until(0, symbol(&["bulkhead_on_sync"]), |_| {
        visits += 1;
        visits == 40
    });
    damage(&mut debugger);
    debugger.release();
    let output = child.wait_with_output().expect("the tool ends");
    succeeded(&output);
    let gdb = Command::new("gdb-multiarch")
        .args([
            "-batch",
            "-ex",
            "info threads",
            "-ex",
            "bt",
            "-ex",
            "info registers sp",
        ])
        .arg(images().join("qemu-virt/runtime.elf"))
        .arg(&core)
        .output();
    let gdb = gdb
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!(
        "{said}{}",
        gdb.as_deref()
            .unwrap_or("no gdb-multiarch: the core was not read\n")
    );
    (said, gdb)
}

/// Verifies: BH-HEALTH-044, BH-HEALTH-045, BH-HEALTH-046.
#[test]
fn a_bad_program_counter_leaves_registers_and_stack() {
    let (said, gdb) = told_of("text", |debugger| {
        debugger.set(9, 0x1234_5678_9abc);
        debugger.set(0, 0x4321);
        debugger.set(PC, 0x10);
    });
    let (_, rest) = said.split_once("what EL2 did last on core 0:\n").expect("events");
    let newest: Vec<_> = rest
        .lines()
        .take_while(|line| line.starts_with("  tick "))
        .collect();
    assert_eq!(newest.len(), 16, "{rest}");
    assert!(
        newest
            .iter()
            .any(|line| line.contains(" of cluster vCPU 0 begins, ")),
        "{rest}"
    );
    for text in [
        "core 0",
        "at 0x10,",
        "X0 0x4321,",
        "X9 0x123456789abc,",
        ", bulkhead_sync+",
    ] {
        assert!(said.contains(text), "{text}");
    }
    if let Some(gdb) = gdb {
        assert!(gdb.contains("bulkhead_sync ()"), "{gdb}");
    }
}

/// The newest event in the ring of core 0, as it lies in memory.
fn newest(debugger: &mut Debugger) -> Event {
    let block = symbol(&["__stats_start"]);
    let mut word = |address: u64| {
        let [low, high] = [0, 4].map(|at| u64::from(debugger.read_physical(address + at)));
        low | high << 32
    };
    let count = word(block + offset_of!(CoreStats, traced) as u64);
    let number = (count - 1) % EVENTS as u64;
    let at = block + RING_OFFSET as u64 + number * size_of::<Event>() as u64;
    Event {
        time: word(at),
        word: word(at + 8),
    }
}

/// Verifies: BH-HEALTH-044, BH-HEALTH-045, BH-HEALTH-046, BH-TOOL-010.
#[test]
fn a_bad_stack_pointer_leaves_registers_and_trace_rings() {
    let mut last = None;
    let (said, gdb) = told_of("json", |debugger| {
        last = Some(newest(debugger));
        debugger.set(SP, 0x20);
    });
    let last = last.expect("an event");
    let said: serde_json::Value = serde_json::from_str(&said).expect("one JSON value");
    assert_eq!(said["core"], 0);
    // The function has taken its frame already when it stores the first register.
    let sp = said["sp"].as_u64().expect("a number");
    assert!(0x20u64.wrapping_sub(sp) < 0x1000, "{sp:#x}");
    let events = said["rings"][0]["events"].as_array().expect("the ring of core 0");
    let time = |event: &serde_json::Value| event["time"].as_u64().expect("ticks");
    assert!(events.len() >= 40, "{} events", events.len());
    let kinds: BTreeSet<_> = events
        .iter()
        .filter_map(|e| Some(e["word"].as_u64()? & 0xff))
        .collect();
    assert!(
        kinds.contains(&Kind::Slot.number().into()) && kinds.contains(&Kind::Path.number().into()),
        "{kinds:?}"
    );
    let newest = events.last().expect("an event");
    assert_eq!(
        (time(newest), newest["word"].as_u64()),
        (last.time, Some(last.word))
    );
    let at = said["at"].as_str().unwrap_or_default();
    assert!(at.starts_with("bulkhead_on_sync+"), "{said}");
    if let Some(gdb) = gdb {
        assert!(gdb.contains("bulkhead_on_sync"), "{gdb}");
    }
}
