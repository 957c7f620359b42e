// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Derives all grants: what EL2 and the partitions may reach. Implements: BH-MEM-004.

use bulkhead_abi::stats::CORE_STATS_SIZE;
use bulkhead_model::board::{Board, GicV2, GicVersion, Region, ReservedUse};
use bulkhead_model::lock::{Lock, Participant};
use bulkhead_model::system::{Console, Cores, Partition, System};
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};
use bulkhead_types::load::{LIST_IPA, LOADER_IPA, PAYLOAD_IPA, STOLEN_TIME_IPA};

use crate::access::{Grant, MemoryType, Rights, Root};
use crate::colour::Extent;
use crate::devices::Assigned;
use crate::devicetree::has_window;
use crate::machine::{self, GICD_SIZE, GICR_SIZE, UART_SIZE};
use crate::payload::area::Area;
use crate::placement::{SMMU_SIZE, ecam_size};
use crate::plan::Plan;
use crate::streams;
use crate::units::{length, page_up};

/// What a partition's grants of RAM are called.
const RAM: &str = "ram";

/// What grants are derived from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The model.
    pub system: &'a System,
    /// The hypervisor's memory.
    pub info: &'a ImageInfo,
    /// Where everything lies.
    pub plan: &'a Plan,
    /// Assigned devices.
    pub devices: &'a [Assigned],
    /// Payload areas.
    pub areas: &'a [Area],
}

/// Grants of one root.
struct List {
    root: Root,
    grants: Vec<Grant>,
}

impl List {
    fn at(&mut self, name: &str, range: Range, rights: Rights, memory: MemoryType, address: u64) {
        if range.start < range.end {
            self.grants.push(Grant {
                root: self.root,
                name: name.to_owned(),
                range,
                pattern: None,
                rights,
                memory,
                address,
            });
        }
    }

    /// Maps Normal memory of a partition, page after page from an input address.
    fn extent(&mut self, name: &str, extent: &Extent, rights: Rights, mut address: u64) {
        for range in &extent.ranges {
            let grant = Grant {
                root: self.root,
                name: name.to_owned(),
                range: *range,
                pattern: extent.pattern,
                rights,
                memory: MemoryType::NormalWb,
                address,
            };
            address += grant.size();
            self.grants.push(grant);
        }
    }

    /// Maps Normal memory of EL2 at its own address.
    fn normal(&mut self, name: &str, range: Range, rights: Rights) {
        self.at(name, range, rights, MemoryType::NormalWb, range.start);
    }

    /// Maps a device of EL2 at its own address.
    fn device(&mut self, name: &str, start: u64, size: u64) {
        let end = start + size;
        self.at(
            name,
            Range { start, end },
            Rights::ReadWrite,
            MemoryType::Device,
            start,
        );
    }

    fn sorted(mut self) -> Vec<Grant> {
        self.grants.sort_by_key(|g| g.address);
        self.grants
    }
}

/// Block `k` of the per-core range without its guard page.
fn per_core(info: &ImageInfo, k: u64) -> Range {
    let start = info.per_core.start + k * info.per_core_stride;
    Range {
        start: start + PAGE,
        end: start + info.per_core_stride,
    }
}

/// What EL2 reaches of the GIC beside the distributor: of all cores, or of one.
fn gic(list: &mut List, board: &Board, core: Option<usize>) {
    match (board.gic.version, core) {
        (GicVersion::V3 { redistributors }, None) => {
            list.device("gicr", redistributors, length(&board.cores) * GICR_SIZE);
        }
        (GicVersion::V3 { redistributors }, Some(core)) => {
            list.device("gicr:own", redistributors + core as u64 * GICR_SIZE, GICR_SIZE);
        }
        // Each core finds its own at the same addresses.
        (GicVersion::V2(own), None | Some(_)) => {
            let (first, rest) = (
                GicV2::WITHOUT_DEACTIVATION,
                GicV2::INTERFACE - GicV2::WITHOUT_DEACTIVATION,
            );
            list.device("gicc", own.cpu, first);
            list.device("gicc-dir", own.cpu + first, rest);
            list.device("gich", own.control, GicV2::CONTROL);
        }
    }
}

