// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours as the text form states them (`config/compiler/FORMAT.md`, `colours`, `colour`, `coloured`).
//!
//! A colour is computed from the physical address alone: the granule's number modulo the number of colours.

use crate::range::{PAGE, Range};
use crate::reach::{Access, Run, push};
use crate::work::step;

/// Most colours that the text form can state.
const MAX_COUNT: u64 = 64;

/// Colours of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    count: u64,
    granule: u64,
}

impl Geometry {
    /// Both are powers of two, granules are whole pages, and colours repeat within 4 GiB.
    pub(crate) fn new(count: u64, granule: u64) -> Option<Self> {
        let sizes = count.is_power_of_two() && granule.is_power_of_two();
        let bounds = (2..=MAX_COUNT).contains(&count) && (PAGE..=1 << 26).contains(&granule);
        (sizes && bounds).then_some(Self { count, granule })
    }

    /// Colour of a physical address.
    fn colour_of(self, address: u64) -> u64 {
        (address / self.granule) % self.count
    }

    /// Bytes after which colours repeat.
    fn period(self) -> u64 {
        self.count * self.granule
    }
}

/// A set of colours, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(u64);

impl Set {
    /// Reads `0-3,8`: ascending, ranges not empty, neighbours joined, each below `count`.
    pub(crate) fn parse(text: &str, geometry: Geometry) -> Option<Self> {
        let number = |text: &str| {
            let value: u64 = text.parse().ok()?;
            (value.to_string() == text && value < geometry.count).then_some(value)
        };
        let (mut bits, mut after) = (0, None);
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last).filter(|l| Some(*l) > number(first))?),
                None => (number(part)?, number(part)?),
            };
            if after.is_some_and(|after| first <= after) {
                return None;
            }
            (first..=last).for_each(|colour| bits |= 1 << colour);
            after = Some(last + 1);
        }
        Some(Self(bits))
    }

    /// Whether the two have a colour in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Its colours, ascending.
    fn iter(self) -> impl Iterator<Item = u64> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let lowest = (left != 0).then_some(left.trailing_zeros());
            left &= left.wrapping_sub(1);
            lowest.map(u64::from)
        })
    }

    fn has(self, colour: u64) -> bool {
        self.0 >> colour & 1 == 1
    }
}

/// Colours of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// The board's.
    pub geometry: Geometry,
    /// The partition's.
    pub set: Set,
}

impl Colours {
    /// Bytes of the pages of a range that have the colours, `limit` at most.
    pub(crate) fn size(self, range: Range, limit: u64) -> u64 {
        let mut size: u64 = 0;
        for run in self.within(range) {
            size = size.saturating_add(run.size());
            if size >= limit {
                return limit;
            }
        }
        size
    }

    /// Whether every page of a physical range, which is page-aligned, has one of the colours.
    pub(crate) fn have(&self, range: Range) -> bool {
        let granule = self.geometry.granule;
        let mut at = range.start;
        while at < range.end {
            step();
            if !self.set.has(self.geometry.colour_of(at)) {
                return false;
            }
            at = (at - at % granule).saturating_add(granule);
        }
        true
    }

    /// The runs of `range` that have the colours, ascending.
    pub(crate) fn within(self, range: Range) -> impl Iterator<Item = Range> {
        let Geometry { count, granule } = self.geometry;
        let period = self.geometry.period();
        let first = range.start - range.start % period;
        let periods = (0..).map(move |n: u64| first.saturating_add(n.saturating_mul(period)));
        periods
            .take_while(move |start| *start < range.end)
            .flat_map(move |start| {
                let colours = self.set.iter().take_while(move |colour| *colour < count);
                colours.map(move |colour| Range::sized(start.saturating_add(colour * granule), granule))
            })
            .filter_map(move |granule| granule.intersection(range))
    }
}

/// A grant of the pages of its partition's colours in a range, ascending from an input address.
#[derive(Clone, Debug)]
pub(crate) struct Coloured {
    /// `partition:NAME`.
    pub root: String,
    /// What it is.
    pub name: String,
    /// Physical range.
    pub range: Range,
    /// First input address.
    pub input: u64,
    /// Rights and type.
    pub access: Access,
}

impl Coloured {
    /// The mappings that it means, appended to `runs`. It stops when `budget` bytes are used up: who asks for more
    /// than the tables map contradicts them by that alone.
    pub(crate) fn expand(&self, colours: Colours, runs: &mut Vec<Run>, budget: &mut u64) {
        let mut input = self.input;
        for physical in colours.within(self.range) {
            if *budget == 0 {
                return;
            }
            *budget = budget.saturating_sub(physical.size());
            let run = Run {
                input: Range::sized(input, physical.size()),
                output: physical.start,
                access: self.access,
            };
            input = run.input.end;
            push(runs, run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry::new(16, PAGE).unwrap_or_else(|| unreachable!())
    }

    #[test]
    fn sets_have_one_form() {
        let parse = |text| Set::parse(text, geometry());
        assert_eq!(parse("0-3,8"), Some(Set(0x10f)));
        assert_eq!(parse("15"), Some(Set(0x8000)));
        for bad in [
            "", "16", "3-0", "3-3", "0,1", "0-2,3", "8,0", "01", "0,,2", "0-", "any", "+1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn pages_of_a_range_are_found_one_by_one() {
        let geometry = Geometry::new(8, 2 * PAGE).unwrap_or_else(|| unreachable!());
        let colours = Colours {
            geometry,
            set: Set(0b1001_0010),
        };
        for (start, end) in [(0, 64), (3, 29), (5, 6), (14, 15), (17, 17)] {
            let range = Range {
                start: start * PAGE,
                end: end * PAGE,
            };
            let found: Vec<u64> = colours
                .within(range)
                .flat_map(|run| (run.start / PAGE..run.end / PAGE).collect::<Vec<_>>())
                .collect();
            let wanted: Vec<u64> = (start..end)
                .filter(|page| [1, 4, 7].contains(&(page / 2 % 8)))
                .collect();
            assert_eq!(found, wanted, "{range}");
            assert_eq!(colours.have(range), wanted.len() as u64 == end - start, "{range}");
        }
    }
}
