// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for page colours: each belongs to one partition, and nobody uses all of them unseen.

use super::{Facts, meant};
use crate::colours::{ColourSet, Colouring};
use crate::diagnostic::{Diagnostic, Rule};
use crate::rules::memory::free_ram;
use crate::span::{Span, Spanned};
use crate::spec::{ColoursSpec, MemorySpec};
use crate::tree::listed;
use crate::units::show_bytes;

/// No colours there.
static NOT_ON_BOARD: Rule = Rule {
    number: "BH043",
    id: "colours/not-on-board",
    text: "Memory has colours only on a board whose file declares them, and only colours that it has, each listed once.",
    fix: "Use colours that the board has, each once.",
};
/// Contiguous and scattered at once.
static PINNED: Rule = Rule {
    number: "BH044",
    id: "colours/pinned",
    text: "Memory and payload of a partition with colours are not pinned: their pages are not contiguous.",
    fix: "Leave the address out: coloured pages are placed by the compiler.",
};
/// Two owners.
static OVERLAP: Rule = Rule {
    number: "BH045",
    id: "colours/overlap",
    text: "No two partitions have a colour in common.",
    fix: "Give the partitions different colours.",
};
/// More than there are.
static TOO_MANY: Rule = Rule {
    number: "BH046",
    id: "colours/too-many",
    text: "All partitions together use no more colours than the board has.",
    fix: "Ask for fewer colours in all.",
};
/// Too few for the size.
static TOO_FEW: Rule = Rule {
    number: "BH047",
    id: "colours/too-few",
    text: "The colours of a partition have as much free RAM as its memory needs.",
    fix: "Give the partition more colours, or less memory.",
};
/// A neighbour in all colours.
static UNCOLOURED: Rule = Rule {
    number: "BH048",
    id: "colours/uncoloured",
    text: "Beside a partition with colours every other one has colours, or is named in its `uncoloured`.",
    fix: "Give the partition colours, or name it under `uncoloured`.",
};
/// An acceptance of nothing.
static NOT_UNCOLOURED: Rule = Rule {
    number: "BH049",
    id: "colours/not-uncoloured",
    text: "`uncoloured` stands beside `colours` and names other partitions that have none.",
    fix: "Remove the name from `uncoloured`.",
};

pub(super) static ALL: &[&Rule] = &[
    &NOT_ON_BOARD,
    &PINNED,
    &OVERLAP,
    &TOO_MANY,
    &TOO_FEW,
    &UNCOLOURED,
    &NOT_UNCOLOURED,
];
pub(super) const CHECKS: &[super::Check] = &[
    not_on_board,
    pinned,
    overlap,
    too_many,
    too_few,
    uncoloured,
    not_uncoloured,
];

/// A partition with colours.
struct Coloured<'a> {
    name: &'a str,
    memory: &'a MemorySpec,
    colours: &'a ColoursSpec,
    payload_at: Option<Spanned<u64>>,
}

fn coloured<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = Coloured<'a>> {
    facts.spec.partitions.iter().filter_map(|p| {
        let memory = p.memory.as_ref()?;
        Some(Coloured {
            name: &p.name.value,
            memory,
            colours: memory.colours.as_ref()?,
            payload_at: p.pins.payload_at,
        })
    })
}

fn colouring(facts: &Facts<'_>) -> Option<Colouring> {
    facts.board?.colouring
}

/// Implements: BH-CFG-100.
fn not_on_board(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let board_name = &board.name.value;
    for coloured in coloured(facts) {
        let mut report = |span: Span, message: String, cause: String, help: &str, other: (Span, &str)| {
            let diagnostic = Diagnostic::new(&NOT_ON_BOARD, span, message, cause, help);
            diagnostics.push(diagnostic.and(other.0, other.1));
        };
        let Some(colouring) = board.colouring else {
            report(
                coloured.colours.span(),
                format!("`{}` has colours, board `{board_name}` has none", coloured.name),
                "wanted here".to_owned(),
                "leave `colours` out, or declare the board's in its file",
                (board.name.span, "the file of this board has no `colours`"),
            );
            continue;
        };
        let ColoursSpec::Listed { colours, .. } = coloured.colours else {
            continue;
        };
        for (index, colour) in colours.iter().enumerate() {
            if colour.value >= colouring.count {
                report(
                    colour.span,
                    format!("board `{board_name}` has no colour {}", colour.value),
                    format!("it has {} colours, 0 to {}", colouring.count, colouring.count - 1),
                    "use a colour that the board has, or write how many you want: the compiler chooses them",
                    (board.name.span, "the board"),
                );
            } else if let Some(first) = colours.iter().take(index).find(|c| c.value == colour.value) {
                report(
                    colour.span,
                    format!("`{}` lists colour {} twice", coloured.name, colour.value),
                    "listed again here".to_owned(),
                    "list it once",
                    (first.span, "first listed here"),
                );
            }
        }
    }
}

