// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the compiler refuses, as breaches of [`placement`](bulkhead_model::rules::placement) rules at places in the
//! spec.
//! Implements: BH-CFG-110, BH-CFG-111, BH-CFG-112, BH-CFG-113, BH-CFG-114, BH-CFG-115, BH-CFG-116, BH-CFG-117,
//! BH-CFG-118, BH-CFG-146, BH-CFG-147.

use bulkhead_model::diagnostic::{Diagnostic, Rule};
use bulkhead_model::rules::placement::{
    BARS, EMULATED, HYPERVISOR, IMAGE, MEMORY, NO_REGISTERS, TABLES, TREE_FOREIGN, TREE_UNUSABLE, UNUSABLE,
    WINDOWS,
};
use bulkhead_model::span::Span;
use bulkhead_model::system::{Partition, Payload, System};
use bulkhead_model::units::show_bytes;
use bulkhead_model::{Diagnostics, LoadError};

use crate::compile;
use crate::devices::DeviceError;
use crate::error::BuildError;
use crate::layout::{Area, LayoutError};
use crate::own_tree::OwnTreeError;

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
    let board = system.board.name.span;
    let new = |rule: &'static Rule, span, cause: String| {
        Diagnostic::new(rule, span, error.to_string(), cause, rule.fix)
    };
    match error {
        BuildError::Layout(error) | BuildError::Device(DeviceError::Layout(error)) => {
            Some(layout(error, system))
        }
        BuildError::Hypervisor(_) => Some(new(&HYPERVISOR, board, "this board".to_owned())),
        BuildError::Device(DeviceError::NoPcie { span, .. } | DeviceError::NoRegisters { span, .. }) => {
            Some(new(&NO_REGISTERS, *span, "claimed here".to_owned()))
        }
        BuildError::Device(DeviceError::UartInterrupt { span, .. }) => {
            Some(new(&EMULATED, *span, "claimed here".to_owned()))
        }
        BuildError::Payload(error) => {
            let message = error.to_string();
            let cause = "this payload";
            Some(Diagnostic::new(
                &UNUSABLE,
                error.span,
                message,
                cause,
                UNUSABLE.fix,
            ))
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

fn layout(error: &LayoutError, system: &System) -> Diagnostic {
    let (rule, owner, name) = match error {
        LayoutError::Overlap { new, old } => return overlap(error, new, old, system),
        LayoutError::Outside { area, .. } => (rule_of(&area.name), &area.owner, &area.name),
        LayoutError::Full { owner, name, .. }
        | LayoutError::Colours { owner, name, .. }
        | LayoutError::Empty { owner, name, .. } => (rule_of(name), owner, name),
    };
    let (span, cause) = place(owner, name, system);
    Diagnostic::new(rule, span, error.to_string(), cause, rule.fix)
}

/// Pinned memory is claimed after the image: the image is then what has no room.
fn overlap(error: &LayoutError, new: &Area, old: &Area, system: &System) -> Diagnostic {
    let is_pinned = pin_of(&new.owner, &new.name, system).is_some();
    let rule = rule_of(if is_pinned { &old.name } else { &new.name });
    let (span, cause) = place(&new.owner, &new.name, system);
    let diagnostic = Diagnostic::new(rule, span, error.to_string(), cause, rule.fix);
    match place(&old.owner, &old.name, system) {
        (other, cause) if other != span => diagnostic.and(other, cause),
        _ => diagnostic,
    }
}

/// Where the spec pins something.
fn pin_of(owner: &str, name: &str, system: &System) -> Option<Span> {
    Some(system.pin(owner, name)?.at?.span)
}

/// Where the spec speaks of something that was placed: its pin, else its partition's key, or the board.
fn place(owner: &str, name: &str, system: &System) -> (Span, String) {
    let pin = pin_of(owner, name, system);
    let (span, cause) = subject(owner, name, system);
    (pin.unwrap_or(span), cause)
}

/// What was placed, and where the spec speaks of it if it does not pin it.
fn subject(owner: &str, name: &str, system: &System) -> (Span, String) {
    let of = |p: &&Partition| owner.strip_prefix("partition:") == Some(p.name.value.as_str());
    let Some(partition) = system.partitions.iter().find(of) else {
        let memory = system.channel_memories().into_iter().find(|m| m.name == owner);
        if let Some(channel) = memory.and_then(|m| system.channels.get(m.channel)) {
            return (channel.name.span, "this channel".to_owned());
        }
        let mut locks = system.locks.iter();
        return match locks.find(|l| owner == format!("channel:{}", l.name.value)) {
            Some(lock) => (lock.name.span, "this lock".to_owned()),
            None if pin_of(owner, name, system).is_some() => {
                (system.board.name.span, "the hypervisor's memory".to_owned())
            }
            None => (system.board.name.span, "this board".to_owned()),
        };
    };
    match name {
        "ram" => {
            let size = partition.memory.size;
            (size.span, format!("{} of memory", show_bytes(size.value)))
        }
        "window" => (partition.name.span, "this window".to_owned()),
        "payload-area" => {
            let file = match &partition.payload {
                Payload::Elf(file) | Payload::Raw(file) => file,
                Payload::Linux(linux) => &linux.kernel,
            };
            (file.name.span, "this payload".to_owned())
        }
        _ => (partition.name.span, "this partition".to_owned()),
    }
}
