// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where everything lies. A [`Plan`] is made from the model, the hypervisor's header and sizes alone; tables
//! and text form are made from it. Implements: BH-MEM-003.

use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_model::board::{Board, Pcie, Region, ReservedUse};
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};

use crate::colour::{Extent, Pattern};
use crate::layout::{LayoutError, MemoryMap, Zone};
use crate::machine::{CHANNEL_SIZE, GICD_SIZE, GICR_SIZE, UART_SIZE};
use crate::table::BLOCK;
use crate::units::{length, page_up};

/// Bytes of an SMMUv3's register frames.
pub const SMMU_SIZE: u64 = 0x2_0000;
/// Bytes of configuration space of a bus.
pub const ECAM_BUS_SIZE: u64 = 0x10_0000;

/// Sizes that the tables decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSizes {
    /// Pages of EL2's tables below their roots.
    pub el2: u64,
    /// Pages of each partition's stage-2 tables below its root.
    pub stage2: Vec<u64>,
}

impl TableSizes {
    /// No tables.
    pub fn none(system: &System) -> Self {
        TableSizes {
            el2: 0,
            stage2: vec![0; system.partitions.len()],
        }
    }

    /// Whether `planned` has room for them.
    pub fn fits(&self, planned: &Self) -> bool {
        let rows = self.stage2.iter().zip(&planned.stage2);
        self.el2 <= planned.el2 && rows.fold(true, |fits, (a, b)| fits && a <= b)
    }

    /// The larger of both, in each place.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        TableSizes {
            el2: self.el2.max(other.el2),
            stage2: self
                .stage2
                .into_iter()
                .zip(other.stage2)
                .map(|(a, b)| a.max(b))
                .collect(),
        }
    }
}

/// The colours of a partition, when it has some.
pub fn pattern(system: &System, partition: usize) -> Option<Pattern> {
    let set = system.partitions.get(partition)?.memory.colours?;
    let colouring = system.board.colouring?;
    Some(Pattern { colouring, set })
}

/// Offsets in the blob.
#[derive(Clone, Debug)]
pub struct BlobLayout {
    /// End of the early part.
    pub early_end: u64,
    /// First lower stage-2 table.
    pub stage2: u64,
    /// First page that may be a lower stage-2 table of a coloured partition.
    pub coloured: u64,
    /// Pristine live image.
    pub live: u64,
    /// Certificate: the blob's length.
    pub certificate: u64,
    /// Page of each partition's stage-2 root in the live image.
    pub roots: Vec<u64>,
    /// Offset of the stream table in the live image.
    pub stream_table: u64,
    /// Bytes of the stream table, 0 without an SMMU.
    pub stream_table_size: u64,
    /// Bytes of the live image.
    pub live_size: u64,
    /// Alignment of the live area.
    pub live_align: u64,
}

impl BlobLayout {
    /// Lays out a blob at `base` whose section tables need `sections` bytes.
    pub fn new(system: &System, base: u64, sections: u64, sizes: &TableSizes) -> Self {
        let early_end = PAGE + (1 + length(&system.board.cores) + sizes.el2) * PAGE;
        let stage2 = page_up(early_end + sections);
        let patterns: Vec<_> = (0..system.partitions.len()).map(|p| pattern(system, p)).collect();
        let tables = || sizes.stage2.iter().zip(&patterns);
        let plain: u64 = tables().filter(|(_, p)| p.is_none()).map(|(n, _)| n).sum();
        let coloured = stage2 + plain * PAGE;
        let ends =
            tables().filter_map(|(count, pattern)| Some(behind(pattern.as_ref()?, base + coloured, *count)));
        let live = ends.max().map_or(coloured, |end| end - base);
        let table = system
            .board
            .smmu
            .as_ref()
            .map_or(0, |s| page_up(64 << s.stream_bits));
        let roots = root_pages(&patterns);
        let root_pages = roots.iter().max().map_or(0, |last| last + 1) * PAGE;
        let stream_table = root_pages.next_multiple_of(table.max(PAGE));
        let live_size = stream_table + table;
        let way = patterns.iter().flatten().map(|p| p.colouring.way()).next();
        BlobLayout {
            early_end,
            stage2,
            coloured,
            live,
            certificate: live + live_size,
            roots,
            stream_table,
            stream_table_size: table,
            live_size,
            live_align: table.next_power_of_two().max(way.unwrap_or(PAGE)).max(PAGE),
        }
    }
}

