// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes the report from what was seen and counted.

use std::collections::BTreeMap;

use bulkhead_abi::stats::{
    HOUSEKEEPING, JobStats, LockStats, RELOAD, VcpuStats, core_state, partition_state,
};
use bulkhead_abi::window::Metrics;
use bulkhead_model::manifest::Manifest;

use crate::health;
use crate::judge::Judge;
use crate::reason;
use crate::report::{
    Bounds, Can, CoreReport, Dma, Doorbells, Entries, Expected, FORMAT, Fault, LockReport, Partition,
    QueueReport, Report, Slots, Used, Verdict,
};
use crate::stats::{Core, Snapshot, Steady};
use crate::tolerance;

/// What is known of a partition beside the statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Its own counts.
    pub(crate) metrics: Option<Metrics>,
    /// End of its console.
    pub(crate) tail: String,
}

/// What is known at the end of a run.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The system.
    pub(crate) manifest: &'a Manifest,
    /// What was seen.
    pub(crate) judge: &'a Judge,
    /// Why the run ended.
    pub(crate) ended: String,
    /// How the emulator failed, if it did.
    pub(crate) failed: Option<String>,
    /// The statistics at the end.
    pub(crate) stats: &'a Snapshot,
    /// Partitions by index.
    pub(crate) known: &'a [Known],
    /// What the parties of queuing channels say.
    pub(crate) queues: &'a [QueueReport],
    /// End of EL2's consoles.
    pub(crate) hypervisor_tail: String,
    /// Bytes on unknown channels.
    pub(crate) stray_bytes: u64,
}

/// Makes the report. Implements: BH-REP-001, BH-REP-003, BH-REP-005.
pub(crate) fn report(facts: Facts<'_>) -> Report {
    let Facts {
        manifest,
        judge,
        stats,
        ..
    } = facts;
    let steady = stats.steady();
    let to_ns = stats.now_ns();
    let reactions = tolerance::reactions(manifest, stats, facts.known);
    let mut reasons = judge.reasons(&manifest.blob_hash);
    reasons.extend(facts.failed);
    reasons.extend(reactions.iter().filter_map(|r| r.reason(to_ns)));
    let name = |(index, partition): (usize, &bulkhead_model::manifest::Partition)| {
        let known = facts.known.get(index).cloned().unwrap_or_default();
        let report = partition_report(manifest, stats, steady.as_ref(), index, known);
        (partition.name.clone(), report)
    };
    Report {
        format: FORMAT,
        system: manifest.system.clone(),
        board: manifest.board.clone(),
        verdict: if reasons.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Fail
        },
        reasons,
        ended: facts.ended,
        blob_hash: judge.blob_hash.clone(),
        virtual_ns: to_ns,
        steady: steady.map(|steady| Bounds {
            from_ns: steady.from_ns,
            to_ns,
        }),
        expect: judge.expect.iter().map(Expected::from).collect(),
        never: judge.never.iter().map(Expected::from).collect(),
        partitions: manifest.partitions.iter().enumerate().map(name).collect(),
        cores: (0..manifest.cores)
            .map(|core| core_report(manifest, stats, core))
            .collect(),
        pi_locks: locks(manifest, stats),
        queues: facts.queues.to_vec(),
        health: health::events(manifest, stats),
        health_counts: health::counts(manifest, stats),
        reactions,
        isolation_lost: manifest.isolation_lost.clone(),
        dma: dma(stats),
        hypervisor_tail: facts.hypervisor_tail,
        stray_bytes: facts.stray_bytes,
    }
}

fn partition_report(
    manifest: &Manifest,
    stats: &Snapshot,
    steady: Option<&Steady>,
    index: usize,
    known: Known,
) -> Partition {
    let mut by_reason = BTreeMap::new();
    let (mut total, mut at_mark, mut slots) = (0, 0, Slots::default());
    let mut doorbells = Doorbells::default();
    let mut first: Option<VcpuStats> = None;
    for (global, vcpu) in manifest.vcpus.iter().enumerate() {
        if vcpu.partition as usize != index {
            continue;
        }
        let Some((_, counts)) = stats.vcpu(manifest, global) else {
            continue;
        };
        for (counter, &count) in counts
            .entries
            .iter()
            .enumerate()
            .filter(|(_, count)| **count != 0)
        {
            *by_reason.entry(reason::name(counter).into_owned()).or_insert(0) += count;
            total += count;
        }
        at_mark += steady
            .and_then(|steady| steady.entries.get(global))
            .copied()
            .unwrap_or(0);
        slots.granted += counts.slots_granted;
        slots.used += counts.slots_used;
        slots.missed += counts.slots_missed;
        slots.budgets_used_up += counts.budgets_used_up;
        doorbells.rings += counts.rings;
        doorbells.refused += counts.rings_refused;
        if vcpu.index == 0 {
            first = Some(*counts);
        }
    }
    let metrics = known.metrics.unwrap_or_default();
    let fault = |vcpu: VcpuStats| Fault {
        syndrome: vcpu.fault_syndrome,
        pc: vcpu.fault_pc,
        ipa: vcpu.fault_ipa,
    };
    Partition {
        state: first
            .map_or("none", |vcpu| partition_state_name(vcpu.partition_state))
            .to_owned(),
        restarts: first.map_or(0, |vcpu| vcpu.restarts),
        el2_entries: Entries {
            total,
            steady: steady.map(|_| total.saturating_sub(at_mark)),
            by_reason,
        },
        slots,
        doorbells,
        deadline_misses: metrics.deadline_misses,
        can: Can {
            tx: metrics.can_tx,
            rx: metrics.can_rx,
            overrun: metrics.can_overrun,
            e2e_errors: metrics.can_e2e_errors,
        },
        metrics: known.metrics.is_some(),
        dma_faults: dma_faults(manifest, stats, index),
        fault: first.filter(|vcpu| vcpu.fault_syndrome != 0).map(fault),
        console_tail: known.tail,
    }
}

