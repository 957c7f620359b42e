// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seeded faults: one bit is flipped in a running system, and what becomes of it is counted.
//!
//! Registers of a core (a guest's or EL2's, as it stands when it is stopped or inside one of EL2's paths), EL2's system
//! registers, a guest's memory, EL2's data, live table entries, the GIC, the SMMU and its queues. What a fault came to is
//! [`judge`]d by whom it struck and who was hit; `BULKHEAD_INJECTION_SEED` replays one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::{env, fs};

use bulkhead_abi::window::{METRICS, RX_CONTROL, RX_DATA, RX_SIZE};
use bulkhead_on_target::gdb::{Debugger, free_port};
use bulkhead_on_target::{System, images};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::{Partition, Report};
use object::Endianness;
use object::elf::{PF_W, PT_LOAD};
use object::read::elf::{ElfFile64, ProgramHeader};
use serde_json::json;

use super::judgement::{Class, Party, Seen, judge};
use super::strike::{Hit, Random, strike};
use super::victims::{ram, range};
use super::{SYSTEM, workers};

/// Host time without progress after which the machine hangs.
const STALL: Duration = Duration::from_secs(60);
/// Virtual time from a fault to its judgement, and to a second look.
const AFTER: Duration = Duration::from_millis(150);
const LOOK: Duration = Duration::from_millis(50);
/// The partitions that run, and the programs in them.
const PARTIES: [(&str, &str); 3] = [
    ("attacker", "attackers"),
    ("cluster", "cluster"),
    ("beside", "stubborn"),
];
/// A letter that means nothing to `stubborn`.
const LETTER: u8 = b'x';
const SEED_NAME: &str = "BULKHEAD_INJECTION_SEED";

/// A function that nobody owns is brought onto the bus past EL2, and copies over EL2's image: the SMMU refuses, and the
/// fault is counted as nobody's. Verifies: BH-DMA-022, BH-DMA-025.
#[test]
fn dma_of_a_function_that_nobody_owns() {
    /// Configuration space of slot 3 on QEMU virt, an address of its window for BAR 0, a page of EL2's image.
    const CONFIGURATION: u64 = 0x40_1001_8000;
    const BAR: u32 = 0x1800_0000;
    const TARGET: u64 = 0x4020_0000;
    let system = System::build(SYSTEM, &["partitions.store.devices=[can0]"]);
    let port = free_port();
    let mut session = start(&system, port);
    let before = session.memory(TARGET, 4096).expect("memory");
    assert!(before.iter().any(|byte| *byte != 0), "zeros would change nothing");
    let mut debugger = Debugger::connect(port);
    debugger.write_device(CONFIGURATION + 0x10, BAR);
    // Memory space and bus master.
    debugger.write_device(CONFIGURATION + 4, 6);
    // EDU: source (its own buffer), destination, count, command: start, to memory.
    for (at, value) in [(0x80, 0x4_0000), (0x88, 0x4020_0000), (0x90, 64), (0x98, 3)] {
        debugger.write_device(u64::from(BAR) + at, value);
    }
    debugger.release();
    session
        .run_for(Duration::from_millis(300))
        .expect("the machine runs");
    assert!(
        session.memory(TARGET, 4096).expect("memory") == before,
        "it landed"
    );
    let report = session.finish("the transfer is over").expect("report");
    assert!(report.dma.unowned >= 1, "{:?}", report.dma);
    let event = report.health.iter().find(|event| event.error == "dma-fault");
    let event = event.map(|event| (event.level.as_str(), event.action.as_str()));
    assert_eq!(event, Some(("system", "log")));
    for (name, party) in &report.partitions {
        assert!(party.dma_faults.is_empty(), "{name}: {:?}", party.dma_faults);
    }
}

/// A system that runs, with a stub; a machine without progress is noticed.
fn start(system: &System, port: u16) -> Session {
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.extra = ["-gdb".to_owned(), format!("tcp:127.0.0.1:{port}")].into();
        options.stall = Some(STALL);
    });
    let ready = session.wait_for("beside", "ready", Duration::from_secs(20));
    ready.unwrap_or_else(|error| panic!("{error}"));
    session
}

