// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the compiler refuses, as breaches of [`placement`](bulkhead_model::rules::placement) rules at places in the
//! spec.
//! Implements: BH-CFG-110, BH-CFG-111, BH-CFG-112, BH-CFG-113, BH-CFG-114, BH-CFG-115, BH-CFG-116, BH-CFG-117,
//! BH-CFG-118, BH-CFG-146, BH-CFG-147, BH-LANG-005.

use bulkhead_model::board::Board;
use bulkhead_model::diagnostic::{Diagnostic, Rule};
use bulkhead_model::rules::placement::{
    BARS, EMULATED, HYPERVISOR, IMAGE, MEMORY, NO_REGISTERS, OCCUPIED, TABLES, TREE_FOREIGN, TREE_UNUSABLE,
    UNUSABLE, WINDOWS,
};
use bulkhead_model::span::Span;
use bulkhead_model::system::{Partition, System};
use bulkhead_model::units::show_bytes;
use bulkhead_model::{Diagnostics, LoadError};

use crate::compile;
use crate::devices::DeviceError;
use crate::error::BuildError;
use crate::hypervisor::HypervisorError;
use crate::layout::{Area, LayoutError};
use crate::machine;
use crate::own_tree::OwnTreeError;
use crate::subject::{self, Subject};

/// Refuses a system that finds no place. Reads payloads, writes nothing.
///
/// # Errors
/// [`LoadError::Invalid`] for breaches of rules, with their places in the spec; an error that is none is returned alone.
pub fn admit(system: &System, hypervisor_bin: &[u8]) -> Result<(), Refusal> {
    let errors = match compile::place(system, hypervisor_bin) {
        Ok(_) => return Ok(()),
        Err(errors) => errors,
    };
    let mut list = Vec::new();
    for error in errors {
        match diagnose(&error, system) {
            Some(diagnostic) => list.push(diagnostic),
            None => return Err(Refusal::Other(error)),
        }
    }
    let sources = system.sources.clone();
    let mut found = Diagnostics { sources, list };
    found.sort();
    Err(Refusal::Rule(LoadError::Invalid(found)))
}

/// Why the compiler refuses a system.
#[derive(Debug)]
pub enum Refusal {
    /// The system breaks a rule.
    Rule(LoadError),
    /// Anything else.
    Other(BuildError),
}

impl Refusal {
    /// Finds the rule that an error breaks.
    pub fn of(error: BuildError, system: &System) -> Self {
        match diagnose(&error, system) {
            Some(diagnostic) => Refusal::Rule(LoadError::Invalid(Diagnostics {
                sources: system.sources.clone(),
                list: vec![diagnostic],
            })),
            None => Refusal::Other(error),
        }
    }
}

/// The breach that an error of the compiler is, if the input is to blame.
fn diagnose(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let board = &system.board;
    let device = |name: &str| {
        let known = board.devices.iter().find(|d| d.name.value == name);
        known.map(|d| {
            let mut lines = d.interrupts.iter();
            let line = lines.find(|i| i.value.intid == machine::UART_INTID);
            (d.name.span, line.map(|i| i.span))
        })
    };
    let new = |rule: &'static Rule, span, cause: String| {
        Diagnostic::new(rule, span, error.to_string(), cause, rule.fix)
    };
    match error {
        BuildError::Layout(error) | BuildError::Device(DeviceError::Layout(error)) => {
            Some(layout(error, system))
        }
        BuildError::Hypervisor(error) => {
            let (span, cause) = mismatch(error, board);
            Some(new(&HYPERVISOR, span, cause.to_owned()))
        }
        BuildError::Device(
            DeviceError::NoPcie { device: name, span }
            | DeviceError::NoRegisters {
                device: name, span, ..
            },
        ) => {
            let of_board = device(name).map(|(span, _)| span);
            Some(new(&NO_REGISTERS, *span, "claimed here".to_owned()).and_at(of_board, "this device"))
        }
        BuildError::Device(DeviceError::UartInterrupt {
            device: name,
            span,
            console,
            ..
        }) => Some(
            new(&EMULATED, *span, "claimed here".to_owned())
                .and(*console, "emulates a UART")
                .and_at(device(name).and_then(|(_, line)| line), "its interrupt"),
        ),
        BuildError::Device(DeviceError::Occupied {
            device, block, span, ..
        }) => {
            let device = board.devices.get(*device);
            let block = device.and_then(|d| d.blocks().get(*block));
            let at = block.map(|block| block.span).or(device.map(|d| d.name.span));
            Some(new(&OCCUPIED, *span, "claimed here".to_owned()).and_at(at, "these registers"))
        }
        BuildError::Payload(error) => {
            let message = error.to_string();
            let cause = "this payload";
            // The span is that of the device tree's pin where that is in the way.
            let named = |p: &&Partition| p.name.value == error.partition;
            let partition = system.partitions.iter().find(named);
            let file = partition.map(|p| p.payload.file().name.span);
            Some(match file.filter(|file| *file != error.span) {
                Some(file) => Diagnostic::new(&UNUSABLE, error.span, message, "pinned here", UNUSABLE.fix)
                    .and(file, cause),
                None => Diagnostic::new(&UNUSABLE, error.span, message, cause, UNUSABLE.fix),
            })
        }
        BuildError::OwnTree {
            span,
            error: OwnTreeError::Unusable(_),
            ..
        } => Some(new(&TREE_UNUSABLE, *span, "this device tree".to_owned())),
        BuildError::OwnTree {
            span,
            error: OwnTreeError::Foreign { node, .. },
            ..
        } => Some(new(&TREE_FOREIGN, *span, format!("its node {node}"))),
        BuildError::DeviceTree(_)
        | BuildError::Table(_)
        | BuildError::Tables { .. }
        | BuildError::Proof(_)
        | BuildError::Io { .. }
        | BuildError::Foreign { .. }
        | BuildError::Json(_)
        | BuildError::Views(_) => None,
    }
}