/// Faults of a partition's devices: the cores that do the housekeeping count them, all others have zeros.
fn dma_faults(manifest: &Manifest, stats: &Snapshot, partition: usize) -> BTreeMap<String, u64> {
    let count = |number: usize| -> u64 {
        let cores = stats.cores.iter().flatten();
        let faults = cores.filter_map(|core| core.stats.dma.faults.get(number));
        faults.map(|faults| u64::from(*faults)).sum()
    };
    let functions = manifest.functions.iter().enumerate();
    let own = functions.filter(|(_, function)| function.partition as usize == partition);
    let mut faults = BTreeMap::new();
    for (number, function) in own.filter(|(number, _)| count(*number) > 0) {
        // A device may have several StreamIDs.
        *faults.entry(function.device.clone()).or_insert(0) += count(number);
    }
    faults
}

fn dma(stats: &Snapshot) -> Dma {
    let sum = |field: fn(&Core) -> u64| stats.cores.iter().flatten().map(field).sum();
    Dma {
        unowned: sum(|core| core.stats.dma.unowned),
        overflows: sum(|core| core.stats.dma.overflows),
        global_errors: sum(|core| core.stats.dma.global_errors[0]),
        stream_failures: sum(|core| core.stats.stream_failures),
    }
}

fn core_report(manifest: &Manifest, stats: &Snapshot, index: u32) -> CoreReport {
    let ns = |ticks: fn(&Core) -> u64| stats.core(index).map_or(0, |core| core.ns(ticks(core)));
    let used: Vec<Used> = (0..)
        .zip(&manifest.vcpus)
        .filter(|(_, vcpu)| vcpu.core == index)
        .filter_map(|(global, vcpu)| {
            let (core, counts) = stats.vcpu(manifest, global)?;
            let partition = manifest.partitions.get(vcpu.partition as usize)?;
            Some(Used {
                partition: partition.name.clone(),
                vcpu: vcpu.index,
                ns: core.ns(counts.run_ticks),
            })
        })
        .collect();
    let (elapsed_ns, el2_ns) = (ns(|core| core.stats.now), ns(|core| core.stats.el2_ticks));
    let idle_ns = ns(|core| core.stats.idle_ticks);
    let accounted = used.iter().fold(el2_ns.saturating_add(idle_ns), |sum, vcpu| {
        sum.saturating_add(vcpu.ns)
    });
    let unaccounted = i128::from(elapsed_ns) - i128::from(accounted);
    CoreReport {
        core: index,
        state: core_state_name(stats.core(index)).to_owned(),
        frames: stats.core(index).map_or(0, |core| core.stats.frames),
        elapsed_ns,
        el2_ns,
        idle_ns,
        used,
        unaccounted_ns: i64::try_from(unaccounted).unwrap_or(if unaccounted < 0 {
            i64::MIN
        } else {
            i64::MAX
        }),
        adds_up: unaccounted.unsigned_abs() <= u128::from(elapsed_ns / 1000),
        worst_slot_lateness_ns: ns(|core| core.stats.worst_slot_lateness),
        budget_spent: stats.core(index).map_or(0, |core| core.stats.budget_spent),
        budget_ns: ns(|core| core.stats.budget_ticks),
    }
}

/// Counts of locks, of which those of the core that publishes them now are the largest, then those of EL2's own jobs,
/// to which every core adds. Implements: BH-LOCK-023.
fn locks(manifest: &Manifest, stats: &Snapshot) -> Vec<LockReport> {
    let cores = || stats.cores.iter().flatten().map(|core| &core.stats);
    let lock = |(number, name): (usize, &String)| {
        let newest = |field: fn(&LockStats) -> u32| {
            let counts = cores().filter_map(|stats| stats.locks.get(number));
            counts.map(field).max().unwrap_or(0)
        };
        LockReport {
            name: name.clone(),
            acquired: newest(|l| l.acquired),
            contended: newest(|l| l.contended),
            boosts: newest(|l| l.boosts),
            helped_steps: 0,
            revoked: newest(|l| l.revoked),
        }
    };
    let job = |(number, name): (usize, &str)| {
        let sum = |field: fn(&JobStats) -> u32| -> u32 {
            let counts = cores().filter_map(|stats| stats.jobs.get(number));
            counts.map(field).sum()
        };
        LockReport {
            name: name.to_owned(),
            acquired: sum(|j| j.acquired),
            contended: 0,
            boosts: 0,
            helped_steps: sum(|j| j.helped_steps),
            revoked: sum(|j| j.revoked),
        }
    };
    let jobs = [(RELOAD, "el2:reload"), (HOUSEKEEPING, "el2:housekeeping")];
    let locks = manifest.locks.iter().enumerate().map(lock);
    locks.chain(jobs.into_iter().map(job)).collect()
}

/// Name of a state of [`partition_state`].
fn partition_state_name(state: u64) -> &'static str {
    match state {
        partition_state::LOADING => "loading",
        partition_state::RUNNING => "running",
        partition_state::RESTARTING => "restarting",
        partition_state::OFF => "off",
        partition_state::FAILED => "failed",
        partition_state::SAFE => "safe",
        _ => "none",
    }
}

/// Name of a state of [`core_state`].
fn core_state_name(core: Option<&Core>) -> &'static str {
    match core.map(|core| core.stats.state) {
        Some(core_state::RUNNING) => "running",
        Some(core_state::FAILED) => "failed",
        Some(_) | None => "off",
    }
}

#[cfg(test)]
mod tests;
