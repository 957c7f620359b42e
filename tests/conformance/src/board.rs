// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the device tree says that [`Machine`] does not: CPUs, timers, UART, conduit of PSCI.
#![forbid(unsafe_code)]

use bulkhead_partition::machine::{Gic, Machine, Range};
use fdt::Fdt;
use heapless::Vec;

/// CPUs that are looked at.
const MOST: usize = 8;

/// The machine that the suite runs on.
pub(crate) struct Board {
    pub(crate) machine: Machine<'static>,
    /// The redistributors of its GICv3; on a GICv2 the suite does not run.
    pub(crate) redistributors: Range,
    /// The console where there is no window.
    pub(crate) uart: Option<Range>,
    /// Affinities, as in `MPIDR_EL1`; the suite runs on the first.
    pub(crate) cpus: Vec<u64, MOST>,
    /// `clock-frequency` of the timer, Hz.
    pub(crate) frequency: Option<u32>,
    /// INTID of the EL1 physical timer.
    pub(crate) physical_timer: u32,
    /// INTID of the virtual timer.
    pub(crate) virtual_timer: u32,
}

/// The `index`-th cell of a property's value.
fn cell(value: &[u8], index: usize) -> Option<u32> {
    value.as_chunks().0.get(index).map(|c| u32::from_be_bytes(*c))
}

/// The `index`-th interrupt of a timer's node, a PPI.
fn ppi(interrupts: &[u8], index: usize) -> Option<u32> {
    match cell(interrupts, 3 * index)? {
        1 => cell(interrupts, 3 * index + 1)?.checked_add(16),
        _ => None,
    }
}

impl Board {
    /// Reads the device tree; none when it lacks what the suite needs, or PSCI is not called by HVC.
    pub(crate) fn parse(tree: &Fdt<'static>) -> Option<Self> {
        let machine = Machine::parse(tree).ok()?;
        let Gic::V3 { redistributors } = machine.gic else {
            return None;
        };
        let conduit = tree.find_node("/psci")?.property("method")?.as_str()?;
        if conduit != "hvc" {
            return None;
        }
        let timer = tree.find_compatible(&["arm,armv8-timer"])?;
        let interrupts = timer.property("interrupts")?.value;
        let mut cpus = Vec::new();
        for cpu in tree.cpus() {
            cpus.push(u64::try_from(cpu.ids().first()).ok()?).ok()?;
        }
        let uart = tree.find_compatible(&["arm,pl011"]).and_then(|node| {
            let region = node.reg()?.next()?;
            Some(Range {
                start: u64::try_from(region.starting_address.addr()).ok()?,
                size: u64::try_from(region.size?).ok()?,
            })
        });
        Some(Self {
            machine,
            redistributors,
            uart,
            cpus,
            frequency: timer.property("clock-frequency").and_then(|p| cell(p.value, 0)),
            physical_timer: ppi(interrupts, 1)?,
            virtual_timer: ppi(interrupts, 2)?,
        })
    }
}
