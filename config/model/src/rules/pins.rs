// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for pinned memory that is no partition's RAM: channels, locks, windows.

use bulkhead_abi::window::WINDOW_SIZE;

use super::{Facts, memory};
use crate::board::Region;
use crate::channel::ChannelKind;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;

/// Not where it can be mapped.
static ALIGNMENT: Rule = Rule {
    number: "BH292",
    id: "pins/alignment",
    text: "A pinned channel, lock or window begins at a multiple of what its memory is mapped in.",
    fix: "Round the address, or leave it out: the compiler finds a place.",
};
/// Two things at one place.
static OVERLAP: Rule = Rule {
    number: "BH293",
    id: "pins/overlap",
    text: "A pinned channel, lock or window overlaps nothing else that is pinned.",
    fix: "Pin one of the two elsewhere, or leave the address out: the compiler finds a place.",
};
/// Where EL2 cannot reach it, or something else lies.
static NOT_FREE: Rule = Rule {
    number: "BH294",
    id: "pins/not-free",
    text: "A pinned channel, lock or window lies in RAM below 4 GiB that neither the board file nor the hypervisor reserves.",
    fix: "Choose another address, or leave it out: the compiler finds a place.",
};
/// Nothing to pin.
static NO_MEMORY: Rule = Rule {
    number: "BH295",
    id: "pins/no-memory",
    text: "A channel that is pinned has memory: a doorbell is an interrupt alone.",
    fix: "Leave `at` out of the doorbell.",
};

pub(super) static ALL: &[&Rule] = &[&ALIGNMENT, &OVERLAP, &NOT_FREE, &NO_MEMORY];
pub(super) const CHECKS: &[super::Check] = &[alignment, overlap, not_free, no_memory];

/// What EL2 maps lies below.
const LIMIT: u64 = 1 << 32;
/// A lock's page.
const PAGE: u64 = 4096;

/// Something that the spec pins.
struct Pin {
    /// What it is, for people.
    what: String,
    region: Spanned<Region>,
    alignment: u64,
}

/// Everything that is pinned, but RAM.
fn pins(facts: &Facts<'_>) -> Vec<Pin> {
    let pin = |what: String, at: Spanned<u64>, size: u64, alignment: u64| {
        let base = at.value;
        at.checked_add(size)?;
        let region = Spanned::new(Region { base, size }, at.span);
        Some(Pin {
            what,
            region,
            alignment,
        })
    };
    let window = u64::try_from(WINDOW_SIZE).unwrap_or(u64::MAX);
    let windows = facts.spec.partitions.iter().filter_map(|p| {
        pin(
            format!("the window of `{}`", p.name.value),
            p.window_at?,
            window,
            window,
        )
    });
    let channels = facts.spec.channels.iter().filter_map(|c| {
        let kind = c.kind.filter(|k| k.size() > 0)?;
        let what = format!("the memory of channel `{}`", c.name.value);
        pin(what, c.at?, kind.size(), kind.alignment())
    });
    let locks = facts
        .spec
        .locks
        .iter()
        .filter_map(|l| pin(format!("lock `{}`", l.name.value), l.at?, PAGE, PAGE));
    windows.chain(channels).chain(locks).collect()
}

fn place(region: &Region) -> String {
    format!("{:#x} to {:#x}", region.base, region.end())
}

/// Implements: BH-CFG-223.
fn alignment(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for pin in pins(facts) {
        let (base, unit) = (pin.region.base, pin.alignment);
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
            format!("write {:#x}", base - base % unit),
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
    for Pin { what, region, .. } in pins(facts) {
        let high = (region.end() > LIMIT).then(|| ("EL2 maps only what lies below 4 GiB".to_owned(), None));
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
    for channel in &facts.spec.channels {
        if let (Some(at), Some(ChannelKind::Doorbell { .. })) = (channel.at, channel.kind) {
            let message = format!(
                "doorbell `{}` has no memory that could be pinned",
                channel.name.value
            );
            diagnostics.push(
                Diagnostic::new(&NO_MEMORY, at.span, message, "nothing lies there", NO_MEMORY.fix)
                    .and(channel.name.span, "a doorbell"),
            );
        }
    }
}