/// Implements: BH-CFG-101.
fn pinned(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for coloured in coloured(facts) {
        let pins = [("memory", coloured.memory.at), ("payload", coloured.payload_at)];
        for (what, at) in pins.into_iter().filter_map(|(what, at)| Some((what, at?))) {
            diagnostics.push(
                Diagnostic::new(
                    &PINNED,
                    at.span,
                    format!("the {what} of `{}` has colours and an address", coloured.name),
                    "pinned here",
                    "leave the address out: the compiler takes the pages of its colours wherever they are",
                )
                .and(coloured.colours.span(), "pages of some colours"),
            );
        }
    }
}

/// Implements: BH-CFG-102.
fn overlap(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut owners: Vec<(&str, Spanned<u32>)> = Vec::new();
    for coloured in coloured(facts) {
        let ColoursSpec::Listed { colours, .. } = coloured.colours else {
            continue;
        };
        for colour in colours {
            let other = |(name, c): &&(&str, Spanned<u32>)| *name != coloured.name && c.value == colour.value;
            if let Some((name, first)) = owners.iter().find(other) {
                diagnostics.push(
                    Diagnostic::new(
                        &OVERLAP,
                        colour.span,
                        format!("`{name}` and `{}` both have colour {}", coloured.name, colour.value),
                        format!("of `{}`", coloured.name),
                        "give one of them another colour, or write how many you want: the compiler chooses them",
                    )
                    .and(first.span, format!("of `{name}`")),
                );
            } else {
                owners.push((coloured.name, *colour));
            }
        }
    }
}

/// Implements: BH-CFG-103.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(colouring) = colouring(facts) else { return };
    let mut used: u64 = 0;
    for (index, coloured) in coloured(facts).enumerate() {
        let before = used;
        used = used.saturating_add(coloured.colours.count().into());
        let limit = u64::from(colouring.count);
        if used > limit && before <= limit {
            let diagnostic = Diagnostic::new(
                &TOO_MANY,
                coloured.colours.span(),
                format!("the partitions use more colours than the {limit} of the board"),
                format!("{before} are in use before `{}`", coloured.name),
                "give some partition fewer colours",
            );
            let earlier = self::coloured(facts).take(index);
            let with_earlier = earlier.fold(diagnostic, |d, c| {
                let uses = format!("`{}` uses {}", c.name, c.colours.count());
                d.and(c.colours.span(), uses)
            });
            let board = facts.board.map(|b| b.name.span);
            diagnostics.push(with_earlier.and_at(board, format!("the board has {limit}")));
        }
    }
}

/// Each colour has the same share of the RAM, but for less than a way at the ends of each free range. Tables
/// need a 512th of the memory. Implements: BH-CFG-104.
fn too_few(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let known = facts.board.filter(|board| !board.unread.ram);
    let (Some(board), Some(colouring)) = (known, colouring(facts)) else {
        return;
    };
    let share = free_ram(board) / u64::from(colouring.count);
    for coloured in coloured(facts) {
        let size = coloured.memory.size.value;
        let needed = size.saturating_add(size / 512);
        let there = share.saturating_mul(coloured.colours.count().into());
        if needed > there {
            let colours = needed.div_ceil(share.max(1));
            diagnostics.push(
                Diagnostic::new(
                    &TOO_FEW,
                    coloured.colours.span(),
                    format!(
                        "the memory of `{}`, {}, does not fit into its colours",
                        coloured.name,
                        show_bytes(size)
                    ),
                    format!("{} of RAM at most, with tables", show_bytes(there)),
                    format!("give it {colours} colours, or less memory"),
                )
                .and(coloured.memory.size.span, "the size"),
            );
        }
    }
}

