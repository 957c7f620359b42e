// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has or wants a place, in words of the spec, and where spec and board file speak of it.
//! Implements: BH-LANG-005.

use bulkhead_model::board::{Board, Region};
use bulkhead_model::pin::EL2_LIMIT;
use bulkhead_model::span::{Span, Spanned};
use bulkhead_model::system::{Partition, System};
use bulkhead_model::units::show_bytes;

use crate::placement::{self, slug};

/// A thing that has or wants a place.
pub(crate) struct Subject {
    /// What it is: `the memory of …`.
    pub(crate) what: String,
    /// Its pin, else what gives it its size, else whose it is.
    pub(crate) span: Span,
    /// What is written there.
    pub(crate) cause: String,
    /// Whether the spec pins it.
    pub(crate) is_pinned: bool,
}

impl Subject {
    /// What the text form calls `name` of `owner`; `at` is where it begins, if it has a place.
    pub(crate) fn of(owner: &str, name: &str, at: Option<u64>, system: &System) -> Self {
        let new = |what: String, span: Span, cause: &str| Subject {
            what,
            span,
            cause: cause.to_owned(),
            is_pinned: false,
        };
        let board = &system.board;
        let floating = if let Some(found) = of_device(name, at, board) {
            let (what, span, cause) = found;
            new(what, span, &cause)
        } else if let Some(partition) = owner_of(owner, system) {
            of_partition(partition, name, system)
        } else if let Some(lock) = system
            .locks
            .iter()
            .find(|l| is_of(owner, &l.name) && name == "lock")
        {
            new(format!("lock `{}`", lock.name.value), lock.name.span, "this lock")
        } else if let Some(memory) = system.channel_memories().into_iter().find(|m| m.name == owner) {
            let channel = system.channels.get(memory.channel).map(|c| &c.name);
            let title = channel.map_or("", |c| c.value.as_str());
            let part = if is_of(owner, title) {
                "the memory"
            } else {
                "the reader's memory"
            };
            let span = channel.map_or(board.name.span, |c| c.span);
            new(format!("{part} of channel `{title}`"), span, "this channel")
        } else if let Some(reserved) = board.reserved.iter().find(|r| slug(&r.name) == name) {
            let what = format!("`{}`, which the board file reserves", reserved.name);
            new(what, reserved.region.span, "reserved here")
        } else {
            let (what, span) = of_hypervisor(name, board);
            new(what.to_owned(), span, "where the hypervisor lies")
        };
        match system.pin(owner, name).and_then(|pin| pin.at) {
            Some(at) => Subject {
                span: at.span,
                is_pinned: true,
                ..floating
            },
            None => floating,
        }
    }
}

/// Whether the text form's owner is this channel or lock.
fn is_of(owner: &str, name: &str) -> bool {
    owner.strip_prefix("channel:") == Some(name)
}

fn owner_of<'s>(owner: &str, system: &'s System) -> Option<&'s Partition> {
    let name = owner.strip_prefix("partition:")?;
    system.partitions.iter().find(|p| p.name.value == name)
}

/// Registers of a device of the board, whoever owns it.
fn of_device(name: &str, at: Option<u64>, board: &Board) -> Option<(String, Span, String)> {
    if let Some(device) = board.devices.iter().find(|d| d.name.value == name) {
        let blocks = device.blocks();
        let block = blocks.iter().position(|b| Some(b.region.base) == at);
        let what = match block {
            Some(index) => format!("the registers of {}", device.block_title(index)),
            None => format!("the registers of device `{name}`"),
        };
        let several = block
            .and_then(|index| blocks.get(index))
            .filter(|_| blocks.len() > 1);
        let span = several.map_or(device.name.span, |block| block.span);
        return Some((what, span, "this device".to_owned()));
    }
    let (name, number) = name.rsplit_once(".bar")?;
    let device = board.devices.iter().find(|d| d.name.value == name)?;
    let bar = device.pci.as_ref()?.bars.get(number.parse::<usize>().ok()?)?;
    let what = format!("BAR {number} of device `{name}`");
    Some((what, bar.span, format!("{} of registers", show_bytes(bar.value))))
}