/// End of the first `count` pages of the colours of `pattern` at or after `start`.
fn behind(pattern: &Pattern, start: u64, count: u64) -> u64 {
    let end = start + (count + 1) * pattern.colouring.way();
    pattern
        .first(Range { start, end }, count)
        .map_or(start, |taken| taken.end)
}

/// Page of each partition's root: the lowest that is free, for a coloured one of its colours. The live area
/// begins at a multiple of the way's size.
fn root_pages(patterns: &[Option<Pattern>]) -> Vec<u64> {
    let mut roots: Vec<u64> = Vec::new();
    for pattern in patterns {
        let fits = |page: &u64| !roots.contains(page) && pattern.as_ref().is_none_or(|p| p.has(page * PAGE));
        roots.extend((0..u64::MAX).find(fits));
    }
    roots
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything that was placed.
    pub map: MemoryMap,
    /// Offsets in the blob.
    pub layout: BlobLayout,
    /// Room for translation tables.
    pub tables: TableSizes,
    /// Blob without certificate.
    pub blob: Range,
    /// Certificate page.
    pub certificate: Range,
    /// Live area.
    pub live: Range,
    /// End of the image file: of the last payload area, or of the certificate.
    pub file_end: u64,
    /// End of the memory that the image's header claims: where the board file says that the board's device tree
    /// lies, since a boot loader puts that behind the image; else the file's end.
    pub image_end: u64,
    /// SMMU queues: two pages, when there is an SMMU.
    pub queues: Option<Range>,
    /// Payload area of each partition.
    pub payloads: Vec<Extent>,
    /// Window of each partition.
    pub windows: Vec<Range>,
    /// Memory of each channel.
    pub channels: Vec<Range>,
    /// RAM of each partition.
    pub ram: Vec<Extent>,
}

/// The board's RAM.
pub fn ram(board: &Board) -> Zone {
    Zone {
        name: "the board's RAM",
        regions: board.ram.iter().map(|r| r.value).collect(),
    }
}

