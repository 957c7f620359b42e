// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An interrupt line that stays up: its device fires again as soon as it has been served.
//!
//! # References
//! QEMU, "EDU device" (`docs/specs/edu.rst`), "IRQ controller".

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::edge::{Operation, acknowledge, attempt, end, mask, write};

/// `edu`: sets bits of the interrupt status, which raises the line.
const RAISE: u64 = 0x60;
/// `GICD_IGROUPR<n>` and `GICD_ISENABLER<n>`; the words from 1 on are those of the SPIs.
const GROUP: u64 = 0x80;
const ENABLE: u64 = 0x100;
const SPI_WORDS: u64 = 8;
/// INTIDs of SPIs.
const SPIS: core::ops::Range<u64> = 32..1020;
/// Interrupts of the storm, and looks for one.
const STORM: u64 = 50_000;
const LOOKS: u64 = 1_000_000;

/// Raises the line, never lowers it, and ends each interrupt as soon as it comes; each one is an attempt.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let mut tried = Tried::default();
    let Some(registers) = partition.machine.edu.map(|range| range.start) else {
        return tried;
    };
    mask();
    for word in 1..=SPI_WORDS {
        for register in [GROUP, ENABLE] {
            write::<4>(
                partition.machine.distributor.start + register + 4 * word,
                u64::MAX,
            );
        }
    }
    console::line(format_args!(
        "line: SPIs of {SPI_WORDS} words are on, one stays up"
    ));
    let _ = attempt(Operation::StoreWord, registers + RAISE, 1);
    for _ in 0..LOOKS {
        let intid = acknowledge();
        if intid < SPIS.end {
            end(intid);
        }
        if SPIS.contains(&intid) {
            tried.note(false);
        }
        if tried.attempts == STORM {
            break;
        }
    }
    tried
}