/// Where the board file says something else than the hypervisor's image.
fn mismatch(error: &HypervisorError, board: &Board) -> (Span, &'static str) {
    match error {
        HypervisorError::Board { .. } => (board.id.span, "the board's number"),
        HypervisorError::Base { .. } => (board.hypervisor.span, "where the image is to lie"),
        HypervisorError::Cores { room, .. } => {
            let room = usize::try_from(*room).unwrap_or(usize::MAX);
            let first = board.cores.get(room).map(|core| core.span);
            (
                first.unwrap_or(board.name.span),
                "the first core that is too many",
            )
        }
        HypervisorError::NotAnImage
        | HypervisorError::Version(_)
        | HypervisorError::BuildId
        | HypervisorError::Range { .. } => (board.name.span, "the board that it is for"),
    }
}

/// Which total is too large.
fn rule_of(name: &str) -> &'static Rule {
    match name {
        "ram" => &MEMORY,
        "payload-area" => &IMAGE,
        "blob" | "certificate" | "slack" | "hypervisor" | "padding" => &TABLES,
        name if name.contains(".bar") => &BARS,
        _ => &WINDOWS,
    }
}

/// What found no place, beside what has it, or the addresses that it had to lie in.
fn layout(error: &LayoutError, system: &System) -> Diagnostic {
    let (owner, name, zone, at) = match error {
        LayoutError::Overlap { new, old } => return overlap(new, old, system),
        LayoutError::Outside { area, zone } => (&area.owner, &area.name, Some(*zone), Some(area.range.start)),
        LayoutError::Full {
            owner, name, zone, ..
        }
        | LayoutError::Colours {
            owner, name, zone, ..
        } => (owner, name, Some(*zone), None),
        LayoutError::Empty { owner, name, .. } => (owner, name, None, None),
    };
    let rule = rule_of(name);
    let subject = Subject::of(owner, name, at, system);
    let what = &subject.what;
    let message = match error {
        LayoutError::Full {
            size, align, zone, ..
        } => format!(
            "no room for {what}: {} at a multiple of {} do not fit into what is left of {zone}",
            show_bytes(*size),
            show_bytes(*align)
        ),
        LayoutError::Colours {
            size, colours, zone, ..
        } => format!(
            "no room for {what}: {} in pages of colours {colours} do not fit into what is left of {zone}",
            show_bytes(*size)
        ),
        LayoutError::Outside { area, zone } => format!("{} does not lie in {zone}", place(what, area)),
        LayoutError::Empty { start, size, .. } => {
            format!("{what} at {start:#x}: {size:#x} bytes make no range")
        }
        LayoutError::Overlap { .. } => error.to_string(),
    };
    let diagnostic = Diagnostic::new(rule, subject.span, message, subject.cause, rule.fix);
    let Some(zone) = zone else { return diagnostic };
    let diagnostic = match subject::zone(zone, at, &system.board) {
        Some((span, cause)) if span != subject.span => diagnostic.and(span, cause),
        _ => diagnostic,
    };
    // Whatever lies in the middle leaves less room in one piece.
    let pin = subject::largest_pin(zone, system).filter(|_| at.is_none() && rule.id != BARS.id);
    diagnostic.and_at(pin, "pinned here")
}

/// With its addresses.
fn place(what: &str, area: &Area) -> String {
    format!("{what} ({:#x}-{:#x})", area.range.start, area.range.end)
}

/// A payload is placed before what is pinned, and the image before both: the image is what has no room.
fn overlap(new: &Area, old: &Area, system: &System) -> Diagnostic {
    let [rule, other] = [rule_of(&new.name), rule_of(&old.name)];
    let of_image = |rule: &&&'static Rule| rule.id == IMAGE.id || rule.id == TABLES.id;
    let rule = [rule, other].iter().find(of_image).copied().unwrap_or(rule);
    let [placed, taken] =
        [new, old].map(|area| Subject::of(&area.owner, &area.name, Some(area.range.start), system));
    let message = format!(
        "{} overlaps {}",
        place(&placed.what, new),
        place(&taken.what, old)
    );
    let help = if placed.is_pinned {
        "pin it elsewhere, or leave the address out: the compiler finds a place"
    } else {
        rule.fix
    };
    let diagnostic = Diagnostic::new(rule, placed.span, message, placed.cause, help);
    if taken.span == placed.span {
        return diagnostic;
    }
    diagnostic.and(taken.span, taken.cause)
}
