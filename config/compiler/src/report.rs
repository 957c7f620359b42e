// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `report.json`: the machine made visible: memory map, schedule, interrupts, totals.

use bulkhead_analysis::Analysis;
use bulkhead_analysis::report::VcpuReport;
use bulkhead_model::board::Predictors;
use bulkhead_model::errata::of_board;
use bulkhead_model::loss::{Loss, losses};
use bulkhead_model::origin::Origin;
use bulkhead_model::system::{Run, Seed, System};
use bulkhead_types::blob::PAGE;
use bulkhead_views::Stated;
use serde::Serialize;

use crate::colour::Pattern;
use crate::compile::Compiled;
use crate::grants::hex;
use crate::layout::Area;
use crate::units::length;

/// Version of the report.
pub const VERSION: u32 = 2;

/// A build report. Addresses and sizes in bytes, times in ns.
#[derive(Serialize, Clone, Debug)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Name of the system.
    pub system: String,
    /// Name of the board.
    pub board: String,
    /// SHA-256 of the blob.
    pub blob_hash: String,
    /// Build ID of the hypervisor.
    pub hypervisor_id: String,
    /// Everything that was placed, by address.
    pub memory: Vec<Placed>,
    /// Slot tables.
    pub schedule: Vec<CoreSlots>,
    /// Response times of all tasks.
    pub tasks: Vec<VcpuReport>,
    /// What is argued on and enforced by no table.
    pub stated: Stated,
    /// Partitions whose random seeds are constants.
    pub fixed_seeds: Vec<String>,
    /// What the system does not isolate, and why that is accepted.
    pub isolation_lost: Vec<Loss>,
    /// Cores that partitions share and that have no means to keep their predictions apart.
    pub unsanitised_cores: Vec<usize>,
    /// Known errata of the board's cores, each with who works around it.
    pub errata: Vec<Erratum>,
    /// Where each value of the spec comes from.
    pub origin: Vec<Origin>,
    /// Sums.
    pub totals: Totals,
}

/// An erratum of cores of the board.
#[derive(Serialize, Clone, Debug)]
pub struct Erratum {
    /// As the board file names it.
    pub erratum: &'static str,
    /// Cores that have it.
    pub cores: Vec<usize>,
    /// What goes wrong.
    pub effect: &'static str,
    /// Who works around it.
    pub remedy: &'static str,
    /// How.
    pub means: &'static str,
}

/// Something in memory.
#[derive(Serialize, Clone, Debug)]
pub struct Placed {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Whose.
    pub owner: String,
    /// What.
    pub name: String,
    /// Only the pages of these colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colours: Option<String>,
}

/// A core's slots.
#[derive(Serialize, Clone, Debug)]
pub struct CoreSlots {
    /// Core.
    pub core: usize,
    /// Major frame.
    pub frame_ns: u64,
    /// Slots in time order.
    pub slots: Vec<SlotEntry>,
}

/// A slot.
#[derive(Serialize, Clone, Debug)]
pub struct SlotEntry {
    /// Partition, `system` or `idle`.
    pub run: String,
    /// Begin in the frame.
    pub offset_ns: u64,
    /// Length.
    pub length_ns: u64,
    /// Who shares it, the most urgent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareEntry>,
    /// Who runs when none of these can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
}

/// A part of a slot.
#[derive(Serialize, Clone, Debug)]
pub struct ShareEntry {
    /// Partition.
    pub partition: String,
    /// Time that it may use in the slot.
    pub budget_ns: u64,
}

/// Sums over the system.
#[derive(Serialize, Clone, Debug)]
pub struct Totals {
    /// Length of `image.bin`.
    pub image: u64,
    /// Length of the blob.
    pub blob: u64,
    /// Payload areas.
    pub payloads: u64,
    /// Translation tables of EL2, with roots.
    pub el2_tables: u64,
    /// Stage-2 tables, without roots, with the pages between those of coloured partitions.
    pub stage2_tables: u64,
    /// RAM of all partitions.
    pub partition_ram: u64,
    /// RAM of the board.
    pub board_ram: u64,
}

