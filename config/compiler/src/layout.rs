// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Physical placement: an interval allocator in which everything takes part in the overlap proof.
//!
//! A [`MemoryMap`] holds what lies where. Fixed things are [claimed](MemoryMap::claim), the others are
//! [placed](MemoryMap::place) at the lowest or [highest](MemoryMap::place_high) address of a zone that is free.
//! Implements: BH-MEM-003.

mod error;

use std::fmt;

use bulkhead_model::board::Region;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::colour::{Extent, Pattern};
use crate::units::page_up;
use crate::work;

pub use error::LayoutError;

/// Something that occupies physical addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Where.
    pub range: Range,
    /// Whose: `board`, `el2`, `gic`, `partition:NAME`, `channel:NAME` or `controller:NAME`.
    pub owner: String,
    /// What.
    pub name: String,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range;
        write!(f, "{} of {} ({start:#x}-{end:#x})", self.name, self.owner)
    }
}

/// Addresses in which things may be placed.
#[derive(Clone, Debug)]
pub struct Zone {
    /// What it is, for messages.
    pub name: &'static str,
    /// Its parts.
    pub regions: Vec<Region>,
}

/// Pages of some colours in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColouredArea {
    /// The range, whose, what.
    pub area: Area,
    /// Which of its pages.
    pub pattern: Pattern,
}

/// What lies where, by address.
#[derive(Clone, Debug, Default)]
pub struct MemoryMap {
    areas: Vec<Area>,
    coloured: Vec<ColouredArea>,
}

impl MemoryMap {
    /// Everything, by address.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// Every range of which only pages of some colours are taken, in the order of taking.
    pub fn coloured(&self) -> &[ColouredArea] {
        &self.coloured
    }

    /// What a zone has that nothing lies in, ascending. Pages of colours count as free.
    pub fn free(&self, zone: &Zone) -> Vec<Range> {
        let taken: Vec<Range> = self.areas.iter().map(|a| a.range).collect();
        let pages = |r: Range| Range {
            start: page_up(r.start),
            end: r.end - r.end % PAGE,
        };
        let free = between(zone, &taken).into_iter().map(pages);
        free.filter(|r| r.start < r.end).collect()
    }

    /// Takes the lowest `pages` pages of the colours of `pattern` in a zone that are free.
    ///
    /// # Errors
    /// [`LayoutError::Colours`], [`LayoutError::Overlap`].
    pub fn place_coloured(
        &mut self,
        zone: &Zone,
        owner: &str,
        name: &str,
        pages: u64,
        pattern: Pattern,
    ) -> Result<Extent, LayoutError> {
        let mut free = self.free(zone);
        for taken in self
            .coloured
            .iter()
            .filter(|c| c.pattern.set.overlaps(pattern.set))
        {
            free = free
                .into_iter()
                .flat_map(|range| without(range, taken.area.range))
                .collect();
        }
        let ranges = pattern.take(&free, pages).ok_or_else(|| LayoutError::Colours {
            owner: owner.to_owned(),
            name: name.to_owned(),
            size: pages * PAGE,
            colours: pattern.set.to_string(),
            zone: zone.name,
        })?;
        for range in &ranges {
            self.claim_coloured(owner, name, *range, pattern)?;
        }
        let pattern = Some(pattern);
        Ok(Extent { ranges, pattern })
    }

    /// Takes the pages of the colours of `pattern` in a range.
    fn claim_coloured(
        &mut self,
        owner: &str,
        name: &str,
        range: Range,
        pattern: Pattern,
    ) -> Result<(), LayoutError> {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        let area = Area { range, owner, name };
        let meets = |other: &Area| other.range.start < range.end && range.start < other.range.end;
        let coloured = self
            .coloured
            .iter()
            .filter(|c| c.pattern.set.overlaps(pattern.set));
        let old = self
            .areas
            .iter()
            .chain(coloured.map(|c| &c.area))
            .find(|a| meets(a));
        if let Some(old) = old.cloned().map(Box::new) {
            let new = Box::new(area);
            return Err(LayoutError::Overlap { new, old });
        }
        self.coloured.push(ColouredArea { area, pattern });
        Ok(())
    }

