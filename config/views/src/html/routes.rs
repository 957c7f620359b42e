// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes of interrupts and of DMA.

use bulkhead_model::loss::losses;
use bulkhead_model::system::System;
use bulkhead_types::tables::{Core, core_mode, partition_flag};
use maud::{Markup, html};

use super::hex;
use crate::at::kick;
use crate::built::{Built, BuiltError};
use crate::controllers;
use crate::walk::streams as valid_streams;

fn name<'a>(built: &'a Built<'_>, partition: u32) -> &'a str {
    usize::try_from(partition).map_or("?", |p| built.partition_name(p))
}

fn is_sliced(built: &Built<'_>, core: u32) -> bool {
    let core = usize::try_from(core).ok().and_then(|c| built.cores.get(c));
    core.is_none_or(|c| c.mode == core_mode::SLICED)
}

fn slot_timer(core: &Core) -> &'static str {
    match core.redistributor {
        0 => "taken to EL2 with all others",
        _ => {
            "Group 0, which no guest can mask; where the firmware keeps Group 0, Group 1, taken to EL2 with all others"
        }
    }
}

pub(super) fn interrupts(system: &System, built: &Built<'_>) -> Markup {
    let source = |intid: u32| {
        let devices = system.board.devices.iter();
        let mut of = devices.filter(|d| d.intids().any(|own| own == intid));
        of.next().map_or("", |d| d.name.value.as_str())
    };
    let emulated = built
        .partitions
        .iter()
        .enumerate()
        .filter(|(_, p)| p.flags & partition_flag::EMULATED_UART != 0);
    html! {
        table {
            tr { th class="number" { "INTID" } th { "source" } th { "trigger" } th { "partition" } th { "core" } th { "route" } }
            @for spi in &built.spis {
                tr {
                    td class="number" { (spi.intid) }
                    td { (source(spi.intid)) }
                    td { (if spi.edge == 1 { "edge" } else { "level" }) }
                    td { (name(built, spi.partition)) }
                    td { "core " (spi.core) }
                    td { (if is_sliced(built, spi.core) { "to EL2, then by a list register; pending while another slot runs" } else { "straight to EL1, no EL2 entry" }) }
                }
            }
            @for (index, partition) in emulated {
                tr {
                    td class="number" { (partition.uart_intid) } td { "emulated UART" } td { "level" } td { (built.partition_name(index)) }
                    td { "its own" } td { "raised by EL2, by a list register" }
                }
            }
            @for (k, core) in built.cores.iter().enumerate() {
                tr {
                    td class="number" { "27, 30" } td { "virtual and physical timer" } td { "level" }
                    td { @for (_, vcpu) in built.vcpus_on(core) { (name(built, vcpu.partition)) " " } }
                    td { "core " (k) }
                    td { (if core.mode == core_mode::SLICED { "to EL2, then by a list register" } else { "straight to EL1, no EL2 entry" }) }
                }
                @if core.mode == core_mode::SLICED {
                    tr { td class="number" { "26" } td { "slot timer" } td { "level" } td { "EL2" } td { "core " (k) } td { (slot_timer(core)) } }
                }
                tr { td class="number" { "SGI" } td { "kick" } td { "edge" } td { "EL2" } td { "core " (k) } td { (kick(core)) } }
            }
        }
        p class="note" { "Every other INTID belongs to nobody and stays disabled." }
    }
}

pub(super) fn streams(system: &System, built: &Built<'_>) -> Markup {
    let valid = valid_streams(built);
    let smmu = built.board.smmu != 0;
    html! {
        table {
            tr { th { "device" } th { "PCI function" } th { "owner" } th { "registers" } th { "StreamID" } th { "DMA" } }
            @for device in &system.board.devices {
                @let bdf = device.bdf();
                @let function = built.pci_functions.iter().find(|f| Some(f.bdf) == bdf);
                @let own = built.records.streams_of(&device.name.value);
                @let masters = function.is_some_and(|f| f.bus_master == 1);
                @let owner = function.map(|f| f.partition).or_else(|| system.owner(device).filter(|_| device.pci.is_none()).and_then(|p| u32::try_from(p).ok()));
                tr {
                    td { (device.name.value) }
                    td { @if let Some(bdf) = bdf { (hex(bdf.into())) } @else { "none" } }
                    td { (owner.map_or("nobody", |p| name(built, p))) }
                    td {
                        @if let Some(f) = function { @for bar in f.bars.iter().filter(|b| b.size > 0) { (hex(bar.address)) "+" (hex(bar.size)) " " } }
                        @for block in device.blocks() { (hex(block.region.base)) "+" (hex(block.region.size)) " " }
                    }
                    td {
                        @for id in device.stream_ids() { (hex(id.into())) " " }
                        @if device.stream_ids().next().is_none() { "none" }
                    }
                    td {
                        @if !own.is_empty() { "each StreamID translated by a stage-2 root of its own" }
                        @else if bdf.is_none() && device.bus_master && system.board.guards(device) { "invalid: the SMMU aborts and records it" }
                        @else if bdf.is_none() && !device.bus_master { "it is no bus master" }
                        @else if bdf.is_none() && owner.is_none() { "nobody owns it: EL2 leaves it as the boot loader left it" }
                        @else if bdf.is_none() { "no SMMU guards it: " strong { "not isolated, it reaches all of memory" } }
                        @else if valid.iter().any(|(id, _)| *id == bdf.map_or(u64::MAX, u64::from)) { "translated by a stage-2 root of its own" }
                        @else if smmu { "invalid: the SMMU aborts and records it" }
                        @else { "the board has no SMMU" }
                        @if masters && !smmu { ": " strong { "not isolated, it reaches all of memory" } }
                        @for unguarded in built.records.unguarded.iter().filter(|u| u.is(bdf, &device.name.value)) { " (accepted for " (unguarded.reason) ")" }
                        (if bdf.is_none() { "" } else if masters { "; may master the bus" } else { "; bus mastering stays off" })
                    }
                }
            }
        }
        @if smmu { p class="note" { (valid.len()) " of " (1u64.checked_shl(built.board.stream_bits).unwrap_or(0)) " StreamIDs are valid; every other one is aborted and recorded." } }
    }
}

/// Who reaches what could stop devices of others. Implements: BH-EXPL-012.
///
/// # Errors
/// [`BuiltError::Table`].
pub(super) fn controllers(system: &System, built: &Built<'_>) -> Result<Markup, BuiltError> {
    let entries = controllers::entries(system, built)?;
    Ok(html! {
        table {
            tr { th { "controller" } th { "what it controls, and who reaches it" } }
            @for (name, lines) in &entries {
                tr { td { (name) } td { @for line in lines { (line) br; } } }
            }
        }
    })
}

/// What is not isolated, and why that is accepted. Implements: BH-CFG-174.
pub(super) fn lost(system: &System) -> Markup {
    let losses = losses(system);
    html! {
        @if losses.is_empty() { p class="note" { "Nothing: each bus master is behind the SMMU that EL2 drives, and no partition calls a vendor's firmware." } }
        @else {
            table {
                tr { th { "device or call" } th { "owner" } th { "what is lost" } th { "accepted, since" } }
                @for loss in &losses {
                    tr {
                        td { (loss.device.as_deref().unwrap_or("all")) }
                        td { (loss.partition.as_deref().unwrap_or("nobody")) }
                        td class="bad" { (loss.text) }
                        td { (loss.reason.as_deref().unwrap_or("the board has no other way")) }
                    }
                }
            }
        }
    }
}
