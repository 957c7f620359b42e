// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stolen time: a stock Linux's `/proc/stat` against EL2's own counts. One instruction is one nanosecond.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_abi::stats::VcpuStats;
use bulkhead_on_target::{System, lines, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

/// Cores of CPU 0 and CPU 1 of Linux.
const CORES: [u32; 2] = [1, 2];
/// A tick of `/proc/stat`, ns.
const TICK: u64 = 10_000_000;

/// What is known of a CPU of Linux at one instant, ns.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// By `/proc/stat`.
    steal: u64,
    /// By EL2's statistics.
    stolen: u64,
    executed: u64,
    slept: u64,
    now: u64,
}

impl Cpu {
    fn since(self, before: Self) -> Self {
        Self {
            steal: self.steal - before.steal,
            stolen: self.stolen - before.stolen,
            executed: self.executed - before.executed,
            slept: self.slept - before.slept,
            now: self.now - before.now,
        }
    }
}

/// Reads `/proc/stat` in Linux and the statistics outside.
fn look(session: &mut Session) -> [Cpu; 2] {
    session
        .send("linux", b"grep '^cpu[01]' /proc/stat; echo $((1200+34)) read\n")
        .expect("typed");
    says(session, "linux", "1234 read", 60);
    let said = lines(session, "linux");
    let found = ["cpu0 ", "cpu1 "].map(|cpu| {
        let line = said.iter().rev().find(|line| line.starts_with(cpu));
        line.unwrap_or_else(|| panic!("no line of {cpu}in {said:?}"))
    });
    let stats = session.stats().expect("statistics");
    let read = |(line, core): (&&String, u32)| {
        let numbers = line.split_whitespace().skip(1).map(|n| n.parse::<u64>().ok());
        let steal = numbers.flatten().nth(7).expect("the eighth number of the line");
        let core = stats.core(core).expect("the core");
        let VcpuStats {
            stolen_ticks,
            run_ticks,
            idle_ticks,
            ..
        } = core.vcpus[0];
        let ns = |ticks: u64| ticks * 1000 / (core.stats.frequency / 1_000_000);
        Cpu {
            steal: steal * TICK,
            stolen: ns(stolen_ticks),
            executed: ns(run_ticks),
            slept: ns(idle_ticks),
            now: ns(core.stats.now),
        }
    };
    let [a, b] = &found;
    [(a, CORES[0]), (b, CORES[1])].map(read)
}

/// Verifies: BH-STEAL-001, BH-STEAL-002.
#[test]
fn linux_knows_what_was_stolen() {
    is_known(Duration::from_secs(5));
}

/// The same over a minute.
#[test]
#[ignore = "long"]
fn linux_knows_what_was_stolen_in_a_minute() {
    is_known(Duration::from_secs(60));
}

/// Watches Linux for so long while it spins.
fn is_known(watched: Duration) {
    let system = System::build("tests/systems/steal.yaml", &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "linux", "infotainment: ready, 2 CPUs", 120);
    let idle = look(&mut session);
    session.run_for(Duration::from_secs(2)).expect("idle");
    for (cpu, before) in look(&mut session).into_iter().zip(idle) {
        let idle = cpu.since(before);
        println!("idle: {idle:?}");
        assert!(
            idle.stolen < idle.now / 4,
            "nobody steals from who waits: {idle:?}"
        );
    }

    session
        .send(
            "linux",
            b"(while :; do :; done) & (while :; do :; done) &\necho $((4321*2)) spins\n",
        )
        .expect("typed");
    says(&mut session, "linux", "8642 spins", 60);
    let before = look(&mut session);
    session.run_for(watched).expect("spinning");
    for (cpu, before) in look(&mut session).into_iter().zip(before) {
        let spun = cpu.since(before);
        println!("spinning: {spun:?}");
        assert!(
            u128::from(spun.now) >= watched.as_nanos(),
            "watched for all of it"
        );
        // Linux against the ledger.
        let limit = TICK.max(spun.stolen / 100);
        assert!(spun.steal.abs_diff(spun.stolen) <= limit, "{spun:?}");
        // The ledger against itself: who never waits executes, or is robbed, but for EL2's work in its slots.
        let known = spun.stolen + spun.executed;
        assert!(
            known <= spun.now && known >= spun.now - spun.now / 100,
            "{spun:?}"
        );
        assert!(spun.stolen > spun.now * 7 / 10 && spun.slept < TICK, "{spun:?}");
    }

    // The structure is for reading: a write is a fault of the partition, whose next life begins with nothing stolen.
    session
        .send("linux", b"devmem 0x7f00200008 64 1\n")
        .expect("typed");
    says(&mut session, "linux", "infotainment: ready, 2 CPUs", 120);
    for cpu in look(&mut session) {
        assert!(
            cpu.steal < cpu.stolen / 2,
            "counted again from its start: {cpu:?}"
        );
    }
    let report = session.finish("the time is over").expect("report");
    assert_eq!(partition(&report, "linux").restarts, 1);
}
