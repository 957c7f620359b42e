// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's counts of its own entries against the emulator's log of every exception.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bulkhead_abi::stats::partition_state::OFF;
use bulkhead_abi::stats::{ENTRY_FIQ, ENTRY_IRQ};
use bulkhead_on_target::{REFERENCE, System, images, lines, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::int_log::{Counts, IntLog};
use bulkhead_runner::stats::Core;
use bulkhead_runner::{RunnerError, Session};
use object::{Object, ObjectSymbol};

/// WFI of the partition traps.
const GUARDED: &str = "partitions.guest.cores.interrupts=guarded";
/// `ESR_EL2.EC` of a trapped WFI or WFE.
const WAIT: usize = 0x01;

/// No entry of any class.
fn none() -> Counts {
    IntLog::default().cpu(0)
}

fn read(log: &Path) -> IntLog {
    let bytes = log.metadata().expect("log").len();
    println!("{bytes} bytes of log");
    IntLog::read(BufReader::new(File::open(log).expect("log"))).expect("log")
}

/// What EL2 counted on each core, all vCPUs together.
fn counted(session: &mut Session) -> Vec<Counts> {
    let cores = &session.stats().expect("statistics").cores;
    let sum = |core: &Option<Core>| {
        let vcpus = core.iter().flat_map(|core| &core.vcpus);
        vcpus.fold(none(), |mut sum, vcpu| {
            sum.iter_mut()
                .zip(vcpu.entries)
                .for_each(|(sum, count)| *sum += count);
            sum
        })
    };
    cores.iter().map(sum).collect()
}

/// Timers, SPIs, their ends and, unless it is guarded, sleep entered EL2 at no time: not while the suite ran, which
/// tries them all, nor before or after. Only the second of two vCPUs is kicked, when it is started and stopped.
fn goes_past_el2(spec: &str, counted: &[Counts], overrides: &[&str]) {
    for (core, counted) in counted.iter().enumerate() {
        assert_eq!(
            counted[ENTRY_IRQ], 0,
            "{spec}, core {core}, {overrides:?}: an IRQ"
        );
        if (spec, core) != ("direct-two", 2) {
            assert_eq!(
                counted[ENTRY_FIQ], 0,
                "{spec}, core {core}, {overrides:?}: an FIQ"
            );
        }
    }
    let waits: u64 = counted.iter().map(|counted| counted[WAIT]).sum();
    assert_eq!(
        waits != 0,
        overrides == [GUARDED],
        "{spec}, {overrides:?}: {waits} WFI"
    );
}

/// Whether every partition is off, as the cores of their first vCPUs say.
fn all_off(session: &mut Session) -> bool {
    let cores = session.stats().expect("statistics").cores.iter().flatten();
    let mut vcpus: Vec<_> = cores.flat_map(|core| &core.vcpus).collect();
    vcpus.sort_by_key(|vcpu| (vcpu.partition, vcpu.vcpu));
    vcpus.dedup_by_key(|vcpu| vcpu.partition);
    !vcpus.is_empty() && vcpus.iter().all(|vcpu| vcpu.partition_state == OFF)
}

/// Partitions that switched themselves off cause no entry any more, so log and counts stand still.
///
/// Verifies: BH-CORE-001, BH-GIC-021.
#[test]
fn finished_partitions_are_counted_exactly() {
    for (spec, overrides, names) in [
        ("shared", &[][..], &["one", "other"][..]),
        ("sliced-two", &[], &["guest"]),
        ("direct", &[], &["guest"]),
        ("direct-two", &[], &["guest"]),
        ("direct", &[GUARDED], &["guest"]),
        ("direct-two", &[GUARDED], &["guest"]),
    ] {
        let system = System::build(&format!("tests/systems/conformance-{spec}.yaml"), overrides);
        let log = system.folder().join("int.log");
        let mut session = system.start(|options| options.launch.int_log = Some(log.clone()));
        for name in names {
            says(&mut session, name, "conformance: ", 120);
        }
        for _ in 0..100 {
            if all_off(&mut session) {
                break;
            }
            match session.run_for(Duration::from_millis(200)) {
                Ok(()) | Err(RunnerError::Ended(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let counted = counted(&mut session);
        let report = session.finish("all partitions are off").expect("report");
        for name in names {
            assert_eq!(partition(&report, name).state, "off", "{spec}");
        }
        let log = read(&log);
        assert!(counted.iter().flatten().sum::<u64>() > 1000, "{spec} entered EL2");
        if spec.starts_with("direct") {
            goes_past_el2(spec, &counted, overrides);
        }
        for (core, counted) in (0..).zip(&counted) {
            println!("{spec}, core {core}: {:?}", log.by_reason(core));
            assert_eq!(
                log.cpu(core),
                *counted,
                "{spec}, core {core}: {:?}",
                log.by_reason(core)
            );
        }
    }
}

/// vCPU 0 sleeps until its timer's next interrupt and ends it, each millisecond; vCPU 1 spins, everything masked.
///
/// Verifies: BH-GIC-021.
#[test]
fn two_dedicated_cores_enter_el2_for_nothing_but_guarded_sleep() {
    for (interrupts, waits) in [("direct", false), ("guarded", true)] {
        let set = format!("partitions.guest.cores.interrupts={interrupts}");
        let mut session = System::build("tests/systems/stubborn.yaml", &[&set]).start(|_| {});
        says(&mut session, "guest", "ready", 20);
        session.send("guest", b"c").expect("typed");
        says(&mut session, "guest", " counts", 20);
        session
            .run_for(Duration::from_millis(100))
            .expect("the machine runs");
        let mut before = counted(&mut session);
        session.run_for(Duration::from_secs(1)).expect("the machine runs");
        let mut after = counted(&mut session);
        let slept = after[1][WAIT] - before[1][WAIT];
        assert_eq!(slept > 100, waits, "{interrupts}: {slept} WFI in a second");
        if waits {
            (before[1][WAIT], after[1][WAIT]) = (0, 0);
        }
        assert_eq!(after[1..], before[1..], "{interrupts}");
    }
}

/// A round of `tests/conformance/src/device.rs`: which CPUs take the interrupts, whether each is deactivated apart, and
/// whether who takes them sleeps.
type Round = (&'static [usize], bool, bool);
const OF_ONE: [Round; 4] = [
    (&[0], false, false),
    (&[0], true, false),
    (&[0], false, true),
    (&[0], true, true),
];
const OF_TWO: [Round; 7] = [
    (&[0], false, false),
    (&[0], true, false),
    (&[1], false, false),
    (&[1], true, false),
    (&[1], false, true),
    (&[1], true, true),
    (&[0, 1], false, false),
];
/// `ESR_EL2.EC` of a trapped system register, and of a data abort.
const SYSTEM_REGISTER: usize = 0x18;
const ABORT: usize = 0x24;

/// What a round said: raised, moved, stray; then taken, slept, deactivated of each CPU.
fn said(session: &Session, round: usize) -> [u64; 9] {
    let begin = format!("device {round}: ");
    let lines = lines(session, "guest");
    let line = lines
        .iter()
        .find_map(|line| Some(line.split_once(&begin)?.1.to_owned()));
    let line = line.unwrap_or_else(|| panic!("{lines:?}"));
    let digits = line.split(|letter: char| !letter.is_ascii_digit());
    let numbers: Vec<u64> = digits.filter_map(|digits| digits.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{line}"))
}

/// The device's interrupts are taken on each of the partition's CPUs, awake and asleep, with both kinds of end, and on
/// both in turn. EL2 is entered for exactly what the design says: each sleep of a guarded partition, each deactivation
/// that is apart from the end, and the two accesses by which a route is changed.
///
/// Verifies: BH-GIC-021.
#[test]
fn interrupts_of_devices_go_past_el2() {
    for (cores, interrupts) in [
        ("[1]", "direct"),
        ("[1]", "guarded"),
        ("[1, 2]", "direct"),
        ("[1, 2]", "guarded"),
    ] {
        let set = format!("partitions.guest.cores={{dedicated: {cores}, interrupts: {interrupts}}}");
        let mut session = System::build("tests/systems/interrupts.yaml", &[&set])
            .start(|options| options.launch.timing = Timing::Deterministic);
        let rounds: &[Round] = if cores == "[1]" { &OF_ONE } else { &OF_TWO };
        for (round, (takers, split, sleep)) in (1..).zip(rounds) {
            let what = format!("{cores} {interrupts}, round {round}");
            says(
                &mut session,
                "guest",
                &format!("round {round} of {} is ready", rounds.len()),
                60,
            );
            let before = counted(&mut session);
            session.send("guest", b"+").expect("typed");
            says(&mut session, "guest", &format!("round {round} is over"), 60);
            let after = counted(&mut session);
            session.send("guest", b"-").expect("typed");
            let [raised, moved, stray, rest @ ..] = said(&session, round);
            let cpus = [&rest[..3], &rest[3..]];
            println!("{what}: {raised} raised, {moved} moved, {cpus:?}");
            // While CPU 0 sleeps the device takes its time.
            let least = if *sleep && *takers == [0] { 10 } else { 100 };
            assert!(
                raised >= least && stray == 0,
                "{what}: {raised} raised, {stray} of nobody"
            );
            for (cpu, counts) in cpus.into_iter().enumerate() {
                let &[taken, slept, deactivated] = counts else {
                    unreachable!("three of each")
                };
                let takes = takers.contains(&cpu);
                let share = if takes { raised / takers.len() as u64 } else { 0 };
                assert_eq!(taken, share, "{what}: of CPU {cpu}");
                assert_eq!(
                    deactivated,
                    if *split { taken } else { 0 },
                    "{what}: of CPU {cpu}"
                );
                assert_eq!(
                    slept >= share.max(2) - 1,
                    takes && *sleep,
                    "{what}: CPU {cpu} slept {slept} times"
                );
                let mut expected = none();
                expected[WAIT] = if interrupts == "guarded" { slept } else { 0 };
                expected[SYSTEM_REGISTER] = deactivated;
                expected[ABORT] = if cpu == 0 { 2 * moved } else { 0 };
                if let (Some(after), Some(before)) = (after.get(cpu + 1), before.get(cpu + 1)) {
                    let mut entered = *after;
                    entered
                        .iter_mut()
                        .zip(before)
                        .for_each(|(count, before)| *count -= before);
                    assert_eq!(entered, expected, "{what}: entries of CPU {cpu}");
                } else {
                    assert_eq!((cpu, cores), (1, "[1]"), "{what}: no counts");
                }
            }
            assert_eq!(moved > 0, takers.len() == 2, "{what}");
        }
        session.finish("all rounds are over").expect("report");
    }
}

/// EL2's code from its vectors to the end of what saves and counts an entry.
fn vectors() -> Range<u64> {
    let bytes = std::fs::read(images().join("qemu-virt/runtime.elf")).expect("image");
    let elf = object::File::parse(bytes.as_slice()).expect("ELF");
    let address = |name| elf.symbols().find(|symbol| symbol.name() == Ok(name));
    let address = |name| address(name).map(|symbol| symbol.address()).expect("symbol");
    address("bulkhead_vectors")..address("bulkhead_fatal")
}

/// The machine is stopped while no core is between an exception and the vector's count of it.
///
/// Verifies: BH-CORE-001.
#[test]
fn the_running_reference_system_is_counted_exactly() {
    let system = System::build(REFERENCE, &[]);
    let log = system.folder().join("int.log");
    let mut session = system.start(|options| options.launch.int_log = Some(log.clone()));
    session.run_for(Duration::from_secs(3)).expect("boot");
    // A busy host takes longer to boot it.
    let entered = |counts: &[Counts]| counts.iter().all(|core| core.iter().sum::<u64>() > 10);
    for _ in 0..60 {
        if entered(&counted(&mut session)) {
            break;
        }
        session.run_for(Duration::from_secs(1)).expect("boot");
    }
    session.stop_outside(&vectors()).expect("a quiet moment");
    let counted = counted(&mut session);
    assert!(entered(&counted), "each core entered EL2: {counted:?}");
    // The end of the session may let the machine go on: the log belongs to the counts only before.
    let log = read(&log);
    session.finish("the time is over").expect("report");
    for (core, counted) in (0..).zip(&counted) {
        println!("core {core}: {:?}", log.by_reason(core));
        assert_eq!(log.cpu(core), *counted, "core {core}: {:?}", log.by_reason(core));
    }
}
