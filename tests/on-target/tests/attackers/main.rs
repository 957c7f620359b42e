// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attackers beside partitions that must not notice: `partitions/attackers`.
//!
//! An attack counts only if EL2 or the SMMU saw it by its own count. A control gives the attacker one thing more,
//! with which the same program succeeds: so it would have been seen.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod canary;
mod injection;
mod judgement;
mod linux;
mod locks;
mod masters;
mod storm;
mod strike;
mod time;
mod traffic;
mod virtio;
mod workers;

use std::collections::BTreeSet;
use std::time::Duration;
use std::{env, fs};

use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

const SYSTEM: &str = "tests/systems/attackers.yaml";
/// Seed of the random traps, and programs of about 65 traps; the variables that replace them.
const SEED: u64 = 20_261_121;
const PROGRAMS: u64 = 8_000;
const SEED_NAME: &str = "BULKHEAD_FUZZ_SEED";
const PROGRAMS_NAME: &str = "BULKHEAD_FUZZ_PROGRAMS";
/// INTID of `edu0`.
const LINE: u32 = 37;
/// Ns, and instructions, that a slot may begin late under any attack, floods of faults among them.
const LATE: u64 = 10_000;
/// Virtual seconds that an attack may take.
const PATIENCE: u64 = 120;

/// What an attack did, and what became of the others.
struct Outcome {
    attempts: u64,
    succeeded: u64,
    /// Entries to EL2 that the attacker caused, by EL2's count.
    entries: u64,
    /// SPIs that the physical distributor lets through while the attacker runs.
    spis: Vec<u32>,
    report: Report,
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number in hex")
}

/// The range in the first record of the text form that begins with `head`.
fn range(system: &System, head: &[&str]) -> (u64, usize) {
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let mut records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let record = records.find(|r| r.starts_with(head)).expect("record");
    let (start, end) = record
        .get(head.len())
        .and_then(|range| range.split_once('-'))
        .expect("range");
    (hex(start), usize::try_from(hex(end) - hex(start)).expect("size"))
}

/// RAM of a partition, from the text form.
fn ram(system: &System, name: &str) -> (u64, usize) {
    range(system, &["grant", &format!("partition:{name}"), "ram"])
}

/// What nobody writes: RAM of a partition that does not run, the first pages of EL2's image and of the blob.
fn untouched(system: &System) -> [(u64, usize); 3] {
    let page = |name| (range(system, &[name]).0, 4096);
    [ram(system, "store"), page("image"), page("blob")]
}

fn number(line: &str, before: &str) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words
        .iter()
        .position(|word| word.trim_end_matches(',') == before)
        .expect("word");
    words
        .get(at - 1)
        .and_then(|word| word.parse().ok())
        .expect("number")
}

/// Lets the attacker attack, and looks at everybody else. `what` is the attack's name, and what it may be told.
fn attack(what: &str, changes: &[&str]) -> Outcome {
    let name = what.split(' ').next().unwrap_or_default();
    let arguments = format!("partitions.attacker.args=\"attack={what}\"");
    let changes = [&[arguments.as_str()], changes].concat();
    let system = System::build(SYSTEM, &changes);
    let places = untouched(&system);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "beside", "ready", 20);
    let before = places.map(|(start, size)| session.memory(start, size).expect("memory"));
    let line = says(&mut session, "attacker", " succeeded", PATIENCE);
    // The system slot takes what is left in the SMMU's queue. The attacker's SPIs are masked outside its slots, and
    // nobody knows in which slot the machine is looked at: over four frames, one look is in one of its own.
    let mut spis = BTreeSet::new();
    for _ in 0..40 {
        session
            .run_for(Duration::from_millis(1))
            .expect("the machine runs");
        spis.extend(enabled_spis(&mut session));
    }
    let after = places.map(|(start, size)| session.memory(start, size).expect("memory"));
    let report = session.finish("the attack is over").expect("report");
    assert!(
        before == after,
        "{name}: EL2 or a partition that does not run has changed"
    );
    others_unharmed(name, &report);
    let attacker = partition(&report, "attacker");
    let outcome = Outcome {
        attempts: number(&line, "attempts"),
        succeeded: number(&line, "succeeded"),
        entries: attacker.el2_entries.total,
        spis: spis.into_iter().collect(),
        report: report.clone(),
    };
    println!(
        "{{\"attack\":\"{name}\",\"attempts\":{},\"reached_el2\":{},\"dma_faults\":{:?},\"succeeded\":{},\"slots_missed\":{},\"worst_slot_lateness_ns\":{}}}",
        outcome.attempts,
        outcome.entries,
        attacker.dma_faults,
        outcome.succeeded,
        partition(&report, "cluster").slots.missed,
        core(&report, 0).worst_slot_lateness_ns
    );
    outcome
}