    /// Takes a fixed range.
    ///
    /// # Errors
    /// [`LayoutError::Overlap`] names both things, [`LayoutError::Empty`].
    pub fn claim(&mut self, owner: &str, name: &str, start: u64, size: u64) -> Result<Range, LayoutError> {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        let Some(end) = start.checked_add(size).filter(|end| *end > start) else {
            return Err(LayoutError::Empty {
                owner,
                name,
                start,
                size,
            });
        };
        let range = Range { start, end };
        let new = Box::new(Area { range, owner, name });
        let at = self.areas.partition_point(|a| a.range.end <= start);
        let whole = self.areas.get(at).filter(|old| old.range.start < end);
        let coloured = self.coloured.iter().map(|c| &c.area);
        let coloured = || {
            coloured
                .into_iter()
                .find(|a| a.range.start < end && start < a.range.end)
        };
        if let Some(old) = whole.or_else(coloured) {
            let old = Box::new(old.clone());
            return Err(LayoutError::Overlap { new, old });
        }
        self.areas.insert(at, *new);
        Ok(range)
    }

    /// Takes a fixed range that must lie in one region of a zone.
    ///
    /// # Errors
    /// As [`MemoryMap::claim`], and [`LayoutError::Outside`].
    pub fn claim_in(
        &mut self,
        zone: &Zone,
        owner: &str,
        name: &str,
        start: u64,
        size: u64,
    ) -> Result<Range, LayoutError> {
        let wanted = Region { base: start, size };
        let range = self.claim(owner, name, start, size)?;
        if zone.regions.iter().any(|r| r.contains(&wanted)) {
            return Ok(range);
        }
        let (owner, name) = (owner.to_owned(), name.to_owned());
        let area = Box::new(Area { range, owner, name });
        Err(LayoutError::Outside {
            area,
            zone: zone.name,
        })
    }

    /// Takes the lowest free range of `size` bytes in a zone; `align` is a power of two.
    ///
    /// # Errors
    /// [`LayoutError::Full`], [`LayoutError::Empty`].
    pub fn place(
        &mut self,
        zone: &Zone,
        owner: &str,
        name: &str,
        size: u64,
        align: u64,
    ) -> Result<Range, LayoutError> {
        let lowest = |range: &Range| range.start.checked_next_multiple_of(align);
        let fits = |range: &Range| lowest(range)?.checked_add(size).filter(|end| *end <= range.end);
        let start = self
            .gaps(zone)
            .iter()
            .find(|r| fits(r).is_some())
            .and_then(lowest);
        self.claim_found(zone, owner, name, size, align, start)
    }

    /// Takes the highest free range of `size` bytes in a zone; `align` is a power of two.
    ///
    /// # Errors
    /// As [`MemoryMap::place`].
    pub fn place_high(
        &mut self,
        zone: &Zone,
        owner: &str,
        name: &str,
        size: u64,
        align: u64,
    ) -> Result<Range, LayoutError> {
        let highest = |range: &Range| {
            let start = range.end.checked_sub(size)?;
            Some(start - start % align).filter(|start| *start >= range.start)
        };
        let start = self.gaps(zone).iter().rev().find_map(highest);
        self.claim_found(zone, owner, name, size, align, start)
    }

    fn claim_found(
        &mut self,
        zone: &Zone,
        owner: &str,
        name: &str,
        size: u64,
        align: u64,
        start: Option<u64>,
    ) -> Result<Range, LayoutError> {
        let full = || LayoutError::Full {
            owner: owner.to_owned(),
            name: name.to_owned(),
            size,
            align,
            zone: zone.name,
        };
        self.claim(owner, name, start.ok_or_else(full)?, size)
    }

    /// What a zone has that nothing lies in, ascending. Ranges of which only some pages are taken are not free.
    fn gaps(&self, zone: &Zone) -> Vec<Range> {
        let coloured = self.coloured.iter().map(|c| c.area.range);
        let mut taken: Vec<Range> = self.areas.iter().map(|a| a.range).chain(coloured).collect();
        taken.sort_by_key(|r| r.start);
        between(zone, &taken)
    }
}

/// What a zone has outside of `taken`, ascending; `taken` is sorted by its begins.
fn between(zone: &Zone, taken: &[Range]) -> Vec<Range> {
    let mut regions = zone.regions.clone();
    regions.sort_by_key(|r| r.base);
    let mut free = Vec::new();
    for region in regions {
        let mut start = region.base;
        work::add(taken.len() as u64);
        for range in taken {
            if range.end <= start || range.start >= region.end() {
                continue;
            }
            free.push(Range {
                start,
                end: range.start.max(start),
            });
            start = range.end;
        }
        free.push(Range {
            start,
            end: region.end().max(start),
        });
    }
    free.retain(|r| r.start < r.end);
    free
}

/// What remains of a range, at most two parts.
fn without(range: Range, hole: Range) -> impl Iterator<Item = Range> {
    let before = Range {
        start: range.start,
        end: range.end.min(hole.start),
    };
    let after = Range {
        start: range.start.max(hole.end),
        end: range.end,
    };
    [before, after].into_iter().filter(|r| r.start < r.end)
}
