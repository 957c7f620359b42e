// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Has its `edu` function copy from and to RAM of its own that the function is not granted.

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::dma::{BUFFER, TO_MEMORY, copy};
use crate::edge::{Operation, attempt};

const PAGE: u64 = 4096;
/// The page that the function is granted, from the begin of RAM.
const GRANTED: u64 = 0x18_0000;
/// Two words that are not what lies there before.
const MARK: u64 = 0x5EED_0000_D0D0_5EED;
const OTHER: u64 = 0x0BAD_CAFE_0BAD_CAFE;
/// What lies where the function must not read.
const SECRET: u64 = 0x5EC2_E700_0000_5EC2;

/// A constant, in a segment that is only read.
static CONSTANT: u64 = 0xC057_A271_C057_A271;

/// Loads as the function does: from memory, past the caches.
fn get(address: u64) -> u64 {
    attempt(Operation::Load, address, 0).0
}

fn put(address: u64, value: u64) {
    let _ = attempt(Operation::Store, address, value);
}

pub(crate) fn attack(partition: &Partition) -> Tried {
    let Some(registers) = partition.machine.edu.map(|range| range.start) else {
        return Tried::default();
    };
    let ram = partition.machine.ram;
    let granted = ram.start + GRANTED;
    // Puts a word into the function's buffer, and takes what is there.
    let give = |value| {
        put(granted, value);
        copy(registers, granted, BUFFER, 8, 0);
    };
    let take = || {
        put(granted, OTHER);
        copy(registers, BUFFER, granted, 8, TO_MEMORY);
        get(granted)
    };
    give(MARK);
    let lands = take() == MARK;
    console::line(format_args!(
        "granted DMA: {}",
        if lands { "lands" } else { "is lost" }
    ));
    let mut tried = Tried::default();
    // The image is mapped at its own address; the device tree lies in the last pages.
    let constant = core::ptr::from_ref(&CONSTANT).addr() as u64;
    let tree = ram.start + ram.size - PAGE;
    for address in [ram.start, granted - PAGE, granted + PAGE, constant, tree] {
        // Free RAM is zero, as what the function reads where the SMMU aborts.
        if get(address) == 0 {
            put(address, SECRET);
        }
        let there = get(address);
        give(!there);
        copy(registers, address, BUFFER, 8, 0);
        let read = take() == there;
        give(!there);
        copy(registers, BUFFER, address, 8, TO_MEMORY);
        let written = get(address) != there;
        for (what, succeeded) in [("READ", read), ("WRITTEN", written)] {
            tried.note(succeeded);
            if succeeded {
                console::line(format_args!("{what} {address:#x}"));
            }
        }
    }
    tried
}
