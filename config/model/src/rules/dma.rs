// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what a bus master reaches of its partition's RAM.

use super::Facts;
use crate::board::{Board, Region};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;
use crate::system::{MemoryRights, Payload};
use crate::units::show_bytes;

use super::devices::names_unknown;
use super::rights::read_only;

/// Ranges of something that reaches nothing, or everything.
static NOT_GUARDED: Rule = Rule {
    number: "BH232",
    id: "dma/not-guarded",
    text: "`dma` names bus masters of its partition that an SMMU guards.",
    fix: "Name a bus master among the `devices` of the partition, on a board with an SMMU.",
};
/// No pages of RAM.
static OUTSIDE_MEMORY: Rule = Rule {
    number: "BH233",
    id: "dma/outside-memory",
    text: "A range of `dma` is whole pages of 4 KiB inside the partition's memory.",
    fix: "Round offset and size to 4KiB, and stay inside the memory.",
};
/// Ranges that share pages.
static OVERLAP: Rule = Rule {
    number: "BH234",
    id: "dma/overlap",
    text: "The ranges of `dma` of one bus master do not overlap.",
    fix: "Join the ranges, or move one of them.",
};
/// DMA to what nobody writes.
static READ_ONLY: Rule = Rule {
    number: "BH235",
    id: "dma/read-only",
    text: "A range of `dma` has no page that the partition itself may not write.",
    fix: "Move the range behind the payload's segments that are only read.",
};

/// Physical addresses that nobody knows.
static UNPINNED: Rule = Rule {
    number: "BH195",
    id: "dma/unpinned",
    text: "A partition with a bus master in `unguarded_dma` has its memory pinned, without `colours` and `rights: segments`.",
    fix: "Pin it, `memory: { size: ..., at: ... }`: the bus master uses physical addresses, which its driver must know.",
};

pub(super) static ALL: &[&Rule] = &[&NOT_GUARDED, &OUTSIDE_MEMORY, &OVERLAP, &READ_ONLY, &UNPINNED];
pub(super) const CHECKS: &[super::Check] = &[not_guarded, outside_memory, overlap, only_read, unpinned];

const PAGE: u64 = 4096;
/// Where every partition's RAM begins, as it sees it.
const RAM: u64 = 0x4000_0000;

/// Why ranges of a device mean nothing.
fn unguarded(board: &Board, devices: &[Spanned<String>], name: &str) -> Option<String> {
    let mut all = board.devices.iter();
    let device = all.find(|d| d.name.value == name);
    if !devices.iter().any(|d| d.value == name) {
        Some(format!("its partition owns no device `{name}`"))
    } else if device.is_some_and(|d| !d.bus_master) {
        Some(format!("`{name}` does not master the bus"))
    } else {
        let device = device.filter(|d| !board.guards(d));
        device.map(|d| board.why_unguarded(d))
    }
}

/// Implements: BH-CFG-142.
fn not_guarded(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let partitions = facts.spec.partitions.iter();
    for partition in partitions.filter(|p| !names_unknown(board, p)) {
        for dma in &partition.dma {
            let Some(cause) = unguarded(board, &partition.devices, &dma.device.value) else {
                continue;
            };
            let diagnostic = Diagnostic::new(
                &NOT_GUARDED,
                dma.device.span,
                format!("no SMMU keeps `{}` to ranges", dma.device.value),
                cause,
                NOT_GUARDED.fix,
            );
            let device = board.devices.iter().find(|d| d.name == dma.device);
            diagnostics.push(diagnostic.and_at(device.map(|d| d.name.span), "the device"));
        }
    }
}

/// Implements: BH-CFG-143.
fn outside_memory(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let Some(memory) = &partition.memory else { continue };
        for range in partition.dma.iter().flat_map(|d| &d.ranges) {
            let Region { base, size } = range.value;
            let pages = size > 0 && base.is_multiple_of(PAGE) && size.is_multiple_of(PAGE);
            let inside = base.checked_add(size).is_some_and(|end| end <= memory.size.value);
            if pages && inside {
                continue;
            }
            let cause = if pages {
                "it ends behind the memory"
            } else {
                "not whole pages of 4KiB"
            };
            let diagnostic = Diagnostic::new(
                &OUTSIDE_MEMORY,
                range.span,
                format!(
                    "{} at offset {base:#x} are no pages of the memory of `{}`",
                    show_bytes(size),
                    partition.name.value
                ),
                cause,
                OUTSIDE_MEMORY.fix,
            );
            let text = format!("{} of memory", show_bytes(memory.size.value));
            diagnostics.push(diagnostic.and(memory.size.span, text));
        }
    }
}

/// Implements: BH-CFG-144.
fn overlap(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for dma in facts.spec.partitions.iter().flat_map(|p| &p.dma) {
        for (index, later) in dma.ranges.iter().enumerate() {
            let mut before = dma.ranges.iter().take(index);
            let Some(earlier) = before.find(|r| r.overlaps(&later.value)) else {
                continue;
            };
            let message = format!("two ranges of `{}` overlap", dma.device.value);
            let diagnostic = Diagnostic::new(&OVERLAP, later.span, message, "the second", OVERLAP.fix);
            diagnostics.push(diagnostic.and(earlier.span, "the first"));
        }
    }
}

/// Implements: BH-CFG-145.
fn only_read(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, payload) in facts.spec.partitions.iter().zip(&facts.payloads.list) {
        let Some(payload) = payload else { continue };
        let segments = read_only(partition, payload);
        for range in partition.dma.iter().flat_map(|d| &d.ranges) {
            let wanted = Region {
                base: RAM.saturating_add(range.base),
                size: range.size,
            };
            let Some(segment) = segments.iter().find(|s| s.overlaps(&wanted)) else {
                continue;
            };
            let diagnostic = Diagnostic::new(
                &READ_ONLY,
                range.span,
                format!("`{}` may not write all of this range", partition.name.value),
                format!(
                    "a segment at offset {:#x} is only read",
                    segment.base.saturating_sub(RAM)
                ),
                READ_ONLY.fix,
            );
            let rights = partition.memory.as_ref().and_then(|m| m.rights);
            let payload = match payload {
                Payload::Elf(file) => Some(file.name.span),
                Payload::Linux(_) | Payload::Raw(_) => None,
            };
            let with_rights = diagnostic.and_at(rights.map(|r| r.span), "rights of its segments");
            diagnostics.push(with_rights.and_at(payload, "it has the segment"));
        }
    }
}

/// What its driver takes for the distance from its addresses to physical ones must be one for all of its RAM.
/// Implements: BH-CFG-170.
fn unpinned(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let (Some(memory), Some((device, _))) = (&partition.memory, partition.unguarded.first()) else {
            continue;
        };
        let name = &partition.name.value;
        let (span, message, cause) = if memory.colours.is_some() {
            (
                memory.size.span,
                format!("the memory of `{name}` lies in pages of its colours"),
                "no single place",
            )
        } else if let Some(rights) = memory.rights.filter(|r| r.value == MemoryRights::Segments) {
            (
                rights.span,
                format!("some of the memory of `{name}` lies in its image"),
                "no single place",
            )
        } else if memory.at.is_none() {
            (
                memory.size.span,
                format!("the memory of `{name}` is not pinned"),
                "may lie anywhere",
            )
        } else {
            continue;
        };
        let diagnostic = Diagnostic::new(&UNPINNED, span, message, cause, UNPINNED.fix);
        diagnostics.push(diagnostic.and(device.span, "reaches physical addresses"));
    }
}
