// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report of a run: stable keys, described in `REPORT.md`.

use std::collections::BTreeMap;

use bulkhead_abi::stats::{VcpuStats, core_state, partition_state};
use bulkhead_abi::window::Metrics;
use bulkhead_model::manifest::Manifest;
use serde::{Deserialize, Serialize};

use crate::judge::{Judge, Watch};
use crate::reason;
use crate::stats::{Core, Snapshot, Steady};

/// Version of the keys.
pub const FORMAT: u32 = 1;

/// Whether the system did what its spec expects.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation was met.
    Pass,
    /// One was not.
    Fail,
}

/// A whole run.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the system.
    pub system: String,
    /// Name of the board.
    pub board: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is `fail`; empty on `pass`.
    pub reasons: Vec<String>,
    /// Why the run ended.
    pub ended: String,
    /// SHA-256 of the blob as EL2 told it; `null` when it told none.
    pub blob_hash: Option<String>,
    /// Virtual time at the end, ns since the epoch.
    pub virtual_ns: u64,
    /// Bounds of the steady state; `null` when it was never marked.
    pub steady: Option<Bounds>,
    /// Lines that had to be seen.
    pub expect: Vec<Expected>,
    /// Lines that had not to be seen.
    pub never: Vec<Expected>,
    /// Partitions by name.
    pub partitions: BTreeMap<String, Partition>,
    /// Cores by index.
    pub cores: Vec<CoreReport>,
    /// End of EL2's boot messages and log, as text.
    pub hypervisor_tail: String,
    /// Bytes of the serial line on channels that nobody owns.
    pub stray_bytes: u64,
}

/// Bounds in virtual time, ns since the epoch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Begin.
    pub from_ns: u64,
    /// End.
    pub to_ns: u64,
}

/// A line that was looked for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its text.
    pub text: String,
    /// Whose console.
    pub partition: String,
    /// Whether it was seen.
    pub matched: bool,
    /// When, in virtual time; `null` when it was not.
    pub at_ns: Option<u64>,
}

impl From<&Watch> for Expected {
    fn from(watch: &Watch) -> Self {
        Self {
            text: watch.line.text.clone(),
            partition: watch.line.partition.clone(),
            matched: watch.seen,
            at_ns: watch.at_ns,
        }
    }
}

/// One partition.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Partition {
    /// `none`, `loading`, `running`, `restarting`, `off` or `failed`.
    pub state: String,
    /// Restarts since boot.
    pub restarts: u64,
    /// Entries to EL2 that its vCPUs caused or suffered.
    pub el2_entries: Entries,
    /// Slots of all its vCPUs.
    pub slots: Slots,
    /// Activations after their deadline, as the partition observed them.
    pub deadline_misses: u64,
    /// CAN traffic, as the partition counts it.
    pub can: Can,
    /// Whether the partition published the counts above (`deadline_misses`, `can`); they are 0 when not.
    pub metrics: bool,
    /// Its last fault; `null` when it never failed.
    pub fault: Option<Fault>,
    /// End of its console as text.
    pub console_tail: String,
}

/// Entries to EL2.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Since boot.
    pub total: u64,
    /// Since the steady state was marked; `null` when it was not.
    pub steady: Option<u64>,
    /// Since boot, by cause; causes that never occurred are left out.
    pub by_reason: BTreeMap<String, u64>,
}

/// Slots.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// That began.
    pub granted: u64,
    /// In which it executed.
    pub used: u64,
    /// That began too late or not at all.
    pub missed: u64,
}

/// CAN traffic.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Can {
    /// Frames sent.
    pub tx: u64,
    /// Frames received.
    pub rx: u64,
    /// Frames lost in the controller.
    pub overrun: u64,
    /// Frames whose counter or CRC was wrong.
    pub e2e_errors: u64,
}

/// A fault that stopped a partition.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `ESR_EL2`.
    pub syndrome: u64,
    /// `ELR_EL2`.
    pub pc: u64,
    /// Intermediate physical address.
    pub ipa: u64,
}

/// One core's time.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct CoreReport {
    /// Index.
    pub core: u32,
    /// `off`, `running` or `failed`.
    pub state: String,
    /// Major frames begun.
    pub frames: u64,
    /// Since the epoch, when the core last noted it.
    pub elapsed_ns: u64,
    /// In EL2.
    pub el2_ns: u64,
    /// Asleep.
    pub idle_ns: u64,
    /// Executing, by vCPU.
    pub used: Vec<Used>,
    /// `elapsed_ns` − `el2_ns` − `idle_ns` − all of `used`.
    pub unaccounted_ns: i64,
    /// Whether `unaccounted_ns` is within a thousandth of `elapsed_ns`.
    pub adds_up: bool,
    /// Largest lateness of a slot.
    pub worst_slot_lateness_ns: u64,
}

/// One vCPU's time on its core.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its partition.
    pub partition: String,
    /// Its index in the partition.
    pub vcpu: u32,
    /// Executing.
    pub ns: u64,
}

/// What is known of a partition beside the statistics.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its own counts.
    pub metrics: Option<Metrics>,
    /// End of its console.
    pub tail: String,
}

/// What is known at the end of a run.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The system.
    pub manifest: &'a Manifest,
    /// What was seen.
    pub judge: &'a Judge,
    /// Why the run ended.
    pub ended: String,
    /// The statistics at the end.
    pub stats: &'a Snapshot,
    /// Partitions by index.
    pub known: &'a [Known],
    /// End of EL2's consoles.
    pub hypervisor_tail: String,
    /// Bytes on unknown channels.
    pub stray_bytes: u64,
}

/// Makes the report. Implements: BH-REP-001.
pub fn report(facts: Facts<'_>) -> Report {
    let Facts {
        manifest,
        judge,
        stats,
        ..
    } = facts;
    let reasons = judge.reasons(&manifest.blob_hash);
    let steady = stats.steady();
    let to_ns = stats.now_ns();
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
        deadline_misses: metrics.deadline_misses,
        can: Can {
            tx: metrics.can_tx,
            rx: metrics.can_rx,
            overrun: metrics.can_overrun,
            e2e_errors: metrics.can_e2e_errors,
        },
        metrics: known.metrics.is_some(),
        fault: first.filter(|vcpu| vcpu.fault_syndrome != 0).map(fault),
        console_tail: known.tail,
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
    }
}

/// Name of a state of [`partition_state`].
fn partition_state_name(state: u64) -> &'static str {
    match state {
        partition_state::LOADING => "loading",
        partition_state::RUNNING => "running",
        partition_state::RESTARTING => "restarting",
        partition_state::OFF => "off",
        partition_state::FAILED => "failed",
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