/// What `GICD_ISENABLER<n>` of QEMU virt holds of its SPIs.
fn enabled_spis(session: &mut Session) -> Vec<u32> {
    const ENABLES: u64 = 0x0800_0100;
    let mut word = |n: u32| {
        let bytes = session.memory(ENABLES + 4 * u64::from(n), 4).expect("register");
        u32::from_le_bytes(bytes.try_into().expect("4 bytes"))
    };
    let words: Vec<(u32, u32)> = (1..8).map(|n| (n, word(n))).collect();
    let bits = words
        .iter()
        .flat_map(|(n, word)| (0..32).filter_map(move |bit| (word >> bit & 1 == 1).then_some(n * 32 + bit)));
    bits.collect()
}

/// The dedicated neighbour runs without interrupts of EL2, the one of the same core has all its slots, in time.
fn others_unharmed(name: &str, report: &Report) {
    assert_eq!(partition(report, "beside").state, "running", "{name}");
    assert_eq!(partition(report, "beside").restarts, 0, "{name}");
    let beside = &partition(report, "beside").el2_entries.by_reason;
    for reason in ["irq", "fiq", "serror"] {
        assert_eq!(beside.get(reason), None, "{name}: {reason} of a dedicated core");
    }
    let slots = partition(report, "cluster").slots;
    let frames = core(report, 0).frames;
    assert_eq!(slots.missed, 0, "{name}: slots of the neighbour");
    assert!(
        slots.granted + 1 >= frames,
        "{name}: {slots:?} in {frames} frames"
    );
    assert!(core(report, 0).adds_up, "{name}: {:?}", core(report, 0));
    let late = core(report, 0).worst_slot_lateness_ns;
    assert!(late <= LATE, "{name}: a slot begins {late} ns late");
    for row in &report.cores {
        assert_ne!(row.state, "failed", "{name}: core {}", row.core);
    }
}

impl Outcome {
    fn reason(&self, name: &str) -> u64 {
        let attacker = partition(&self.report, "attacker");
        attacker.el2_entries.by_reason.get(name).copied().unwrap_or(0)
    }

    /// The health monitor has the attacker for an error, and did what the spec says.
    fn blamed(&self, error: &str, action: &str) {
        let mut events = self.report.health.iter().filter(|event| event.error == error);
        let event = events.next().unwrap_or_else(|| panic!("no {error}"));
        assert_eq!(
            (event.partition.as_deref(), event.action.as_str(), events.next()),
            (Some("attacker"), action, None)
        );
    }

    /// The attack was seen `seen` times, and gave nothing.
    fn fails(&self, seen: u64) {
        assert!(self.attempts > 0, "it tried nothing");
        assert!(seen >= self.attempts, "{} attempts, {seen} seen", self.attempts);
        assert_eq!(self.succeeded, 0);
    }
}

/// Verifies: BH-ATK-001.
#[test]
fn memory() {
    let outcome = attack("memory", &[]);
    let restarts = partition(&outcome.report, "attacker").restarts;
    outcome.fails(outcome.reason("data_abort"));
    assert_eq!(restarts, outcome.attempts, "each attempt ends the partition");
    let granted = "channels.vehicle-state.readers=[cluster, attacker]";
    assert_eq!(attack("memory", &[granted]).succeeded, 1, "with a channel more");
}

