// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the StreamIDs that a board file gives its devices at fixed addresses.

use super::Facts;
use crate::board::{Board, Device};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};

/// StreamIDs that nothing uses.
static STREAMS: Rule = Rule {
    number: "BH335",
    id: "board/streams",
    text: "Only a bus master at fixed addresses, on a board with an SMMU, has `streams`.",
    fix: "Remove `streams`, or correct the device: a PCI function has the StreamID of its bus and slot, and without `bus_master` or `smmu` there is none.",
};
/// Two devices that the SMMU cannot tell apart.
static SAME_STREAM: Rule = Rule {
    number: "BH336",
    id: "board/same-stream",
    text: "Each StreamID of a board is one device's, and is listed once.",
    fix: "Correct `streams` in the board file: the SMMU cannot tell devices with one StreamID apart.",
};

pub(super) static ALL: &[&Rule] = &[&STREAMS, &SAME_STREAM];
pub(super) const CHECKS: &[super::Check] = &[streams, same_stream];

/// Why a device can have no StreamIDs of its own, with what says so.
fn why_none(board: &Board, device: &Device) -> Option<(&'static str, Span)> {
    if device.pci.is_some() {
        Some(("a PCI function", device.name.span))
    } else if !device.bus_master {
        Some(("no bus master", device.name.span))
    } else if board.smmu.is_none() {
        Some(("a board without an SMMU", board.name.span))
    } else {
        None
    }
}

/// Implements: BH-CFG-231.
fn streams(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for device in &board.devices {
        let Some(first) = device.streams.first() else {
            continue;
        };
        if let Some((what, span)) = why_none(board, device) {
            let message = format!("`{}` has no `streams` of its own", device.name.value);
            let diagnostic = Diagnostic::new(&STREAMS, first.span, message, "given here", STREAMS.fix);
            diagnostics.push(diagnostic.and(span, what));
        }
    }
}

/// The StreamIDs of a device, each with the place that says it.
fn placed(device: &Device) -> impl Iterator<Item = Spanned<u32>> {
    let function = device.bdf().map(|bdf| Spanned::new(bdf, device.name.span));
    function.into_iter().chain(device.streams.iter().cloned())
}

/// Two PCI functions are left to `board/same-function`. Implements: BH-CFG-232.
fn same_stream(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let devices = facts.board.map_or(&[][..], |b| &b.devices);
    let all: Vec<(&Device, Spanned<u32>)> = devices
        .iter()
        .flat_map(|device| placed(device).map(move |id| (device, id)))
        .collect();
    for (index, (device, id)) in all.iter().enumerate() {
        let mut earlier = all.iter().take(index);
        let same =
            earlier.find(|(other, of)| of.value == id.value && (device.pci.is_none() || other.pci.is_none()));
        let Some((other, first)) = same else { continue };
        let message = format!(
            "`{}` and `{}` have StreamID {:#x}",
            other.name.value, device.name.value, id.value
        );
        let diagnostic = Diagnostic::new(&SAME_STREAM, id.span, message, "a second time", SAME_STREAM.fix);
        diagnostics.push(diagnostic.and(first.span, format!("of `{}`", other.name.value)));
    }
}
