// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the board's watchdog.

use super::Facts;
use super::devices::owned;
use crate::board::{DeviceKind, Registers};
use crate::diagnostic::{Diagnostic, Rule};
use crate::system::Watchdog;
use crate::units::show_time;

/// A watchdog that is not there.
static NONE: Rule = Rule {
    number: "BH270",
    id: "watchdog/none",
    text: "A system uses a watchdog only on a board that has one.",
    fix: "Leave `watchdog` out, or describe the board's watchdog among its devices.",
};
/// A timeout in which a healthy system may miss it, or that it cannot count.
static TIMEOUT: Rule = Rule {
    number: "BH271",
    id: "watchdog/timeout",
    text: "The watchdog's timeout is at least 10 ms and three major frames, and at most 30 min.",
    fix: "Choose a timeout of three major frames or more: one until the look at the cores, one for their slots, one to spare.",
};
/// A partition that could stop it, or reset the board.
static OWNED: Rule = Rule {
    number: "BH272",
    id: "watchdog/owned",
    text: "No partition owns the board's watchdog.",
    fix: "Remove it from the partition's devices; `watchdog` has the hypervisor use it.",
};
/// A watchdog that EL2 has no driver for.
static NOT_DRIVEN: Rule = Rule {
    number: "BH273",
    id: "watchdog/not-driven",
    text: "A board has at most one watchdog, a PCI function with its registers in BAR 0 and without an interrupt, that masters no bus.",
    fix: "Describe one such function in the board file, or none.",
};

pub(super) static ALL: &[&Rule] = &[&NONE, &TIMEOUT, &OWNED, &NOT_DRIVEN];
pub(super) const CHECKS: &[super::Check] = &[none, timeout, is_owned, not_driven];

/// Shortest and longest timeout in ns.
const SHORTEST: u64 = 10_000_000;
const LONGEST: u64 = 30 * 60 * 1_000_000_000;
const _: () = assert!(LONGEST / (2 * Watchdog::UNIT) <= Watchdog::MOST);

/// Implements: BH-CFG-215.
fn none(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(board), Some(timeout)) = (facts.board, facts.spec.watchdog) else {
        return;
    };
    if board.watchdog().is_none() {
        let diagnostic = Diagnostic::new(
            &NONE,
            timeout.span,
            "the system uses a watchdog",
            "there is none",
            NONE.fix,
        );
        diagnostics.push(diagnostic.and(board.name.span, "the file of this board has no watchdog"));
    }
}

/// Implements: BH-CFG-216.
fn timeout(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(timeout) = facts.spec.watchdog else {
        return;
    };
    let frame = facts.spec.schedule.as_ref().and_then(|s| s.major_frame);
    let frames = frame.map_or(0, |f| f.value.saturating_mul(3));
    let report = |label: &str| {
        Diagnostic::new(
            &TIMEOUT,
            timeout.span,
            format!(
                "the watchdog's timeout {} is impossible",
                show_time(timeout.value)
            ),
            label,
            TIMEOUT.fix,
        )
    };
    if timeout.value < SHORTEST || timeout.value > LONGEST {
        diagnostics.push(report("not between 10 ms and 30 min"));
    } else if let Some(frame) = frame.filter(|_| timeout.value < frames) {
        let text = format!("the frame lasts {}", show_time(frame.value));
        diagnostics.push(report("shorter than three major frames").and(frame.span, text));
    }
}

/// Implements: BH-CFG-217.
fn is_owned(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let watchdog = facts.board.and_then(|board| board.watchdog());
    let Some((_, watchdog)) = watchdog else { return };
    for (_, owner, device) in owned(facts).filter(|(_, _, d)| **d == watchdog.name) {
        let diagnostic = Diagnostic::new(
            &OWNED,
            device.span,
            format!("`{owner}` owns the board's watchdog `{}`", device.value),
            "whoever has it can reset the board",
            OWNED.fix,
        );
        diagnostics.push(diagnostic.and(watchdog.name.span, "a watchdog"));
    }
}

/// Implements: BH-CFG-218.
fn not_driven(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let devices = facts.board.iter().flat_map(|board| &board.devices);
    let all = devices.filter(|device| device.kind == DeviceKind::I6300Esb);
    let board_first = all.clone().next().map(|d| d.name.span);
    for (number, device) in all.enumerate() {
        let fits = device.pci.is_some()
            && device.registers == Registers::Bar(0)
            && device.interrupts.is_empty()
            && !device.bus_master;
        if number > 0 || !fits {
            let diagnostic = Diagnostic::new(
                &NOT_DRIVEN,
                device.name.span,
                format!(
                    "the hypervisor does not drive the watchdog `{}`",
                    device.name.value
                ),
                if number > 0 {
                    "the board's second one"
                } else {
                    "no such function"
                },
                NOT_DRIVEN.fix,
            );
            let first = board_first.filter(|_| number > 0);
            diagnostics.push(diagnostic.and_at(first, "the first"));
        }
    }
}
