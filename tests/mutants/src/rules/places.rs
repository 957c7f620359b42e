// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where things lie: in the blob, and in physical memory. `hypervisor/types/src/blob.rs`, module text.

use crate::blob::{Blob, HEADER};
use crate::bytes::{PAGE, index};
use crate::files::Files;
use crate::image::{Image, Range};
use crate::judge::{Case, Found};
use crate::text::Text;

fn need(good: bool, text: &str) -> Result<(), String> {
    if good {
        Ok(())
    } else {
        Err(format!("header: {text}"))
    }
}

/// Everything of the header that the rest relies on.
///
/// # Errors
/// The first thing that does not fit.
pub(crate) fn header(image: &Image, blob: &Blob, files: &Files, text: &Text) -> Result<(), String> {
    let length = u64::try_from(files.blob.len()).unwrap_or(u64::MAX);
    let page = |value: u64| value.is_multiple_of(PAGE);
    need(
        blob.board_id == image.board && text.board == image.board.to_string(),
        "board",
    )?;
    need(blob.build == image.build, "build of the hypervisor")?;
    need(
        blob.base == image.blob_base && page(blob.base),
        "address of the blob",
    )?;
    need(blob.certificate == length && page(length), "certificate")?;
    need(page(blob.early_end) && blob.early_end >= PAGE, "early part")?;
    need(
        page(blob.live_image) && blob.early_end <= blob.live_image,
        "live image",
    )?;
    let live = Range::sized(blob.live_image, blob.live_size);
    let whole = Range {
        start: 0,
        end: length,
    };
    need(
        live.is_some_and(|l| l.within(whole)) && page(blob.live_size),
        "live image",
    )?;
    let cores = u64::try_from(blob.cores.len()).unwrap_or(u64::MAX);
    need(
        u64::from(blob.core_count) == cores && cores <= image.max_cores,
        "cores",
    )?;
    need(
        matches!(text.address_bits, 32 | 36 | 40 | 42 | 44 | 48),
        "physical address bits",
    )?;
    memory(image, blob, text)?;
    roots(blob)?;
    streams(blob)
}

/// Image, blob, live area and queues lie in RAM and apart.
fn memory(image: &Image, blob: &Blob, text: &Text) -> Result<(), String> {
    let page = |value: u64| value.is_multiple_of(PAGE);
    let space = Range {
        start: 0,
        end: 1 << text.address_bits,
    };
    let mut banks = Vec::new();
    for (base, size) in &blob.ram {
        let bank = Range::sized(*base, *size).filter(|b| b.within(space) && *size > 0);
        let bank = bank.ok_or("header: a bank of RAM is empty or no range")?;
        need(
            !banks.iter().any(|b: &Range| b.meets(bank)),
            "banks of RAM overlap",
        )?;
        banks.push(bank);
    }
    let queues = if blob.board.smmu == 0 { 0 } else { 2 * PAGE };
    let parts = [
        Some(image.all),
        Range::sized(blob.base, blob.certificate + PAGE),
        Range::sized(blob.live_base, blob.live_size),
        Range::sized(blob.board.queues, queues),
    ];
    let parts = parts
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .ok_or("header: no range")?;
    for (at, part) in parts.iter().enumerate() {
        if part.size() == 0 {
            continue;
        }
        need(
            page(part.start) && banks.iter().any(|b| part.within(*b)),
            "a part outside RAM",
        )?;
        need(
            !parts.iter().skip(at + 1).any(|p| p.meets(*part)),
            "parts overlap",
        )?;
    }
    Ok(())
}

/// Each root is a page of its own; live roots correspond to their pristine copies.
fn roots(blob: &Blob) -> Result<(), String> {
    let mut seen = Vec::new();
    let early = Range {
        start: blob.base + PAGE,
        end: blob.base + blob.early_end,
    };
    for root in std::iter::once(blob.boot_root).chain(blob.cores.iter().map(|c| c.root)) {
        let place = Range::sized(root, PAGE);
        need(
            place.is_some_and(|p| p.within(early)) && root.is_multiple_of(PAGE),
            "a root of EL2",
        )?;
        need(!seen.contains(&root), "two roots in one page")?;
        seen.push(root);
    }
    for partition in &blob.partitions {
        let offset = partition.live_root.checked_sub(blob.live_base);
        let inside = offset.is_some_and(|o| o < blob.live_size && o.is_multiple_of(PAGE));
        need(inside, "a live root outside the live area")?;
        need(
            offset == partition.pristine.checked_sub(blob.live_image),
            "live and pristine root",
        )?;
        need(!seen.contains(&partition.live_root), "two roots in one page")?;
        seen.push(partition.live_root);
    }
    Ok(())
}

/// The stream table lies in the live image, aligned to its size where it is used, apart from the roots.
fn streams(blob: &Blob) -> Result<(), String> {
    if blob.board.smmu == 0 {
        return Ok(());
    }
    need(blob.board.stream_bits <= 16, "bits of a StreamID")?;
    let size = 64u64 << blob.board.stream_bits;
    let table = Range::sized(blob.board.stream_table, size).ok_or("header: stream table")?;
    let live = Range {
        start: 0,
        end: blob.live_size,
    };
    let aligned = (blob.live_base + blob.board.stream_table.min(blob.live_size)).is_multiple_of(size);
    need(table.within(live) && aligned, "stream table")?;
    let meets = |p: &crate::entries::Partition| {
        Range::sized(p.live_root - blob.live_base, PAGE).is_some_and(|root| root.meets(table))
    };
    need(!blob.partitions.iter().any(meets), "a root in the stream table")
}

/// What the header describes does not overlap, lies in its area, and everything else is zero.
pub(crate) fn pages(case: &Case<'_>, found: &mut Found) {
    let blob = &case.blob;
    let sections = Range {
        start: blob.early_end,
        end: blob.live_image,
    };
    let mut described = vec![Range {
        start: 0,
        end: HEADER,
    }];
    for (offset, length) in blob.places.iter().filter(|(_, length)| *length > 0) {
        let section = Range {
            start: *offset,
            end: offset + length,
        };
        found.form(section.within(sections), || {
            format!("section at {offset:#x} outside its area")
        });
        described.push(section);
    }
    for page in case.reach.tables.keys() {
        let start = page.wrapping_sub(blob.base);
        if let Some(range) = Range::sized(start, PAGE) {
            described.push(range);
        }
    }
    if blob.board.smmu != 0 {
        let start = blob.live_image + blob.board.stream_table;
        described.push(Range {
            start,
            end: start + (64 << blob.board.stream_bits),
        });
    }
    described.sort();
    let mut at = 0;
    let end = u64::try_from(case.bytes.len()).unwrap_or(0);
    for range in described.into_iter().chain([Range { start: end, end }]) {
        if range.start < at {
            found
                .form
                .push(format!("things overlap at {:#x} in the blob", range.start));
        } else {
            let gap = case.bytes.get(index(at)..index(range.start)).unwrap_or(&[]);
            let zero = gap.iter().all(|byte| *byte == 0);
            found.form(zero, || {
                format!("reserved bytes at {at:#x} to {:#x} are not zero", range.start)
            });
        }
        at = at.max(range.end);
    }
}
