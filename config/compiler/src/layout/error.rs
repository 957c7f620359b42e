// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why something finds no place.

use bulkhead_types::image::Range;

use super::Area;

/// Why something cannot lie where it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Two things want the same address.
    #[error("{new} overlaps {old}")]
    Overlap {
        /// What came later.
        new: Box<Area>,
        /// What lies there.
        old: Box<Area>,
    },
    /// A thing does not lie inside any zone it must lie in.
    #[error("{area} does not lie in {zone}")]
    Outside {
        /// The thing.
        area: Box<Area>,
        /// What the zone is.
        zone: &'static str,
    },
    /// No free range is large enough.
    #[error(
        "no room for {name} of {owner}: {size:#x} bytes aligned to {align:#x} do not fit into what is left of {zone}"
    )]
    Full {
        /// Whose.
        owner: String,
        /// What.
        name: String,
        /// Bytes.
        size: u64,
        /// Alignment in bytes.
        align: u64,
        /// What the zone is.
        zone: &'static str,
    },
    /// The colours have not enough free pages.
    #[error(
        "no room for {name} of {owner}: {size:#x} bytes in pages of colours {colours} do not fit into what is left of {zone}"
    )]
    Colours {
        /// Whose.
        owner: String,
        /// What.
        name: String,
        /// Bytes.
        size: u64,
        /// Colours.
        colours: String,
        /// What the zone is.
        zone: &'static str,
    },
    /// A range is empty or wraps around.
    #[error("{name} of {owner} at {start:#x}: its size {size:#x} makes no range")]
    Empty {
        /// Whose.
        owner: String,
        /// What.
        name: String,
        /// First address.
        start: u64,
        /// Bytes.
        size: u64,
    },
}

impl LayoutError {
    /// What cannot lie where it should.
    pub fn name(&self) -> &str {
        match self {
            LayoutError::Overlap { new: area, .. } | LayoutError::Outside { area, .. } => &area.name,
            LayoutError::Full { name, .. }
            | LayoutError::Colours { name, .. }
            | LayoutError::Empty { name, .. } => name,
        }
    }

    /// Names the whole of the hypervisor's image, with its blob and the room of that, for the part of it that is in the way.
    pub(crate) fn beside_image(self, start: u64, end: u64) -> Self {
        match self {
            LayoutError::Overlap { new, old } if start <= old.range.start && old.range.end <= end => {
                let (owner, name) = ("el2".to_owned(), "hypervisor".to_owned());
                let range = Range { start, end };
                let old = Box::new(Area { range, owner, name });
                LayoutError::Overlap { new, old }
            }
            other => other,
        }
    }
}
