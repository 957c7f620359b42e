// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what is pinned and no partition's RAM.
//!
//! Of a payload, and of the hypervisor's live area on a board with colours, only the compiler knows the size: here it is
//! the least that it can be, and the compiler finds the rest.

use bulkhead_abi::queuing::READER_SIZE;
use bulkhead_abi::steal;
use bulkhead_abi::window::WINDOW_SIZE;

use super::{Facts, memory};
use crate::board::Region;
use crate::channel::{ChannelKind, alignment as alignment_of};
use crate::diagnostic::{Diagnostic, Rule};
use crate::pin::EL2_LIMIT;
use crate::span::{Span, Spanned};
use crate::spec::{ChannelSpec, Mode, PartitionSpec};

/// Not where it can be mapped.
static ALIGNMENT: Rule = Rule {
    number: "BH292",
    id: "pins/alignment",
    text: "What is pinned begins at a multiple of what its memory is mapped in.",
    fix: "Round the address, or leave it out: the compiler finds a place.",
};
/// Two things at one place.
static OVERLAP: Rule = Rule {
    number: "BH293",
    id: "pins/overlap",
    text: "Nothing that is pinned overlaps anything else that is.",
    fix: "Pin one of the two elsewhere, or leave the address out: the compiler finds a place.",
};
/// Where EL2 cannot reach it, or something else lies.
static NOT_FREE: Rule = Rule {
    number: "BH294",
    id: "pins/not-free",
    text: "What is pinned lies in RAM that neither the board file nor the hypervisor reserves; below 4 GiB, if EL2 maps it.",
    fix: "Choose another address, or leave it out: the compiler finds a place.",
};
/// Nothing to pin.
static NO_MEMORY: Rule = Rule {
    number: "BH295",
    id: "pins/no-memory",
    text: "What is pinned is there: a doorbell has no memory, only a queue's reader writes, only sliced partitions have stolen time, only a board with an SMMU has queues.",
    fix: "Leave the address out.",
};

pub(super) static ALL: &[&Rule] = &[&ALIGNMENT, &OVERLAP, &NOT_FREE, &NO_MEMORY];
pub(super) const CHECKS: &[super::Check] = &[alignment, overlap, not_free, no_memory];

/// A page.
const PAGE: u64 = 4096;

/// Something that the spec pins.
struct Pin {
    /// What it is, for people.
    what: String,
    region: Spanned<Region>,
    alignment: u64,
    /// Whether EL2 maps it.
    is_mapped: bool,
}

impl Pin {
    /// Something that EL2 maps; nothing where it would wrap around.
    fn new(what: String, at: Spanned<u64>, size: u64, alignment: u64) -> Option<Self> {
        let base = at.value;
        base.checked_add(size)?;
        let region = Spanned::new(Region { base, size }, at.span);
        Some(Pin {
            what,
            region,
            alignment,
            is_mapped: true,
        })
    }
}

/// Everything that is pinned, but RAM.
fn pins(facts: &Facts<'_>) -> Vec<Pin> {
    let spec = facts.spec;
    let partitions = spec.partitions.iter().flat_map(of_partition);
    let channels = spec.channels.iter().flat_map(of_channel);
    let locks = spec
        .locks
        .iter()
        .filter_map(|l| Pin::new(format!("lock `{}`", l.name.value), l.at?, PAGE, PAGE));
    partitions
        .chain(channels)
        .chain(locks)
        .chain(of_hypervisor(facts))
        .collect()
}

fn of_partition(partition: &PartitionSpec) -> impl Iterator<Item = Pin> {
    let of = |what: &str| format!("the {what} of `{}`", partition.name.value);
    let window = u64::try_from(WINDOW_SIZE).unwrap_or(u64::MAX);
    let pins = partition.pins;
    let window = pins
        .window_at
        .and_then(|at| Pin::new(of("window"), at, window, window));
    // Its load list alone takes a page.
    let payload = pins
        .payload_at
        .and_then(|at| Pin::new(of("payload"), at, PAGE, PAGE));
    let payload = payload.map(|pin| Pin {
        is_mapped: false,
        ..pin
    });
    let stolen = pins.stolen_time_at.filter(|_| has_stolen_time(partition));
    let stolen = stolen.and_then(|at| Pin::new(of("stolen time"), at, steal::PAGE, steal::PAGE));
    window.into_iter().chain(payload).chain(stolen)
}

