// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions, memory, hashes and the proof.

use bulkhead_model::system::{Console, System};
use maud::{Markup, html};

use super::range;
use crate::built::Built;
use crate::certificate::Certificate;
use crate::content;
use crate::overview::{LEDGER, core_use, criticality, payload};
use crate::records::Placed;
use crate::why::{chosen, file_place};
use crate::words::size;

/// Rows of a table of memory at most.
pub(super) const ROWS: usize = 1000;

/// Hashes that tell what this report is of.
pub(super) fn hashes(built: &Built<'_>, certificate: Option<&Certificate>) -> Markup {
    let blob = built.blob_hash();
    html! {
        table {
            tr { th { "blob, SHA-256" } td { code { (blob) } } }
            tr { th { "hypervisor, build ID" } td { code { (built.hypervisor_id()) } } }
            tr {
                th { "certificate" }
                td {
                    @match certificate {
                        Some(c) if c.blob_hash == blob => { span class="good" { "proved: the checker's hash is the blob's" } }
                        Some(c) => { span class="bad" { "of another blob: " code { (c.blob_hash) } } }
                        None => { span class="bad" { "none" } }
                    }
                }
            }
        }
        p class="note" { "EL2 prints the blob's hash when it starts. Everything below that speaks of reach was read from the emitted tables." }
    }
}

pub(super) fn partitions(system: &System, built: &Built<'_>) -> Markup {
    html! {
        div class="scroll" { table {
            tr { th { "partition" } th { "criticality" } th { "cores" } th { "RAM" } th { "executes" } th { "console" } th { "devices" } th { "start" } }
            @for partition in &system.partitions {
                tr {
                    td { b { (partition.name.value) } }
                    td { (criticality(partition.criticality.value)) }
                    td { (core_use(partition)) }
                    td class="number" { (size(partition.memory.size.value)) }
                    td { (payload(partition)) }
                    td { (match partition.console.value { Console::Text => "text", Console::Defmt => "defmt", Console::Uart => "emulated UART", Console::None => "none" }) }
                    td { @for device in &partition.devices { @if let Some(d) = system.board.devices.get(device.value) { (d.name.value) " " } } }
                    td { (if partition.autostart { "at boot" } else { "not at boot" }) ", " (partition.restart_limit) " restarts" @if partition.reads_ledger { "; " (LEDGER) } }
                }
            }
        } }
        table {
            tr { th { "partition" } th { "in image.bin" } th class="number" { "size" } th { "SHA-256" } }
            @for partition in &system.partitions {
                @for part in contents(built, &partition.name.value) {
                    tr { td { (partition.name.value) } td { (part.name) } td class="number" { (size(part.size)) } td { code { (part.hash) } } }
                }
            }
        }
    }
}

fn contents(built: &Built<'_>, name: &str) -> Vec<content::Content> {
    let index = built.partition(name);
    index.and_then(|p| content::of(built, p).ok()).unwrap_or_default()
}

pub(super) fn memory(system: &System, built: &Built<'_>) -> Markup {
    let all: Vec<(&Placed, bool)> = built
        .records
        .all_memory()
        .zip(0..)
        .map(|(p, k)| (p, k >= built.records.memory.len()))
        .collect();
    html! {
        details {
            summary { (all.len()) " things in physical memory, and who chose their places" }
            table {
                tr { th { "physical" } th class="number" { "size" } th { "owner" } th { "what" } th { "place" } }
                @for (placed, coloured) in all.iter().take(ROWS) {
                    tr {
                        td { (range(placed.physical)) }
                        td class="number" { (size(placed.physical.size())) }
                        td { (placed.owner) }
                        td { (placed.name) @if *coloured { ", only the pages of its colours" } }
                        td class="note" { (chosen(system, placed, file_place)) }
                    }
                }
            }
            @if all.len() > ROWS { p { "and " (all.len() - ROWS) " more in grants.txt" } }
        }
    }
}

pub(super) fn proof(built: &Built<'_>, certificate: Option<&Certificate>) -> Markup {
    html! {
        @match certificate {
            None => { p class="bad" { "There is no certificate." } }
            Some(c) => {
                p {
                    "The independent checker proved " (c.properties) " properties over " (c.pages) " reachable pages of " (c.roots)
                    " translation roots and streams of the blob " code { (c.blob_hash) } "."
                }
                @for exception in &c.exceptions { p class="bad" { "Not proved: " (exception) "." } }
                @if c.blob_hash != built.blob_hash() { p class="bad" { "This is not the blob of this report." } }
                @if !c.texts.is_empty() {
                    table {
                        tr { th { "property" } th { "what holds" } }
                        @for property in &c.texts { tr { td { code { (property.id) } } td { (property.text) } } }
                    }
                }
            }
        }
    }
}
