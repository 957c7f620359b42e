// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where everything lies. A [`Plan`] is made from the model, the hypervisor's header and sizes alone; tables
//! and text form are made from it. Implements: BH-MEM-003.

use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_model::board::{Board, Pcie, Region};
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};

use crate::layout::{LayoutError, MemoryMap, Zone};
use crate::machine::{CHANNEL_SIZE, GICD_SIZE, GICR_SIZE, UART_SIZE};
use crate::table::BLOCK;
use crate::units::{length, page_up};

/// Bytes of an SMMUv3's register frames.
pub const SMMU_SIZE: u64 = 0x2_0000;
/// Bytes of configuration space of a bus.
pub const ECAM_BUS_SIZE: u64 = 0x10_0000;

/// Sizes that the tables decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSizes {
    /// Pages of EL2's tables below their roots.
    pub el2: u64,
    /// Pages of stage-2 tables below their roots.
    pub stage2: u64,
}

/// Offsets in the blob.
#[derive(Clone, Copy, Debug)]
pub struct BlobLayout {
    /// End of the early part.
    pub early_end: u64,
    /// First lower stage-2 table.
    pub stage2: u64,
    /// Pristine live image.
    pub live: u64,
    /// Certificate: the blob's length.
    pub certificate: u64,
    /// Offset of the stream table in the live image.
    pub stream_table: u64,
    /// Bytes of the stream table, 0 without an SMMU.
    pub stream_table_size: u64,
    /// Bytes of the live image.
    pub live_size: u64,
}

impl BlobLayout {
    /// Lays out a blob whose section tables need `sections` bytes.
    pub fn new(system: &System, sections: u64, sizes: TableSizes) -> Self {
        let roots = 1 + length(&system.board.cores);
        let early_end = PAGE + (roots + sizes.el2) * PAGE;
        let stage2 = page_up(early_end + sections);
        let live = stage2 + sizes.stage2 * PAGE;
        let root_pages = length(&system.partitions) * PAGE;
        let table = system
            .board
            .smmu
            .as_ref()
            .map_or(0, |s| page_up(64 << s.stream_bits));
        let stream_table = root_pages.next_multiple_of(table.max(PAGE));
        let live_size = stream_table + table;
        BlobLayout {
            early_end,
            stage2,
            live,
            certificate: live + live_size,
            stream_table,
            stream_table_size: table,
            live_size,
        }
    }
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything that was placed.
    pub map: MemoryMap,
    /// Offsets in the blob.
    pub layout: BlobLayout,
    /// Blob without certificate.
    pub blob: Range,
    /// Certificate page.
    pub certificate: Range,
    /// Live area.
    pub live: Range,
    /// SMMU queues: two pages, when there is an SMMU.
    pub queues: Option<Range>,
    /// Payload area of each partition.
    pub payloads: Vec<Range>,
    /// Window of each partition.
    pub windows: Vec<Range>,
    /// Memory of each channel.
    pub channels: Vec<Range>,
    /// RAM of each partition.
    pub ram: Vec<Range>,
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
        sizes: TableSizes,
    ) -> Result<Self, LayoutError> {
        let zone = ram(&system.board);
        let layout = BlobLayout::new(system, sections, sizes);
        map.claim_in(&zone, "el2", "hypervisor", info.base, info.end - info.base)?;
        if info.blob_base > info.end {
            map.claim_in(&zone, "el2", "padding", info.end, info.blob_base - info.end)?;
        }
        let blob = map.claim_in(&zone, "el2", "blob", info.blob_base, layout.certificate)?;
        let certificate = map.claim_in(&zone, "el2", "certificate", blob.end, PAGE)?;
        let mut end = certificate.end;
        let mut payloads = Vec::new();
        for (partition, size) in areas.iter().enumerate() {
            let area = map.claim_in(&zone, &owner(system, partition), "payload-area", end, *size)?;
            end = area.end;
            payloads.push(area);
        }
        let mut ram = vec![Range::default(); system.partitions.len()];
        for (partition, range) in system.partitions.iter().zip(&mut ram) {
            if let Some(at) = &partition.memory.at {
                let owner = format!("partition:{}", partition.name.value);
                *range = map.claim_in(&zone, &owner, "ram", at.value, partition.memory.size.value)?;
            }
        }
        let align = layout.stream_table_size.next_power_of_two().max(PAGE);
        let live = map.place(&zone, "el2", "live", layout.live_size, align)?;
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
        for (partition, range) in system.partitions.iter().zip(&mut ram) {
            if partition.memory.at.is_none() {
                let owner = format!("partition:{}", partition.name.value);
                *range = map.place(&zone, &owner, "ram", partition.memory.size.value, BLOCK)?;
            }
        }
        Ok(Plan {
            map,
            layout,
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
        self.live.start + partition as u64 * PAGE
    }

    /// Offset in the blob of the pristine copy of that page.
    pub fn pristine_root(&self, partition: usize) -> u64 {
        self.layout.live + partition as u64 * PAGE
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

    /// Live stage-2 root pages.
    pub fn live_roots(&self) -> Range {
        Range {
            start: self.live.start,
            end: self.live_root(self.ram.len()),
        }
    }
}
