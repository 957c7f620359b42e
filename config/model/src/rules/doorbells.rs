// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for doorbells: an interrupt for each, and a time between two rings.

use bulkhead_types::tables::MAX_DOORBELLS;

use super::Facts;
use crate::channel::ChannelKind;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Span;

/// More doorbells than interrupts.
static DOORBELLS: Rule = Rule {
    number: "BH215",
    id: "channels/doorbells",
    text: "A system has at most 16 doorbells, and the board file names an SPI to which nothing is wired for each of them.",
    fix: "Name such interrupts in `gic.unwired` of the board file, or let one doorbell ring for several reasons.",
};
/// A doorbell that rings too often to be handled, or too rarely to be of use.
static INTERVAL: Rule = Rule {
    number: "BH216",
    id: "channels/interval",
    text: "The interval of a doorbell is from 10us to 1s.",
    fix: "Write an interval in which the reader can handle an interrupt.",
};
/// An interrupt that is something else.
static UNWIRED: Rule = Rule {
    number: "BH217",
    id: "board/unwired",
    text: "What the board file names as unwired is an SPI of its interrupt controller, named once, and no device's, the UART's or the SMMU's.",
    fix: "Name another SPI in `gic.unwired`.",
};

pub(super) static ALL: &[&Rule] = &[&DOORBELLS, &INTERVAL, &UNWIRED];
pub(super) const CHECKS: &[super::Check] = &[doorbells, interval, unwired];

/// Implements: BH-CFG-150.
fn doorbells(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board.filter(|board| !board.unread.gic) else {
        return;
    };
    let channels = facts.spec.channels.iter();
    let mut bells = channels.filter(|c| matches!(c.kind, Some(ChannelKind::Doorbell { .. })));
    let most = board.gic.unwired.len().min(MAX_DOORBELLS);
    let Some(first) = bells.nth(most) else { return };
    let diagnostic = Diagnostic::new(
        &DOORBELLS,
        first.name.span,
        format!("the board has interrupts for {most} doorbells only"),
        "no interrupt is left for this one",
        DOORBELLS.fix,
    );
    diagnostics.push(diagnostic.and(board.gic.span, "its interrupt controller"));
}

/// Implements: BH-CFG-151.
fn interval(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for kind in facts.spec.channels.iter().filter_map(|c| c.kind) {
        let ChannelKind::Doorbell { interval } = kind else {
            continue;
        };
        if !(10_000..=1_000_000_000).contains(&interval.value) {
            diagnostics.push(Diagnostic::new(
                &INTERVAL,
                interval.span,
                "a doorbell cannot have this interval".to_owned(),
                "must be from 10us to 1s",
                INTERVAL.fix,
            ));
        }
    }
}

/// Implements: BH-CFG-152.
fn unwired(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let mut used: Vec<(u32, Span, String)> = Vec::new();
    for device in &board.devices {
        let whose = format!("that of `{}`", device.name.value);
        let all = device.interrupts.iter();
        used.extend(all.map(|i| (i.value.intid, i.span, whose.clone())));
    }
    used.push((
        board.uart.interrupt,
        board.uart.span,
        "the UART has it".to_owned(),
    ));
    if let Some(smmu) = &board.smmu {
        let all = smmu.interrupts.iter();
        used.extend(all.map(|i| (*i, smmu.span, "the SMMU has it".to_owned())));
    }
    for intid in &board.gic.unwired {
        let owner = used.iter().find(|(other, ..)| *other == intid.value);
        let report = |cause: &str| {
            let message = format!("interrupt {} cannot be a doorbell's", intid.value);
            Diagnostic::new(&UNWIRED, intid.span, message, cause, UNWIRED.fix)
        };
        if let Some((_, span, whose)) = owner {
            diagnostics.push(report("something is wired to it").and(*span, whose.as_str()));
        } else if !(32..32 + board.gic.spi_lines).contains(&intid.value) {
            let last = format!("its SPIs are 32 to {}", 31 + board.gic.spi_lines);
            diagnostics.push(report("no SPI of the controller").and(board.gic.span, last));
        }
        used.push((intid.value, intid.span, "named before".to_owned()));
    }
}
