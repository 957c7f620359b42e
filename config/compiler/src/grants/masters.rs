// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters: the streams that the SMMU guards, of devices at fixed addresses with the name of their grant, and those that nothing guards, each accepted with a reason.

use super::{Text, name};
use crate::grant_list::Sources;
use crate::placement::slug;
use crate::streams;
use crate::units::id;

/// The `stream` records, then the `unguarded` ones: of PCI functions by BDF, of other devices by the name of their grant.
pub(super) fn masters(text: &mut Text, sources: Sources<'_>) {
    let (system, board) = (sources.system, &sources.system.board);
    for master in streams::masters(system, sources.devices) {
        let device = master.platform_device(board);
        text.line(format!(
            "stream {:#x} {} {}",
            master.stream,
            name(system, id(master.partition)),
            device.map_or("", |d| d.name.value.as_str())
        ));
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