/// Verifies: BH-ATK-001, BH-DMA-023, BH-DMA-024, BH-DMA-025.
#[test]
fn dma() {
    let outcome = attack("dma", &[]);
    let faults = &partition(&outcome.report, "attacker").dma_faults;
    assert!(
        partition(&outcome.report, "attacker")
            .console_tail
            .contains("granted DMA: lands")
    );
    outcome.fails(faults.get("edu0").copied().unwrap_or(0));
    let dma = outcome.report.dma;
    // QEMU tells of a full queue as GERROR.EVENTQ_ABT_ERR, where the architecture has an overflow.
    assert!(
        dma.overflows + dma.global_errors >= 1,
        "the flood fills the queue"
    );
    assert_eq!((dma.unowned, dma.stream_failures), (0, 0));
    assert!(partition(&outcome.report, "store").dma_faults.is_empty());
    outcome.blamed("dma-fault", "log");
    let control = attack("dma", &["partitions.attacker.memory=4MiB"]);
    // Two of the addresses lie in them.
    assert_eq!(control.succeeded, 2, "with 2 MiB of RAM more");
}

/// Memory with the rights of segments, and without. Verifies: BH-ATK-001, BH-MEM-008.
#[test]
fn rights() {
    let outcome = attack(
        "rights",
        &["partitions.attacker.memory={ size: 2MiB, rights: segments }"],
    );
    assert_eq!(outcome.attempts, 3);
    outcome.fails(outcome.reason("data_abort") + outcome.reason("instruction_abort"));
    assert_eq!(outcome.reason("instruction_abort"), 1, "data is not executed");
    assert_eq!(
        partition(&outcome.report, "attacker").restarts,
        3,
        "each attempt ends the partition"
    );
    assert_eq!(attack("rights", &[]).succeeded, 3, "in open memory");
}

/// Verifies: BH-ATK-001, BH-DMA-011.
#[test]
fn ranges() {
    let granted = |offset: u64, size: u64| {
        format!("partitions.attacker.dma={{ edu0: [{{ offset: {offset}KiB, size: {size}KiB }}] }}")
    };
    let outcome = attack("ranges", &[&granted(1536, 4)]);
    let attacker = partition(&outcome.report, "attacker");
    assert!(attacker.console_tail.contains("granted DMA: lands"));
    assert_eq!(outcome.attempts, 10);
    outcome.fails(attacker.dma_faults.get("edu0").copied().unwrap_or(0));
    assert_eq!((outcome.report.dma.unowned, attacker.restarts), (0, 0));
    assert_eq!(
        attack("ranges", &[&granted(1532, 12)]).succeeded,
        4,
        "with both pages beside it"
    );
}

/// Verifies: BH-ATK-001.
#[test]
fn registers() {
    let outcome = attack("registers", &[]);
    assert_eq!((outcome.attempts, outcome.succeeded), (2 << 15, 0));
    assert!(
        outcome.reason("sysreg") > 500,
        "EL2 saw {}",
        outcome.reason("sysreg")
    );
}

/// Verifies: BH-ATK-001.
#[test]
fn calls() {
    let outcome = attack("calls", &[]);
    outcome.fails(outcome.reason("hvc") + outcome.reason("smc"));
    outcome.blamed("illegal-call", "log");
    let control = attack("calls", &["partitions.attacker.marks_steady=true"]);
    assert_eq!(control.succeeded, 1, "with the right to mark the steady state");
}

/// Verifies: BH-ATK-001, BH-TRAP-010.
#[test]
fn every_immediate() {
    let outcome = attack("immediates", &[]);
    assert_eq!(outcome.attempts, 2 << 16);
    outcome.fails(outcome.reason("hvc") + outcome.reason("smc"));
}

/// Verifies: BH-ATK-001, BH-PSCI-002, BH-PSCI-003.
#[test]
fn power() {
    let outcome = attack("psci", &[]);
    outcome.fails(outcome.reason("hvc"));
    assert!(
        partition(&outcome.report, "attacker").restarts >= 2,
        "it resets itself alone"
    );
    let control = attack(
        "psci",
        &[
            "partitions.attacker.cores={ sliced: [0, 1] }",
            "schedule.cores.1=[{ run: attacker, for: 6ms }, { run: idle, for: 4ms }]",
        ],
    );
    // It is switched on once, and AFFINITY_INFO of both widths knows it.
    assert_eq!(control.succeeded, 3, "with a vCPU more");
}

