// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the compiler refuses, as breaches of [`placement`](bulkhead_model::rules::placement) rules at places in the
//! spec: one function finds the breaches of each.
//! Implements: BH-LANG-005.

use bulkhead_model::board::{Board, Device};
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

/// A function that finds the breach of its rule that an error of the compiler is.
type Find = fn(&BuildError, &System) -> Option<Diagnostic>;

/// One for each rule.
const FIND: &[Find] = &[
    image,
    tables,
    windows,
    memory,
    bars,
    hypervisor,
    no_registers,
    emulated,
    occupied,
    unusable,
    tree_unusable,
    tree_foreign,
];

/// The breach that an error of the compiler is, if the input is to blame.
fn diagnose(error: &BuildError, system: &System) -> Option<Diagnostic> {
    FIND.iter().find_map(|find| find(error, system))
}

/// Implements: BH-CFG-110.
fn image(error: &BuildError, system: &System) -> Option<Diagnostic> {
    total(error, system, Total::Image, &IMAGE)
}

/// Implements: BH-CFG-111.
fn tables(error: &BuildError, system: &System) -> Option<Diagnostic> {
    total(error, system, Total::Tables, &TABLES)
}

/// Implements: BH-CFG-112.
fn windows(error: &BuildError, system: &System) -> Option<Diagnostic> {
    total(error, system, Total::Windows, &WINDOWS)
}

/// Implements: BH-CFG-113.
fn memory(error: &BuildError, system: &System) -> Option<Diagnostic> {
    total(error, system, Total::Memory, &MEMORY)
}

/// Implements: BH-CFG-114.
fn bars(error: &BuildError, system: &System) -> Option<Diagnostic> {
    total(error, system, Total::Bars, &BARS)
}

/// Implements: BH-CFG-115.
fn hypervisor(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let BuildError::Hypervisor(mismatched) = error else {
        return None;
    };
    let (span, cause) = mismatch(mismatched, &system.board);
    Some(Diagnostic::new(
        &HYPERVISOR,
        span,
        error.to_string(),
        cause,
        HYPERVISOR.fix,
    ))
}

/// Where the board file has a device, and that of its interrupts which an emulated UART has.
fn of_board(system: &System, name: &str) -> (Option<Span>, Option<Span>) {
    let device = system.board.devices.iter().find(|d| d.name.value == name);
    let console = |d: &Device| {
        let mut lines = d.interrupts.iter();
        lines
            .find(|i| i.value.intid == machine::UART_INTID)
            .map(|i| i.span)
    };
    (device.map(|d| d.name.span), device.and_then(console))
}

/// Implements: BH-CFG-116.
fn no_registers(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let BuildError::Device(
        DeviceError::NoPcie { device, span } | DeviceError::NoRegisters { device, span, .. },
    ) = error
    else {
        return None;
    };
    let (place, _) = of_board(system, device);
    let fix = NO_REGISTERS.fix;
    let diagnostic = Diagnostic::new(&NO_REGISTERS, *span, error.to_string(), "claimed here", fix);
    Some(diagnostic.and_at(place, "this device"))
}

/// Implements: BH-CFG-117.
fn emulated(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let BuildError::Device(DeviceError::UartInterrupt {
        device,
        span,
        console,
        ..
    }) = error
    else {
        return None;
    };
    let (_, line) = of_board(system, device);
    let diagnostic = Diagnostic::new(&EMULATED, *span, error.to_string(), "claimed here", EMULATED.fix);
    let diagnostic = diagnostic.and(*console, "emulates a UART");
    Some(diagnostic.and_at(line, "its interrupt"))
}

/// Implements: BH-CFG-255.
fn occupied(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let BuildError::Device(DeviceError::Occupied {
        device, block, span, ..
    }) = error
    else {
        return None;
    };
    let device = system.board.devices.get(*device);
    let block = device.and_then(|d| d.blocks().get(*block));
    let at = block.map(|block| block.span).or(device.map(|d| d.name.span));
    let fix = OCCUPIED.fix;
    let diagnostic = Diagnostic::new(&OCCUPIED, *span, error.to_string(), "claimed here", fix);
    Some(diagnostic.and_at(at, "these registers"))
}

