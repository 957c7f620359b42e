// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attackers beside partitions that must not notice: `partitions/attackers`.
//!
//! An attack counts only if EL2 or the SMMU saw it by its own count. A control gives the attacker one thing more,
//! with which the same program succeeds: so it would have been seen.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod attack;
mod canary;
mod first;
mod frames;
mod gic;
mod injection;
mod judgement;
mod linux;
mod locks;
mod masters;
mod memory;
mod stores;
mod storm;
mod strike;
mod time;
mod traffic;
mod victims;
mod virtio;
mod watch;
mod workers;

use std::env;
use std::time::Duration;

use bulkhead_on_target::gdb::free_port;
use bulkhead_on_target::partition;

use attack::{Attack, attack, number};

const SYSTEM: &str = "tests/systems/attackers.yaml";
const FUZZ: &str = "tests/systems/fuzz.yaml";
/// Seed of the random traps, and programs of about 65 traps; the variables that replace them.
const SEED: u64 = 20_261_121;
const PROGRAMS: u64 = 16_000;
const SEED_NAME: &str = "BULKHEAD_FUZZ_SEED";
/// Virtual time in µs after which cores take turns, which costs the host more than the traps do. The other one that runs
/// looks at its console every ms.
const TURN_US: u32 = 1000;
/// Virtual time from look to look at everybody else.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Programs of the corpus that reset their partition.
const RESETS: u64 = 2;
const PROGRAMS_NAME: &str = "BULKHEAD_FUZZ_PROGRAMS";
/// INTID of `edu0`.
const LINE: u32 = 37;
/// Virtual seconds that an attack may take.
const PATIENCE: u64 = 120;

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

/// Every encoding; and those that EL2 sees on every processor, each of them. Verifies: BH-ATK-001, BH-TRAP-002.
#[test]
fn registers() {
    let outcome = attack("registers", &[]);
    assert!(outcome.attempts > 2 * 60_000, "{}", outcome.attempts);
    assert_eq!(outcome.succeeded, 0);
    let trapped = attack("trapped", &[]);
    trapped.is_seen(trapped.reason("sysreg"));
    assert!(
        outcome.reason("sysreg") >= trapped.attempts,
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
    let control = attack(
        "calls",
        &[
            "partitions.receiver.marks_steady=false",
            "partitions.attacker.marks_steady=true",
        ],
    );
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

/// The corpus and random traps of one seed, by EL2's count; with the same seed they are the same.
fn random_traps(seed: u64, programs: u64) -> u64 {
    let _replay = Replay(seed, programs);
    let what = format!("fuzz seed={seed} programs={programs}");
    let port = free_port();
    let attack = Attack {
        system: FUZZ,
        what: &what,
        changes: &[],
        cluster: ("cluster", "ready"),
        gdb: Some(port),
        looks: Some(BETWEEN_LOOKS),
        turn_us: Some(TURN_US),
    };
    let mut look = gic::looks_at_foreign(port, 0);
    let (outcome, looks) = attack.run(|session| {
        let mut found = look(session);
        // Whose device it is has its SPI enabled in its slots, and nobody knows which slot it is; who waits for its turn
        // has its timer pending.
        found.retain(|at, _| *at < gic::GICR && *at != gic::ENABLES);
        found
    });
    gic::foreign_is_kept(&looks);
    let attacker = partition(&outcome.report, "attacker");
    let said = |word: &str| -> Vec<&str> {
        let lines = attacker.console_tail.lines();
        lines.filter(|line| line.starts_with(word)).collect()
    };
    let broken = said("BROKEN");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let last = said("fuzz:");
    let told = |word| number(last.first().expect("what it did"), word);
    let known = told("programs");
    assert_eq!(
        (outcome.attempts, outcome.succeeded, attacker.restarts),
        (known + programs, 0, RESETS),
        "seed {seed}"
    );
    let (transfers, faults) = (
        told("transfers"),
        attacker.dma_faults.get("edu0").copied().unwrap_or(0),
    );
    assert!(
        faults >= told("foreign") && (told("foreign") > 0 || programs < PROGRAMS),
        "{last:?}, {faults} faults of edu0"
    );
    let foreign = outcome.spis.iter().filter(|spi| ![LINE, gic::CAN].contains(spi));
    let foreign: Vec<&u32> = foreign.collect();
    assert!(
        foreign.is_empty(),
        "the distributor lets SPIs {foreign:?} of others through"
    );
    println!(
        "{{\"fuzz\":{{\"seed\":{seed},\"corpus\":{known},\"traps\":{},\"transfers\":{transfers},\"dma_faults\":{faults},\"el2_failures\":0}}}}",
        outcome.entries
    );
    outcome.entries
}

/// Whatever the corpus and a seed make of calls, registers, interrupts, timers, the emulated UART, a lock and a bus master.
/// Verifies: BH-ATK-001, BH-TRAP-010, BH-CON-003.
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
    // The fuzzer sets a seed's lowest bit.
    let counts = workers::each(1..21, |n| random_traps(SEED + 2 * n, 5 * PROGRAMS));
    let traps: u64 = counts.iter().sum();
    assert!(traps >= 100_000_000, "{traps} traps");
}