fn has_stolen_time(partition: &PartitionSpec) -> bool {
    let cores = partition.cores.as_ref();
    cores.is_none_or(|c| matches!(c.mode, Mode::Sliced { .. }))
}

fn of_channel(channel: &ChannelSpec) -> impl Iterator<Item = Pin> {
    let kind = channel.kind.filter(|k| k.size() > 0);
    let memory = channel.at.zip(kind).and_then(|(at, kind)| {
        let what = format!("the memory of channel `{}`", channel.name.value);
        Pin::new(what, at, kind.size(), kind.alignment())
    });
    let reader = channel.reader_at.filter(|_| is_queue(channel)).and_then(|at| {
        let what = format!("the reader's memory of channel `{}`", channel.name.value);
        let size = u64::try_from(READER_SIZE).unwrap_or(u64::MAX);
        Pin::new(what, at, size, alignment_of(size))
    });
    memory.into_iter().chain(reader)
}

fn is_queue(channel: &ChannelSpec) -> bool {
    matches!(channel.kind, Some(ChannelKind::Queuing { .. }))
}

fn of_hypervisor(facts: &Facts<'_>) -> impl Iterator<Item = Pin> {
    let pins = facts.spec.hypervisor;
    let live = pins.live_at.zip(facts.board).and_then(|(at, board)| {
        // A root page for each partition, then the stream table.
        let roots = facts.spec.partitions.iter().map(|_| PAGE).sum::<u64>();
        let table = board.stream_table_size();
        let size = roots.checked_next_multiple_of(table.max(PAGE))? + table;
        let what = "the hypervisor's live area".to_owned();
        Pin::new(what, at, size, board.live_align())
    });
    let smmu = facts.board.and_then(|b| b.smmu.as_ref());
    let queues = pins.smmu_queues_at.filter(|_| smmu.is_some());
    let queues = queues.and_then(|at| Pin::new("the queues of the SMMU".to_owned(), at, 2 * PAGE, PAGE));
    live.into_iter().chain(queues)
}

fn place(region: &Region) -> String {
    format!("{:#x} to {:#x}", region.base, region.end())
}

/// Why something pinned at `at` cannot lie at `base` instead: no RAM, reserved, too high, or another pin.
pub(super) fn taken(facts: &Facts<'_>, at: Span, base: u64, size: u64, is_mapped: bool) -> Option<String> {
    let region = Region { base, size };
    let of_board = facts.board.and_then(|board| memory::taken_by(board, &region));
    if let Some((cause, _)) = of_board {
        return Some(cause);
    }
    if is_mapped && region.end() > EL2_LIMIT {
        return Some("EL2 maps only what lies below 4 GiB".to_owned());
    }
    let ram = memory::pinned(facts).map(|(name, region)| (format!("the memory of `{name}`"), region));
    let others = pins(facts).into_iter().map(|pin| (pin.what, pin.region));
    let mut others = ram.chain(others).filter(|(_, other)| other.span != at);
    let (what, _) = others.find(|(_, other)| other.overlaps(&region))?;
    Some(format!("taken: {what}"))
}

/// The advice for an address that is no multiple of `unit`: those beside it, unless they are taken.
pub(super) fn round(at: u64, unit: u64, taken: impl Fn(u64) -> Option<String>) -> String {
    let below = at - at % unit;
    let beside = [Some(below), below.checked_add(unit)];
    let beside: Vec<(u64, Option<String>)> = beside.into_iter().flatten().map(|a| (a, taken(a))).collect();
    match beside.as_slice() {
        [(below, None), (above, None)] => format!("write {below:#x} or {above:#x}"),
        [(free, None)] => format!("write {free:#x}"),
        [(free, None), (other, Some(why))] | [(other, Some(why)), (free, None)] => {
            format!("write {free:#x} (not {other:#x}: {why})")
        }
        all => {
            let why =
                |(at, why): &(u64, Option<String>)| format!("not {at:#x}: {}", why.as_deref().unwrap_or(""));
            let all: Vec<String> = all.iter().map(why).collect();
            format!(
                "leave the address out: the compiler finds a place ({})",
                all.join("; ")
            )
        }
    }
}