/// Implements: BH-CFG-118.
fn unusable(error: &BuildError, system: &System) -> Option<Diagnostic> {
    let BuildError::Payload(error) = error else {
        return None;
    };
    // The span is that of the device tree's pin where that is in the way.
    let named = |p: &&Partition| p.name.value == error.partition;
    let partition = system.partitions.iter().find(named);
    let payload = partition.map(|p| p.payload.file().name.span);
    let payload = payload.filter(|payload| *payload != error.span);
    let this = "this payload";
    let cause = if payload.is_some() { "pinned here" } else { this };
    let diagnostic = Diagnostic::new(&UNUSABLE, error.span, error.to_string(), cause, UNUSABLE.fix);
    Some(diagnostic.and_at(payload, this))
}

/// Implements: BH-CFG-146.
fn tree_unusable(error: &BuildError, _: &System) -> Option<Diagnostic> {
    let BuildError::OwnTree {
        span,
        error: OwnTreeError::Unusable(_),
        ..
    } = error
    else {
        return None;
    };
    let (message, fix) = (error.to_string(), TREE_UNUSABLE.fix);
    Some(Diagnostic::new(
        &TREE_UNUSABLE,
        *span,
        message,
        "this device tree",
        fix,
    ))
}

/// Implements: BH-CFG-147.
fn tree_foreign(error: &BuildError, _: &System) -> Option<Diagnostic> {
    let BuildError::OwnTree {
        span,
        error: OwnTreeError::Foreign { node, .. },
        ..
    } = error
    else {
        return None;
    };
    let cause = format!("its node {node}");
    Some(Diagnostic::new(
        &TREE_FOREIGN,
        *span,
        error.to_string(),
        cause,
        TREE_FOREIGN.fix,
    ))
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

/// What is too large altogether.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Total {
    Image,
    Tables,
    Windows,
    Memory,
    Bars,
}

impl Total {
    /// Of which a part has that name.
    fn of(name: &str) -> Self {
        match name {
            "ram" => Total::Memory,
            "payload-area" => Total::Image,
            "blob" | "certificate" | "slack" | "hypervisor" | "padding" => Total::Tables,
            name if name.contains(".bar") => Total::Bars,
            _ => Total::Windows,
        }
    }

    /// Of two parts that overlap. A payload is placed before what is pinned, and the image before both: the image is what has
    /// no room.
    fn of_both(new: &Area, old: &Area) -> Self {
        let totals = [Total::of(&new.name), Total::of(&old.name)];
        let of_image = |total: &Total| matches!(total, Total::Image | Total::Tables);
        totals.into_iter().find(of_image).unwrap_or(totals[0])
    }
}

/// What found no place, where it is a part of `total`.
fn total(error: &BuildError, system: &System, total: Total, rule: &'static Rule) -> Option<Diagnostic> {
    let (BuildError::Layout(error) | BuildError::Device(DeviceError::Layout(error))) = error else {
        return None;
    };
    let own = match error {
        LayoutError::Overlap { new, old } => Total::of_both(new, old),
        LayoutError::Outside { .. }
        | LayoutError::Full { .. }
        | LayoutError::Colours { .. }
        | LayoutError::Empty { .. } => Total::of(error.name()),
    };
    (own == total).then(|| layout(error, system, rule))
}

/// What found no place, beside what has it, or the addresses that it had to lie in.
fn layout(error: &LayoutError, system: &System, rule: &'static Rule) -> Diagnostic {
    let (owner, name, zone, at) = match error {
        LayoutError::Overlap { new, old } => return overlap(new, old, system, rule),
        LayoutError::Outside { area, zone } => (&area.owner, &area.name, Some(*zone), Some(area.range.start)),
        LayoutError::Full {
            owner, name, zone, ..
        }
        | LayoutError::Colours {
            owner, name, zone, ..
        } => (owner, name, Some(*zone), None),
        LayoutError::Empty { owner, name, .. } => (owner, name, None, None),
    };
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

/// What is placed where something lies.
fn overlap(new: &Area, old: &Area, system: &System, rule: &'static Rule) -> Diagnostic {
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
