// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where everything lies. A [`Plan`] is made (module [`placement`](crate::placement)) from the model, the
//! hypervisor's header and sizes alone; tables and text form are made from it. Implements: BH-MEM-003.

use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::colour::{Extent, Pattern};
use crate::layout::MemoryMap;
use crate::units::{length, page_up};

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
        let table = system.board.stream_table_size();
        let roots = root_pages(&patterns);
        let root_pages = roots.iter().max().map_or(0, |last| last + 1) * PAGE;
        let stream_table = root_pages.next_multiple_of(table.max(PAGE));
        let live_size = stream_table + table;
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
    /// Page of the stolen time of each partition that shares its cores.
    pub stolen: Vec<Option<Range>>,
    /// The memories of the channels, in the order of [`System::channel_memories`], then of each lock.
    pub channels: Vec<Range>,
    /// RAM of each partition.
    pub ram: Vec<Extent>,
}

impl Plan {
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
