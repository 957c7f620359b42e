// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The time ledger as a partition reads it, that is entitled and that is not. One instruction is one nanosecond.
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_on_target::{System, core, lines, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

const ATTACK: &str = "partitions.attacker.args=\"attack=ledger\"";
/// Cores of the board, all of which the system uses but core 1.
const CORES: u32 = 6;
/// Ns of a tick: QEMU's counter has 62.5 MHz.
const TICK: u64 = 16;

/// What the partition read of a core: `elapsed`, and the accounts by name, those of vCPUs as partition and number.
struct Read {
    elapsed: u64,
    accounts: BTreeMap<String, u64>,
}

impl Read {
    fn of(lines: &[String], which: &str, core: u32) -> Self {
        let begin = format!("{which} {core} ");
        let line = lines.iter().find_map(|line| line.strip_prefix(&begin));
        let words: Vec<&str> = line.expect("a reading").split(' ').collect();
        let pairs = words.chunks(2).map(|pair| {
            let ticks = pair[1].parse().expect("ticks");
            (pair[0].to_owned(), ticks)
        });
        let mut accounts: BTreeMap<_, _> = pairs.collect();
        let elapsed = accounts.remove("elapsed").expect("elapsed");
        Self { elapsed, accounts }
    }
}

/// What the host read of the same core, by the same names.
fn host(report: &Report, partitions: &[String], index: u32) -> Read {
    let row = core(report, index);
    let used = row.used.iter().map(|used| {
        let partition = partitions.iter().position(|name| *name == used.partition);
        (
            format!("{}.{}", partition.expect("a partition"), used.vcpu),
            used.ns / TICK,
        )
    });
    let fixed = [
        ("el2".to_owned(), row.el2_ns / TICK),
        ("idle".to_owned(), row.idle_ns / TICK),
    ];
    Read {
        elapsed: row.elapsed_ns / TICK,
        accounts: used.chain(fixed).collect(),
    }
}

/// Verifies: BH-STAT-002, BH-SCHED-006.
#[test]
fn an_entitled_partition_reads_what_the_host_reads() {
    let entitled = [ATTACK, "partitions.attacker.reads_ledger=true"];
    let system = System::build("tests/systems/attackers.yaml", &entitled);
    let manifest = system.manifest();
    let partitions: Vec<String> = manifest.partitions.into_iter().map(|p| p.name).collect();
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let line = says(&mut session, "attacker", "torn, a reading takes", 60);
    println!("{line}");
    let number = |text: &str, at: usize| text.split(' ').nth(at)?.parse::<u64>().ok();
    let apart = number(&line, 1).expect("time between the readings");
    assert_eq!(number(&line, 4), Some(0), "no reading of any core is torn");
    let last = says(&mut session, "attacker", " succeeded", 20);
    assert_eq!(last, "attack ledger: 16016 attempts, 12012 succeeded");
    session
        .run_for(Duration::from_millis(20))
        .expect("the machine runs");
    let said = lines(&session, "attacker");
    let report = session.finish("the time is over").expect("report");
    for core in 0..CORES {
        let begin = Read::of(&said, "begin", core);
        let end = Read::of(&said, "end", core);
        for read in [&begin, &end] {
            assert_eq!(read.accounts.values().sum::<u64>(), read.elapsed, "core {core}");
        }
        // The host looks later: no account has less, and together they have what passed meanwhile.
        let host = host(&report, &partitions, core);
        assert!(host.accounts.keys().eq(end.accounts.keys()), "core {core}");
        let mut later = 0;
        for (account, ticks) in &host.accounts {
            let read = end.accounts[account];
            println!("core {core}: {account} {read}, the host {ticks}");
            assert!(
                begin.accounts[account] <= read && read <= *ticks,
                "core {core}: {account}"
            );
            later += ticks - read;
        }
        assert_eq!(later, host.elapsed - end.elapsed, "core {core}");
        assert!(host.elapsed - end.elapsed <= 100_000_000 / TICK, "core {core}");
    }
    // On its own core the partition sees by its own clock that all time is there.
    let elapsed = TICK * (Read::of(&said, "end", 0).elapsed - Read::of(&said, "begin", 0).elapsed);
    println!("the ledger of core 0 went on by {elapsed} ns in {apart} ns");
    assert!(elapsed.abs_diff(apart) <= apart / 1000);
}

/// Verifies: BH-STAT-003.
#[test]
fn nobody_else_reads_it() {
    let system = System::build("tests/systems/attackers.yaml", &[ATTACK]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let last = says(&mut session, "attacker", " succeeded", 60);
    assert_eq!(last, "attack ledger: 16016 attempts, 0 succeeded");
    let said = lines(&session, "attacker");
    for core in 0..8 {
        assert!(said.contains(&format!("begin {core}: NotEntitled")), "{said:?}");
    }
}
