// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition reaches, and its bus masters.

use bulkhead_abi::crash::DUMP_HEAD;
use bulkhead_model::board::{Board, GicV2, Region};
use bulkhead_model::system::{Cores, Partition};
use bulkhead_types::image::Range;
use bulkhead_types::load::{DUMP_IPA, LIST_IPA, LOADER_IPA, PAYLOAD_IPA, STOLEN_TIME_IPA};

use super::{List, Sources, locks};
use crate::access::{Grant, MemoryType, Rights, Root};
use crate::devicetree::has_window;
use crate::machine;
use crate::streams::Master;
use crate::units::{length, page_up};

/// What a partition's grants of RAM are called.
const RAM: &str = "ram";

/// The interface of a GICv2 through which a partition takes its interrupts: the physical one on dedicated cores, which
/// are all its own, without its deactivation register, else the virtual one. Implements: BH-BRD-022.
pub(super) fn interface(board: &Board, partition: &Partition) -> Option<(&'static str, Range)> {
    let own = board.gic.v2()?;
    let (name, start, size) = match partition.cores {
        Cores::Dedicated { .. } => ("gicc", own.cpu, GicV2::WITHOUT_DEACTIVATION),
        Cores::Sliced { .. } => ("gicv", own.virtual_cpu, GicV2::INTERFACE),
    };
    let end = start + size;
    Some((name, Range { start, end }))
}

/// What a bus master reaches: what its partition may write of its RAM, in the ranges that the spec names, never to
/// execute, at the partition's addresses. Implements: BH-DMA-011.
pub(super) fn stream(sources: Sources<'_>, master: Master) -> Vec<Grant> {
    let Sources {
        system, plan, areas, ..
    } = sources;
    let partition = master.partition;
    let mut list = List {
        root: master.root(),
        grants: Vec::new(),
    };
    let memory = Region {
        base: 0,
        size: plan.ram[partition].size(),
    };
    let ranges = system.partitions[partition].dma_ranges(master.device);
    for range in ranges.unwrap_or(&[memory]) {
        for part in areas[partition].parts.iter().filter(|part| part.rights.writes()) {
            let start = part.start.max(machine::RAM + range.base);
            let end = part.end.min(machine::RAM + range.end());
            if start < end {
                let extent = plan.ram[partition].part(start - machine::RAM, end - start);
                list.extent(RAM, &extent, Rights::ReadWrite, start);
            }
        }
    }
    list.sorted()
}

/// One partition.
pub(super) fn partition(sources: Sources<'_>, index: usize) -> Vec<Grant> {
    let Sources {
        system,
        info,
        plan,
        devices,
        areas,
        ..
    } = sources;
    let mut list = List {
        root: Root::Partition(index),
        grants: Vec::new(),
    };
    let area = &areas[index];
    let (steps, payload) = plan.payloads[index].clone().split(length(&area.list));
    let wb = MemoryType::NormalWb;
    for part in &area.parts {
        let (extent, from) = match part.image {
            None => (&plan.ram[index], part.start - machine::RAM),
            Some(offset) => (&payload, offset),
        };
        list.extent(RAM, &extent.part(from, part.size()), part.rights, part.start);
    }
    let payload = payload.part(0, area.copied);
    list.at("loader", info.loader, Rights::ReadExecute, wb, LOADER_IPA);
    list.extent("load-list", &steps, Rights::Read, LIST_IPA);
    list.extent("payload", &payload, Rights::Read, PAYLOAD_IPA);
    if has_window(&system.partitions[index]) {
        list.at(
            "window",
            plan.windows[index],
            Rights::ReadWrite,
            wb,
            machine::WINDOW,
        );
    }
    if let Some(page) = plan.stolen[index] {
        list.at("stolen-time", page, Rights::Read, wb, STOLEN_TIME_IPA);
    }
    if let Some(kept) = system.dump(&system.partitions[index]) {
        let end = kept.base + DUMP_HEAD + plan.ram[index].size();
        let range = Range {
            start: kept.base,
            end,
        };
        list.at("dump", range, Rights::ReadWrite, wb, DUMP_IPA);
    }
    if let Some((name, range)) = interface(&system.board, &system.partitions[index]) {
        list.at(name, range, Rights::ReadWrite, MemoryType::Device, machine::GICC);
    }
    let memories = system.channel_memories();
    for ((memory, address), range) in memories
        .iter()
        .zip(machine::channels(&memories))
        .zip(&plan.channels)
    {
        let rights = match memory.is_written_by(index) {
            Some(true) => Rights::ReadWrite,
            Some(false) => Rights::Read,
            None => continue,
        };
        list.at(&memory.name, *range, rights, MemoryType::NormalNc, address);
    }
    for (number, (lock, range)) in locks(sources).enumerate() {
        if lock.position(index).is_some() {
            let name = format!("channel:{}", lock.name.value);
            list.at(
                &name,
                range,
                Rights::ReadWrite,
                MemoryType::NormalNc,
                machine::lock(number),
            );
        }
    }
    for assigned in devices.iter().filter(|d| d.partition == index) {
        let name = &system.board.devices[assigned.device].name.value;
        for &Range { start, end } in &assigned.registers {
            let range = Range {
                start,
                end: start + page_up(end - start),
            };
            list.at(name, range, Rights::ReadWrite, MemoryType::Device, start);
        }
    }
    list.sorted()
}
