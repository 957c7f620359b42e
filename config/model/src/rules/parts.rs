// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the parts of a board's devices: names of blocks and interrupts, what a driver looks for, serial lines.

use super::Facts;
use crate::board::{Device, DeviceKind};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};

/// Names that a driver could not use.
static NAMES: Rule = Rule {
    number: "BH340",
    id: "board/part-names",
    text: "Of a device's register blocks all have names or none, and so have its interrupts; each name is there once.",
    fix: "Name each of them as the driver does, or none: it finds them by their place then.",
};
/// An interrupt that is two.
static INTERRUPT_TWICE: Rule = Rule {
    number: "BH341",
    id: "board/interrupt-twice",
    text: "A device lists each of its interrupts once, and devices with the same interrupt agree on its trigger.",
    fix: "Correct `intid` or `trigger` in the board file.",
};
/// A node that no driver takes, or that says what it may not.
static BINDING: Rule = Rule {
    number: "BH342",
    id: "board/binding",
    text: "A device of kind `other` has `compatible`; only such a one has that and `properties`, of which each is there once, is none that the compiler writes, and leads nowhere.",
    fix: "Give an `other` device `compatible`, and only the properties that its driver reads in its own node.",
};
/// A line with two ends.
static SERIAL: Rule = Rule {
    number: "BH343",
    id: "board/serial-line",
    text: "Each serial line of QEMU's machine is one device's of the board, or its `uart`'s.",
    fix: "Correct `serial` or `serials`: lines are counted from 0.",
};

pub(super) static ALL: &[&Rule] = &[&NAMES, &INTERRUPT_TWICE, &BINDING, &SERIAL];
pub(super) const CHECKS: &[super::Check] = &[names, interrupt_twice, binding, serial];

fn devices<'a>(facts: &Facts<'a>) -> &'a [Device] {
    facts.board.map_or(&[][..], |b| &b.devices)
}

/// The parts of one kind of a device: where each is, and its name.
type Parts<'a> = Vec<(Span, Option<&'a Spanned<String>>)>;

/// Implements: BH-CFG-250.
fn names(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for device in devices(facts) {
        let blocks = device.blocks().iter().map(|b| (b.span, b.name.as_ref()));
        let lines = device.interrupts.iter().map(|i| (i.span, i.value.name.as_ref()));
        let kinds: [(&str, Parts<'_>); 2] = [
            ("register blocks", blocks.collect()),
            ("interrupts", lines.collect()),
        ];
        for (what, parts) in kinds {
            let report = |span, cause: &str| {
                let message = format!("the {what} of `{}` cannot be told apart", device.name.value);
                Diagnostic::new(&NAMES, span, message, cause, NAMES.fix)
            };
            let named = parts.iter().find_map(|(_, name)| *name);
            let bare = parts.iter().find(|(_, name)| name.is_none());
            if let (Some(named), Some((span, _))) = (named, bare) {
                diagnostics.push(report(*span, "without a name").and(named.span, "this one has a name"));
            }
            let given: Vec<&Spanned<String>> = parts.iter().filter_map(|(_, name)| *name).collect();
            for (index, name) in given.iter().enumerate() {
                if let Some(first) = given.iter().take(index).find(|other| other == &name) {
                    diagnostics.push(report(name.span, "a second time").and(first.span, "the first one"));
                }
            }
        }
    }
}

/// Implements: BH-CFG-251.
fn interrupt_twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let lines = devices(facts)
        .iter()
        .enumerate()
        .flat_map(|(index, device)| device.interrupts.iter().map(move |line| (index, device, line)));
    let all: Vec<_> = lines.collect();
    for (number, (index, device, line)) in all.iter().enumerate() {
        let flaw = |(other, _, first): &&(usize, &Device, &Spanned<crate::board::Interrupt>)| {
            first.value.intid == line.value.intid
                && (other == index || first.value.trigger != line.value.trigger)
        };
        let Some((other, owner, first)) = all.iter().take(number).find(flaw) else {
            continue;
        };
        let intid = line.value.intid;
        let (message, cause) = if other == index {
            (
                format!("`{}` lists interrupt {intid} twice", device.name.value),
                "a second time",
            )
        } else {
            (
                format!(
                    "`{}` and `{}` disagree on interrupt {intid}",
                    owner.name.value, device.name.value
                ),
                "another trigger",
            )
        };
        diagnostics.push(
            Diagnostic::new(&INTERRUPT_TWICE, line.span, message, cause, INTERRUPT_TWICE.fix)
                .and(first.span, "the first one"),
        );
    }
}

/// Implements: BH-CFG-252.
fn binding(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for device in devices(facts) {
        let is_other = device.kind == DeviceKind::Other;
        let report = |span, cause: &str| {
            let message = format!("no driver can be found for `{}` so", device.name.value);
            Diagnostic::new(&BINDING, span, message, cause, BINDING.fix).and(device.name.span, "this device")
        };
        let compatible = device.compatible.first();
        if is_other && compatible.is_none() {
            let message = format!("`{}` does not say what it is compatible with", device.name.value);
            let cause = "of kind `other`";
            diagnostics.push(Diagnostic::new(
                &BINDING,
                device.name.span,
                message,
                cause,
                BINDING.fix,
            ));
        }
        let given = device.properties.first().map(|p| &p.name);
        for first in compatible.into_iter().chain(given).filter(|_| !is_other) {
            diagnostics.push(report(first.span, "its kind says this"));
        }
        for (index, property) in device.properties.iter().enumerate().filter(|_| is_other) {
            let mut earlier = device.properties.iter().take(index);
            if let Some(flaw) = property.flaw() {
                diagnostics.push(report(property.name.span, flaw));
            } else if let Some(first) = earlier.find(|p| p.name == property.name) {
                diagnostics
                    .push(report(property.name.span, "a second time").and(first.name.span, "the first one"));
            }
        }
    }
}

/// Implements: BH-CFG-253.
fn serial(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some((board, qemu)) = facts.board.and_then(|b| Some((b, b.qemu.as_ref()?))) else {
        return;
    };
    for (index, (device, line)) in qemu.serials.iter().enumerate() {
        let mut earlier = qemu.serials.iter().take(index);
        let other = if line.value == qemu.serial {
            Some((board.uart.span, "the hypervisor's UART has it"))
        } else {
            let same = earlier.find(|(_, other)| other.value == line.value);
            same.map(|(_, first)| (first.span, "the first one"))
        };
        let Some((span, cause)) = other else { continue };
        let name = board.devices.get(*device).map_or("?", |d| d.name.value.as_str());
        let message = format!("`{name}` cannot have serial line {}", line.value);
        diagnostics.push(
            Diagnostic::new(&SERIAL, line.span, message, "somebody else's", SERIAL.fix).and(span, cause),
        );
    }
}
