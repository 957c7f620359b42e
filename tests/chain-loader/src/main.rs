// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot loader that leaves bus masters running.
//!
//! Each `edu` function of bus 0 is given the bus and one transfer to memory, which is all that it can have at a time. A
//! transfer ends 100 ms after the millisecond in which it was ordered; they are ordered a millisecond apart, and the
//! hypervisor is entered just before the first one ends. Told to enter nothing, it waits for ever: the transfers land.
//!
//! # References
//! QEMU, "EDU device"; Linux, "Booting AArch64 Linux", "Call the kernel image"; PCI Local Bus Specification 3.0,
//! "Configuration Space".
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod edge;

#[cfg(target_os = "none")]
mod target {
    use crate::edge::{copy, enter, now, read, ticks_of_a_millisecond, write};

    /// Configuration space of bus 0, and an address of its window for the BARs, on QEMU virt.
    const CONFIGURATION: u64 = 0x40_1000_0000;
    const BARS: u64 = 0x1800_0000;
    /// Where the emulator leaves the device tree for an ELF file.
    const TREE: u64 = 0x4000_0000;
    /// Vendor and device of `edu`; bytes of its BAR.
    const EDU: u32 = 0x11e8_1234;
    const BAR_SIZE: u64 = 1 << 20;
    /// Milliseconds from an order to its end.
    const TRANSFER_MS: u64 = 100;
    /// Bytes of a transfer.
    const BYTES: u32 = 64;

    /// What the test puts into memory for this program.
    #[repr(C)]
    pub(crate) struct Orders {
        /// Where to enter, 0: nowhere.
        entry: u64,
        /// Where the hypervisor looks for the device tree, and how many bytes go there.
        tree: u64,
        tree_size: u64,
        /// Microseconds between the entry and the end of the first transfer.
        ahead_us: u64,
        /// Where the functions' transfers go, by slot; 0 ends them.
        targets: [u64; 16],
    }

    /// Gives the function in `slot` the bus, its BAR an address, and a transfer from its own buffer to `target`.
    fn order(slot: u64, target: u64) {
        let (configuration, bar) = (CONFIGURATION + (slot << 15), BARS + slot * BAR_SIZE);
        write(configuration + 0x10, bar as u32);
        // Memory space and bus master.
        write(configuration + 4, 6);
        // Source (its own buffer), destination, count, command: start, to memory.
        for (at, value) in [(0x80, 0x4_0000), (0x88, target as u32), (0x90, BYTES), (0x98, 3)] {
            write(bar + at, value);
        }
    }

    fn wait_until(moment: u64) {
        while now() < moment {
            core::hint::spin_loop();
        }
    }

    /// Orders all transfers, then enters the hypervisor.
    pub(crate) fn run(orders: &Orders) -> ! {
        let millisecond = ticks_of_a_millisecond();
        copy(TREE, orders.tree, orders.tree_size);
        let slots = (0..32).filter(|slot| read(CONFIGURATION + (slot << 15)) == EDU);
        let targets = orders.targets.iter().take_while(|target| **target != 0);
        let first = (now() / millisecond + 1) * millisecond;
        let mut moment = first;
        for (slot, target) in slots.zip(targets) {
            wait_until(moment);
            order(slot, *target);
            moment += millisecond;
        }
        wait_until(first + TRANSFER_MS * millisecond - orders.ahead_us * millisecond / 1000);
        enter(orders.entry, orders.tree)
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("the chain loader runs on the emulator, not on the host");
    std::process::ExitCode::from(2)
}
