// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours as the text states them: `config/compiler/FORMAT.md`, "Meaning".

use crate::bytes::PAGE;
use crate::image::Range;
use crate::text::decimal;

/// Colours of a partition, as ranges of both ends inclusive, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set(Vec<(u64, u64)>);

impl Set {
    /// A field of the type COLOURS, of a board with `count` colours.
    pub fn read(field: &str, count: u64) -> Option<Self> {
        let mut all: Vec<(u64, u64)> = Vec::new();
        for part in field.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => {
                    let ends = (decimal(first)?, decimal(last)?);
                    (ends.0 < ends.1).then_some(ends)?
                }
                None => (decimal(part)?, decimal(part)?),
            };
            let follows = all.last().is_none_or(|before| before.1 + 1 < first);
            (follows && last < count).then(|| all.push((first, last)))?;
        }
        Some(Self(all))
    }

    /// Whether a colour is among them.
    pub fn has(&self, colour: u64) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&colour))
    }

    /// Whether the two have a colour in common.
    pub fn meets(&self, other: &Self) -> bool {
        let common = |a: &(u64, u64), b: &(u64, u64)| a.0 <= b.1 && b.0 <= a.1;
        self.0.iter().any(|a| other.0.iter().any(|b| common(a, b)))
    }
}

/// The records `colours` and `colour`.
#[derive(Clone, Debug, Default)]
pub struct Colours {
    /// Number of the board's colours.
    pub count: u64,
    /// Bytes of a granule.
    pub granule: u64,
    /// Partitions in the order of their records, each with its colours, or in any.
    pub claims: Vec<(String, Option<Set>)>,
}

impl Colours {
    /// Fields of the record `colours`.
    pub fn read(count: &str, granule: &str) -> Option<Self> {
        let (count, granule) = (decimal(count)?, crate::text::hex(granule)?);
        let sane = count.is_power_of_two() && granule.is_power_of_two() && granule >= PAGE;
        let claims = Vec::new();
        sane.then_some(Self {
            count,
            granule,
            claims,
        })
    }

    /// The pages of a partition that has colours.
    pub fn of(&self, partition: &str) -> Option<Palette<'_>> {
        let (_, set) = self.claims.iter().find(|(name, _)| name == partition)?;
        Some(Palette {
            colours: self,
            set: set.as_ref()?,
        })
    }
}

/// The pages of a partition's colours.
#[derive(Clone, Copy, Debug)]
pub struct Palette<'a> {
    colours: &'a Colours,
    set: &'a Set,
}

impl Palette<'_> {
    /// Whether a physical address has one of the colours.
    pub fn has(self, address: u64) -> bool {
        let Colours { count, granule, .. } = self.colours;
        self.set.has(address / granule % count)
    }

    /// First address of the granule after that of `address`.
    pub fn next(self, address: u64) -> u64 {
        let granule = self.colours.granule;
        (address / granule).saturating_add(1).saturating_mul(granule)
    }

    /// The parts of `range` in the colours, ascending, one a granule.
    pub fn parts(self, range: Range) -> Vec<Range> {
        let (mut all, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let end = self.next(at).min(range.end);
            if self.has(at) {
                all.push(Range { start: at, end });
            }
            at = end;
        }
        all
    }

    /// Whether all of `range` has the colours.
    pub fn covers(self, range: Range) -> bool {
        let mut at = range.start;
        while at < range.end {
            if !self.has(at) {
                return false;
            }
            at = self.next(at);
        }
        true
    }
}