/// Implements: BH-CFG-223.
fn alignment(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    // The device tree lies in RAM as its partition sees it, and overlaps nothing here.
    let trees = facts.spec.partitions.iter().filter_map(|p| {
        let what = format!("the device tree of `{}`", p.name.value);
        Pin::new(what, p.pins.device_tree_at?, PAGE, PAGE)
    });
    let in_ram = pins(facts).into_iter().map(|pin| (pin, true));
    for (pin, is_physical) in in_ram.chain(trees.map(|tree| (tree, false))) {
        let (base, unit, size) = (pin.region.base, pin.alignment, pin.region.size);
        if base.is_multiple_of(unit) {
            continue;
        }
        diagnostics.push(Diagnostic::new(
            &ALIGNMENT,
            pin.region.span,
            format!(
                "{} begins at {base:#x}, which is not a multiple of {unit:#x}",
                pin.what
            ),
            format!("mapped in units of {unit:#x} bytes"),
            round(base, unit, |base| {
                let taken = taken(facts, pin.region.span, base, size, pin.is_mapped);
                taken.filter(|_| is_physical)
            }),
        ));
    }
}

/// Implements: BH-CFG-224.
fn overlap(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let ram = memory::pinned(facts).map(|(name, region)| (format!("the memory of `{name}`"), region));
    let mut before: Vec<(String, Spanned<Region>)> = ram.collect();
    for Pin { what, region, .. } in pins(facts) {
        for (other, taken) in before.iter().filter(|(_, taken)| taken.overlaps(&region)) {
            diagnostics.push(
                Diagnostic::new(
                    &OVERLAP,
                    region.span,
                    format!("{what} overlaps {other}"),
                    place(&region),
                    OVERLAP.fix,
                )
                .and(taken.span, place(taken)),
            );
        }
        before.push((what, region));
    }
}

/// Implements: BH-CFG-225.
fn not_free(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for Pin {
        what,
        region,
        is_mapped,
        ..
    } in pins(facts)
    {
        let is_high = is_mapped && region.end() > EL2_LIMIT;
        let high = is_high.then(|| ("EL2 maps only what lies below 4 GiB".to_owned(), None));
        let Some((cause, span)) = high.or_else(|| memory::taken_by(board, &region)) else {
            continue;
        };
        let message = format!("{what}, {}, is not in free RAM", place(&region));
        let diagnostic = Diagnostic::new(&NOT_FREE, region.span, message, cause, NOT_FREE.fix);
        diagnostics.push(match span {
            Some(span) => diagnostic.and(span, "reserved here"),
            None => diagnostic,
        });
    }
}

/// Implements: BH-CFG-226.
fn no_memory(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut report = |at: Spanned<u64>, message: String, (place, why): (Span, &str)| {
        diagnostics.push(
            Diagnostic::new(&NO_MEMORY, at.span, message, "nothing lies there", NO_MEMORY.fix)
                .and(place, why),
        );
    };
    for channel in &facts.spec.channels {
        let (name, place) = (&channel.name.value, channel.name.span);
        let is_doorbell = matches!(channel.kind, Some(ChannelKind::Doorbell { .. }));
        if let Some(at) = channel.at.filter(|_| is_doorbell) {
            let message = format!("doorbell `{name}` has no memory that could be pinned");
            report(at, message, (place, "a doorbell"));
        }
        let has_none = channel.kind.is_some() && !is_queue(channel);
        if let Some(at) = channel.reader_at.filter(|_| has_none) {
            let message = format!("the reader of channel `{name}` has no memory that could be pinned");
            report(at, message, (place, "not a queue"));
        }
    }
    for partition in &facts.spec.partitions {
        let at = partition.pins.stolen_time_at;
        if let Some(at) = at.filter(|_| !has_stolen_time(partition)) {
            let name = &partition.name.value;
            let message = format!("nobody steals time of `{name}`, which has its cores for itself");
            report(at, message, (partition.name.span, "on dedicated cores"));
        }
    }
    let Some(board) = facts.board.filter(|b| b.smmu.is_none()) else {
        return;
    };
    if let Some(at) = facts.spec.hypervisor.smmu_queues_at {
        let message = format!(
            "board `{}` has no SMMU whose queues could be pinned",
            board.name.value
        );
        let place = facts.spec.board.as_ref().map_or(at.span, |b| b.span);
        report(at, message, (place, "this board"));
    }
}
