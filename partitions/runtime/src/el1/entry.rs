// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the first instruction to the program's main function.

use core::arch::global_asm;

use super::{Partition, can, console, fault, interrupts, shared};
use crate::machine::Machine;
use crate::translation::{MAIR, TCR};

/// `SCTLR_EL1`: MMU, caches, stack alignment check, W^X, and the bits that are one.
///
/// Arm DDI 0487, "SCTLR_EL1, System Control Register (EL1)".
const SCTLR: u64 = 0x30d0_0800 | 1 | (1 << 2) | (1 << 3) | (1 << 12) | (1 << 19);

global_asm!(include_str!("entry.S"), mair = const MAIR, tcr = const TCR, sctlr = const SCTLR);

/// Brings the partition up and enters its program. Called once, by [`crate::entry!`].
pub fn main(device_tree: usize, life: u64, program: fn(Partition) -> !) -> ! {
    let Some(tree) = shared::device_tree(device_tree) else {
        fault::stop()
    };
    let machine = match Machine::parse(&tree) {
        Ok(machine) => machine,
        // Without a machine there is no console to say so on.
        Err(_) => fault::stop(),
    };
    let window = machine
        .window
        .and_then(|(range, encoding)| Some((shared::window(range)?, encoding)));
    if let Some((window, encoding)) = window {
        console::open(window, encoding);
    }
    interrupts::enable(&machine);
    for node in machine.cans.iter().take(1) {
        if let Err(error) = can::open(*node) {
            fault::fail(format_args!("{}: {error:?}", node.label));
        }
    }
    program(Partition {
        machine,
        life,
        metrics: window.map(|(window, _)| &window.metrics),
    })
}