/// The interface of a GICv2 through which a partition takes its interrupts: the physical one on dedicated cores, which
/// are all its own, without its deactivation register, else the virtual one. Implements: BH-BRD-022.
fn interface(board: &Board, partition: &Partition) -> Option<(&'static str, Range)> {
    let own = board.gic.v2()?;
    let (name, start, size) = match partition.cores {
        Cores::Dedicated { .. } => ("gicc", own.cpu, GicV2::WITHOUT_DEACTIVATION),
        Cores::Sliced { .. } => ("gicv", own.virtual_cpu, GicV2::INTERFACE),
    };
    let end = start + size;
    Some((name, Range { start, end }))
}

/// EL2 until boot ends: everything of the hypervisor, its devices, the evidence, and the shared memory that it clears.
fn boot(sources: Sources<'_>) -> Vec<Grant> {
    let Sources {
        system, info, plan, ..
    } = sources;
    let board = &system.board;
    let mut list = List {
        root: Root::Boot,
        grants: Vec::new(),
    };
    list.normal("boot-text", info.boot_text, Rights::ReadExecute);
    list.normal("boot-rodata", info.boot_rodata, Rights::Read);
    list.normal("boot-data", info.boot_data, Rights::ReadWrite);
    list.normal("text", info.text, Rights::ReadExecute);
    list.normal("rodata", info.rodata, Rights::Read);
    list.normal("shared", info.shared, Rights::ReadWrite);
    list.normal("handoff", info.handoff, Rights::ReadWrite);
    list.normal("stats", info.stats, Rights::ReadWrite);
    for k in 0..info.max_cores {
        list.normal(&format!("per-core:{k}"), per_core(info, k), Rights::ReadWrite);
    }
    list.normal("loader", info.loader, Rights::Read);
    list.normal("blob", plan.blob, Rights::Read);
    list.normal("certificate", plan.certificate, Rights::Read);
    list.normal("live", plan.live, Rights::ReadWrite);
    if let Some(queues) = plan.queues {
        list.normal("smmu-queues", queues, Rights::ReadWrite);
    }
    for (partition, window) in system.partitions.iter().zip(&plan.windows) {
        let name = format!("window:{}", partition.name.value);
        list.normal(&name, *window, Rights::ReadWrite);
    }
    for (name, page, _) in stolen(sources) {
        list.normal(&name, page, Rights::ReadWrite);
    }
    let names = system.channel_memories().into_iter().map(|m| m.name);
    let locks = system.locks.iter().map(|l| format!("channel:{}", l.name.value));
    for (name, range) in names.chain(locks).zip(&plan.channels) {
        list.at(
            &name,
            *range,
            Rights::ReadWrite,
            MemoryType::NormalNc,
            range.start,
        );
    }
    for reserved in &board.reserved {
        let region = reserved.region.value;
        let (start, end) = (region.base, region.end());
        match reserved.purpose {
            ReservedUse::DeviceTree => list.normal("board-device-tree", Range { start, end }, Rights::Read),
            ReservedUse::Other => {}
        }
    }
    list.device("gicd", board.gic.distributor, GICD_SIZE);
    gic(&mut list, board, None);
    list.device("uart", board.uart.base, UART_SIZE);
    if let Some(smmu) = &board.smmu {
        list.device("smmu", smmu.base, SMMU_SIZE);
    }
    if let Some(pcie) = &board.pcie {
        list.device("ecam", pcie.ecam, ecam_size(pcie));
    }
    list.sorted()
}

