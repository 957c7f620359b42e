// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The clock, reset, power and pin controllers that the devices of partitions depend on. Implements: BH-CFG-256.

use super::{Text, name};
use crate::devices;
use crate::grant_list::Sources;
use crate::units::id;

/// The `controller` records: of each device, in the order of the board file. Where a controller is says its `memory` record.
pub(super) fn records(text: &mut Text, sources: Sources<'_>) {
    let (system, board) = (sources.system, &sources.system.board);
    for assigned in sources.devices {
        let Some(device) = board.devices.get(assigned.device) else {
            continue;
        };
        for (_, controller) in devices::controllers(board, assigned) {
            text.line(format!(
                "controller {} {} {}",
                name(system, id(assigned.partition)),
                device.name.value,
                controller.name.value
            ));
        }
    }
}
