// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The memory-mapped interfaces of a GICv2: banked by core, so that one address serves whoever runs there.
//!
//! # References
//! Arm IHI 0048B, "GIC virtualization".

use crate::places::{GICC_SIZE, GICH_SIZE};
use crate::range::PAGE;
use crate::reach::MemoryType;
use crate::system::{Party, System};

use super::stage2::NO_IPA;

/// Implements: BH-CHK-026.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    let is_v2 = system.is_gicv2();
    for (index, partition) in system.blob.partitions.iter().enumerate() {
        if (partition.gicr_ipa == NO_IPA) != is_v2 {
            out.push(format!(
                "partition {}: redistributors at {:#x}",
                system.name(index),
                partition.gicr_ipa
            ));
        }
    }
    if !is_v2 {
        for (k, core) in system
            .blob
            .cores
            .iter()
            .enumerate()
            .filter(|(_, c)| c.redistributor == 0)
        {
            out.push(format!("core {k}: redistributor at {:#x}", core.redistributor));
        }
        return;
    }
    for (name, ranges, size) in [
        ("gicc", system.gicc(), PAGE),
        ("gicc-dir", system.gicc_dir(), PAGE),
        ("gicv", system.gicv(), GICC_SIZE),
        ("gich", system.gich(), GICH_SIZE),
    ] {
        if !matches!(ranges.as_slice(), [one] if one.size() == size) {
            out.push(format!(
                "grants.txt: {name} is not one `memory` record of {size:#x} bytes"
            ));
        }
    }
    for (first, second) in system.gicc().iter().zip(system.gicc_dir()) {
        if first.end != second.start {
            out.push(format!(
                "grants.txt: gicc-dir {second} does not follow gicc {first}"
            ));
        }
    }
    let ours: Vec<_> = system.gicc().into_iter().chain(system.gicv()).collect();
    for index in system.partition_indices() {
        let name = system.name(index);
        let own = system.interface_of(index);
        if own.is_empty() {
            out.push(format!(
                "partition {name}: has cores of its own and shared ones, or guarded ones"
            ));
        }
        let mut reached = Vec::new();
        for (root, run) in system.reach(Party::Partition(index)) {
            let touches = ours
                .iter()
                .any(|range| run.physical().intersection(*range).is_some());
            if touches && !system.is_interface(index, run.physical(), run.access) {
                out.push(format!(
                    "{}: {} reaches a CPU interface that is not its own",
                    root.name, run.input
                ));
            }
            if run.access.memory == MemoryType::Device {
                reached.push(run.physical());
            }
        }
        for missing in own.iter().flat_map(|range| range.minus(&reached)) {
            out.push(format!(
                "partition {name}: does not reach {missing} of its CPU interface"
            ));
        }
    }
}