/// EL2 at run time on one core: other cores' stacks and blocks are absent.
fn core(sources: Sources<'_>, core: usize) -> Vec<Grant> {
    let Sources {
        system,
        info,
        plan,
        devices,
        ..
    } = sources;
    let board = &system.board;
    let mut list = List {
        root: Root::Core(core),
        grants: Vec::new(),
    };
    list.normal("text", info.text, Rights::ReadExecute);
    list.normal("rodata", info.rodata, Rights::Read);
    list.normal("shared", info.shared, Rights::ReadWrite);
    list.normal("handoff", info.handoff, Rights::Read);
    let size = CORE_STATS_SIZE as u64;
    let own = Range {
        start: info.stats.start + core as u64 * size,
        end: info.stats.start + (core as u64 + 1) * size,
    };
    let (before, after) = (
        Range {
            end: own.start,
            ..info.stats
        },
        Range {
            start: own.end,
            ..info.stats
        },
    );
    list.normal("stats", before, Rights::Read);
    list.normal("stats:own", own, Rights::ReadWrite);
    list.normal("stats", after, Rights::Read);
    list.normal("per-core:own", per_core(info, core as u64), Rights::ReadWrite);
    list.normal("blob", plan.blob, Rights::Read);
    for roots in plan.live_roots() {
        list.normal("live-roots", roots, Rights::ReadWrite);
    }
    list.device("gicd", board.gic.distributor, GICD_SIZE);
    gic(&mut list, board, Some(core));
    for (lock, range) in locks(sources) {
        let here = |p: &Participant| system.partitions[p.partition.value].vcpu_on(core).is_some();
        if lock.participants.iter().any(here) {
            let name = format!("channel:{}", lock.name.value);
            list.at(&name, range, Rights::ReadWrite, MemoryType::NormalNc, range.start);
        }
    }
    for (name, page, partition) in stolen(sources) {
        if system.partitions[partition].vcpu_on(core).is_some() {
            list.normal(&name, page, Rights::ReadWrite);
        }
    }
    let is_system_core = core == system.schedule.system_core;
    for (index, partition) in system.partitions.iter().enumerate() {
        let emulates = partition.console.value == Console::Uart && partition.vcpu_on(core).is_some();
        if is_system_core || emulates {
            let name = format!("window:{}", partition.name.value);
            list.normal(&name, plan.windows[index], Rights::ReadWrite);
        }
    }
    if is_system_core {
        list.device("uart", board.uart.base, UART_SIZE);
    }
    // The bus masters of a partition are opened and closed by the cores that run it.
    let here = |d: &&Assigned| system.partitions[d.partition].vcpu_on(core).is_some();
    let own = devices.iter().filter(here);
    if is_system_core || own.clone().any(|d| board.devices[d.device].bus_master) {
        if let Some(smmu) = &board.smmu {
            list.device("smmu", smmu.base, SMMU_SIZE);
        }
        if let Some(queues) = plan.queues {
            list.normal("smmu-queues", queues, Rights::ReadWrite);
        }
        if let Some(table) = plan.stream_table() {
            list.normal("stream-table", table, Rights::ReadWrite);
        }
    }
    if let Some(pcie) = &board.pcie {
        for assigned in own {
            let device = &board.devices[assigned.device];
            let Some(function) = device.bdf() else { continue };
            let name = format!("config:{}", device.name.value);
            let base = pcie.ecam + u64::from(function) * PAGE;
            list.device(&name, base, PAGE);
        }
    }
    list.sorted()
}

/// What a bus master reaches: what its partition may write of its RAM, in the ranges that the spec names, never to
/// execute, at the partition's addresses. Implements: BH-DMA-011.
fn stream(sources: Sources<'_>, root: Root, partition: usize, device: usize) -> Vec<Grant> {
    let Sources {
        system, plan, areas, ..
    } = sources;
    let mut list = List {
        root,
        grants: Vec::new(),
    };
    let memory = Region {
        base: 0,
        size: plan.ram[partition].size(),
    };
    let ranges = system.partitions[partition].dma_ranges(device);
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
fn partition(sources: Sources<'_>, index: usize) -> Vec<Grant> {
    let Sources {
        system,
        info,
        plan,
        devices,
        areas,
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
        let Range { start, end } = assigned.registers;
        let range = Range {
            start,
            end: start + page_up(end - start),
        };
        let name = &system.board.devices[assigned.device].name.value;
        list.at(name, range, Rights::ReadWrite, MemoryType::Device, start);
    }
    list.sorted()
}

/// All grants: boot root, cores, partitions, bus masters; inside a root by input address.
pub fn all(sources: Sources<'_>) -> Vec<Grant> {
    let mut grants = boot(sources);
    for index in 0..sources.system.board.cores.len() {
        grants.extend(core(sources, index));
    }
    for index in 0..sources.system.partitions.len() {
        grants.extend(partition(sources, index));
    }
    for (root, device) in streams::masters(sources.system, sources.devices) {
        if let Root::Stream { partition, .. } = root {
            grants.extend(stream(sources, root, partition, device));
        }
    }
    grants
}

/// Locks and their memory.
fn locks<'a>(sources: Sources<'a>) -> impl Iterator<Item = (&'a Lock, Range)> {
    let memory = sources
        .plan
        .channels
        .iter()
        .skip(sources.system.channel_memories().len());
    sources.system.locks.iter().zip(memory.copied())
}

