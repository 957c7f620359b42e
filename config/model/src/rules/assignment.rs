// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what comes with a device: its interrupt, its DMA, and the controllers that it depends on.

use super::Facts;
use super::devices::{find, is_controller, names_unknown, owned};
use crate::board::Device;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;

/// An interrupt of the board itself.
static BOARD_INTERRUPT: Rule = Rule {
    number: "BH074",
    id: "devices/board-interrupt",
    text: "No device has an interrupt of the hypervisor's UART or of the SMMU.",
    fix: "Correct the interrupt in the board file, or use a device with another interrupt.",
};
/// An interrupt that does not exist.
static NO_SUCH_LINE: Rule = Rule {
    number: "BH075",
    id: "devices/no-such-line",
    text: "The interrupt controller has the interrupt of each device.",
    fix: "Correct `intid` or `spi_lines` in the board file.",
};
/// DMA that nobody stops.
static UNGUARDED: Rule = Rule {
    number: "BH076",
    id: "devices/unguarded",
    text: "A bus master is assigned only where an SMMU guards it, or `unguarded_dma` names it with a reason.",
    fix: "Use a board with an SMMU, or a device that does not master the bus, or accept it under `unguarded_dma`.",
};
/// An exception from nothing, or for no reason.
static NOT_UNGUARDED: Rule = Rule {
    number: "BH079",
    id: "devices/not-unguarded",
    text: "`unguarded_dma` names bus masters of its partition that no SMMU guards, each with a reason in words.",
    fix: "Remove the device from `unguarded_dma`, or write why its DMA is accepted.",
};
/// DMA that the SMMU does not know.
static NO_SUCH_STREAM: Rule = Rule {
    number: "BH077",
    id: "devices/no-such-stream",
    text: "The SMMU knows the StreamID of each bus master that is assigned.",
    fix: "Correct `stream_bits`, the slot or `streams` in the board file.",
};
/// Power over the devices of others.
static CONTROLLER: Rule = Rule {
    number: "BH078",
    id: "devices/controller",
    text: "No partition owns a clock, reset, power or pin controller.",
    fix: "Remove it from the list: the hypervisor gives no controller to anybody.",
};

pub(super) static ALL: &[&Rule] = &[
    &BOARD_INTERRUPT,
    &NO_SUCH_LINE,
    &UNGUARDED,
    &NO_SUCH_STREAM,
    &CONTROLLER,
    &NOT_UNGUARDED,
];
pub(super) const CHECKS: &[super::Check] = &[
    board_interrupt,
    no_such_line,
    unguarded,
    no_such_stream,
    controller,
    not_unguarded,
];

/// Owned devices of the board with the place where they are claimed.
fn assigned<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a Spanned<String>, &'a Device)> {
    let board = facts.board;
    owned(facts).filter_map(move |(_, _, name)| Some((name, find(board?, name)?)))
}

/// Implements: BH-LANG-014.
fn board_interrupt(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let lines = assigned(facts).flat_map(|(name, device)| device.interrupts.iter().map(move |i| (name, i)));
    for (name, interrupt) in lines {
        let smmu = board
            .smmu
            .as_ref()
            .filter(|s| s.interrupts.contains(&interrupt.intid));
        let (whose, span) = if interrupt.intid == board.uart.interrupt {
            ("the hypervisor's UART", board.uart.span)
        } else if let Some(smmu) = smmu {
            ("the SMMU", smmu.span)
        } else {
            continue;
        };
        diagnostics.push(
            Diagnostic::new(
                &BOARD_INTERRUPT,
                name.span,
                format!(
                    "interrupt {} of `{}` is that of {whose}",
                    interrupt.intid, name.value
                ),
                "owned here",
                BOARD_INTERRUPT.fix,
            )
            .and(interrupt.span, "its interrupt")
            .and(span, format!("{whose} has it")),
        );
    }
}

/// Implements: BH-LANG-015.
fn no_such_line(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let lines = board.gic.spi_lines;
    for (name, device) in assigned(facts) {
        for interrupt in device.interrupts.iter().filter(|i| i.intid >= 32 + lines) {
            diagnostics.push(
                Diagnostic::new(
                    &NO_SUCH_LINE,
                    name.span,
                    format!(
                        "`{}` has interrupt {}, which does not exist",
                        name.value, interrupt.intid
                    ),
                    "owned here",
                    NO_SUCH_LINE.fix,
                )
                .and(interrupt.span, "its interrupt")
                .and(board.gic.span, format!("the last interrupt is {}", 31 + lines)),
            );
        }
    }
}

