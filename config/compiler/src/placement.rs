// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a [`Plan`]: in which order, and from which end of RAM, everything finds its place.
//!
//! What the spec pins ([`System::pin`]) lies there and moves for nobody; others make way for it, or find no room.
//! Of the rest, whoever is less critical moves nobody who is more critical: payloads lie behind the blob by falling criticality,
//! everything else is placed from the top of RAM downwards, first what has the same size in every system with
//! these partitions, then RAM by falling criticality, then the memories of channels whose sizes the spec names. So a
//! larger payload or more RAM of a partition moves partitions of its own criticality and below alone. Implements: BH-MEM-003, BH-MEM-007.

use std::cmp::Reverse;

use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_model::board::{Board, GicV2, GicVersion, Pcie, Region, ReservedUse};
use bulkhead_model::channel::alignment;
use bulkhead_model::pin::EL2_LIMIT;
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};
use bulkhead_types::tables::core_mode;

use crate::colour::Extent;
use crate::layout::{LayoutError, MemoryMap, Zone};
use crate::machine::{GICD_SIZE, GICR_SIZE, LOCK_SIZE, STOLEN_TIME_SIZE, UART_SIZE};
use crate::plan::{BlobLayout, Plan, TableSizes, pattern};
use crate::table::BLOCK;
use crate::words;

/// Bytes of an SMMUv3's register frames.
pub const SMMU_SIZE: u64 = 0x2_0000;
/// Bytes of configuration space of a bus.
const ECAM_BUS_SIZE: u64 = 0x10_0000;
/// Least step in which the room of blob and certificate grows, so that other tables seldom move payloads.
const BLOB_STEP: u64 = 0x10_0000;

/// The board's RAM, as messages and the text form call it.
pub(crate) const RAM: &str = "the board's RAM";
/// The part of it that EL2 can map.
pub(crate) const LOW_RAM: &str = "the board's RAM below 4 GiB";
/// The part of it from the image's begin to what ends it.
pub(crate) const IMAGE_RAM: &str = "the RAM that the image can cover";
/// Addresses for BARs.
pub(crate) const PCIE_WINDOW: &str = "the board's PCIe window";

/// The board's RAM.
fn ram(board: &Board) -> Zone {
    Zone {
        name: RAM,
        regions: board.ram.iter().map(|r| r.value).collect(),
    }
}

/// RAM for what EL2 maps besides its image.
fn low_ram(board: &Board) -> Zone {
    let below = |region: Region| {
        let size = region.end().min(EL2_LIMIT).checked_sub(region.base)?;
        Some(Region { size, ..region })
    };
    Zone {
        name: LOW_RAM,
        regions: board.ram.iter().filter_map(|r| below(r.value)).collect(),
    }
}

/// Claims what the board fixes: devices of EL2 and reserved RAM.
///
/// # Errors
/// [`LayoutError::Overlap`] when the board file contradicts itself.
pub fn claim_board(system: &System, map: &mut MemoryMap) -> Result<(), LayoutError> {
    let board = &system.board;
    for (index, reserved) in board.reserved.iter().enumerate() {
        let Region { base, size } = reserved.region.value;
        let kept = system.partitions.iter().position(|p| p.dump == Some(index));
        match kept {
            Some(partition) => map.claim(&owner(system, partition), "dump", base, size)?,
            None => map.claim("board", &slug(&reserved.name), base, size)?,
        };
    }
    map.claim("el2", "gicd", board.gic.distributor, GICD_SIZE)?;
    match board.gic.version {
        GicVersion::V3 { redistributors } => {
            let size = board.cores.len() as u64 * GICR_SIZE;
            map.claim("el2", "gicr", redistributors, size)?;
        }
        GicVersion::V2(own) => {
            map.claim("el2", "gich", own.control, GicV2::CONTROL)?;
            let (first, rest) = (
                GicV2::WITHOUT_DEACTIVATION,
                GicV2::INTERFACE - GicV2::WITHOUT_DEACTIVATION,
            );
            map.claim("gic", "gicc", own.cpu, first)?;
            map.claim("el2", "gicc-dir", own.cpu + first, rest)?;
            map.claim("gic", "gicv", own.virtual_cpu, GicV2::INTERFACE)?;
        }
    }
    map.claim("el2", "uart", board.uart.base, UART_SIZE)?;
    if let Some(smmu) = &board.smmu {
        map.claim("el2", "smmu", smmu.base, SMMU_SIZE)?;
    }
    if let Some(pcie) = &board.pcie {
        map.claim("el2", "ecam", pcie.ecam, ecam_size(pcie))?;
    }
    Ok(())
}

/// Bytes of configuration space.
pub fn ecam_size(pcie: &Pcie) -> u64 {
    u64::from(pcie.buses) * ECAM_BUS_SIZE
}

/// A name in the characters that the text form allows.
pub fn slug(name: &str) -> String {
    let keep = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_' | '.' | ':') => c,
        _ => '-',
    };
    name.chars().map(keep).collect()
}

