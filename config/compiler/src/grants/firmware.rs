// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of the firmware that partitions may call, each with its longest time and the reason. Implements: BH-SMC-021.

use bulkhead_model::system::System;

use super::{Text, name};
use crate::placement::slug;
use crate::sections::Sections;
use crate::units::id;

/// The `smc` records: of each partition in the order of the spec.
pub(super) fn records(text: &mut Text, system: &System, sections: &Sections) {
    for (number, (entry, partition)) in sections.partitions.iter().zip(&system.partitions).enumerate() {
        for (call, stated) in entry.calls().zip(&partition.smc) {
            let reason = stated.reason.as_ref().map_or("-", |r| r.value.as_str());
            text.line(format!(
                "smc {} {:#x} {} {}",
                name(system, id(number)),
                call.function,
                call.within_ns,
                slug(reason)
            ));
        }
    }
}
