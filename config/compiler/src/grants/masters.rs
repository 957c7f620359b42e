// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters: the streams that the SMMU guards, and those that nothing guards, each accepted with a reason.

use super::{Text, name};
use crate::grant_list::Sources;
use crate::placement::slug;
use crate::sections::Sections;
use crate::units::id;

/// The `stream` records, then the `unguarded` ones: of PCI functions by BDF, of other devices by the name of their grant.
pub(super) fn masters(text: &mut Text, sources: Sources<'_>, sections: &Sections) {
    let (system, board) = (sources.system, &sources.system.board);
    let functions = sections.pci_functions.iter().filter(|f| f.bus_master == 1);
    for function in functions.filter(|_| board.smmu.is_some()) {
        let (bdf, owner) = (function.bdf, name(system, function.partition));
        text.line(format!("stream {bdf:#x} {owner}"));
    }
    let unguarded = sources.devices.iter().filter_map(|assigned| {
        let device = board.devices.get(assigned.device)?;
        let is_unguarded = device.bus_master && !board.guards(device);
        is_unguarded.then_some((assigned, device))
    });
    let mut records: Vec<_> = unguarded.collect();
    records.sort_by_key(|(_, device)| device.bdf().unwrap_or(u32::MAX));
    for (assigned, device) in records {
        let what = match device.bdf() {
            Some(bdf) => format!("{bdf:#x}"),
            None => device.name.value.clone(),
        };
        let partition = system.partitions.get(assigned.partition);
        let reason = partition.and_then(|p| p.unguarded_reason(assigned.device));
        text.line(format!(
            "unguarded {what} {} {}",
            name(system, id(assigned.partition)),
            slug(reason.unwrap_or("-"))
        ));
    }
}
