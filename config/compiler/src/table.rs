// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translation tables of the one shape that Bulkhead uses, for both stages.
//!
//! 4 KiB granule, 39-bit input addresses, start at level 1 with one 512-entry page, 2 MiB blocks where both
//! addresses and the length allow it. A [`Tree`] is one root; the lower tables of several trees come from
//! one [`Pool`], which knows the physical address at which each of its pages will lie. [`crate::stage1`] and
//! [`crate::stage2`] turn typed attributes into descriptor bits.
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 translation table format descriptors".

use bulkhead_types::blob::PAGE;

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
    /// Something is mapped there already.
    #[error("input address {input:#x} is mapped twice")]
    Overlap {
        /// First input address that is taken.
        input: u64,
    },
}

/// Hands out table pages at their final physical addresses, in ascending order.
#[derive(Clone, Debug)]
pub struct Pool {
    base: u64,
    output_bits: u32,
    pages: Vec<Page>,
}

impl Pool {
    /// An empty pool whose first page will lie at `base`, for outputs of up to `output_bits` bits.
    pub fn new(base: u64, output_bits: u32) -> Self {
        Pool {
            base,
            output_bits,
            pages: Vec::new(),
        }
    }

    /// Pages handed out so far.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Adds an empty page and returns its physical address.
    fn take(&mut self) -> u64 {
        let address = self.base + self.pages.len() as u64 * PAGE;
        self.pages.push([0; ENTRIES]);
        address
    }

    /// Adds a page, such as a root that lies among lower tables, and returns its physical address.
    pub fn put(&mut self, page: Page) -> u64 {
        let address = self.take();
        *self.at(address) = page;
        address
    }

    /// The page that a table descriptor of this pool points at.
    fn at(&mut self, descriptor: u64) -> &mut Page {
        let index = ((descriptor & ADDRESS) - self.base) / PAGE;
        &mut self.pages[index as usize]
    }
}

/// One translation root and what hangs below it.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Page,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { root: [0; ENTRIES] }
    }
}

/// Index of an input address into a table of a level.
fn index(input: u64, level: u32) -> usize {
    ((input >> (12 + 9 * (3 - level))) & 0x1ff) as usize
}

/// Follows the table descriptor in `entry`, making a table where there is nothing.
fn next(pool: &mut Pool, entry: u64, input: u64) -> Result<u64, MapError> {
    match entry & 0b11 {
        TABLE_OR_PAGE => Ok(entry),
        0 => Ok(pool.take() | TABLE_OR_PAGE),
        _ => Err(MapError::Overlap { input }),
    }
}

impl Tree {
    /// The root page.
    pub fn root(&self) -> &Page {
        &self.root
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
        if !(input | output | size).is_multiple_of(PAGE) || size == 0 {
            return Err(MapError::Misaligned { input, output, size });
        }
        let fits = |start: u64, bits: u32| start.checked_add(size).is_some_and(|end| end <= 1 << bits);
        if !fits(input, INPUT_BITS) {
            return Err(MapError::InputRange { input, size });
        }
        if !fits(output, pool.output_bits) {
            let bits = pool.output_bits;
            return Err(MapError::OutputRange { output, size, bits });
        }
        let mut done = 0;
        while done < size {
            done += self.map_one(pool, input + done, output + done, size - done, leaf)?;
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
        let level2 = next(pool, self.root[index(input, 1)], input)?;
        self.root[index(input, 1)] = level2;
        let entry = pool.at(level2)[index(input, 2)];
        if (input | output).is_multiple_of(BLOCK) && left >= BLOCK {
            if entry != 0 {
                return Err(MapError::Overlap { input });
            }
            pool.at(level2)[index(input, 2)] = output | leaf | BLOCK_TYPE;
            return Ok(BLOCK);
        }
        let level3 = next(pool, entry, input)?;
        pool.at(level2)[index(input, 2)] = level3;
        let page = &mut pool.at(level3)[index(input, 3)];
        if *page != 0 {
            return Err(MapError::Overlap { input });
        }
        *page = output | leaf | TABLE_OR_PAGE;
        Ok(PAGE)
    }
}

/// The bytes of table pages, little-endian.
pub fn bytes(pages: &[Page]) -> impl Iterator<Item = u8> {
    pages.iter().flatten().flat_map(|entry| entry.to_le_bytes())
}
