// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every agent of a system reaches: EL2 through each of its roots, each partition, each stream.

use std::collections::BTreeMap;

use crate::blob::Blob;
use crate::descriptor::Regime;
use crate::stream::Entry;
use crate::walk::{Area, Map, Seen, Walker};

/// A stream that can do anything but fault.
#[derive(Clone, Debug)]
pub struct Stream {
    /// StreamID.
    pub id: u64,
    /// Partition that has its VMID.
    pub owner: Option<usize>,
    /// Its entry.
    pub entry: Entry,
    /// Whether its root lies where tables lie; what it reaches by another one is not known here.
    pub walked: bool,
    /// What it reaches.
    pub maps: Vec<Map>,
}

/// All agents.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// EL2 by root: boot, then the cores.
    pub el2: Vec<Vec<Map>>,
    /// Partitions.
    pub partitions: Vec<Vec<Map>>,
    /// Streams with V = 1, ascending.
    pub streams: Vec<Stream>,
    /// StreamIDs whose entry has V = 0 and is not zero.
    pub idle: Vec<u64>,
    /// Table pages, roots among them: how often they were reached.
    pub tables: BTreeMap<u64, u32>,
    /// Table pages with the numbers of the roots that reached them: EL2's, partitions', those of streams.
    pages: Vec<(usize, u64)>,
    /// What is wrong with descriptors and where tables lie.
    pub wrong: Vec<String>,
    /// Whether a table lies outside the blob, so that what it maps is not known.
    pub lost: bool,
}

impl Reach {
    /// Walks all roots of a blob whose header is sound.
    pub fn of(blob: &Blob, bytes: &[u8], address_bits: u32) -> Self {
        Self::with(blob, bytes, address_bits, None).0
    }

    /// Table pages that the root of a number reached, itself first.
    pub fn pages_of(&self, root: usize) -> impl Iterator<Item = u64> {
        let own = self.pages.iter().filter(move |(number, _)| *number == root);
        own.map(|(_, page)| *page)
    }

    /// As [`Reach::of`]; also every descriptor when `seen` holds a list.
    pub fn with(blob: &Blob, bytes: &[u8], address_bits: u32, seen: Option<Vec<Seen>>) -> (Self, Vec<Seen>) {
        let mut walker = Walker {
            blob: bytes,
            base: blob.base,
            address_bits,
            tables: BTreeMap::new(),
            pages: Vec::new(),
            wrong: Vec::new(),
            seen,
            roots: 0,
            lost: false,
        };
        let early = Area {
            start: blob.base,
            end: blob.base + blob.early_end,
        };
        let lower = Area {
            start: early.end,
            end: blob.base + blob.live_image,
        };
        let regime = Regime::El2(blob.el2_words[1]);
        let roots = std::iter::once(blob.boot_root).chain(blob.cores.iter().map(|core| core.root));
        let el2 = roots.map(|root| walker.walk(regime, root, early)).collect();
        let mut own = |p: &crate::entries::Partition| {
            walker.walk(Regime::Stage2, blob.base.wrapping_add(p.pristine), lower)
        };
        let partitions = blob.partitions.iter().map(&mut own).collect();
        let (mut streams, mut idle) = (Vec::new(), Vec::new());
        let count = if blob.board.smmu == 0 {
            0
        } else {
            1u64 << blob.board.stream_bits
        };
        for id in 0..count {
            let table = blob.live_image + blob.board.stream_table;
            let Some(entry) = Entry::read(bytes, table, id) else {
                continue;
            };
            if !entry.is_valid() {
                if entry.words != [0; 8] {
                    idle.push(id);
                }
                continue;
            }
            let owns = |p: &crate::entries::Partition| u64::from(p.vmid) == entry.vmid();
            let owner = blob.partitions.iter().position(owns);
            let root = entry.root();
            let walked = root >= lower.start && root < lower.end && root.is_multiple_of(4096);
            let maps = if walked {
                walker.walk(Regime::Stage2, root, lower)
            } else {
                walker
                    .wrong
                    .push(format!("stream {id:#x}: root {root:#x} is not where tables lie"));
                Vec::new()
            };
            streams.push(Stream {
                id,
                owner,
                entry,
                walked,
                maps,
            });
        }
        let (tables, pages) = (walker.tables, walker.pages);
        let (wrong, lost) = (walker.wrong, walker.lost);
        let seen = walker.seen.unwrap_or_default();
        (
            Self {
                el2,
                partitions,
                streams,
                idle,
                tables,
                pages,
                wrong,
                lost,
            },
            seen,
        )
    }
}