/// Pages of stolen time: how EL2 calls one, where it is, whose.
fn stolen<'a>(sources: Sources<'a>) -> impl Iterator<Item = (String, Range, usize)> + 'a {
    let Sources { system, plan, .. } = sources;
    let pages = system.partitions.iter().zip(&plan.stolen).enumerate();
    pages.filter_map(|(index, (partition, page))| {
        let name = format!("stolen-time:{}", partition.name.value);
        Some((name, (*page)?, index))
    })
}

/// A range that more than one party reaches: its name, where, EL2's rights, each partition's rights.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What it is.
    pub name: String,
    /// Physical addresses.
    pub range: Range,
    /// Rights of EL2's roots together, if it reaches it.
    pub el2: Option<Rights>,
    /// Partitions and their rights.
    pub partitions: Vec<(usize, Rights)>,
}

/// What is shared by design: the loader, windows, stolen time, channels (with EL2 until boot has cleared them), and the
/// interfaces of a GICv2, of which each core has its own.
pub fn shared(sources: Sources<'_>) -> Vec<Shared> {
    let Sources {
        system, info, plan, ..
    } = sources;
    let everybody = 0..system.partitions.len();
    let mut result = vec![Shared {
        name: "loader".to_owned(),
        range: info.loader,
        el2: Some(Rights::Read),
        partitions: everybody.map(|p| (p, Rights::ReadExecute)).collect(),
    }];
    for (index, partition) in system.partitions.iter().enumerate() {
        if has_window(partition) {
            result.push(Shared {
                name: format!("window:{}", partition.name.value),
                range: plan.windows[index],
                el2: Some(Rights::ReadWrite),
                partitions: vec![(index, Rights::ReadWrite)],
            });
        }
    }
    for (name, range, partition) in stolen(sources) {
        result.push(Shared {
            name,
            range,
            el2: Some(Rights::ReadWrite),
            partitions: vec![(partition, Rights::Read)],
        });
    }
    for (memory, range) in system.channel_memories().into_iter().zip(&plan.channels) {
        let readers = memory.readers.iter().map(|r| (*r, Rights::Read));
        let mut partitions: Vec<_> = readers.chain([(memory.writer, Rights::ReadWrite)]).collect();
        partitions.sort_by_key(|(partition, _)| *partition);
        result.push(Shared {
            name: memory.name,
            range: *range,
            el2: Some(Rights::ReadWrite),
            partitions,
        });
    }
    for name in ["gicc", "gicv"] {
        let all = system.partitions.iter().enumerate();
        let here = all.filter_map(|(index, partition)| {
            let (of, range) = interface(&system.board, partition)?;
            (of == name).then_some((index, range))
        });
        let here: Vec<_> = here.collect();
        let el2 = name == "gicc";
        if let Some((_, range)) = here.first().filter(|_| el2 || here.len() > 1) {
            result.push(Shared {
                name: name.to_owned(),
                range: *range,
                el2: el2.then_some(Rights::ReadWrite),
                partitions: here.iter().map(|(p, _)| (*p, Rights::ReadWrite)).collect(),
            });
        }
    }
    for (lock, range) in locks(sources) {
        let mut partitions: Vec<_> = lock
            .participants
            .iter()
            .map(|p| (p.partition.value, Rights::ReadWrite))
            .collect();
        partitions.sort_by_key(|(partition, _)| *partition);
        result.push(Shared {
            name: format!("channel:{}", lock.name.value),
            range,
            el2: Some(Rights::ReadWrite),
            partitions,
        });
    }
    result.sort_by_key(|s| s.range.start);
    result
}
