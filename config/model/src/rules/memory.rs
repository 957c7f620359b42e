// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for memory: whole 2 MiB blocks that the board has and nobody else uses.

use super::{Facts, pins};
use crate::board::{Board, Region};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};
use crate::spec::MemorySpec;
use crate::units::show_bytes;

/// Not whole blocks.
static ALIGNMENT: Rule = Rule {
    number: "BH050",
    id: "memory/alignment",
    text: "Size and address of a partition's memory are multiples of 2 MiB, and the size is not 0.",
    fix: "Round size or address to a multiple of 2MiB.",
};
/// More than there is.
static TOO_LARGE: Rule = Rule {
    number: "BH051",
    id: "memory/too-large",
    text: "All partitions together fit into the RAM that the board has free.",
    fix: "Take memory from partitions, or use a board with more RAM.",
};
/// Two partitions at one place.
static OVERLAP: Rule = Rule {
    number: "BH052",
    id: "memory/overlap",
    text: "Pinned memory of two partitions does not overlap.",
    fix: "Pin one of the two elsewhere, or leave `at` out: the compiler finds a place.",
};
/// A place that is taken or not RAM.
static NOT_FREE: Rule = Rule {
    number: "BH053",
    id: "memory/not-free",
    text: "Pinned memory lies in RAM that neither the board file nor the hypervisor reserves.",
    fix: "Choose another address, or leave `at` out: the compiler finds a place.",
};

pub(super) static ALL: &[&Rule] = &[&ALIGNMENT, &TOO_LARGE, &OVERLAP, &NOT_FREE];
pub(super) const CHECKS: &[super::Check] = &[alignment, too_large, overlap, not_free];

/// Unit of partition memory: a level-2 block of the 4 KiB granule.
const BLOCK: u64 = 2 << 20;

fn memories<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a str, &'a MemorySpec)> {
    facts
        .spec
        .partitions
        .iter()
        .filter_map(|p| Some((p.name.value.as_str(), p.memory.as_ref()?)))
}

/// Pinned ranges that are aligned; the others break [`ALIGNMENT`].
pub(super) fn pinned<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a str, Spanned<Region>)> {
    memories(facts).filter_map(|(name, memory)| {
        let at = memory.at?;
        let region = Region {
            base: at.value,
            size: memory.size.value,
        };
        is_aligned(memory).then_some((name, Spanned::new(region, at.span)))
    })
}

fn is_aligned(memory: &MemorySpec) -> bool {
    let at = memory.at.map_or(0, |a| a.value);
    memory.size.value > 0 && memory.size.is_multiple_of(BLOCK) && at.is_multiple_of(BLOCK)
}

/// Implements: BH-CFG-030.
fn alignment(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut report = |span: Span, message: String, help: String| {
        let cause = "memory is mapped in blocks of 2MiB";
        diagnostics.push(Diagnostic::new(&ALIGNMENT, span, message, cause, help));
    };
    for (name, memory) in memories(facts) {
        let size = memory.size.value;
        if size == 0 || !size.is_multiple_of(BLOCK) {
            let wanted = size.max(1).checked_next_multiple_of(BLOCK).unwrap_or(BLOCK);
            report(
                memory.size.span,
                format!(
                    "the memory of `{name}`, {}, is not a multiple of 2MiB",
                    show_bytes(size)
                ),
                format!("write {}", show_bytes(wanted)),
            );
        }
        if let Some(at) = memory.at.filter(|at| !at.is_multiple_of(BLOCK)) {
            report(
                at.span,
                format!(
                    "the memory of `{name}` begins at {:#x}, which is not a multiple of 2MiB",
                    at.value
                ),
                pins::round(at.value, BLOCK, |base| {
                    pins::taken(facts, at.span, base, size, false)
                }),
            );
        }
    }
}

