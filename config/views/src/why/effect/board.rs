// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the values of a board file decide.

use bulkhead_model::system::System;
use bulkhead_types::tables::core_mode;

use super::grant;
use crate::built::Built;
use crate::records::{GrantRecord, Placed};
use crate::words::{budget, size};

/// What a value of the board file decides.
pub(super) fn of(system: &System, built: &Built<'_>, path: &[&str]) -> Vec<String> {
    let placed = |owner: &str| -> Vec<String> {
        let of_owner = built.records.memory.iter().filter(|p| p.owner == owner);
        let line = |p: &Placed| {
            format!(
                "`{}` lies at {:#x}-{:#x}",
                p.name, p.physical.start, p.physical.end
            )
        };
        of_owner.map(line).collect()
    };
    let el2 = |names: &[&str]| -> Vec<String> {
        let mut grants: Vec<&GrantRecord> = Vec::new();
        grants.extend(
            built
                .records
                .grants
                .iter()
                .filter(|g| g.root.starts_with("el2") && names.contains(&g.name.as_str())),
        );
        grants.into_iter().map(grant).collect()
    };
    match path {
        ["ram", ..] => built
            .ram
            .iter()
            .map(|r| {
                format!(
                    "RAM from {:#x}, {}: everything is placed in it",
                    r.base,
                    size(r.size)
                )
            })
            .collect(),
        ["reserved", ..] => placed("board"),
        ["gic", ..] => el2(&["gicd", "gicr", "gicr:own", "gicc", "gicc-dir", "gich"]),
        ["uart", ..] => el2(&["uart"]),
        ["smmu", ..] => el2(&["smmu", "stream-table", "smmu-queues"]),
        ["pcie", ..] => el2(&["ecam"]),
        ["hypervisor"] => {
            let (image, blob) = (built.records.image, built.records.blob);
            vec![format!(
                "hypervisor.bin lies at {:#x}-{:#x}, and the blob behind it at {:#x}-{:#x}",
                image.start, image.end, blob.start, blob.end
            )]
        }
        ["cores", core, ..] => match core.parse::<usize>().ok().and_then(|k| built.cores.get(k)) {
            Some(entry) => vec![format!(
                "core {core}: boot starts it by MPIDR {:#x} and refuses it unless its MIDR is {:#x} or of a later revision",
                entry.mpidr, entry.midr
            )],
            None => Vec::new(),
        },
        ["workarounds", index] => {
            let named = index.parse::<usize>().ok();
            let named = named.and_then(|k| system.board.workarounds.get(k));
            named.map(|e| crate::errata::sentence(e)).into_iter().collect()
        }
        ["poll_bound"] => vec![format!(
            "every hardware poll of EL2 ends after {} tries",
            built.board.poll_bound
        )],
        ["id"] => vec![format!(
            "board number {}: hypervisor.bin and blob must carry the same",
            built.header.board_id
        )],
        ["devices", name, "interrupt", ..] => vec![route(system, built, name)],
        ["devices", name, ..] => device(system, built, name),
        ["qemu", ..] => vec!["how QEMU is started; no table depends on it".to_owned()],
        ["board"] => vec!["the version of the language: another one is refused".to_owned()],
        ["name"] => vec!["the name by which a spec chooses the board; no table depends on it".to_owned()],
        ["title"] => vec!["a line for people; no table depends on it".to_owned()],
        ["undriven_smmu"] => {
            vec!["what views say of isolation that is lost; no table depends on it".to_owned()]
        }
        ["physical_address_bits"] => vec![format!(
            "no address above {} bits: TCR_EL2 is {:#x}",
            system.board.physical_address_bits, built.header.el2_tcr
        )],
        ["traffic", ..] => traffic(system, built),
        ["colours", ..] => colours(system),
        ["controllers", name, ..] => {
            let found = system.board.controllers.iter().find(|c| c.name.value == *name);
            found.map_or_else(Vec::new, |c| crate::controllers::notes(built, &system.board, c))
        }
        ["boot", ..] => vec!["what `flash` writes to the board's medium; no table depends on it".to_owned()],
        _ => Vec::new(),
    }
}

/// Who reaches a device, or what becomes of it when no grant names it.
fn device(system: &System, built: &Built<'_>, name: &str) -> Vec<String> {
    let granted: Vec<&GrantRecord> = built.records.grants.iter().filter(|g| g.name == name).collect();
    if granted.is_empty() {
        let mut all = crate::devices::devices(system, built).into_iter();
        return all
            .find(|(device, _)| device == name)
            .map_or_else(Vec::new, |(_, lines)| lines);
    }
    granted.into_iter().map(grant).collect()
}

/// Budgets that its counters enforce.
fn traffic(system: &System, built: &Built<'_>) -> Vec<String> {
    let Some(traffic) = &system.board.traffic else {
        return Vec::new();
    };
    let cores = built.cores.iter().enumerate().filter(|(_, c)| c.budget != 0);
    let mut lines: Vec<String> = cores
        .map(|(k, c)| format!("core {k} makes {}, by INTID {}", budget(c), c.budget_intid))
        .collect();
    lines.push(format!(
        "event {:#x} stands for traffic; EL2 keeps {} of {} counters from partitions",
        traffic.event, traffic.kept, traffic.counters
    ));
    lines
}

/// Partitions apart by colours.
fn colours(system: &System) -> Vec<String> {
    let Some(colouring) = system.board.colouring else {
        return Vec::new();
    };
    let sets = system.partitions.iter().filter_map(|p| {
        let set = p.memory.colours?;
        Some(format!("{} has pages of colours {set}", p.name.value))
    });
    let mut lines: Vec<String> = sets.collect();
    lines.push(format!(
        "{} colours, the same again after {}",
        colouring.count,
        size(colouring.way())
    ));
    lines
}

/// Where the interrupts of a device go.
fn route(system: &System, built: &Built<'_>, device: &str) -> String {
    let device = system.board.devices.iter().find(|d| d.name.value == device);
    let intids = device.into_iter().flat_map(bulkhead_model::board::Device::intids);
    let routes: Vec<String> = intids.map(|intid| way(built, intid)).collect();
    if routes.is_empty() {
        return "it has no interrupt".to_owned();
    }
    routes.join("; ")
}

fn way(built: &Built<'_>, intid: u32) -> String {
    let Some(spi) = built.spis.iter().find(|s| s.intid == intid) else {
        return format!("INTID {intid} belongs to nobody and stays disabled");
    };
    let owner = usize::try_from(spi.partition).map_or("?", |p| built.partition_name(p));
    let trigger = if spi.edge == 1 { "edge" } else { "level" };
    let core = usize::try_from(spi.core)
        .ok()
        .and_then(|core| built.cores.get(core));
    let way = match core.map(|core| core.mode) {
        Some(core_mode::SLICED) => "by way of EL2",
        Some(_) => "without EL2",
        None => "which does not exist",
    };
    format!(
        "INTID {intid} ({trigger}) goes to partition {owner} on core {}, {way}",
        spi.core
    )
}