/// Implements: BH-CFG-105.
fn uncoloured(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let plain = |p: &&crate::spec::PartitionSpec| p.memory.as_ref().is_some_and(|m| m.colours.is_none());
    for coloured in coloured(facts) {
        let accepted = |name: &str| coloured.memory.uncoloured.iter().any(|n| n.value == name);
        let others = facts.spec.partitions.iter().filter(plain);
        let others: Vec<_> = others.filter(|p| !accepted(&p.name.value)).collect();
        if others.is_empty() {
            continue;
        }
        let names = others.iter().map(|p| p.name.value.as_str());
        let all: Vec<&str> = coloured
            .memory
            .uncoloured
            .iter()
            .map(|n| n.value.as_str())
            .chain(names.clone())
            .collect();
        let diagnostic = Diagnostic::new(
            &UNCOLOURED,
            coloured.colours.span(),
            format!(
                "`{}` has colours, but its neighbours can use all of them",
                coloured.name
            ),
            format!("{} may evict its lines", listed(names)),
            format!(
                "give them colours, too, or accept it: `uncoloured: [{}]`",
                all.join(", ")
            ),
        );
        diagnostics.push(
            others
                .iter()
                .fold(diagnostic, |d, p| d.and(p.name.span, "has no colours")),
        );
    }
}

/// Implements: BH-CFG-106.
fn not_uncoloured(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let Some(memory) = &partition.memory else { continue };
        for name in &memory.uncoloured {
            let found = facts.spec.partition(name);
            let has_colours =
                |p: &crate::spec::PartitionSpec| p.memory.as_ref().is_some_and(|m| m.colours.is_some());
            let (cause, help, other) = match found {
                _ if memory.colours.is_none() => (
                    format!("`{}` has no colours itself", partition.name.value),
                    "remove `uncoloured`, or add `colours`".to_owned(),
                    Some(memory.size.span),
                ),
                None => (
                    "there is no such partition".to_owned(),
                    meant(name, "partitions", facts.spec.partition_names()),
                    None,
                ),
                Some((_, other)) if has_colours(other) => {
                    let colours = other.memory.as_ref().and_then(|m| m.colours.as_ref());
                    (
                        "it has colours".to_owned(),
                        "take the name away".to_owned(),
                        colours.map(ColoursSpec::span),
                    )
                }
                Some(_) => continue,
            };
            let diagnostic = Diagnostic::new(
                &NOT_UNCOLOURED,
                name.span,
                format!(
                    "`{}` accepts `{}` as uncoloured",
                    partition.name.value, name.value
                ),
                cause,
                help,
            );
            let which = if memory.colours.is_none() {
                "memory without colours"
            } else {
                "its colours"
            };
            diagnostics.push(diagnostic.and_at(other, which));
        }
    }
}

/// The colours of each partition: those listed, then for the others the lowest that are free.
/// Implements: BH-MEM-005.
pub(crate) fn assign(memories: &[Option<&MemorySpec>], colouring: Colouring) -> Vec<Option<ColourSet>> {
    let listed = |memory: &MemorySpec| match memory.colours.as_ref()? {
        ColoursSpec::Listed { colours, .. } => Some(colours.iter().map(|c| c.value).collect::<ColourSet>()),
        ColoursSpec::Any(_) => None,
    };
    let mut sets: Vec<Option<ColourSet>> = memories.iter().map(|m| m.and_then(listed)).collect();
    let mut used = sets
        .iter()
        .flatten()
        .fold(ColourSet::default(), |all, set| all.union(*set));
    for (memory, set) in memories.iter().zip(&mut sets) {
        if let Some(ColoursSpec::Any(count)) = memory.and_then(|m| m.colours.as_ref()) {
            let chosen = used.lowest_free(colouring, count.value);
            used = used.union(chosen);
            *set = Some(chosen);
        }
    }
    sets
}
