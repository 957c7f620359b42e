// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 emulates, interrupts, PCI functions and what comes with devices.

use bulkhead_types::tables::NONE;

use super::{Text, controllers, masters, name};
use crate::grant_list::Sources;
use crate::machine;
use crate::sections::Sections;

/// The records from `emulated` to `controller`.
pub(super) fn records(text: &mut Text, sources: Sources<'_>, sections: &Sections) {
    let system = sources.system;
    text.title("what EL2 emulates: stage 2 maps nothing there");
    for (number, partition) in system.partitions.iter().enumerate() {
        let name = &partition.name.value;
        for (what, start, size) in machine::emulated(system, number) {
            text.line(format!("emulated {name} {what} {start:#x}-{:#x}", start + size));
        }
    }
    text.title("interrupts and devices");
    for spi in &sections.spis {
        let trigger = if spi.edge == 1 { "edge" } else { "level" };
        debug_assert_ne!(spi.core, NONE, "a partition has a core");
        text.line(format!(
            "spi {} {} {} {trigger}",
            spi.intid,
            name(system, spi.partition),
            spi.core
        ));
    }
    for spi in sections.spis.iter().filter(|s| s.ringer != NONE) {
        text.line(format!(
            "doorbell {} {} {} {}",
            spi.intid,
            name(system, spi.ringer),
            spi.doorbell,
            spi.interval_ns
        ));
    }
    for function in &sections.pci_functions {
        let (vendor, device) = (function.id & 0xffff, function.id >> 16);
        let master = if function.bus_master == 1 {
            "master"
        } else {
            "no-master"
        };
        let owner = name(system, function.partition);
        text.line(format!(
            "pci {:#x} {vendor:#x} {device:#x} {owner} {master}",
            function.bdf
        ));
    }
    for function in &sections.pci_functions {
        for (number, bar) in function.bars.iter().enumerate().filter(|(_, bar)| bar.size > 0) {
            let end = bar.address + bar.size;
            text.line(format!(
                "bar {:#x} {number} {:#x}-{end:#x}",
                function.bdf, bar.address
            ));
        }
    }
    masters::masters(text, sources);
    controllers::records(text, sources);
}