/// Claims what the board fixes: devices of EL2 and reserved RAM.
///
/// # Errors
/// [`LayoutError::Overlap`] when the board file contradicts itself.
pub fn claim_board(board: &Board, map: &mut MemoryMap) -> Result<(), LayoutError> {
    for reserved in &board.reserved {
        let Region { base, size } = reserved.region.value;
        map.claim("board", &slug(&reserved.name), base, size)?;
    }
    map.claim("el2", "gicd", board.gic.distributor, GICD_SIZE)?;
    let redistributors = length(&board.cores) * GICR_SIZE;
    map.claim("el2", "gicr", board.gic.redistributors, redistributors)?;
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
pub fn owner(system: &System, partition: usize) -> String {
    format!("partition:{}", system.partitions[partition].name.value)
}

impl Plan {
    /// Places everything.
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
        let zone = ram(&system.board);
        let layout = BlobLayout::new(system, info.blob_base, sections, sizes);
        let pattern = |partition| pattern(system, partition);
        map.claim_in(&zone, "el2", "hypervisor", info.base, info.end - info.base)?;
        if info.blob_base > info.end {
            map.claim_in(&zone, "el2", "padding", info.end, info.blob_base - info.end)?;
        }
        let blob = map.claim_in(&zone, "el2", "blob", info.blob_base, layout.certificate)?;
        let certificate = map.claim_in(&zone, "el2", "certificate", blob.end, PAGE)?;
        let mut end = certificate.end;
        let mut payloads = vec![Extent::default(); areas.len()];
        for (partition, (size, area)) in areas.iter().zip(&mut payloads).enumerate() {
            if pattern(partition).is_none() {
                let range = map.claim_in(&zone, &owner(system, partition), "payload-area", end, *size)?;
                end = range.end;
                *area = Extent::whole(range);
            }
        }
        let mut ram = vec![Extent::default(); system.partitions.len()];
        for (partition, extent) in system.partitions.iter().zip(&mut ram) {
            if let Some(at) = &partition.memory.at {
                let owner = format!("partition:{}", partition.name.value);
                *extent = Extent::whole(map.claim_in(
                    &zone,
                    &owner,
                    "ram",
                    at.value,
                    partition.memory.size.value,
                )?);
            }
        }
        let live = map.place(&zone, "el2", "live", layout.live_size, layout.live_align)?;
        let queues = match &system.board.smmu {
            Some(_) => Some(map.place(&zone, "el2", "smmu-queues", 2 * PAGE, PAGE)?),
            None => None,
        };
        let mut windows = Vec::new();
        for partition in 0..system.partitions.len() {
            let size = WINDOW_SIZE as u64;
            windows.push(map.place(&zone, &owner(system, partition), "window", size, size)?);
        }
        let mut channels = Vec::new();
        for channel in &system.channels {
            let owner = format!("channel:{}", channel.name.value);
            channels.push(map.place(&zone, &owner, "memory", CHANNEL_SIZE, CHANNEL_SIZE)?);
        }
        let image = image_zone(&system.board, certificate.end);
        for (partition, (size, area)) in areas.iter().zip(&mut payloads).enumerate() {
            if let Some(pattern) = pattern(partition) {
                let owner = owner(system, partition);
                *area = map.place_coloured(&image, &owner, "payload-area", size / PAGE, pattern)?;
            }
        }
        for (number, (partition, extent)) in system.partitions.iter().zip(&mut ram).enumerate() {
            if partition.memory.at.is_none() && pattern(number).is_none() {
                let size = partition.memory.size.value;
                *extent = Extent::whole(map.place(&zone, &owner(system, number), "ram", size, BLOCK)?);
            }
        }
        for (number, (partition, extent)) in system.partitions.iter().zip(&mut ram).enumerate() {
            if let Some(pattern) = pattern(number) {
                let pages = partition.memory.size.value / PAGE;
                *extent = map.place_coloured(&zone, &owner(system, number), "ram", pages, pattern)?;
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
            windows,
            channels,
            ram,
        })
    }

    /// Physical address of a partition's live root page.
    pub fn live_root(&self, partition: usize) -> u64 {
        self.live.start + self.root_page(partition) * PAGE
    }

    /// Offset in the blob of the pristine copy of that page.
    pub fn pristine_root(&self, partition: usize) -> u64 {
        self.layout.live + self.root_page(partition) * PAGE
    }

    fn root_page(&self, partition: usize) -> u64 {
        self.layout.roots.get(partition).copied().unwrap_or(0)
    }

    /// Physical address of an EL2 root: 0 is the boot root, 1 + *k* that of core *k*.
    pub fn el2_root(&self, number: usize) -> u64 {
        self.blob.start + PAGE + number as u64 * PAGE
    }

    /// Live stream table, when there is one.
    pub fn stream_table(&self) -> Option<Range> {
        let start = self.live.start + self.layout.stream_table;
        let end = start + self.layout.stream_table_size;
        (end > start).then_some(Range { start, end })
    }

    /// Live stage-2 root pages, ascending, neighbours joined.
    pub fn live_roots(&self) -> Vec<Range> {
        let mut pages: Vec<u64> = (0..self.layout.roots.len()).map(|p| self.live_root(p)).collect();
        pages.sort_unstable();
        let mut runs: Vec<Range> = Vec::new();
        for start in pages {
            let end = start + PAGE;
            match runs.last_mut() {
                Some(last) if last.end == start => last.end = end,
                Some(_) | None => runs.push(Range { start, end }),
            }
        }
        runs
    }
}

/// Where payloads behind the certificate may lie: the image file covers everything from its begin to its last
/// payload, so it ends before whatever the board reserves.
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
        name: "the RAM that the image can cover",
        regions: vec![Region { base: start, size }],
    }
}