/// `partition:NAME`.
fn owner(system: &System, partition: usize) -> String {
    format!("partition:{}", system.partitions[partition].name.value)
}

/// Partitions, the most critical first, equal ones in the order of the spec.
fn by_criticality(system: &System) -> Vec<usize> {
    let mut order: Vec<usize> = (0..system.partitions.len()).collect();
    order.sort_by_key(|p| Reverse(system.partitions[*p].criticality.value));
    order
}

/// Bytes of the room that a blob with its certificate gets: `length` with up to an eighth of slack.
fn room(length: u64) -> u64 {
    let step = (length.next_power_of_two() / 8).max(BLOB_STEP);
    length.next_multiple_of(step)
}

impl Plan {
    /// Places everything; what the spec pins lies where it says. Implements: BH-CFG-227, BH-MEM-015.
    ///
    /// `map` holds what the board fixes and the assigned BARs, `areas` are the bytes of each partition's
    /// payload area, `sections` those of the blob's section tables.
    ///
    /// # Errors
    /// Names the two things that collide, or what found no room.
    pub fn new(
        system: &System,
        info: &ImageInfo,
        mut map: MemoryMap,
        areas: &[u64],
        sections: u64,
        sizes: &TableSizes,
    ) -> Result<Self, LayoutError> {
        let (zone, low) = (ram(&system.board), low_ram(&system.board));
        let layout = BlobLayout::new(system, info.blob_base, sections, sizes);
        let (plain, coloured): (Vec<usize>, Vec<usize>) = by_criticality(system)
            .into_iter()
            .partition(|p| pattern(system, *p).is_none());
        map.claim_in(&zone, "el2", "hypervisor", info.base, info.end - info.base)?;
        if info.blob_base > info.end {
            map.claim_in(&zone, "el2", "padding", info.end, info.blob_base - info.end)?;
        }
        let blob = map.claim_in(&zone, "el2", "blob", info.blob_base, layout.certificate)?;
        let certificate = map.claim_in(&zone, "el2", "certificate", blob.end, PAGE)?;
        let mut end = blob.start + room(certificate.end - blob.start);
        if end > certificate.end {
            map.claim_in(&zone, "el2", "slack", certificate.end, end - certificate.end)?;
        }
        let image_room = end;
        let pinned = |map: &mut MemoryMap, zone: &Zone, owner: &str, name: &str, size: u64| {
            let at = system.pin(owner, name).and_then(|pin| pin.at);
            at.map(|at| map.claim_in(zone, owner, name, at.value, size))
                .transpose()
                .map_err(|error| error.beside_image(info.base, image_room))
        };
        let owners: Vec<String> = (0..system.partitions.len()).map(|p| owner(system, p)).collect();
        // Pinned payloads, then the others behind the blob and beside them.
        let image = image_zone(&system.board, end);
        let mut payloads = vec![Extent::default(); areas.len()];
        for (number, extent) in payloads.iter_mut().enumerate() {
            let range = pinned(&mut map, &image, &owners[number], "payload-area", areas[number])?;
            *extent = range.map(Extent::whole).unwrap_or_default();
        }
        let taken: Vec<Range> = payloads.iter().flat_map(|p| p.ranges.clone()).collect();
        let floats: Vec<usize> = plain
            .iter()
            .copied()
            .filter(|p| payloads[*p].ranges.is_empty())
            .collect();
        for partition in floats {
            let (owner, size) = (&owners[partition], areas[partition]);
            let start = beside(&taken, end, size);
            let range = map.claim_in(&zone, owner, "payload-area", start, size)?;
            end = range.end;
            payloads[partition] = Extent::whole(range);
        }
        // Everything else that is pinned.
        let mut ram = vec![Extent::default(); system.partitions.len()];
        for (number, extent) in ram.iter_mut().enumerate() {
            let size = system.partitions[number].memory.size.value;
            let range = pinned(&mut map, &zone, &owners[number], "ram", size)?;
            *extent = range.map(Extent::whole).unwrap_or_default();
        }
        let window_size = WINDOW_SIZE as u64;
        let mut windows = Vec::new();
        for owner in &owners {
            windows.push(pinned(&mut map, &low, owner, "window", window_size)?);
        }
        let memories = system.channel_memories();
        let mut channels = Vec::new();
        for memory in &memories {
            channels.push(pinned(&mut map, &low, &memory.name, "memory", memory.size)?);
        }
        let lock_owners = system.locks.iter().map(|l| format!("channel:{}", l.name.value));
        let mut locks = Vec::new();
        for owner in lock_owners {
            let page = pinned(&mut map, &low, &owner, "lock", LOCK_SIZE)?;
            locks.push((owner, page));
        }
        let live = pinned(&mut map, &low, "el2", "live", layout.live_size)?;
        let queues = match &system.board.smmu {
            Some(_) => pinned(&mut map, &low, "el2", "smmu-queues", 2 * PAGE)?,
            None => None,
        };
        let is_sliced = |p: &usize| words::mode(&system.partitions[*p].cores) == core_mode::SLICED;
        let mut stolen = vec![None; system.partitions.len()];
        for partition in (0..stolen.len()).filter(is_sliced) {
            let owner = &owners[partition];
            stolen[partition] = pinned(&mut map, &low, owner, "stolen-time", STOLEN_TIME_SIZE)?;
        }
        // What floats.
        let live = match live {
            Some(live) => live,
            None => map.place_high(&low, "el2", "live", layout.live_size, system.board.live_align())?,
        };
        let queues = match (&system.board.smmu, queues) {
            (Some(_), None) => Some(map.place_high(&low, "el2", "smmu-queues", 2 * PAGE, PAGE)?),
            (_, queues) => queues,
        };
        for partition in by_criticality(system) {
            let window = &mut windows[partition];
            if window.is_none() {
                let (owner, size) = (&owners[partition], window_size);
                *window = Some(map.place_high(&low, owner, "window", size, size)?);
            }
        }
        for (range, port) in channels.iter_mut().zip(&memories).filter(|(_, m)| m.is_port) {
            if range.is_none() {
                *range = Some(map.place_high(&low, &port.name, "memory", port.size, port.size)?);
            }
        }
        let mut lock_pages = Vec::new();
        for (owner, page) in locks {
            lock_pages.push(match page {
                Some(page) => page,
                None => map.place_high(&low, &owner, "lock", LOCK_SIZE, LOCK_SIZE)?,
            });
        }
        for partition in by_criticality(system).into_iter().filter(is_sliced) {
            let page = &mut stolen[partition];
            if page.is_none() {
                let (owner, size) = (&owners[partition], STOLEN_TIME_SIZE);
                *page = Some(map.place_high(&low, owner, "stolen-time", size, size)?);
            }
        }
        for &partition in &coloured {
            if let Some(pattern) = pattern(system, partition) {
                let (owner, pages) = (&owners[partition], areas[partition] / PAGE);
                payloads[partition] = map.place_coloured(&image, owner, "payload-area", pages, pattern)?;
            }
        }
        for &partition in &plain {
            if ram[partition].ranges.is_empty() {
                let (owner, size) = (&owners[partition], system.partitions[partition].memory.size.value);
                ram[partition] = Extent::whole(map.place_high(&zone, owner, "ram", size, BLOCK)?);
            }
        }
        for (range, memory) in channels.iter_mut().zip(&memories) {
            if range.is_none() {
                let align = alignment(memory.size);
                *range = Some(map.place_high(&low, &memory.name, "memory", memory.size, align)?);
            }
        }
        for &partition in &coloured {
            if let Some(pattern) = pattern(system, partition) {
                let pages = system.partitions[partition].memory.size.value / PAGE;
                ram[partition] = map.place_coloured(&zone, &owners[partition], "ram", pages, pattern)?;
            }
        }
        let payload_end = payloads.iter().map(|p| p.hull().end).max();
        let file_end = certificate.end.max(payload_end.unwrap_or(0));
        let trees = system
            .board
            .reserved
            .iter()
            .filter(|r| r.purpose == ReservedUse::DeviceTree);
        let tree = trees.map(|r| r.region.value.base).find(|base| *base >= file_end);
        Ok(Plan {
            file_end,
            image_end: tree.unwrap_or(file_end),
            map,
            layout,
            tables: sizes.clone(),
            blob,
            certificate,
            live,
            queues,
            payloads,
            windows: windows.into_iter().flatten().collect(),
            stolen,
            channels: channels.into_iter().flatten().chain(lock_pages).collect(),
            ram,
        })
    }
}

/// Where `size` bytes from `start` on lie that none of `taken` meets: behind those that are in the way.
fn beside(taken: &[Range], start: u64, size: u64) -> u64 {
    let mut start = start;
    // Each one can be passed once.
    for _ in taken {
        let meets = |r: &&Range| r.start < start.saturating_add(size) && start < r.end;
        start = taken.iter().find(meets).map_or(start, |r| r.end);
    }
    start
}

/// Where pinned and coloured payloads may lie: the image file covers everything from its begin to its last payload, so it
/// ends before whatever the board reserves.
fn image_zone(board: &Board, start: u64) -> Zone {
    let region = board
        .ram
        .iter()
        .map(|r| r.value)
        .find(|r| r.base <= start && start < r.end());
    let reserved = board
        .reserved
        .iter()
        .map(|r| r.region.value.base)
        .filter(|base| *base >= start);
    let end = reserved.chain(region.map(|r| r.end())).min().unwrap_or(start);
    let size = end.saturating_sub(start);
    Zone {
        name: IMAGE_RAM,
        regions: vec![Region { base: start, size }],
    }
}