/// Pairs, writeback, SIMD, exclusives, fetches, table walks. Verifies: BH-ATK-001, BH-TRAP-010, BH-TRAP-021.
#[test]
fn forms_of_access() {
    let outcome = attack("forms", &[]);
    outcome.fails(outcome.reason("data_abort") + outcome.reason("instruction_abort"));
    let attacker = partition(&outcome.report, "attacker");
    let refused = attacker
        .console_tail
        .lines()
        .find_map(|line| line.strip_prefix("devices refuse ")?.trim().parse::<u64>().ok());
    assert_eq!(
        refused,
        Some(2 * 18),
        "both devices, every form that reaches them"
    );
    assert_eq!(
        attacker.restarts,
        outcome.attempts - 2 * 18,
        "each other one ends the partition"
    );
    let granted = "channels.vehicle-state.readers=[cluster, attacker]";
    assert_eq!(attack("forms", &[granted]).succeeded, 1, "with a channel to read");
}

/// Says how to see a failure again.
struct Replay(u64, u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(seed, programs) = self;
            eprintln!(
                "replay with: {SEED_NAME}={seed} {PROGRAMS_NAME}={programs} cargo test -p bulkhead-on-target --test attackers seeded_traps"
            );
        }
    }
}

/// Random traps of one seed, by EL2's count; with the same seed they are the same.
fn random_traps(seed: u64, programs: u64) -> u64 {
    let _replay = Replay(seed, programs);
    let outcome = attack(&format!("fuzz seed={seed} programs={programs}"), &[]);
    let attacker = partition(&outcome.report, "attacker");
    let broken = attacker
        .console_tail
        .lines()
        .filter(|line| line.starts_with("BROKEN"));
    let broken: Vec<&str> = broken.collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(
        (outcome.attempts, outcome.succeeded, attacker.restarts),
        (programs, 0, 0),
        "seed {seed}"
    );
    let foreign: Vec<&u32> = outcome.spis.iter().filter(|spi| **spi != LINE).collect();
    assert!(
        foreign.is_empty(),
        "the distributor lets SPIs {foreign:?} of others through"
    );
    println!(
        "{{\"fuzz\":{{\"seed\":{seed},\"traps\":{},\"el2_failures\":0}}}}",
        outcome.entries
    );
    outcome.entries
}

/// Whatever a seed makes of calls, registers, interrupts and timers. Verifies: BH-ATK-001, BH-TRAP-010.
#[test]
fn seeded_traps() {
    let of = |name: &str, usual: u64| env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let traps = random_traps(of(SEED_NAME, SEED), of(PROGRAMS_NAME, PROGRAMS));
    assert!(
        traps >= 500_000 || env::var_os(PROGRAMS_NAME).is_some(),
        "{traps} traps"
    );
}

/// Verifies: BH-ATK-001, BH-TRAP-010.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn seeded_traps_of_many_seeds() {
    let counts = workers::each(1..21, |n| random_traps(SEED + n, 10 * PROGRAMS));
    let traps: u64 = counts.iter().sum();
    assert!(traps >= 100_000_000, "{traps} traps");
}

/// Verifies: BH-ATK-001.
#[test]
fn interrupt_controller() {
    /// INTID of `can0`.
    const CAN: u32 = 36;
    let outcome = attack("gic", &[]);
    outcome.fails(outcome.reason("data_abort") + outcome.reason("sysreg"));
    assert_eq!(outcome.spis, [LINE], "that of its own device");
    let granted = [
        "partitions.store.devices=[edu1]",
        "partitions.attacker.devices=[edu0, can0]",
    ];
    let control = attack("gic", &granted);
    assert_eq!(control.spis, [CAN, LINE], "with an SPI more");
}
