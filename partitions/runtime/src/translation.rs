// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stage-1 translation tables of a partition: identity, 39-bit, 4 KiB granule, 2 MiB blocks where they fit.
//!
//! Tables are atomics because the table walker reads them while the program runs. Implements: BH-PART-002.
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 translation table format descriptors"; "Memory region attributes".

use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a page and of a table.
pub const PAGE: u64 = 4096;
const BLOCK: u64 = 2 << 20;
const ENTRIES: usize = 512;

/// `MAIR_EL1`: attribute 0 is Normal Write-Back, 1 Device-nGnRE, 2 Normal Non-cacheable.
pub const MAIR: u64 = 0xff | (0x04 << 8) | (0x44 << 16);
/// `TCR_EL1`: 39-bit VA in TTBR0 with 4 KiB granule and Write-Back walks, TTBR1 off, 40-bit output.
pub const TCR: u64 = 25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23) | (2 << 32);

const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 2;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const PRIVILEGED_EXECUTE_NEVER: u64 = 1 << 53;
const EXECUTE_NEVER: u64 = 1 << 54;
const ADDRESS: u64 = 0x7f_ffff_f000;

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Executable, read-only RAM.
    Code,
    /// Read-only RAM.
    Constants,
    /// Writable RAM, Normal Write-Back.
    Data,
    /// Memory shared with another partition: Normal Non-cacheable.
    Channel,
    /// Read-only view of such memory.
    ChannelReader,
    /// Device registers, Device-nGnRE.
    Device,
}

impl Use {
    const fn attributes(self) -> u64 {
        let common = ACCESSED | INNER_SHAREABLE | EXECUTE_NEVER;
        let data = common | PRIVILEGED_EXECUTE_NEVER;
        match self {
            Self::Code => common | READ_ONLY,
            Self::Constants => data | READ_ONLY,
            Self::Data => data,
            Self::Device => data | (1 << 2),
            Self::Channel => data | (2 << 2),
            Self::ChannelReader => data | (2 << 2) | READ_ONLY,
        }
    }
}

/// Why a range cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Not whole pages, empty, or beyond 39 bits.
    Range(u64),
    /// Something else is mapped at this address.
    Overlap(u64),
    /// There are no tables left.
    NoTables,
}

/// One table.
#[repr(C, align(4096))]
pub struct Table([AtomicU64; ENTRIES]);

impl Table {
    /// A table that maps nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self([const { AtomicU64::new(0) }; ENTRIES])
    }
}

/// Tables in use: the first is the root.
pub struct Map<'a> {
    tables: &'a [Table],
    base: u64,
    used: usize,
}

impl<'a> Map<'a> {
    /// An empty map in empty `tables`, of which the first lies at address `base`.
    #[must_use]
    pub const fn new(tables: &'a [Table], base: u64) -> Self {
        Self {
            tables,
            base,
            used: 1,
        }
    }

    /// Maps `start..end` to itself.
    ///
    /// # Errors
    /// [`MapError`]; what was mapped before the error stays.
    pub fn map(&mut self, start: u64, end: u64, use_: Use) -> Result<(), MapError> {
        if start >= end || !(start | end).is_multiple_of(PAGE) || end > 1 << 39 {
            return Err(MapError::Range(start));
        }
        let mut address = start;
        while address < end {
            let block = address.is_multiple_of(BLOCK) && end - address >= BLOCK;
            let directory = self.next_table(self.entry(0, address, 30)?, address)?;
            let (entry, kind, size) = if block {
                (self.entry(directory, address, 21)?, VALID, BLOCK)
            } else {
                let pages = self.next_table(self.entry(directory, address, 21)?, address)?;
                (self.entry(pages, address, 12)?, VALID | TABLE_OR_PAGE, PAGE)
            };
            if entry.load(Ordering::Relaxed) != 0 {
                return Err(MapError::Overlap(address));
            }
            entry.store(address | use_.attributes() | kind, Ordering::Relaxed);
            address += size;
        }
        Ok(())
    }