/// Memory that nobody writes after the start: who is harmed by a change of it, and where it lies.
fn constants(system: &System) -> Vec<(&'static str, u64, usize)> {
    let page = |name| (name, range(system, &[name]).0, 4096);
    let (store, size) = ram(system, "store");
    let mut all = vec![page("image"), page("blob"), ("store", store, size)];
    for (name, program) in PARTIES {
        let (start, _) = ram(system, name);
        let file = fs::read(images().join(format!("{program}.elf"))).expect("a program");
        let elf = ElfFile64::<Endianness>::parse(&*file).expect("ELF");
        let order = Endianness::Little;
        let mut segments = elf.elf_program_headers().iter();
        let first = segments
            .clone()
            .map(|s| s.p_paddr(order))
            .min()
            .expect("a segment");
        let constant = segments.find(|s| s.p_type(order) == PT_LOAD && !s.p_flags(order).contains(PF_W));
        let constant = constant.expect("code");
        // RAM begins where the program does.
        let from = start + constant.p_paddr(order) - first;
        all.push((
            name,
            from,
            usize::try_from(constant.p_filesz(order)).expect("size"),
        ));
    }
    all
}

fn contents(session: &mut Session, places: &[(&str, u64, usize)]) -> Option<Vec<Vec<u8>>> {
    let content = |(_, start, size): &(&str, u64, usize)| session.memory(*start, *size).ok();
    places.iter().map(content).collect()
}

/// A word of 32 bits in the window of a partition.
fn in_window(session: &mut Session, name: &str, at: usize) -> Option<u32> {
    let window = window(session, name);
    let bytes = session.memory(window + at as u64, 4).ok()?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn window(session: &Session, name: &str) -> u64 {
    let partitions = &session.manifest().partitions;
    partitions
        .iter()
        .find(|p| p.name == name)
        .expect("partition")
        .window
}

/// Offset of the index that the reader of a ring writes.
const TAIL: usize = RX_CONTROL + 64;
/// Offset of the count of activations.
const HEARTBEAT: usize = METRICS + 8;

/// What of the progress of others needs nothing of EL2: `cluster` counts its activations, `beside` takes the letter that
/// the debugger lays into its window.
fn stand_still(session: &mut Session, port: u16) -> Option<BTreeSet<&'static str>> {
    let beats = in_window(session, "cluster", HEARTBEAT)?;
    let head = in_window(session, "beside", RX_CONTROL)?;
    let beside = window(session, "beside");
    let mut debugger = Debugger::connect(port);
    debugger.fill_physical(beside + RX_DATA as u64 + u64::from(head % RX_SIZE), &[LETTER]);
    debugger.write_device(beside + RX_CONTROL as u64, head.wrapping_add(1));
    debugger.release();
    session.run_for(LOOK).ok()?;
    let mut still = BTreeSet::new();
    if in_window(session, "cluster", HEARTBEAT)? == beats {
        still.insert("cluster");
    }
    if in_window(session, "beside", TAIL)? != head.wrapping_add(1) {
        still.insert("beside");
    }
    Some(still)
}

/// Whether EL2 says that something is wrong with a partition, or with the core that it lives on.
fn is_told(report: &Report, name: &str, party: &Partition, expected: &str, core: u32) -> bool {
    let blamed = report.health_counts.get(&format!("partition:{name}"));
    // The attacker's random calls are illegal all the time.
    let blamed = blamed.is_some_and(|counts| counts.iter().any(|(e, n)| *n > 0 && e != "illegal-call"));
    let parked = report.cores.iter().any(|c| c.core == core && c.state == "failed");
    blamed || parked || party.state != expected || party.restarts > 0 || party.fault.is_some()
}

