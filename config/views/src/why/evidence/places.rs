// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What rules about places judged: pins, colours, ranges of DMA and of dumps, device trees, totals.

use bulkhead_model::board::{Device, Region};
use bulkhead_model::pin::EL2_LIMIT;
use bulkhead_model::system::{Partition, System};

use super::{at, or};
use crate::built::Built;
use crate::records::Placed;
use crate::walk::{Use, roots, runs};
use crate::words::{count, listed, size};

/// Each pin, with what lies there.
pub(super) fn pins(system: &System, built: &Built<'_>) -> Vec<String> {
    let line = |placed: &Placed| {
        let pin = system.pin(&placed.owner, &placed.name)?;
        let written = pin.at?;
        let physical = placed.physical;
        Some(format!(
            "`{}`: {:#x}-{:#x}, as the tables have it ({})",
            pin.key,
            physical.start,
            physical.end,
            at(system, written.span)
        ))
    };
    let mut lines: Vec<String> = built.records.all_memory().filter_map(line).collect();
    let trees = system.partitions.iter().filter_map(|p| {
        let written = p.pins.device_tree_at?;
        Some(format!(
            "`partitions.{}.device_tree_at`: {:#x}, an address in its RAM of {} ({})",
            p.name.value,
            written.value,
            size(p.memory.size.value),
            at(system, written.span)
        ))
    });
    lines.extend(trees);
    or(lines, "the spec pins nothing")
}

/// The colours of each partition.
pub(super) fn colours(system: &System) -> Vec<String> {
    let Some(board) = system.board.colouring else {
        return vec!["the board file declares no colours, and no partition has some".to_owned()];
    };
    let sets = system.partitions.iter().filter_map(|p| p.memory.colours);
    let used: u32 = sets.map(|set| set.len()).sum();
    let mut lines = super::each(system, |p| match p.memory.colours {
        Some(set) => format!("colours {set}, for {}", size(p.memory.size.value)),
        None => format!("no colours, {}", size(p.memory.size.value)),
    });
    lines.push(format!("{used} of the board's {} colours are used", board.count));
    lines
}

/// Ranges of one StreamID that are listed, when there are no more.
const LISTED: usize = 8;

/// What a bus master of a partition reaches: ranges of addresses as its translation root maps them.
pub(crate) fn reached(built: &Built<'_>, device: &Device) -> Vec<String> {
    let mut lines = Vec::new();
    let fixed = built.records.streams_of(&device.name.value);
    for root in roots(built) {
        let Use::Stream(id) = root.serves else { continue };
        if device.bdf().map(u64::from) != Some(id) && !fixed.contains(&id) {
            continue;
        }
        let (mut ranges, mut number, mut sum) = (Vec::new(), 0, 0_u64);
        let walked = runs(built, &root, &mut |run| {
            number += 1;
            sum = sum.saturating_add(run.size);
            if ranges.len() < LISTED {
                ranges.push(format!("{} at {:#x}, {}", size(run.size), run.input, run.rights));
            }
        });
        lines.push(match walked {
            Err(error) => format!("StreamID {id:#x}: {error}"),
            Ok(()) if number > LISTED => {
                format!("StreamID {id:#x} reaches {} in {number} ranges", size(sum))
            }
            Ok(()) => format!("StreamID {id:#x} reaches {}", listed(ranges)),
        });
    }
    lines
}

/// The bus masters of each partition.
pub(super) fn dma(system: &System, built: &Built<'_>) -> Vec<String> {
    let of = |p: &Partition| -> Vec<String> {
        let own = p.devices.iter();
        let masters = own.filter_map(|d| Some((d, system.board.devices.get(d.value)?)));
        let masters = masters.filter(|(_, device)| device.bus_master);
        let line = |(claim, device): (&bulkhead_model::span::Spanned<usize>, &Device)| {
            let how = match p.dma_ranges(claim.value) {
                _ if p.unguarded_reason(claim.value).is_some() => {
                    let pinned = p.memory.at.as_ref();
                    let pinned = pinned.map_or_else(|| "?".to_owned(), |a| format!("{:#x}", a.value));
                    format!("unguarded, so its partition's memory is pinned to {pinned}")
                }
                Some(ranges) => {
                    let range = |r: &Region| format!("{} at offset {:#x}", size(r.size), r.base);
                    format!(
                        "{} of its partition's {}: {}",
                        listed(ranges.iter().map(range).collect()),
                        size(p.memory.size.value),
                        listed(reached(built, device))
                    )
                }
                None => "all of its partition's memory".to_owned(),
            };
            format!(
                "{} of {}: {how} ({})",
                device.name.value,
                p.name.value,
                at(system, claim.span)
            )
        };
        masters.map(line).collect()
    };
    let lines = system.partitions.iter().flat_map(of).collect();
    or(lines, "no partition owns a bus master")
}

