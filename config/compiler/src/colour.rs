// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of some colours: where they are, and how many lie in a range. Implements: BH-MEM-005.
//!
//! A [`Pattern`] is what a partition may use of the board's colours. [`Pattern::take`] gives the lowest pages of
//! free ranges; since no two partitions have a colour in common, what one takes is never another's. Everything
//! here is arithmetic on ways: the work does not depend on how many pages there are.

use bulkhead_model::colours::{ColourSet, Colouring};
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::work;

/// The colours of a partition on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The board's.
    pub colouring: Colouring,
    /// The partition's.
    pub set: ColourSet,
}

impl Pattern {
    /// Whether a physical address has one of the colours.
    pub fn has(&self, address: u64) -> bool {
        self.set.has(self.colouring.colour_of(address))
    }

    /// Pages of the colours in a way.
    fn pages_of_way(&self) -> u64 {
        u64::from(self.set.len()) * self.pages_of_granule()
    }

    fn pages_of_granule(&self) -> u64 {
        self.colouring.granule / PAGE
    }

    /// Pages of the colours in `[0, address)`; `address` is a multiple of the page size.
    fn rank(&self, address: u64) -> u64 {
        work::add(1);
        let way = self.colouring.way();
        let (ways, rest) = (address / way, address % way);
        let (granules, part) = (rest / self.colouring.granule, rest % self.colouring.granule);
        let before = self.set.iter().take_while(|c| u64::from(*c) < granules).count() as u64;
        let inside = if self.has(address) { part / PAGE } else { 0 };
        ways * self.pages_of_way() + before * self.pages_of_granule() + inside
    }

    /// Address of the page of rank `n`: the inverse of [`Pattern::rank`] on pages of the colours.
    fn select(&self, n: u64) -> Option<u64> {
        let (ways, rest) = (n.checked_div(self.pages_of_way())?, n % self.pages_of_way());
        let (granules, part) = (rest / self.pages_of_granule(), rest % self.pages_of_granule());
        let colour = self.set.iter().nth(usize::try_from(granules).ok()?)?;
        Some(ways * self.colouring.way() + u64::from(colour) * self.colouring.granule + part * PAGE)
    }

    /// Pages of the colours that lie wholly in `range`, which is page-aligned.
    pub fn count(&self, range: Range) -> u64 {
        self.rank(range.end) - self.rank(range.start)
    }

    /// The first `pages` pages of the colours at or after the begin of `range`, shrunk to them; nothing when
    /// the range holds none, fewer when it holds not as many.
    pub fn first(&self, range: Range, pages: u64) -> Option<Range> {
        let there = self.count(range).min(pages);
        let rank = self.rank(range.start);
        Some(Range {
            start: self.select(rank)?,
            end: self.select(rank + there.checked_sub(1)?)? + PAGE,
        })
    }

    /// The lowest `pages` pages of the colours in `free`, as ranges in which each page of the colours is meant;
    /// nothing when there are not as many. `free` is ascending and page-aligned.
    pub fn take(&self, free: &[Range], pages: u64) -> Option<Vec<Range>> {
        let (mut left, mut taken) = (pages, Vec::new());
        for range in free {
            if let Some(part) = self.first(*range, left) {
                left -= self.count(part);
                taken.push(part);
            }
        }
        (left == 0).then_some(taken)
    }

    /// The pages of the colours in `range`, ascending, neighbours joined.
    pub fn runs(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        let (way, granule) = (self.colouring.way(), self.colouring.granule);
        let ways = range.start / way..range.end.div_ceil(way);
        let starts = ways.flat_map(move |n| self.set.iter().map(move |c| n * way + u64::from(c) * granule));
        starts
            .inspect(|_| work::add(1))
            .map(move |start| Range {
                start: start.max(range.start),
                end: (start + granule).min(range.end),
            })
            .filter(|run| run.start < run.end)
    }

    /// Addresses of the pages of the colours in `range`, ascending.
    pub fn pages(&self, range: Range) -> impl Iterator<Item = u64> + '_ {
        self.runs(range)
            .flat_map(|run| (0..(run.end - run.start) / PAGE).map(move |n| run.start + n * PAGE))
    }
}

/// Where something lies: whole ranges, or only their pages of some colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Ascending.
    pub ranges: Vec<Range>,
    /// Which of their pages are meant; all of them when absent.
    pub pattern: Option<Pattern>,
}

impl Extent {
    /// A whole range.
    pub fn whole(range: Range) -> Self {
        Extent {
            ranges: vec![range],
            pattern: None,
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        let of = |range: &Range| size(*range, self.pattern.as_ref());
        self.ranges.iter().map(of).sum()
    }

    /// Physical addresses of the pages, ascending.
    pub fn pages(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().flat_map(|range| {
            let (plain, coloured) = match &self.pattern {
                None => (Some((range.start..range.end).step_by(PAGE as usize)), None),
                Some(pattern) => (None, Some(pattern.pages(*range))),
            };
            plain.into_iter().flatten().chain(coloured.into_iter().flatten())
        })
    }

    /// First page and end of the last one.
    pub fn hull(&self) -> Range {
        Range {
            start: self.ranges.first().map_or(0, |r| r.start),
            end: self.ranges.last().map_or(0, |r| r.end),
        }
    }

    /// `bytes` bytes behind the first `from` ones.
    pub fn part(&self, from: u64, bytes: u64) -> Self {
        self.clone().split(from).1.split(bytes).0
    }

    /// Splits off what follows the first `bytes` bytes.
    pub fn split(self, bytes: u64) -> (Self, Self) {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut left = bytes / PAGE;
        for range in self.ranges {
            let cut = match &self.pattern {
                None => Some(Range {
                    end: range.end.min(range.start + left * PAGE),
                    ..range
                }),
                Some(pattern) => pattern.first(range, left),
            };
            let cut = cut.filter(|cut| cut.start < cut.end);
            let after = cut.map_or(range.start, |cut| cut.end);
            if let Some(cut) = cut {
                left -= size(cut, self.pattern.as_ref()) / PAGE;
                first.push(cut);
            }
            let rest = Range {
                start: after,
                ..range
            };
            let rest = match &self.pattern {
                None => Some(rest).filter(|r| r.start < r.end),
                Some(pattern) => pattern.first(rest, u64::MAX),
            };
            second.extend(rest);
        }
        let with = |ranges| Extent {
            ranges,
            pattern: self.pattern,
        };
        (with(first), with(second))
    }
}

/// Bytes of a range, or of its pages of some colours.
pub fn size(range: Range, pattern: Option<&Pattern>) -> u64 {
    pattern.map_or(range.end - range.start, |p| p.count(range) * PAGE)
}