/// Implements: BH-LANG-016.
fn unguarded(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let accepted = |name: &String| {
        facts
            .spec
            .partitions
            .iter()
            .flat_map(|p| &p.unguarded)
            .any(|(d, _)| d.value == *name)
    };
    let masters = assigned(facts).filter(|(_, d)| d.bus_master && !board.guards(d));
    for (name, device) in masters.filter(|(name, _)| !accepted(&name.value)) {
        diagnostics.push(
            Diagnostic::new(
                &UNGUARDED,
                name.span,
                format!(
                    "`{}` masters the bus, and {}",
                    name.value,
                    board.why_unguarded(device)
                ),
                "it would reach the memory of everybody",
                UNGUARDED.fix,
            )
            .and(device.name.span, "a bus master"),
        );
    }
}

/// Implements: BH-LANG-021.
fn not_unguarded(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let partitions = facts.spec.partitions.iter();
    for partition in partitions.filter(|p| !names_unknown(board, p)) {
        for (name, reason) in &partition.unguarded {
            let is_own = partition.devices.iter().any(|d| d.value == name.value);
            let master = find(board, name).filter(|d| d.bus_master);
            let device = find(board, name).map(|d| d.name.span);
            let smmu = board.smmu.as_ref().map(|s| s.span);
            let (span, message, cause, other) = if !is_own {
                (
                    name.span,
                    format!("`{}` owns no device `{}`", partition.name.value, name.value),
                    "named here",
                    (partition.devices.first().map(|d| d.span), "its devices"),
                )
            } else if master.is_none() {
                (
                    name.span,
                    format!("`{}` does not master the bus", name.value),
                    "needs no exception",
                    (device, "no bus master"),
                )
            } else if master.is_some_and(|d| board.guards(d)) {
                (
                    name.span,
                    format!("the SMMU guards `{}`", name.value),
                    "needs no exception",
                    (smmu, "the SMMU"),
                )
            } else if !reason.value.contains(char::is_alphanumeric) {
                (
                    reason.span,
                    format!("no reason is given why the DMA of `{}` is accepted", name.value),
                    "no words",
                    (device, "a bus master that no SMMU guards"),
                )
            } else {
                continue;
            };
            let diagnostic = Diagnostic::new(&NOT_UNGUARDED, span, message, cause, NOT_UNGUARDED.fix);
            diagnostics.push(diagnostic.and_at(other.0, other.1));
        }
    }
}

/// Implements: BH-LANG-017.
fn no_such_stream(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(smmu) = facts.board.and_then(|b| b.smmu.as_ref()) else {
        return;
    };
    for (name, device) in assigned(facts).filter(|(_, d)| d.bus_master) {
        let unknown = device
            .stream_ids()
            .filter(|id| u64::from(*id) >> smmu.stream_bits != 0);
        for stream in unknown {
            diagnostics.push(
                Diagnostic::new(
                    &NO_SUCH_STREAM,
                    name.span,
                    format!(
                        "`{}` has StreamID {stream:#x}, which the SMMU does not know",
                        name.value
                    ),
                    "owned here",
                    NO_SUCH_STREAM.fix,
                )
                .and(
                    smmu.span,
                    format!("it knows StreamIDs of {} bits", smmu.stream_bits),
                ),
            );
        }
    }
}

/// Who reaches a controller can stop each device that depends on it. Implements: BH-LANG-018.
fn controller(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (_, owner, name) in owned(facts).filter(|(_, _, n)| is_controller(board, n)) {
        let mut diagnostic = Diagnostic::new(
            &CONTROLLER,
            name.span,
            format!("`{}` cannot belong to `{owner}`", name.value),
            "a controller",
            CONTROLLER.fix,
        );
        let known = board.controllers.iter().find(|c| c.name == *name);
        diagnostic = diagnostic.and_at(known.map(|c| c.name.span), "the board says what it is");
        for (_, other, device) in owned(facts).filter(|(_, o, _)| *o != owner) {
            let controls = |d: &Device| {
                let mut controllers = d
                    .controlled_by
                    .iter()
                    .filter_map(|c| board.controllers.get(c.value));
                controllers.any(|c| c.name == *name)
            };
            if find(board, device).is_some_and(controls) {
                let text = format!("it could stop `{}` of `{other}`", device.value);
                diagnostic = diagnostic.and(device.span, text);
            }
        }
        diagnostics.push(diagnostic);
    }
}
