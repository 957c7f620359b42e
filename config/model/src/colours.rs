// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours: which sets of the last-level cache a physical address falls into.
//!
//! The sets of a physically indexed cache are chosen by address bits above the page offset, so that pages whose
//! addresses differ in those bits never evict each other. [`Colouring`] is what a board has, [`ColourSet`] what
//! a partition uses. Implements: BH-MEM-005.

use std::fmt;

/// Most colours that a board can have.
pub const MAX_COLOURS: u32 = 64;

/// Colours of a board: a granule's colour is its number modulo [`Colouring::count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colouring {
    /// Colours, a power of two from 2 to [`MAX_COLOURS`].
    pub count: u32,
    /// Bytes that follow each other in one colour: a power of two, 4 KiB at least.
    pub granule: u64,
}

impl Colouring {
    /// Bytes after which colours repeat: the size of a way of the cache.
    pub fn way(&self) -> u64 {
        self.granule * u64::from(self.count)
    }

    /// Colour of a physical address.
    pub fn colour_of(&self, address: u64) -> u32 {
        u32::try_from(address / self.granule % u64::from(self.count)).unwrap_or(0)
    }
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColourSet(u64);

impl ColourSet {
    /// Whether it has `colour`.
    pub fn has(self, colour: u32) -> bool {
        colour < MAX_COLOURS && self.0 >> colour & 1 == 1
    }

    /// Colours in it.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With the colours of `other`.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        ColourSet(self.0 | other.0)
    }

    /// Whether the two have a colour in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The colours, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let lowest = (left != 0).then_some(left.trailing_zeros());
            left &= left.wrapping_sub(1);
            lowest
        })
    }

    /// The lowest `count` colours of a board that are not in it, fewer when there are not as many.
    #[must_use]
    pub fn lowest_free(self, colouring: Colouring, count: u32) -> Self {
        let free = (0..colouring.count).filter(|c| !self.has(*c));
        free.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
    }
}

impl FromIterator<u32> for ColourSet {
    fn from_iter<I: IntoIterator<Item = u32>>(colours: I) -> Self {
        let bit = |c: u32| 1u64.checked_shl(c).unwrap_or(0);
        ColourSet(colours.into_iter().fold(0, |bits, c| bits | bit(c)))
    }
}

impl fmt::Display for ColourSet {
    /// `0-3,8`: ascending, neighbours joined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for first in self.iter().filter(|c| *c == 0 || !self.has(c - 1)) {
            let last = (first..MAX_COLOURS).take_while(|c| self.has(*c)).last();
            match last.filter(|last| *last > first) {
                Some(last) => write!(f, "{separator}{first}-{last}")?,
                None => write!(f, "{separator}{first}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_shown_as_ranges() {
        let show = |colours: &[u32]| colours.iter().copied().collect::<ColourSet>().to_string();
        assert_eq!(show(&[]), "");
        assert_eq!(show(&[5]), "5");
        assert_eq!(show(&[8, 0, 1, 2, 3]), "0-3,8");
        assert_eq!(show(&[62, 63, 1]), "1,62-63");
    }

    // Verifies: BH-MEM-005
    #[test]
    fn the_colour_is_in_the_bits_above_the_granule() {
        let colouring = Colouring {
            count: 16,
            granule: 0x2000,
        };
        assert_eq!(colouring.way(), 0x2_0000);
        for (address, colour) in [
            (0, 0),
            (0x1fff, 0),
            (0x2000, 1),
            (0x1_e000, 15),
            (0x2_0000, 0),
            (0x4002_2000, 1),
        ] {
            assert_eq!(colouring.colour_of(address), colour, "{address:#x}");
        }
    }

    #[test]
    fn free_colours_are_the_lowest_that_are_left() {
        let colouring = Colouring {
            count: 8,
            granule: 0x1000,
        };
        let used: ColourSet = [0, 2, 3].into_iter().collect();
        assert_eq!(used.lowest_free(colouring, 3).to_string(), "1,4-5");
        assert_eq!(used.lowest_free(colouring, 9).to_string(), "1,4-7");
        assert!(!used.overlaps(used.lowest_free(colouring, 9)));
    }
}
