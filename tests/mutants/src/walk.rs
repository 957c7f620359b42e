// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks one root: 39-bit input addresses, start at level 1.

use std::collections::BTreeMap;

use crate::bytes::{PAGE, bits, u64_at};
use crate::descriptor::{Kind, Meaning, Regime, decode};

/// A mapped range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// First input address.
    pub input: u64,
    /// Its output address.
    pub output: u64,
    /// Bytes.
    pub size: u64,
    /// Rights.
    pub rights: u8,
    /// Type.
    pub kind: Kind,
}

/// Adds `map` to maps in ascending input order; what continues the last one joins it.
pub fn join(maps: &mut Vec<Map>, map: Map) {
    if let Some(last) = maps.last_mut() {
        let follows = last.input + last.size == map.input && last.output + last.size == map.output;
        if follows && last.rights == map.rights && last.kind == map.kind {
            last.size += map.size;
            return;
        }
    }
    maps.push(map);
}

/// Where tables may lie.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// First physical address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

/// A descriptor that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its offset in the blob.
    pub offset: u64,
    /// Level of its table.
    pub level: u32,
    /// Whether it is of stage 2.
    pub stage2: bool,
    /// Input address that it begins at.
    pub input: u64,
    /// Number of the root in the order of walks.
    pub root: usize,
    /// Its value.
    pub raw: u64,
}

/// The memory that tables lie in, and what was seen of it.
pub struct Walker<'a> {
    /// The blob.
    pub blob: &'a [u8],
    /// Its physical address.
    pub base: u64,
    /// Bits of a physical address.
    pub address_bits: u32,
    /// Table pages by address: how often they were reached.
    pub tables: BTreeMap<u64, u32>,
    /// Table pages with the numbers of the roots that reached them, in the order of the walks.
    pub pages: Vec<(usize, u64)>,
    /// What is wrong, in the order in which it was seen.
    pub wrong: Vec<String>,
    /// Every descriptor, when somebody wants to know.
    pub seen: Option<Vec<Seen>>,
    /// Roots walked so far.
    pub roots: usize,
    /// Whether a table lies outside the blob, so that what it maps is not known.
    pub lost: bool,
}

impl Walker<'_> {
    /// Everything that the root at physical address `root` (a page of the blob) maps; lower tables lie in `area`.
    pub fn walk(&mut self, regime: Regime, root: u64, area: Area) -> Vec<Map> {
        let mut maps = Vec::new();
        self.roots += 1;
        self.table(regime, root, 1, 0, 0, area, &mut maps);
        maps
    }

    #[allow(clippy::too_many_arguments, reason = "the state of a walk")]
    fn table(
        &mut self,
        regime: Regime,
        page: u64,
        level: u32,
        input: u64,
        taken: u8,
        area: Area,
        maps: &mut Vec<Map>,
    ) {
        *self.tables.entry(page).or_insert(0) += 1;
        self.pages.push((self.roots - 1, page));
        let size = 1u64 << (39 - 9 * level);
        for entry in 0..512u64 {
            let offset = page.wrapping_sub(self.base).wrapping_add(entry * 8);
            let Some(raw) = u64_at(self.blob, offset) else {
                self.wrong.push(format!("table {page:#x} is not in the blob"));
                return;
            };
            if raw == 0 {
                continue;
            }
            let (meaning, wrong) = decode(regime, level, raw, self.address_bits);
            if let Some(text) = wrong {
                self.wrong.push(format!(
                    "descriptor {:#x} at {page:#x}+{:#x}: {text}",
                    raw,
                    entry * 8
                ));
            }
            let at = input + entry * size;
            if let Some(seen) = &mut self.seen {
                let stage2 = regime == Regime::Stage2;
                seen.push(Seen {
                    offset,
                    level,
                    stage2,
                    input: at,
                    root: self.roots - 1,
                    raw,
                });
            }
            match meaning {
                Meaning::Invalid => {}
                Meaning::Leaf(leaf) => {
                    let rights = leaf.rights & !taken;
                    if rights != 0 {
                        let (output, kind) = (leaf.output, leaf.kind);
                        join(
                            maps,
                            Map {
                                input: at,
                                output,
                                size,
                                rights,
                                kind,
                            },
                        );
                    }
                }
                Meaning::Table(next, less) => {
                    if next < area.start || next >= area.end || bits(next, 11, 0) != 0 {
                        self.wrong
                            .push(format!("table {next:#x} lies outside the area of its stage"));
                    }
                    if self.tables.contains_key(&next) {
                        self.wrong.push(format!("table {next:#x} is reached twice"));
                    }
                    // Walking a table again, at another level or not, ends: the level rises.
                    if next >= self.base && next - self.base < u64::try_from(self.blob.len()).unwrap_or(0) {
                        self.table(regime, next, level + 1, at, taken | less, area, maps);
                    } else {
                        self.lost = true;
                        self.wrong.push(format!("table {next:#x} is not in the blob"));
                    }
                }
            }
        }
    }
}

/// The maps of a root as pages; for tests and reports only.
pub fn pages(maps: &[Map]) -> u64 {
    maps.iter().map(|map| map.size / PAGE).sum()
}
