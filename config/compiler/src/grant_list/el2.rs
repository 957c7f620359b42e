// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 reaches: until boot ends, and on each core at run time.

use bulkhead_abi::stats::CORE_STATS_SIZE;
use bulkhead_model::board::{Board, GicV2, GicVersion, ReservedUse};
use bulkhead_model::lock::Participant;
use bulkhead_model::system::{Console, Partition};
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};
use bulkhead_types::tables::core_mode;

use super::{List, Sources, locks, stolen};
use crate::access::{Grant, MemoryType, Rights, Root};
use crate::devices::Assigned;
use crate::machine::{GICD_SIZE, GICR_SIZE, UART_SIZE};
use crate::placement::{SMMU_SIZE, ecam_size};
use crate::units::length;
use crate::words;

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

/// EL2 until boot ends: everything of the hypervisor, its devices, the evidence, and the shared memory that it clears.
pub(super) fn boot(sources: Sources<'_>) -> Vec<Grant> {
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
            ReservedUse::Other | ReservedUse::Dump => {}
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
    if let Some(watchdog) = sources.watchdog {
        list.device("watchdog", watchdog.page.start, PAGE);
    }
    list.sorted()
}

/// EL2 at run time on one core: other cores' stacks and blocks are absent.
pub(super) fn core(sources: Sources<'_>, core: usize) -> Vec<Grant> {
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
    let keeps_house = system.schedule.keeps_house(core);
    for (index, partition) in system.partitions.iter().enumerate() {
        let emulates = partition.console.value == Console::Uart && partition.vcpu_on(core).is_some();
        if keeps_house || emulates {
            let name = format!("window:{}", partition.name.value);
            list.normal(&name, plan.windows[index], Rights::ReadWrite);
        }
    }
    if keeps_house {
        list.device("uart", board.uart.base, UART_SIZE);
    }
    // The bus masters of a partition are opened and closed by the cores that run it.
    let here = |d: &&Assigned| system.partitions[d.partition].vcpu_on(core).is_some();
    let own = devices.iter().filter(here);
    let guarded = |d: &bulkhead_model::board::Device| d.bus_master && board.guards(d);
    if keeps_house || own.clone().any(|d| guarded(&board.devices[d.device])) {
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
    let runs = |p: &Partition| p.vcpu_on(core).is_some() && words::mode(&p.cores) == core_mode::SLICED;
    let is_watched = keeps_house || system.partitions.iter().any(runs);
    if let Some(watchdog) = sources.watchdog.filter(|_| is_watched) {
        list.device("watchdog", watchdog.page.start, PAGE);
    }
    list.sorted()
}
