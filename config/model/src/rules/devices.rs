// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for devices: each has one owner, and so has each interrupt line.

use super::{Facts, meant};
use crate::board::{Board, Device};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;
use crate::spec::PartitionSpec;

/// No such device.
static UNKNOWN: Rule = Rule {
    number: "BH070",
    id: "devices/unknown",
    text: "The board has every device that the spec names.",
    fix: "Use the name of a device in the board file.",
};
/// A device with two owners.
static OWNED_TWICE: Rule = Rule {
    number: "BH071",
    id: "devices/owned-twice",
    text: "A device is listed once in the whole spec.",
    fix: "Remove the device from one of the lists: it has one owner.",
};
/// An interrupt line with two owners.
static SHARED_INTERRUPT: Rule = Rule {
    number: "BH072",
    id: "devices/shared-interrupt",
    text: "Devices of different partitions have different interrupts.",
    fix: "Give both devices to one partition, or use a device with another interrupt.",
};
/// A wire to something that is not on a bus.
static NOT_CAN: Rule = Rule {
    number: "BH073",
    id: "devices/not-can",
    text: "`wiring` names CAN controllers of the board.",
    fix: "Name a device whose entry in the board file says `can: true`.",
};

pub(super) static ALL: &[&Rule] = &[&UNKNOWN, &OWNED_TWICE, &SHARED_INTERRUPT, &NOT_CAN];
pub(super) const CHECKS: &[super::Check] = &[unknown, owned_twice, shared_interrupt, not_can];

pub(super) fn owned<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (usize, &'a str, &'a Spanned<String>)> {
    let partitions = facts.spec.partitions.iter().enumerate();
    partitions.flat_map(|(i, p)| p.devices.iter().map(move |d| (i, p.name.value.as_str(), d)))
}

pub(super) fn find<'a>(board: &'a Board, name: &str) -> Option<&'a Device> {
    board.devices.iter().find(|d| d.name.value == name)
}

/// Whether a partition names a device that there is not: then it may mean any that it is said not to own.
pub(super) fn names_unknown(board: &Board, partition: &PartitionSpec) -> bool {
    let mut devices = partition.devices.iter();
    devices.any(|d| find(board, d).is_none() && !is_controller(board, d))
}

pub(super) fn is_controller(board: &Board, name: &str) -> bool {
    board.controllers.iter().any(|c| c.name.value == name)
}

/// Implements: BH-CFG-040.
fn unknown(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (_, _, device) in
        owned(facts).filter(|(_, _, d)| find(board, d).is_none() && !is_controller(board, d))
    {
        let names = board.devices.iter().map(|d| d.name.value.as_str());
        diagnostics.push(Diagnostic::new(
            &UNKNOWN,
            device.span,
            format!("board `{}` has no device `{}`", board.name.value, device.value),
            "unknown device",
            meant(device, "its devices are", names),
        ));
    }
}

/// Implements: BH-CFG-041.
fn owned_twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let all: Vec<_> = owned(facts).collect();
    for (index, (_, name, device)) in all.iter().enumerate() {
        if let Some((_, other_name, other)) = all.iter().take(index).find(|(_, _, d)| d == device) {
            diagnostics.push(
                Diagnostic::new(
                    &OWNED_TWICE,
                    device.span,
                    format!("device `{}` is listed twice", device.value),
                    format!("owned by `{name}`"),
                    "a device has one owner: remove it from one of the lists",
                )
                .and(other.span, format!("already owned by `{other_name}`")),
            );
        }
    }
}

/// Implements: BH-CFG-042.
fn shared_interrupt(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let all: Vec<_> = owned(facts)
        .filter_map(|(owner, name, claim)| Some((owner, name, claim, find(board, claim)?)))
        .collect();
    for (index, (owner, name, claim, device)) in all.iter().enumerate() {
        for line in &device.interrupts {
            let mut earlier = all
                .iter()
                .take(index)
                .filter(|(o, _, d, _)| o != owner && d != claim);
            let found = earlier.find_map(|(_, name, claim, other)| {
                let mut lines = other.interrupts.iter();
                let same = lines.find(|i| i.value.intid == line.value.intid)?;
                Some((name, claim, same))
            });
            let Some((other_name, other, same)) = found else {
                continue;
            };
            let intid = line.value.intid;
            diagnostics.push(
                Diagnostic::new(
                    &SHARED_INTERRUPT,
                    claim.span,
                    format!("`{}` and `{}` share interrupt {intid}", claim.value, other.value),
                    format!("owned by `{name}`"),
                    "give both devices to one partition, or use a device with another interrupt",
                )
                .and(other.span, format!("owned by `{other_name}`"))
                .and(line.span, format!("interrupt {intid} of `{}`", claim.value))
                .and(same.span, format!("interrupt {intid} of `{}`", other.value)),
            );
        }
    }
}

/// Implements: BH-CFG-043.
fn not_can(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for wire in &facts.spec.wiring {
        if find(board, &wire.device).is_some_and(|d| d.can) {
            continue;
        }
        let names = board
            .devices
            .iter()
            .filter(|d| d.can)
            .map(|d| d.name.value.as_str());
        let diagnostic = Diagnostic::new(
            &NOT_CAN,
            wire.device.span,
            format!(
                "board `{}` has no CAN controller `{}`",
                board.name.value, wire.device.value
            ),
            "not a CAN controller",
            meant(&wire.device, "its CAN controllers are", names),
        );
        let device = find(board, &wire.device).map(|d| d.name.span);
        diagnostics.push(diagnostic.and_at(device, "another kind of device"));
    }
}
