// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where things lie: in the blob, and in physical memory.

use crate::range::{PAGE, Range, slice};
use crate::ste::MAX_STREAM_BITS;
use crate::system::System;

/// Tells which of `areas` overlap.
fn apart(areas: &[(String, Range)], out: &mut Vec<String>) {
    let mut sorted: Vec<&(String, Range)> = areas.iter().filter(|(_, r)| !r.is_empty()).collect();
    sorted.sort_by_key(|(_, range)| *range);
    for (i, (name, range)) in sorted.iter().enumerate() {
        for (other, at) in sorted.iter().skip(i + 1).take_while(|(_, r)| r.start < range.end) {
            out.push(format!("{name} {range} overlaps {other} {at}"));
        }
    }
}

/// Implements: BH-CHK-003.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    image(system, out);
    in_blob(system, out);
    in_memory(system, out);
}

fn image(system: &System<'_>, out: &mut Vec<String>) {
    let image = &system.image;
    let parts: Vec<(String, Range)> = image
        .ranges()
        .into_iter()
        .map(|(name, r)| (format!("hypervisor.bin: {name}"), r))
        .collect();
    for (name, range) in &parts {
        if range.start > range.end || !range.is_page_aligned() || !image.extent.contains(*range) {
            out.push(format!(
                "{name} {range} is not a page-aligned part of {}",
                image.extent
            ));
        }
    }
    apart(&parts, out);
    let stride = image.per_core_stride;
    let blocks = image.max_cores.checked_mul(stride);
    if stride <= PAGE || !stride.is_multiple_of(PAGE) || blocks != Some(image.per_core.size()) {
        out.push(format!(
            "hypervisor.bin: {} does not hold {} per-core blocks",
            image.per_core, image.max_cores
        ));
    }
    let entry = Range::sized(image.runtime_entry, 4);
    if !image.text.contains(entry) {
        out.push(format!(
            "hypervisor.bin: the run-time entry {:#x} is not in its text",
            entry.start
        ));
    }
    let cores = u64::try_from(system.blob.cores.len()).unwrap_or(u64::MAX);
    let statistics = system.core_stats(system.blob.cores.len()).start;
    if cores > image.max_cores || statistics > image.stats.end {
        out.push(format!(
            "header: {cores} cores, hypervisor.bin has room for {}",
            image.max_cores
        ));
    }
}

fn in_blob(system: &System<'_>, out: &mut Vec<String>) {
    let (header, board) = (&system.blob.header, &system.blob.board);
    let length = u64::try_from(system.bytes.len()).unwrap_or(u64::MAX);
    if header.certificate != length || !length.is_multiple_of(PAGE) {
        out.push(format!(
            "header: certificate at offset {:#x}, the blob has {length:#x} bytes",
            header.certificate
        ));
    }
    let live = Range::sized(header.live_image, header.live_size);
    let order = PAGE <= header.early_end && header.early_end <= live.start && live.end <= length;
    if !order || !live.is_page_aligned() || !header.early_end.is_multiple_of(PAGE) {
        let early_end = header.early_end;
        out.push(format!(
            "header: early part to {early_end:#x} and live image {live} are not in order in the blob"
        ));
    }
    let late = Range {
        start: header.early_end,
        end: header.live_image,
    };
    for (name, range) in &header.sections {
        let placed = range.is_empty() || late.contains(*range);
        if !placed || !range.start.is_multiple_of(8) {
            out.push(format!(
                "header: table {name} at {range} is not aligned between early part and live image"
            ));
        }
    }
    let mut areas: Vec<(String, Range)> = header
        .sections
        .iter()
        .map(|(name, range)| (format!("blob: table {name}"), *range))
        .collect();
    for root in &system.roots {
        let pages = root.walk.pages.iter().map(|page| Range::sized(*page, PAGE));
        areas.extend(pages.map(|page| (format!("blob: translation table of {}", root.name), page)));
    }
    if let Some(table) = system.stream_table() {
        let stored = Range::sized(header.live_image.saturating_add(board.stream_table), table.size());
        if board.stream_bits > MAX_STREAM_BITS
            || !live.contains(stored)
            || !table.start.is_multiple_of(table.size())
        {
            out.push(format!(
                "stream table {table} is not inside the live area, aligned to its size"
            ));
        }
        areas.push(("blob: stream table".to_owned(), stored));
    }
    apart(&areas, out);
    reserved(system.bytes, &areas, out);
}

/// Bytes of the blob after its first page that are in none of `areas` are zero.
fn reserved(blob: &[u8], areas: &[(String, Range)], out: &mut Vec<String>) {
    let end = u64::try_from(blob.len()).unwrap_or(u64::MAX);
    let mut described: Vec<Range> = areas.iter().map(|(_, range)| *range).collect();
    described.push(Range { start: end, end });
    described.sort();
    let mut at = PAGE;
    for range in described {
        let gap = range.start.checked_sub(at).and_then(|size| slice(blob, at, size));
        if gap.is_some_and(|gap| gap.iter().any(|byte| *byte != 0)) {
            let gap = Range {
                start: at,
                end: range.start,
            };
            out.push(format!("blob: reserved bytes in {gap} are not zero"));
        }
        at = at.max(range.end);
    }
}

fn in_memory(system: &System<'_>, out: &mut Vec<String>) {
    let mut areas = vec![
        ("hypervisor image".to_owned(), system.image.extent),
        ("blob".to_owned(), system.blob_area()),
        ("live area".to_owned(), system.live_area()),
    ];
    areas.extend(
        system
            .smmu_queues()
            .map(|queues| ("SMMU queues".to_owned(), queues)),
    );
    areas.extend(
        system
            .windows()
            .into_iter()
            .map(|(i, r)| (format!("window of {}", system.name(i)), r)),
    );
    let stolen = system.stolen().into_iter();
    areas.extend(stolen.map(|(i, r)| (format!("stolen time of {}", system.name(i)), r)));
    let channels = system.blob.channels.iter().enumerate();
    areas.extend(channels.map(|(i, r)| (format!("channel {i}"), *r)));
    for (name, range) in &areas {
        if !range.is_page_aligned() || range.is_empty() || !system.blob.ram.iter().any(|r| r.contains(*range))
        {
            out.push(format!("{name} {range} is not page-aligned in RAM"));
        }
    }
    let devices = system
        .el2_devices()
        .into_iter()
        .map(|(name, r)| (name.to_owned(), r));
    areas.extend(devices);
    areas.push(("GIC distributor".to_owned(), system.gicd()));
    let redistributors = system.redistributors().into_iter().enumerate();
    areas.extend(redistributors.map(|(k, r)| (format!("redistributor of core {k}"), r)));
    for (name, ranges) in [
        ("CPU interface", system.gicc()),
        ("deactivation register", system.gicc_dir()),
        ("virtual CPU interface", system.gicv()),
        ("virtual interface control", system.gich()),
    ] {
        areas.extend(ranges.into_iter().map(|r| (name.to_owned(), r)));
    }
    for (name, range) in &areas {
        if !range.is_page_aligned() {
            out.push(format!("{name} {range} is not page-aligned"));
        }
    }
    apart(&areas, out);
    let banks: Vec<(String, Range)> = system.blob.ram.iter().map(|r| ("RAM".to_owned(), *r)).collect();
    apart(&banks, out);
    for (name, device) in areas.iter().skip_while(|(name, _)| name != "UART") {
        if system
            .blob
            .ram
            .iter()
            .any(|bank| bank.intersection(*device).is_some())
        {
            out.push(format!("{name} {device} lies in RAM"));
        }
    }
}