/// What was seen after a fault.
fn see(report: Option<&Report>, changed: &[&'static str], still: &BTreeSet<&'static str>) -> Seen {
    let nobodys = |name: &&&'static str| matches!(**name, "image" | "blob");
    let mut seen = Seen {
        goes_on: true,
        damage: changed.iter().filter(nobodys).copied().collect(),
        ..Seen::default()
    };
    if report.is_none() {
        seen.told.push("statistics that cannot be read");
    }
    for (name, expected, core) in [
        ("attacker", "running", 0),
        ("cluster", "running", 0),
        ("beside", "running", 2),
        ("store", "off", 3),
    ] {
        let mut party = Party {
            name: name.to_owned(),
            ..Party::default()
        };
        if changed.contains(&name) {
            party.harm.push("its memory has changed");
        }
        if still.contains(name) {
            party.harm.push("it stands still");
        }
        let found = report.and_then(|report| Some((report, report.partitions.get(name)?)));
        if let Some((report, found)) = found {
            party.told = is_told(report, name, found, expected, core);
            if found.slots.missed > 0 && name == "cluster" {
                party.harm.push("slots were missed");
                party.told |= report.health.iter().any(|e| e.error == "deadline-overrun");
            }
            if name == "attacker" && found.console_tail.contains("BROKEN") {
                party.harm.push("EL2 answered otherwise than it must");
            }
        }
        seen.parties.push(party);
    }
    let Some(report) = report else { return seen };
    if report.cores.iter().any(|core| core.state == "failed") {
        seen.told.push("a failed core");
    }
    if report.health.iter().any(|event| event.level != "partition") {
        seen.told.push("an error of a core or of the system");
    }
    if report
        .cores
        .iter()
        .any(|core| core.state != "failed" && !core.adds_up)
    {
        seen.told.push("times that do not add up");
    }
    if report.dma.global_errors > 0 {
        seen.told.push("a global error of the SMMU");
    }
    seen
}

/// One system, one fault.
fn inject(seed: u64, system: &System) -> (Hit, Class, Seen) {
    let mut random = Random::of(seed);
    let port = free_port();
    let mut session = start(system, port);
    let delay = Duration::from_micros(random.below(30_000));
    session.run_for(delay).expect("it runs");
    let places = constants(system);
    let before = contents(&mut session, &places).expect("memory");
    let mut debugger = Debugger::connect(port);
    let hit = strike(&mut random, &mut debugger, system);
    debugger.release();
    let went_on = session.run_for(AFTER).is_ok();
    let still = if went_on {
        stand_still(&mut session, port)
    } else {
        None
    };
    let after = contents(&mut session, &places);
    let report = session.finish("the fault is judged").ok();
    let seen = match (still, after) {
        (Some(still), Some(after)) => {
            let pairs = places.iter().zip(before.iter().zip(&after));
            let changed = pairs.filter(|(_, (before, after))| before != after);
            let changed: Vec<&str> = changed.map(|((name, ..), _)| *name).collect();
            see(report.as_ref(), &changed, &still)
        }
        _ => Seen::default(),
    };
    let class = judge(&hit.struck, &seen);
    (hit, class, seen)
}

/// Injects with the seeds of a range, or with the one that is asked for, and says what came of it; everybody whom nobody
/// tells of, with seed and place.
fn campaign(seeds: std::ops::Range<u64>) -> BTreeMap<Class, u64> {
    let system = System::build(
        SYSTEM,
        &[
            "partitions.attacker.args=\"attack=fuzz programs=1000000\"",
            // Those whom a fault can strike are judged one by one; a frame takes two.
            "partitions.sender.autostart=false",
            "partitions.receiver.autostart=false",
        ],
    );
    let asked = env::var(SEED_NAME).ok().filter(|seed| !seed.is_empty());
    let asked = asked.map(|seed| seed.parse::<u64>().expect("a seed"));
    let seeds = asked.map_or(seeds, |seed| seed..seed + 1);
    let judged = workers::each(seeds, |seed| {
        let (hit, class, seen) = inject(seed, &system);
        println!("{SEED_NAME}={seed}: {class:?}, {} at {}", hit.class, hit.place);
        if asked.is_some() || matches!(class, Class::Silent | Class::Escaped) {
            println!("{SEED_NAME}={seed}: {:?}, {seen:?}", hit.struck);
        }
        (hit.class, class)
    });
    let mut classes = BTreeMap::new();
    let mut places: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let named = |class: Class| format!("{class:?}").to_lowercase();
    for (place, class) in judged {
        *classes.entry(class).or_insert(0) += 1;
        *places.entry(place).or_default().entry(named(class)).or_insert(0) += 1;
    }
    let counted: BTreeMap<String, u64> = classes.iter().map(|(class, n)| (named(*class), *n)).collect();
    println!("{}", json!({ "injections": counted, "by_place": places }));
    classes
}

/// A few seeds, so that the campaign itself is tried.
#[test]
fn some_injected_faults() {
    let classes = campaign(1..5);
    assert!(!classes.contains_key(&Class::Escaped), "{classes:?}");
}

#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn a_thousand_injected_faults() {
    let classes = campaign(1..1001);
    assert!(!classes.contains_key(&Class::Escaped), "{classes:?}");
    let silent = classes.get(&Class::Silent).copied().unwrap_or(0);
    // Memory that neither EL2 nor hardware checks can be damaged unseen; more than this is a regression.
    assert!(silent <= 50, "{silent} silent");
}
