// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translation tables of the one shape that Bulkhead uses, for both stages.
//!
//! 4 KiB granule, 39-bit input addresses, start at level 1 with one 512-entry page, 2 MiB blocks where both
//! addresses and the length allow it. A [`Tree`] is one root; the lower tables of several trees come from
//! one [`Pool`], which knows the physical address at which each of its pages will lie; those of a coloured
//! partition, and of its streams, lie in pages of its colours. [`lower_tables`] says beforehand how many a tree
//! will need.
//! [`crate::stage1`] and [`crate::stage2`] turn typed attributes into descriptor bits.
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 translation table format descriptors".

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::colours::ColourSet;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::access::Grant;
use crate::colour::Pattern;
use crate::work;

/// Bits of an input address.
pub const INPUT_BITS: u32 = 39;
/// Bytes of a level-2 block.
pub const BLOCK: u64 = 2 << 20;
/// Entries of a table page.
pub const ENTRIES: usize = 512;

/// Bits 1:0 of a table descriptor and of a level-3 page descriptor.
const TABLE_OR_PAGE: u64 = 0b11;
/// Bits 1:0 of a block descriptor.
const BLOCK_TYPE: u64 = 0b01;
/// Bits that hold an output address of up to 48 bits.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// One table page.
pub type Page = [u64; ENTRIES];

/// Why a mapping was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// An address or the length is not a multiple of 4 KiB, or the length is zero.
    #[error("{input:#x} -> {output:#x}, {size:#x} bytes: not made of whole pages")]
    Misaligned {
        /// First input address.
        input: u64,
        /// First output address.
        output: u64,
        /// Bytes.
        size: u64,
    },
    /// The end of the input range needs more than [`INPUT_BITS`] bits.
    #[error("{input:#x}, {size:#x} bytes: beyond the 39-bit input address space")]
    InputRange {
        /// First input address.
        input: u64,
        /// Bytes.
        size: u64,
    },
    /// The end of the output range needs more bits than the board's physical addresses have.
    #[error("{output:#x}, {size:#x} bytes: beyond the board's {bits}-bit physical addresses")]
    OutputRange {
        /// First output address.
        output: u64,
        /// Bytes.
        size: u64,
        /// Bits of a physical address.
        bits: u32,
    },
    /// A coloured tree has no colour.
    #[error("a coloured partition has no colour for its tables")]
    NoColour,
    /// Something is mapped there already.
    #[error("input address {input:#x} is mapped twice")]
    Overlap {
        /// First input address that is taken.
        input: u64,
    },
}

/// Hands out table pages at their final physical addresses: first those of any colour, one after the other,
/// then, from an address that is fixed beforehand, those of coloured trees wherever their colours are.
#[derive(Clone, Debug)]
pub struct Pool {
    base: u64,
    coloured: u64,
    output_bits: u32,
    plain: u64,
    /// Address behind the last page that was handed out of each set of colours.
    behind: BTreeMap<ColourSet, u64>,
    pages: Vec<Page>,
}

impl Pool {
    /// An empty pool whose first page will lie at `base`, for outputs of up to `output_bits` bits. Coloured
    /// pages will lie behind the first `plain` pages.
    pub fn new(base: u64, output_bits: u32, plain: u64) -> Self {
        Pool {
            base,
            coloured: base + plain * PAGE,
            output_bits,
            plain: 0,
            behind: BTreeMap::new(),
            pages: Vec::new(),
        }
    }

    /// All pages from the base to the last that was handed out; those between coloured ones are empty.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Adds an empty page, of some colours or of any, and returns its physical address.
    fn take(&mut self, pattern: Option<&Pattern>) -> Result<u64, MapError> {
        let address = match pattern {
            None => {
                self.plain += 1;
                self.base + (self.plain - 1) * PAGE
            }
            Some(pattern) => {
                let start = *self.behind.get(&pattern.set).unwrap_or(&self.coloured);
                let end = start + 2 * pattern.colouring.way();
                let page = pattern.first(Range { start, end }, 1).ok_or(MapError::NoColour)?;
                self.behind.insert(pattern.set, page.end);
                page.start
            }
        };
        let end = crate::units::index((address - self.base) / PAGE + 1);
        if self.pages.len() < end {
            self.pages.resize(end, [0; ENTRIES]);
        }
        Ok(address)
    }

    /// Adds the root of a tree, where its lower tables are, and returns its physical address.
    ///
    /// # Errors
    /// [`MapError::NoColour`].
    pub fn put_root(&mut self, tree: &Tree) -> Result<u64, MapError> {
        let address = self.take(tree.pattern.as_ref())?;
        *self.at(address) = tree.root;
        Ok(address)
    }

    /// The page that a table descriptor of this pool points at.
    fn at(&mut self, descriptor: u64) -> &mut Page {
        work::add(1);
        let index = ((descriptor & ADDRESS) - self.base) / PAGE;
        &mut self.pages[index as usize]
    }
}

/// One translation root and what hangs below it.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Page,
    /// Colours of its lower tables; nothing for any.
    pattern: Option<Pattern>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new(None)
    }
}

/// Index of an input address into a table of a level.
fn index(input: u64, level: u32) -> usize {
    ((input >> (12 + 9 * (3 - level))) & 0x1ff) as usize
}

