// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attackers beside partitions that must not notice: `partitions/attackers`.
//!
//! An attack counts only if EL2 or the SMMU saw it by its own count. A control gives the attacker one thing more,
//! with which the same program succeeds: so it would have been seen.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod canary;
mod injection;
mod linux;
mod locks;
mod masters;
mod storm;
mod traffic;

use std::fs;
use std::time::Duration;

use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

const SYSTEM: &str = "tests/systems/attackers.yaml";
/// Seed of the random traps, and programs of about 100 traps.
const SEED: u64 = 20_261_121;
const PROGRAMS: u64 = 4_200;
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
    report: Report,
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number in hex")
}

/// RAM of a partition, from the text form.
fn ram(system: &System, name: &str) -> (u64, usize) {
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let root = format!("partition:{name}");
    let mut records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let grant = records
        .find(|r| r.first() == Some(&"grant") && r.get(1) == Some(&root.as_str()) && r.get(2) == Some(&"ram"))
        .expect("RAM");
    let (start, end) = grant
        .get(3)
        .and_then(|range| range.split_once('-'))
        .expect("range");
    (hex(start), usize::try_from(hex(end) - hex(start)).expect("size"))
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
    let (store, size) = ram(&system, "store");
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "beside", "ready", 20);
    let before = session.memory(store, size).expect("memory");
    let line = says(&mut session, "attacker", " succeeded", PATIENCE);
    // The system slot takes what is left in the SMMU's queue.
    session
        .run_for(Duration::from_millis(40))
        .expect("the machine runs");
    let after = session.memory(store, size).expect("memory");
    let report = session.finish("the attack is over").expect("report");
    assert!(
        before == after,
        "{name}: memory of a partition that does not run has changed"
    );
    others_unharmed(name, &report);
    let attacker = partition(&report, "attacker");
    let outcome = Outcome {
        attempts: number(&line, "attempts"),
        succeeded: number(&line, "succeeded"),
        entries: attacker.el2_entries.total,
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
    assert_eq!(control.succeeded, 1, "with 2 MiB of RAM more");
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
}

/// Random traps of one seed, by EL2's count; with the same seed they are the same.
fn random_traps(seed: u64, programs: u64) -> u64 {
    let outcome = attack(&format!("fuzz seed={seed} programs={programs}"), &[]);
    assert_eq!(
        (outcome.attempts, outcome.succeeded),
        (programs, 0),
        "seed {seed}"
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
    let traps = random_traps(SEED, PROGRAMS);
    assert!(traps >= 500_000, "{traps} traps");
}

/// Verifies: BH-ATK-001, BH-TRAP-010.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn seeded_traps_of_many_seeds() {
    let traps: u64 = (1..=20).map(|n| random_traps(SEED + n, 10 * PROGRAMS)).sum();
    assert!(traps >= 100_000_000, "{traps} traps");
}

/// Verifies: BH-ATK-001.
#[test]
fn interrupt_controller() {
    let outcome = attack("gic", &[]);
    outcome.fails(outcome.reason("data_abort") + outcome.reason("sysreg"));
}

/// Verifies: BH-ATK-001.
#[test]
fn time() {
    let hog = attack("hog", &[]);
    hog.fails(hog.reason("fiq"));
    assert!(hog.reason("fiq") >= 100, "a slot's end each 10 ms");
    let storm = attack("storm", &[]);
    storm.fails(storm.reason("irq"));
    let timers = attack("timers", &[]);
    assert_eq!((timers.attempts, timers.succeeded), (4_000, 0));
    assert!(
        timers.reason("irq") >= 100,
        "timers fire: {}",
        timers.reason("irq")
    );
    let flood = attack("console", &[]);
    assert_eq!((flood.attempts, flood.succeeded), (20_000, 0));
}

/// A transfer that was granted ends 100 ms after its partition has: it does not land. Verifies: BH-ATK-001, BH-DMA-023.
#[test]
fn revoked_dma() {
    /// Configuration space, the SMMU, and in it `SMMU_CMDQ_PROD`, on QEMU virt.
    const ECAM: u64 = 0x40_1000_0000;
    const CMDQ_PROD: u64 = 0x0905_0098;
    const POISON: u64 = 0x0BAD_CAFE_0BAD_CAFE;
    let system = System::build(SYSTEM, &["partitions.attacker.args=\"attack=revoked\""]);
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let field = |head: &[&str], n: usize| {
        let mut records = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let record = records.find(|r| r.starts_with(head)).expect("record");
        record.get(n).expect("field").to_string()
    };
    let (ram, _) = ram(&system, "attacker");
    let stream = hex(&field(&["stream"], 1));
    let table = field(&["stream-table"], 1);
    let table = hex(table.split('-').next().expect("range"));
    let queue = field(&["grant", "el2:boot", "smmu-queues"], 3);
    let queue = hex(queue.split('-').next().expect("range"));
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let line = says(&mut session, "attacker", " succeeded", PATIENCE);
    let landing = hex(line.split([' ', ':']).nth(1).expect("address")) - 0x4000_0000 + ram;
    session
        .run_for(Duration::from_millis(500))
        .expect("the machine runs");
    let producer = session.memory(CMDQ_PROD, 4).expect("register");
    let mut word = |address| {
        let bytes = session.memory(address, 8).expect("memory");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    };
    assert_eq!(
        word(landing),
        POISON,
        "the transfer of a partition that is off has landed"
    );
    assert_eq!(
        word(table + 64 * stream) & 1,
        0,
        "its stream table entry is valid"
    );
    let command = word(ECAM + (stream << 12)) >> 32;
    assert_eq!(
        command & 0b110,
        0b010,
        "its function masters the bus: command {command:#x}"
    );
    // CMD_CFGI_STE of its stream, once at the start and once at the end; then CMD_TLBI_S12_VMALL, CMD_SYNC.
    let end = u64::from(*producer.first().expect("a byte"));
    let codes: Vec<u64> = (0..end).map(|n| word(queue + n * 16) & 0xff).collect();
    let forgotten = codes.windows(3).filter(|three| *three == [0x03, 0x28, 0x46]);
    assert_eq!(forgotten.count(), 2, "the SMMU was told to forget: {codes:x?}");
    let report = session.finish("seen").expect("report");
    assert_eq!(partition(&report, "attacker").state, "off");
}
