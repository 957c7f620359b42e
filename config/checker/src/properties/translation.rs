// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Roots, table pages and descriptors as such, whatever they map.

use std::collections::BTreeMap;

use crate::range::{PAGE, Range};
use crate::system::{System, Use};

/// Largest VMID: `VTCR_EL2.VS` is 0, so that VMIDs have 8 bits.
const MAX_VMID: u32 = 255;

/// Implements: BH-CHK-004.
pub(crate) fn roots(system: &System<'_>, out: &mut Vec<String>) {
    let header = &system.blob.header;
    let early = Range {
        start: PAGE,
        end: header.early_end,
    };
    let live = Range::sized(header.live_image, header.live_size);
    let late = Range {
        start: header.early_end,
        end: header.live_image,
    };
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    for root in &system.roots {
        let area = match root.serves {
            Use::Boot | Use::Core(_) => early,
            Use::Partition(_) => live,
            Use::Stream(_) => late,
        };
        if !area.contains(Range::sized(root.stored, PAGE)) || !root.address.is_multiple_of(PAGE) {
            out.push(format!(
                "{}: root {:#x} is not a page of its area of the blob",
                root.name, root.address
            ));
        }
        if let Some(other) = names.insert(root.stored, &root.name) {
            out.push(format!(
                "{}: root {:#x} is that of {other}",
                root.name, root.address
            ));
        }
        if let Use::Partition(_) = root.serves
            && root.address.checked_sub(header.live_base) != root.stored.checked_sub(header.live_image)
        {
            let Range { start, .. } = live;
            out.push(format!(
                "{}: live root {:#x} is not the copy of blob offset {:#x} (live image at {start:#x})",
                root.name, root.address, root.stored
            ));
        }
    }
    for (i, partition) in system.blob.partitions.iter().enumerate() {
        let vmid = partition.vmid;
        if vmid == 0 || vmid > MAX_VMID {
            out.push(format!(
                "partition {}: VMID {vmid} is not in 1..={MAX_VMID}",
                system.name(i)
            ));
        }
        if system.blob.partitions.iter().filter(|p| p.vmid == vmid).count() > 1 {
            out.push(format!("partition {}: VMID {vmid} is used twice", system.name(i)));
        }
    }
}

/// Implements: BH-CHK-005.
pub(crate) fn table_pages(system: &System<'_>, out: &mut Vec<String>) {
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    for root in &system.roots {
        out.extend(
            root.walk
                .table_faults
                .iter()
                .map(|fault| format!("{}: {fault}", root.name)),
        );
        for page in &root.walk.pages {
            if let Some(other) = names.insert(*page, &root.name) {
                out.push(format!(
                    "{}: table page at blob offset {page:#x} is also of {other}",
                    root.name
                ));
            }
        }
    }
}

/// Implements: BH-CHK-006.
pub(crate) fn descriptors(system: &System<'_>, out: &mut Vec<String>) {
    let bits = match system.grants.boards.as_slice() {
        [(_, bits @ 32..=48)] => *bits,
        _ => return out.push("grants.txt: there must be one board, with 32 to 48 address bits".to_owned()),
    };
    let memory = Range {
        start: 0,
        end: 1 << bits,
    };
    for root in &system.roots {
        out.extend(
            root.walk
                .descriptor_faults
                .iter()
                .map(|fault| format!("{}: {fault}", root.name)),
        );
        for run in root
            .walk
            .runs
            .iter()
            .filter(|run| !memory.contains(run.physical()))
        {
            let (input, physical) = (run.input, run.physical());
            out.push(format!(
                "{}: {input} translates to {physical}, beyond {bits} bits",
                root.name
            ));
        }
    }
}