/// The range in which each partition's RAM is kept.
pub(super) fn dumps(system: &System) -> Vec<String> {
    let line = |p: &Partition| {
        let reserved = system.board.reserved.get(p.dump?)?;
        let region = reserved.region.value;
        Some(format!(
            "{}: its {} and 4 KiB more fit into `{}`, {:#x}-{:#x} ({})",
            p.name.value,
            size(p.memory.size.value),
            reserved.name,
            region.base,
            region.end(),
            at(system, p.memory.size.span)
        ))
    };
    let lines = system.partitions.iter().filter_map(line).collect();
    or(lines, "the RAM of no partition is kept in a range of the board")
}

/// Whose device tree each partition gets.
pub(super) fn device_trees(system: &System) -> Vec<String> {
    super::each(system, |p| {
        let devices = p.devices.iter().filter_map(|d| system.board.devices.get(d.value));
        let devices = devices.map(|d| d.name.value.as_str()).collect();
        let whose = match &p.device_tree {
            Some(file) => format!(
                "its own `{}` ({}), judged against",
                file.name.value,
                at(system, file.name.span)
            ),
            None => "generated from".to_owned(),
        };
        format!(
            "{whose} {}, {} of RAM, devices: {}",
            count(p.core_list().len(), "CPU"),
            size(p.memory.size.value),
            listed(devices)
        )
    })
}

/// Each sum, against what there is.
pub(super) fn totals(system: &System, built: &Built<'_>) -> Vec<String> {
    let records = &built.records;
    let of = |is_one: &dyn Fn(&Placed) -> bool| -> Vec<&Placed> {
        records.memory.iter().filter(|p| is_one(p)).collect()
    };
    let sum = |list: &[&Placed]| {
        list.iter()
            .map(|p| p.physical.size())
            .fold(0, u64::saturating_add)
    };
    let end = |list: &[&Placed]| list.iter().map(|p| p.physical.end).max().unwrap_or(0);
    let payloads = of(&|p| p.name == "payload-area");
    let (image, blob) = (records.image, records.blob);
    let mut lines = vec![
        format!(
            "image: the hypervisor at {:#x}-{:#x}, and {} in one piece, {}, the last of which ends at {:#x}",
            image.start,
            image.end,
            count(payloads.len(), "payload area"),
            size(sum(&payloads)),
            end(&payloads)
        ),
        format!(
            "tables: the blob with all of them is {}, {:#x}-{:#x}",
            size(blob.size()),
            blob.start,
            blob.end
        ),
    ];
    let mapped = of(&|p| {
        let of_el2 = p.owner == "el2" && p.name == "live";
        of_el2 || p.name == "window" || p.owner.starts_with("channel:")
    });
    lines.push(format!(
        "windows: with channels, locks and live tables {} of {}, below {:#x}: the last ends at {:#x}",
        count(mapped.len(), "area"),
        size(sum(&mapped)),
        EL2_LIMIT,
        end(&mapped)
    ));
    let wanted: u64 = system.partitions.iter().map(|p| p.memory.size.value).sum();
    let ram: u64 = built.ram.iter().map(|r| r.size).sum();
    lines.push(format!(
        "memory: {} of partitions in {} of the board's RAM",
        size(wanted),
        size(ram)
    ));
    if let Some(pcie) = &system.board.pcie {
        let bars = built.pci_functions.iter().flat_map(|f| &f.bars);
        let bars: Vec<u64> = bars.map(|b| b.size).filter(|s| *s > 0).collect();
        lines.push(format!(
            "BARs: {} of {} in a PCIe window of {}",
            count(bars.len(), "BAR"),
            size(bars.iter().sum()),
            size(pcie.window.value.size)
        ));
    }
    lines
}
