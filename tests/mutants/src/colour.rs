// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours: `FORMAT.md`, "Meaning".

use std::collections::BTreeSet;

use crate::bytes::PAGE;
use crate::image::Range;
use crate::text::decimal;

/// The board's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colouring {
    /// How many there are.
    pub count: u64,
    /// Bytes that follow each other in one colour.
    pub granule: u64,
}

/// Colours of a partition; nothing where the spec accepts it in all of them.
pub type Colours = Option<BTreeSet<u64>>;

impl Colouring {
    /// Colour of a physical address.
    pub fn of(&self, address: u64) -> u64 {
        (address / self.granule) % self.count
    }

    /// Pages of `colours` in a range, ascending.
    pub fn pages<'a>(&'a self, colours: &'a BTreeSet<u64>, range: Range) -> impl Iterator<Item = u64> + 'a {
        let pages = (range.start / PAGE..range.end / PAGE).map(|page| page * PAGE);
        pages.filter(|page| colours.contains(&self.of(*page)))
    }
}

/// Colours as the text writes them: ascending numbers and ranges, neighbours joined.
pub fn read(field: &str) -> Option<Colours> {
    if field == "any" {
        return Some(None);
    }
    let (mut colours, mut next) = (BTreeSet::new(), 0);
    for part in field.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (decimal(first)?, decimal(last)?),
            None => (decimal(part)?, decimal(part)?),
        };
        let joined = part.contains('-') && first >= last;
        // A neighbour of the last one would have joined its range.
        if first < next || joined || last > 1 << 16 {
            return None;
        }
        colours.extend(first..=last);
        next = last + 2;
    }
    Some(Some(colours))
}
