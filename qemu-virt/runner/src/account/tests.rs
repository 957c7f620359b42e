// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reports of made-up statistics.

use super::*;
use crate::fixture::{HASH, manifest};
use crate::judge::Speaker;
use crate::stats::tests::{area, core};
use bulkhead_abi::stats::{CoreStats, ENTRY_IRQ};
use zerocopy::FromZeros;

fn vcpu(index: u64) -> VcpuStats {
    let mut vcpu = VcpuStats::new_zeroed();
    vcpu.vcpu = index;
    vcpu.partition_state = partition_state::RUNNING;
    vcpu
}

fn made(cores: &[(CoreStats, Vec<VcpuStats>)], metrics: Option<Metrics>) -> Report {
    let manifest = manifest();
    let mut judge = Judge::new(&manifest);
    let banner = format!("BLOB {HASH}");
    judge.line(
        Speaker::HypervisorText,
        crate::console::Line::Whole(banner.as_bytes()),
    );
    let stats = Snapshot::parse(&area(cores), 2).expect("snapshot");
    report(Facts {
        manifest: &manifest,
        judge: &judge,
        ended: "test".to_owned(),
        failed: None,
        stats: &stats,
        known: &[Known {
            metrics,
            tail: "tail".to_owned(),
        }],
        queues: &[],
        hypervisor_tail: String::new(),
        stray_bytes: 0,
    })
}

/// Verifies: BH-REP-001.
#[test]
fn steady_entries_are_those_since_the_mark() {
    let mut counts = vcpu(0);
    counts.entries[0x16] = 30;
    counts.entries[ENTRY_IRQ] = 12;
    let unmarked = made(
        &[(core(0, 1, 100), vec![counts]), (core(1, 1, 50), vec![vcpu(1)])],
        None,
    );
    assert_eq!(unmarked.partitions["vehicle"].el2_entries.steady, None);
    assert_eq!(unmarked.steady, None);
    let mut marking = core(1, 1, 50);
    marking.mark.time = 25;
    marking.mark.entries[0] = 42;
    let marked = made(&[(core(0, 1, 100), vec![counts]), (marking, vec![vcpu(1)])], None);
    let entries = &marked.partitions["vehicle"].el2_entries;
    assert_eq!((entries.total, entries.steady), (42, Some(0)));
    let reasons: Vec<_> = entries
        .by_reason
        .iter()
        .map(|(name, &count)| (name.as_str(), count))
        .collect();
    assert_eq!(reasons, [("hvc", 30), ("irq", 12)]);
    assert_eq!(
        marked.steady,
        Some(Bounds {
            from_ns: 400,
            to_ns: 1600
        })
    );
}

/// Verifies: BH-REP-003.
#[test]
fn a_core_adds_up_or_says_by_how_much_it_does_not() {
    let time = |run_ticks| {
        let mut core0 = core(0, 1, 1_000_000);
        (core0.el2_ticks, core0.idle_ticks) = (100_000, 300_000);
        let mut counts = vcpu(0);
        counts.run_ticks = run_ticks;
        made(&[(core0, vec![counts]), (core(1, 1, 0), vec![vcpu(1)])], None).cores
    };
    let cores = time(600_000);
    assert_eq!((cores[0].unaccounted_ns, cores[0].adds_up), (0, true));
    assert_eq!(
        (cores[0].elapsed_ns, cores[0].el2_ns, cores[0].idle_ns),
        (16_000_000, 1_600_000, 4_800_000)
    );
    let used = |ns| Used {
        partition: "vehicle".to_owned(),
        vcpu: 0,
        ns,
    };
    assert_eq!(cores[0].used, [used(9_600_000)]);
    let short = &time(590_000)[0];
    assert_eq!((short.unaccounted_ns, short.adds_up), (160_000, false));
    let over = &time(610_000)[0];
    assert_eq!((over.unaccounted_ns, over.adds_up), (-160_000, false));
}

/// Verifies: BH-REP-001.
#[test]
fn states_slots_and_claims_are_told_apart() {
    let mut counts = vcpu(0);
    (
        counts.slots_granted,
        counts.slots_used,
        counts.slots_missed,
        counts.budgets_used_up,
        counts.restarts,
    ) = (9, 7, 1, 5, 2);
    (counts.partition_state, counts.fault_syndrome, counts.fault_ipa) = (partition_state::FAILED, 0x93, 0x40);
    let metrics = Metrics {
        deadline_misses: 3,
        can_overrun: 4,
        ..Metrics::default()
    };
    let mut parked = core(1, 1, 0);
    parked.state = core_state::FAILED;
    let report = made(
        &[(core(0, 1, 1), vec![counts]), (parked, vec![vcpu(1)])],
        Some(metrics),
    );
    let vehicle = &report.partitions["vehicle"];
    assert_eq!(
        (vehicle.state.as_str(), vehicle.restarts, vehicle.metrics),
        ("failed", 2, true)
    );
    assert_eq!(
        vehicle.slots,
        Slots {
            granted: 9,
            used: 7,
            missed: 1,
            budgets_used_up: 5,
        }
    );
    assert_eq!((vehicle.deadline_misses, vehicle.can.overrun), (3, 4));
    assert_eq!(
        vehicle.fault,
        Some(Fault {
            syndrome: 0x93,
            pc: 0,
            ipa: 0x40
        })
    );
    assert_eq!(vehicle.console_tail, "tail");
    assert!(!report.partitions["infotainment"].metrics);
    assert_eq!(report.cores[1].state, "failed");
    assert_eq!((report.verdict, report.reasons.len()), (Verdict::Fail, 1));
    let text = serde_json::to_string(&report).expect("json");
    let again: Report = serde_json::from_str(&text).expect("parse");
    assert_eq!(again.partitions["vehicle"].slots, vehicle.slots);
}