/// Describes a compiled system.
pub fn describe(system: &System, compiled: &Compiled, image: u64) -> Report {
    let placed = |area: &Area, pattern: Option<&Pattern>| Placed {
        start: area.range.start,
        size: area.range.end - area.range.start,
        owner: area.owner.clone(),
        name: area.name.clone(),
        colours: pattern.map(|p| p.set.to_string()),
    };
    let map = &compiled.plan.map;
    let coloured = map.coloured().iter().map(|c| placed(&c.area, Some(&c.pattern)));
    let memory = map.areas().iter().map(|area| placed(area, None)).chain(coloured);
    let fixed = system.partitions.iter().filter(|p| p.seed == Seed::Fixed);
    let analysis = Analysis::of(system, &system.board.bounds);
    Report {
        version: VERSION,
        system: system.name.value.clone(),
        board: system.board.name.value.clone(),
        blob_hash: hex(&compiled.blob_hash),
        hypervisor_id: hex(&compiled.info.build_id),
        memory: memory.collect(),
        schedule: schedule(system),
        tasks: analysis.report(system),
        stated: Stated::of(system, &analysis),
        fixed_seeds: fixed.map(|p| p.name.value.clone()).collect(),
        isolation_lost: losses(system),
        unsanitised_cores: unsanitised(system),
        errata: errata(system),
        origin: system.origins.clone(),
        totals: Totals {
            image,
            blob: length(&compiled.blob),
            payloads: compiled.areas.iter().map(|a| a.size()).sum(),
            el2_tables: (1 + length(&system.board.cores) + compiled.tables.el2) * PAGE,
            stage2_tables: compiled.plan.layout.live - compiled.plan.layout.stage2,
            partition_ram: system.partitions.iter().map(|p| p.memory.size.value).sum(),
            board_ram: system.board.ram.iter().map(|r| r.value.size).sum(),
        },
    }
}

/// Cores that more than one partition uses, without means for their predictors.
fn unsanitised(system: &System) -> Vec<usize> {
    let cores = system.board.cores.iter().enumerate();
    let without = cores.filter(|(_, core)| core.predictors == Predictors::None);
    let shared = without.filter(|(number, _)| {
        let users = system.partitions.iter().filter(|p| p.vcpu_on(*number).is_some());
        users.count() > 1
    });
    shared.map(|(number, _)| number).collect()
}

/// Implements: BH-CFG-164.
fn errata(system: &System) -> Vec<Erratum> {
    let all = of_board(&system.board).into_iter();
    all.map(|(erratum, cores)| Erratum {
        erratum: erratum.name,
        cores,
        effect: erratum.effect,
        remedy: erratum.remedy.name(),
        means: erratum.means,
    })
    .collect()
}

fn schedule(system: &System) -> Vec<CoreSlots> {
    let name = |run| match run {
        Run::Vcpu { partition, .. } => system.partitions[partition].name.value.clone(),
        Run::System => "system".to_owned(),
        Run::Standby => "standby".to_owned(),
        Run::Idle => "idle".to_owned(),
    };
    let tables = system.schedule.cores.iter().map(|table| CoreSlots {
        core: table.core.value,
        frame_ns: system.schedule.major_frame.value,
        slots: table
            .slots
            .iter()
            .map(|slot| SlotEntry {
                run: name(slot.run.value),
                offset_ns: slot.offset,
                length_ns: slot.length.value,
                shares: slot
                    .shares
                    .iter()
                    .map(|share| ShareEntry {
                        partition: name(share.run.value),
                        budget_ns: share.budget,
                    })
                    .collect(),
                slack: slot.slack.map(|slack| name(slack.value)),
            })
            .collect(),
    });
    tables.collect()
}