fn of_partition(partition: &Partition, name: &str, system: &System) -> Subject {
    let of = |what: &str| format!("the {what} of `{}`", partition.name.value);
    let (what, span, cause) = match name {
        "ram" => {
            let size = partition.memory.size;
            let cause = format!("{} of memory", show_bytes(size.value));
            (of("memory"), size.span, cause)
        }
        "payload-area" => {
            let file = partition.payload.file();
            (of("payload"), file.name.span, "this payload".to_owned())
        }
        "dump" => {
            let reserved = partition.dump.and_then(|index| system.board.reserved.get(index));
            let span = reserved.map_or(partition.name.span, |r| r.region.span);
            (of("dump range"), span, "reserved here".to_owned())
        }
        other => {
            let what = of(&other.replace('-', " "));
            (what, partition.name.span, "this partition".to_owned())
        }
    };
    Subject {
        what,
        span,
        cause,
        is_pinned: false,
    }
}

/// Memory and devices of EL2 and of the interrupt controller.
fn of_hypervisor(name: &str, board: &Board) -> (&'static str, Span) {
    let smmu = board.smmu.as_ref().map(|s| s.span);
    let pcie = board.pcie.as_ref().map(|p| p.span);
    let (what, span) = match name {
        "live" => ("the hypervisor's live area", None),
        "smmu-queues" => ("the queues of the SMMU", smmu),
        "gicd" | "gicr" | "gich" | "gicc" | "gicc-dir" | "gicv" => {
            ("the interrupt controller", Some(board.gic.span))
        }
        "uart" => ("the board's UART", Some(board.uart.span)),
        "smmu" => ("the SMMU", smmu),
        "ecam" => ("the PCIe configuration space", pcie),
        _ => ("the hypervisor's image with its tables", None),
    };
    (what, span.unwrap_or(board.hypervisor.span))
}

/// Where the board file says which addresses a zone has, and what is written there.
pub(crate) fn zone(name: &str, at: Option<u64>, board: &Board) -> Option<(Span, &'static str)> {
    let base = board.hypervisor.value;
    let largest = |limit: u64| {
        let regions = board.ram.iter().filter(|r| r.base < limit);
        let ram = regions.max_by_key(|r| r.end().min(limit).saturating_sub(r.base))?;
        Some((ram.span, "the board's RAM"))
    };
    match name {
        placement::PCIE_WINDOW => Some((board.pcie.as_ref()?.window.span, "the window")),
        placement::IMAGE_RAM if at.is_some_and(|at| at < base) => {
            Some((board.hypervisor.span, "the image begins here"))
        }
        placement::IMAGE_RAM => {
            let behind = board.reserved.iter().filter(|r| r.region.base >= base);
            let first = behind.min_by_key(|r| r.region.base);
            match first {
                Some(reserved) => Some((reserved.region.span, "the image ends before this")),
                None => largest(u64::MAX),
            }
        }
        placement::LOW_RAM => largest(EL2_LIMIT),
        _ => largest(u64::MAX),
    }
}

/// The largest pinned memory in what is full: it may part what is left.
pub(crate) fn largest_pin(zone: &str, system: &System) -> Option<Span> {
    let limit = match zone {
        placement::LOW_RAM => EL2_LIMIT,
        _ => u64::MAX,
    };
    let pinned = system.partitions.iter().filter_map(|p| {
        let (at, size) = (p.memory.at?, p.memory.size.value);
        Some(Spanned::new(Region { base: at.value, size }, at.span))
    });
    let largest = pinned.filter(|r| r.base < limit).max_by_key(|r| r.size)?;
    Some(largest.span)
}
