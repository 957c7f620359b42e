// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Has its `edu` function copy from and to where nothing is granted.
//!
//! # References
//! QEMU, "EDU device" (`docs/specs/edu.rst`).

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_partition::el1::{Partition, console, stop, time};

use crate::Tried;
use crate::edge::{Operation, attempt};
use crate::places::named;

/// The function's own memory, as the bus sees it.
pub(crate) const BUFFER: u64 = 0x4_0000;
const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const COUNT: u64 = 0x90;
pub(crate) const COMMAND: u64 = 0x98;
/// Start, and direction: from the function's buffer to memory.
pub(crate) const START: u64 = 1;
pub(crate) const TO_MEMORY: u64 = 2;
/// From look to look.
const PAUSE_NS: u64 = 20_000_000;
/// What the function's buffer holds unless it read something.
const POISON: u64 = 0x0BAD_CAFE_0BAD_CAFE;
/// Floods of a whole buffer each, more records than the SMMU's queue holds.
const FLOODS: u64 = 3;
/// EL2's image, the blob, RAM that may be another partition's, GIC, UART, SMMU, configuration space, the partition's own payload (read-only
/// to it), the first address after its RAM, nothing at all.
pub(crate) const FORBIDDEN: [u64; 10] = [
    0x4020_0000,
    0x4033_0000,
    0x4200_0000,
    0x0800_0000,
    0x0900_0000,
    0x0905_0000,
    0x40_1000_0000,
    0x7f_4000_0000,
    0x7f_ffff_f000,
    0x20_0000_0000,
];

/// What it writes.
const MARK: u64 = 0x5EED_0000_D0D0_5EED;

#[repr(align(4096))]
struct Page([AtomicU64; 512]);

static LANDING: Page = Page([const { AtomicU64::new(0) }; 512]);

/// Leaves a transfer running that would end long after the partition has, and ends.
pub(crate) fn revoked(partition: &Partition) -> ! {
    let landing = core::ptr::from_ref(&LANDING).addr() as u64;
    if let Some(registers) = partition.machine.edu.map(|range| range.start) {
        LANDING.0[0].store(MARK, Ordering::SeqCst);
        copy(registers, landing, BUFFER, 8, 0);
        LANDING.0[0].store(POISON, Ordering::SeqCst);
        console::line(format_args!("at {landing:#x}: 1 attempts, 0 succeeded"));
        start(registers, BUFFER, landing, 8, TO_MEMORY);
    }
    stop()
}

pub(crate) fn start(registers: u64, from: u64, to: u64, bytes: u64, direction: u64) {
    let put = |at, value| attempt(Operation::Store, registers + at, value);
    put(SOURCE, from);
    put(DESTINATION, to);
    put(COUNT, bytes);
    put(COMMAND, START | direction);
}

/// Copies by DMA, which takes the function 100 ms.
pub(crate) fn copy(registers: u64, from: u64, to: u64, bytes: u64, direction: u64) {
    start(registers, from, to, bytes, direction);
    while attempt(Operation::Load, registers + COMMAND, 0).0 & START != 0 {
        time::sleep_until(time::now() + PAUSE_NS);
    }
}

/// Reads a word by DMA; what was poisoned before stays when the function reads nothing.
fn fetch(registers: u64, landing: u64, from: u64) -> u64 {
    LANDING.0[0].store(POISON, Ordering::SeqCst);
    copy(registers, landing, BUFFER, 8, 0);
    copy(registers, from, BUFFER, 8, 0);
    copy(registers, BUFFER, landing, 8, TO_MEMORY);
    LANDING.0[0].load(Ordering::SeqCst)
}

pub(crate) fn attack(partition: &Partition) -> Tried {
    let Some(registers) = partition.machine.edu.map(|range| range.start) else {
        return Tried::default();
    };
    // The image is mapped at its own address.
    let landing = core::ptr::from_ref(&LANDING).addr() as u64;
    LANDING.0[1].store(!POISON, Ordering::SeqCst);
    let granted = fetch(registers, landing, landing + 8);
    console::line(format_args!(
        "granted DMA: {}",
        if granted == !POISON { "lands" } else { "is lost" }
    ));
    let mut tried = Tried::default();
    let after_ram = partition.machine.ram.start + partition.machine.ram.size;
    for address in FORBIDDEN.into_iter().chain([after_ram]).chain(named(partition)) {
        let mut note = |read: u64, succeeded| {
            tried.note(succeeded);
            if succeeded {
                console::line(format_args!("READ {address:#x}: {read:#x}"));
            }
        };
        // The function reads zeros, or nothing, where the SMMU aborts.
        let read = fetch(registers, landing, address);
        note(read, ![0, POISON, u64::MAX].contains(&read));
        LANDING.0[0].store(MARK, Ordering::SeqCst);
        copy(registers, landing, BUFFER, 8, 0);
        copy(registers, BUFFER, address, 8, TO_MEMORY);
        note(0, false);
        let read = fetch(registers, landing, address);
        note(read, read == MARK);
    }
    console::line(format_args!(
        "dma: read and write of {FORBIDDEN:x?}, {after_ram:x} and what it is told, then a flood"
    ));
    for _ in 0..FLOODS {
        copy(registers, BUFFER, after_ram + (1 << 30), 4096, TO_MEMORY);
        tried.note(false);
    }
    tried
}
