// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encodes translation tables.

use std::collections::BTreeMap;

use crate::model::{BLOB, DEVICE, Map, NC, PAGE, WB};

/// Pages of tables, by offset in the blob.
#[derive(Default)]
pub(crate) struct Tables {
    pub pages: BTreeMap<u64, [u64; 512]>,
    /// Offset of the next lower table.
    pub next: u64,
}

const BLOCK: u64 = 0x20_0000;

/// Attribute bits of a leaf by FORMAT.md, "Descriptors".
pub(crate) fn attributes(stage2: bool, map: &Map) -> u64 {
    let pick = |wb: u64, nc: u64, device: u64| match map.memory {
        WB => wb,
        NC => nc,
        DEVICE => device,
        other => panic!("{other}"),
    };
    let write = map.rights.contains('w');
    let execute_never = u64::from(!map.rights.contains('x')) << 54;
    let shareability = pick(3, 2, 2) << 8;
    let (memory, permissions) = if stage2 {
        (pick(0b1111, 0b0101, 0b0001), if write { 0b11 } else { 0b01 })
    } else {
        (pick(0, 2, 1), if write { 0b01 } else { 0b11 })
    };
    execute_never | 1 << 10 | shareability | permissions << 6 | memory << 2
}

impl Tables {
    /// Adds an empty table of the lower levels.
    pub(crate) fn table(&mut self) -> u64 {
        let offset = self.next;
        self.next += PAGE;
        self.pages.insert(offset, [0; 512]);
        offset
    }

    /// Table that entry `index` of the table at `offset` points to, made when there is none.
    fn below(&mut self, offset: u64, index: usize) -> u64 {
        let entry = self.pages[&offset][index];
        if entry != 0 {
            assert_eq!(entry & 3, 3, "a block is in the way");
            return (entry & !3) - BLOB;
        }
        let lower = self.table();
        self.pages.get_mut(&offset).unwrap()[index] = (BLOB + lower) | 3;
        lower
    }

    /// Maps `map` through the root at `root`.
    pub(crate) fn map(&mut self, root: u64, stage2: bool, map: &Map) {
        let bits = attributes(stage2, map);
        let mut done = 0;
        while done < map.size {
            let (input, output) = (map.input + done, map.physical + done);
            let index = |shift: u32| usize::try_from(input >> shift & 511).unwrap();
            let level2 = self.below(root, index(30));
            if input % BLOCK == 0 && output % BLOCK == 0 && map.size - done >= BLOCK {
                self.set(level2, index(21), output | bits | 1);
                done += BLOCK;
            } else {
                let level3 = self.below(level2, index(21));
                self.set(level3, index(12), output | bits | 3);
                done += PAGE;
            }
        }
    }

    fn set(&mut self, table: u64, index: usize, descriptor: u64) {
        self.pages.get_mut(&table).unwrap()[index] = descriptor;
    }
}