/// Follows the table descriptor in `entry`, making a table where there is nothing.
fn next(pool: &mut Pool, pattern: Option<&Pattern>, entry: u64, input: u64) -> Result<u64, MapError> {
    match entry & 0b11 {
        TABLE_OR_PAGE => Ok(entry),
        0 => Ok(pool.take(pattern)? | TABLE_OR_PAGE),
        _ => Err(MapError::Overlap { input }),
    }
}

impl Tree {
    /// An empty tree whose lower tables lie in pages of some colours, or of any.
    pub fn new(pattern: Option<Pattern>) -> Self {
        Tree {
            root: [0; ENTRIES],
            pattern,
        }
    }

    /// The root page.
    pub fn root(&self) -> &Page {
        &self.root
    }

    /// Maps what a grant gives, with attribute bits as in [`Tree::map`].
    ///
    /// # Errors
    /// As [`Tree::map`].
    pub fn give(&mut self, pool: &mut Pool, grant: &Grant, leaf: u64) -> Result<(), MapError> {
        match &grant.pattern {
            None => self.map(pool, grant.address, grant.range.start, grant.size(), leaf),
            Some(pattern) => self.map_coloured(pool, grant.address, grant.range, pattern, leaf),
        }
    }

    /// Maps `size` bytes from `input` to `output` with the attribute bits `leaf` (all but bits 1:0 and the
    /// address).
    ///
    /// # Errors
    /// See [`MapError`]; the tree is unusable afterwards.
    pub fn map(
        &mut self,
        pool: &mut Pool,
        input: u64,
        output: u64,
        size: u64,
        leaf: u64,
    ) -> Result<(), MapError> {
        check(pool, (input, size), (output, size))?;
        let mut done = 0;
        while done < size {
            done += self.map_one(pool, input + done, output + done, size - done, leaf)?;
        }
        Ok(())
    }

    /// Maps the pages of the colours of `pattern` in `range`, ascending from `input`, always as pages.
    ///
    /// # Errors
    /// As [`Tree::map`].
    pub fn map_coloured(
        &mut self,
        pool: &mut Pool,
        input: u64,
        range: Range,
        pattern: &Pattern,
        leaf: u64,
    ) -> Result<(), MapError> {
        let output = (range.start, range.end.saturating_sub(range.start));
        check(pool, (input, pattern.count(range) * PAGE), output)?;
        for (page, output) in (0..).zip(pattern.pages(range)) {
            self.map_one(pool, input + page * PAGE, output, PAGE, leaf)?;
        }
        Ok(())
    }

    /// Maps one block or page and returns its length.
    fn map_one(
        &mut self,
        pool: &mut Pool,
        input: u64,
        output: u64,
        left: u64,
        leaf: u64,
    ) -> Result<u64, MapError> {
        let level2 = next(pool, self.pattern.as_ref(), self.root[index(input, 1)], input)?;
        self.root[index(input, 1)] = level2;
        let entry = pool.at(level2)[index(input, 2)];
        if (input | output).is_multiple_of(BLOCK) && left >= BLOCK {
            if entry != 0 {
                return Err(MapError::Overlap { input });
            }
            pool.at(level2)[index(input, 2)] = output | leaf | BLOCK_TYPE;
            return Ok(BLOCK);
        }
        let level3 = next(pool, self.pattern.as_ref(), entry, input)?;
        pool.at(level2)[index(input, 2)] = level3;
        let page = &mut pool.at(level3)[index(input, 3)];
        if *page != 0 {
            return Err(MapError::Overlap { input });
        }
        *page = output | leaf | TABLE_OR_PAGE;
        Ok(PAGE)
    }
}

/// Refuses a mapping of `(start, size)` that no descriptors can express.
fn check(pool: &Pool, (input, size): (u64, u64), (output, span): (u64, u64)) -> Result<(), MapError> {
    if !(input | output | size | span).is_multiple_of(PAGE) || size == 0 {
        return Err(MapError::Misaligned { input, output, size });
    }
    let fits = |start: u64, size: u64, bits: u32| start.checked_add(size).is_some_and(|end| end <= 1 << bits);
    if !fits(input, size, INPUT_BITS) {
        return Err(MapError::InputRange { input, size });
    }
    if !fits(output, span, pool.output_bits) {
        let (size, bits) = (span, pool.output_bits);
        return Err(MapError::OutputRange { output, size, bits });
    }
    Ok(())
}

/// Tables that a tree with these grants has below its root. counted, so that they are built once.
/// Implements: BH-MEM-006.
pub fn lower_tables<'a>(grants: impl Iterator<Item = &'a Grant>) -> u64 {
    let (mut level2, mut level3) = (BTreeSet::new(), BTreeSet::new());
    for grant in grants {
        let (start, end) = (grant.address, grant.address + grant.size());
        let blocks = grant.pattern.is_none() && (start ^ grant.range.start).is_multiple_of(BLOCK);
        for number in start / BLOCK..end.div_ceil(BLOCK) {
            work::add(1);
            level2.insert((number * BLOCK) >> 30);
            let whole = start <= number * BLOCK && (number + 1) * BLOCK <= end;
            if !(blocks && whole) {
                level3.insert(number);
            }
        }
    }
    (level2.len() + level3.len()) as u64
}

/// Writes table pages, little-endian, to the begin of `out`.
pub fn write(pages: &[Page], out: &mut [u8]) {
    work::add((pages.len() * ENTRIES) as u64);
    for (entry, bytes) in pages.iter().flatten().zip(out.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&entry.to_le_bytes());
    }
}