    /// The entry for `address` in table number `table`, whose entries cover 2^`shift` bytes.
    fn entry(&self, table: usize, address: u64, shift: u32) -> Result<&'a AtomicU64, MapError> {
        let index = usize::try_from((address >> shift) & 0x1ff).unwrap_or(0);
        let table = self.tables.get(table).ok_or(MapError::NoTables)?;
        table.0.get(index).ok_or(MapError::NoTables)
    }

    /// The number of the table that `entry` points to, a new one if it is empty.
    fn next_table(&mut self, entry: &AtomicU64, address: u64) -> Result<usize, MapError> {
        let value = entry.load(Ordering::Relaxed);
        if value == 0 {
            let number = self.used;
            let offset = u64::try_from(number).unwrap_or(0) * PAGE;
            if number >= self.tables.len() {
                return Err(MapError::NoTables);
            }
            self.used += 1;
            entry.store((self.base + offset) | VALID | TABLE_OR_PAGE, Ordering::Relaxed);
            return Ok(number);
        }
        if value & TABLE_OR_PAGE == 0 {
            return Err(MapError::Overlap(address));
        }
        usize::try_from(((value & ADDRESS) - self.base) / PAGE).map_err(|_| MapError::NoTables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x4010_0000;

    /// The architecture's walk, written apart from the builder: output address and attributes.
    fn walk(tables: &[Table], address: u64) -> Option<(u64, u64)> {
        let read = |table: u64, level: u32| {
            let index = (address >> (39 - 9 * level)) as usize & 511;
            tables[((table - BASE) / PAGE) as usize].0[index].load(Ordering::Relaxed)
        };
        let mut table = BASE;
        for level in 1..=3 {
            let entry = read(table, level);
            let size = 1_u64 << (39 - 9 * level);
            match (entry & 3, level) {
                (3, 1 | 2) => table = entry & 0xffff_ffff_f000,
                (1, 2) | (3, 3) => {
                    let output = (entry & 0xffff_ffff_f000 & !(size - 1)) | (address & (size - 1));
                    return Some((output, entry & !0xffff_ffff_f003));
                }
                _ => return None,
            }
        }
        None
    }

    fn tables(count: usize) -> Vec<Table> {
        (0..count).map(|_| Table::empty()).collect()
    }

    proptest! {
        /// Verifies: BH-PART-002. Inside a range everything maps to itself, next to it nothing does.
        #[test]
        fn ranges_map_to_themselves(first in 0_u64..0x10_0000, pages in 1_u64..2000) {
            let tables = tables(9);
            let mut map = Map::new(&tables, BASE);
            let (start, end) = (first * PAGE, (first + pages) * PAGE);
            map.map(start, end, Use::Data).unwrap();
            for address in (start..end).step_by(4096) {
                prop_assert_eq!(walk(&tables, address + 0x123), Some((address + 0x123, 0x60_0000_0000_0700)));
            }
            prop_assert_eq!(walk(&tables, end), None);
            prop_assert_eq!(start.checked_sub(1).and_then(|a| walk(&tables, a)), None);
        }
    }

    #[test]
    fn attributes_are_those_of_the_architecture() {
        // AF, inner shareable, then XN bits 54 and 53, AP[2] bit 7, attribute index bits 4:2.
        let cases = [
            (Use::Code, 0x40_0000_0000_0780),
            (Use::Constants, 0x60_0000_0000_0780),
            (Use::Data, 0x60_0000_0000_0700),
            (Use::Device, 0x60_0000_0000_0704),
            (Use::Channel, 0x60_0000_0000_0708),
            (Use::ChannelReader, 0x60_0000_0000_0788),
        ];
        for (use_, attributes) in cases {
            let tables = tables(4);
            Map::new(&tables, BASE).map(0x20_0000, 0x40_1000, use_).unwrap();
            assert_eq!(walk(&tables, 0x20_0000), Some((0x20_0000, attributes)));
            assert_eq!(walk(&tables, 0x40_0000), Some((0x40_0000, attributes)));
        }
    }

    #[test]
    fn nothing_is_mapped_twice_or_without_tables() {
        let tables = tables(4);
        let mut map = Map::new(&tables, BASE);
        map.map(0, 0x20_0000, Use::Data).unwrap();
        assert_eq!(map.map(0x1000, 0x2000, Use::Code), Err(MapError::Overlap(0x1000)));
        map.map(0x20_1000, 0x20_2000, Use::Data).unwrap();
        assert_eq!(
            map.map(0x20_0000, 0x20_3000, Use::Code),
            Err(MapError::Overlap(0x20_1000))
        );
        assert_eq!(
            map.map(0x20_0000, 0x40_0000, Use::Code),
            Err(MapError::Overlap(0x20_0000))
        );
        assert_eq!(
            map.map(0x4000_0000, 0x4000_1000, Use::Data),
            Err(MapError::NoTables)
        );
        for (start, end) in [(0, 0), (1, PAGE), (0, PAGE + 1), (PAGE, 0), (0, (1 << 39) + PAGE)] {
            assert_eq!(map.map(start, end, Use::Data), Err(MapError::Range(start)));
        }
    }
}