/// Why a range is not RAM that is neither reserved nor where the hypervisor begins.
pub(super) fn taken_by(board: &Board, region: &Region) -> Option<(String, Option<Span>)> {
    if !board.unread.ram && !board.ram.iter().any(|ram| ram.contains(region)) {
        return Some(("the board has no RAM there".to_owned(), None));
    }
    let image = Region {
        base: board.hypervisor.value - board.hypervisor.value % BLOCK,
        size: BLOCK,
    };
    if image.overlaps(region) {
        return Some(("the hypervisor lies there".to_owned(), None));
    }
    let reserved = board.reserved.iter().find(|r| r.region.overlaps(region))?;
    Some((format!("reserved: {}", reserved.name), Some(reserved.region.span)))
}

/// Bytes of RAM in whole blocks that are neither reserved nor where the hypervisor begins.
pub(super) fn free_ram(board: &Board) -> u64 {
    let mut taken: Vec<Region> = board.reserved.iter().map(|r| r.region.value).collect();
    taken.push(Region {
        base: board.hypervisor.value - board.hypervisor.value % BLOCK,
        size: BLOCK,
    });
    let mut free = 0;
    for ram in &board.ram {
        let (first, end) = (ram.base.div_ceil(BLOCK), ram.end() / BLOCK);
        let mut blocks: Vec<(u64, u64)> = taken
            .iter()
            .map(|t| ((t.base / BLOCK).max(first), t.end().div_ceil(BLOCK).min(end)))
            .filter(|(from, to)| from < to)
            .collect();
        blocks.sort_unstable();
        let mut at = first;
        for (from, to) in blocks {
            free += from.saturating_sub(at);
            at = at.max(to);
        }
        free += end.saturating_sub(at);
    }
    free * BLOCK
}

/// Counts free blocks; where they go is the compiler's decision. Implements: BH-CFG-031.
fn too_large(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board.filter(|board| !board.unread.ram) else {
        return;
    };
    let free = free_ram(board);
    let wanted = memories(facts).fold(0_u64, |sum, (_, m)| sum.saturating_add(m.size.value));
    let largest = memories(facts).max_by_key(|(_, m)| m.size.value);
    if let Some((name, memory)) = largest.filter(|_| wanted > free) {
        let diagnostic = Diagnostic::new(
            &TOO_LARGE,
            memory.size.span,
            format!(
                "the partitions want {} of RAM, board `{}` has {} free",
                show_bytes(wanted),
                board.name.value,
                show_bytes(free)
            ),
            format!("`{name}` wants most"),
            format!(
                "take away {} in all, or use a board with more RAM",
                show_bytes(wanted - free)
            ),
        );
        diagnostics.push(diagnostic.and_at(board.ram.first().map(|r| r.span), "the RAM of the board"));
    }
}

/// Implements: BH-CFG-032.
fn overlap(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let ranges: Vec<(&str, Spanned<Region>)> = pinned(facts).collect();
    for (index, (name, range)) in ranges.iter().enumerate() {
        for (other_name, other) in ranges
            .iter()
            .take(index)
            .filter(|(_, other)| other.overlaps(range))
        {
            let place = |r: &Region| format!("{:#x} to {:#x}", r.base, r.end());
            diagnostics.push(
                Diagnostic::new(
                    &OVERLAP,
                    range.span,
                    format!("the memory of `{name}` overlaps that of `{other_name}`"),
                    place(range),
                    format!(
                        "pin `{name}` at {:#x}, or leave `at` out: the compiler finds a place",
                        other.end()
                    ),
                )
                .and(other.span, place(other)),
            );
        }
    }
}

/// Implements: BH-CFG-033.
fn not_free(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (name, range) in pinned(facts) {
        let Some((cause, place)) = taken_by(board, &range) else {
            continue;
        };
        let diagnostic = Diagnostic::new(
            &NOT_FREE,
            range.span,
            format!(
                "the memory of `{name}`, {:#x} to {:#x}, is not free RAM",
                range.base,
                range.end()
            ),
            cause,
            "choose another address, or leave `at` out: the compiler finds a place",
        );
        diagnostics.push(match place {
            Some(span) => diagnostic.and(span, "reserved here"),
            None => diagnostic,
        });
    }
}
