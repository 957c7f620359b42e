// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices in the overview: whose each is, what its DMA reaches, and the isolation that is lost by it.

use bulkhead_model::board::{Block, Region};
use bulkhead_model::loss::losses;
use bulkhead_model::system::System;

use bulkhead_types::tables::NONE;

use crate::built::Built;
use crate::walk::streams;
use crate::words::{through, time};

/// Each device of the board and what is to be known of it.
pub(crate) fn devices(system: &System, built: &Built<'_>) -> Vec<(String, Vec<String>)> {
    let valid: Vec<u64> = streams(built).iter().map(|(id, _)| *id).collect();
    let entry = |device: &bulkhead_model::board::Device| {
        let function = built.pci_functions.iter().find(|f| Some(f.bdf) == device.bdf());
        let of_function = function.and_then(|f| usize::try_from(f.partition).ok());
        if function.is_some_and(|f| f.partition == NONE) {
            return (device.name.value.clone(), vec![watchdog(system)]);
        }
        let owner = of_function.or_else(|| system.owner(device).filter(|_| device.pci.is_none()));
        let mut lines = vec![match owner {
            Some(owner) => format!("belongs to {}", built.partition_name(owner)),
            None => "belongs to nobody".to_owned(),
        }];
        if device.blocks().len() > 1 {
            let place = |(index, block): (usize, &Block)| {
                let Region { base, .. } = block.region;
                format!(
                    "registers: {base:#x}-{:#x}, {}",
                    block.region.end(),
                    device.block_title(index)
                )
            };
            lines.extend(device.blocks().iter().enumerate().map(place));
        }
        for interrupt in &device.interrupts {
            let name = interrupt.value.name.as_ref();
            let name = name.map_or_else(String::new, |name| format!(" `{}`", name.value));
            lines.push(format!("interrupt{name}: INTID {}", interrupt.value.intid));
        }
        let masters = function.is_some_and(|f| f.bus_master == 1);
        let Some(bdf) = device.bdf() else {
            let streams = built.records.streams_of(&device.name.value);
            lines.push(match (device.bus_master, owner) {
                (false, _) => "DMA: none, it is no bus master".to_owned(),
                (true, _) if !streams.is_empty() => format!("DMA: {}", through(&streams)),
                (true, None) if system.board.guards(device) => {
                    "DMA: its StreamIDs are invalid, the SMMU aborts it".to_owned()
                }
                (true, None) => "DMA: as the boot loader left it; EL2 does not touch it".to_owned(),
                (true, Some(_)) => {
                    "DMA: not isolated, no SMMU guards it: it reaches all of memory".to_owned()
                }
            });
            return (device.name.value.clone(), lines);
        };
        lines.push(match (valid.contains(&u64::from(bdf)), masters) {
            (true, true) => format!("DMA: through the SMMU as StreamID {bdf:#x}"),
            (_, false) => format!("DMA: none, bus mastering stays off; StreamID {bdf:#x}"),
            (false, true) if built.board.smmu == 0 => {
                "DMA: not isolated, no SMMU guards it: it reaches all of memory".to_owned()
            }
            (false, true) => format!("DMA: StreamID {bdf:#x} is invalid, the SMMU aborts it"),
        });
        (device.name.value.clone(), lines)
    };
    system.board.devices.iter().map(entry).collect()
}

/// What EL2 does with the watchdog.
pub(crate) fn watchdog(system: &System) -> String {
    let timeout = system.watchdog.map_or(0, |w| w.timeout);
    format!(
        "belongs to EL2: resets the board {} after the slots of a sliced core last went on",
        time(timeout)
    )
}

/// What is not isolated, each with the reason why that is accepted. Implements: BH-CFG-174.
pub(crate) fn lost(system: &System) -> Vec<(String, Vec<String>)> {
    let entries = losses(system).into_iter().map(|loss| {
        let name = loss.device.unwrap_or_else(|| system.board.name.value.clone());
        let reason = loss.reason.map(|reason| format!("accepted: {reason}"));
        (name, [loss.text].into_iter().chain(reason).collect())
    });
    let mut entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        let guarded =
            "each bus master is behind the SMMU that EL2 drives, and no partition calls a vendor's firmware"
                .to_owned();
        entries.push(("nothing".to_owned(), vec![guarded]));
    }
    entries
}
