// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loads from where nothing is granted.

use core::sync::atomic::Ordering;

use bulkhead_partition::el1::{Partition, console};
use bulkhead_partition::machine::{Machine, Range};

use crate::Tried;
use crate::edge::{Operation, attempt, kept};

const PAGE: u64 = 4096;
const GIB: u64 = 1 << 30;
/// Distance of the pages of RAM that are tried.
const STEP: u64 = 16 << 20;
/// The board's RAM.
const RAM: Range = Range {
    start: GIB,
    size: GIB,
};
/// Root entries below those of the loader and the payload, one of four.
const ENTRIES: u64 = 508 / 4;
/// Devices of EL2 and of others, and holes: flash, UART, SMMU, virtio, configuration space of the host bridge and of its own
/// `edu` function, last page of all.
const SINGLE: [u64; 9] = [
    0,
    0x0900_0000,
    0x0905_0000,
    0x0906_0000,
    0x0a00_0000,
    0x0b10_0000,
    0x40_1000_0000,
    0x40_1001_0000,
    0x7f_ffff_f000,
];

/// The `k`-th address to try.
fn target(k: u64, own: Range) -> Option<u64> {
    let singles = SINGLE.len() as u64;
    let blocks = 2 * RAM.size / STEP;
    match k {
        k if k < singles => SINGLE.get(usize::try_from(k).ok()?).copied(),
        k if k == singles => Some(own.start - PAGE),
        k if k == singles + 1 => Some(own.start + own.size),
        k if k < singles + 2 + blocks => {
            let n = k - singles - 2;
            Some(RAM.start + n / 2 * STEP + if n.is_multiple_of(2) { 0 } else { STEP - PAGE })
        }
        k if k < singles + 2 + blocks + ENTRIES => Some((k - singles - 2 - blocks) * 4 * GIB + 8),
        _ => None,
    }
}

/// Whether the device tree gives the partition an address.
fn is_mine(machine: &Machine<'_>, address: u64) -> bool {
    let in_range = |range: Range| address >= range.start && address - range.start < range.size;
    in_range(machine.ram)
        || in_range(machine.distributor)
        || in_range(machine.gic.others())
        || machine.window.is_some_and(|(window, _)| in_range(window))
}

/// Each attempt that is answered as it should be is the partition's end; the count is kept over restarts.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let machine = &partition.machine;
    let Some((window, _)) = machine.window else {
        return Tried::default();
    };
    let [next, attempts, succeeded, _] = kept(window);
    while let Some(address) = target(next.fetch_add(1, Ordering::SeqCst), machine.ram) {
        if is_mine(machine, address) {
            continue;
        }
        attempts.fetch_add(1, Ordering::SeqCst);
        let (value, syndrome) = attempt(Operation::Load, address, 0);
        if syndrome.is_none() {
            succeeded.fetch_add(1, Ordering::SeqCst);
            console::line(format_args!("REACHED {address:#x}: {value:#x}"));
        }
    }
    console::line(format_args!(
        "memory: {SINGLE:x?}, beside its RAM, pages at each end of {STEP:#x} of RAM, every fourth root entry: loads"
    ));
    Tried {
        attempts: attempts.load(Ordering::SeqCst),
        succeeded: succeeded.load(Ordering::SeqCst),
    }
}
