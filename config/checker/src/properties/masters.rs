// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters that nothing confines: each is excepted by name, once, with a reason, or the proof fails.
//!
//! A PCI function is known from the blob. A device at fixed addresses is known from the text form alone: the reviewer sees
//! its registers among the grants of its partition.

use crate::grants::Grant;
use crate::reach::MemoryType;
use crate::system::System;
use crate::tables::PciFunction;

/// Fields of the `unguarded` records: what, its partition, the reason.
fn records<'a>(system: &'a System<'_>) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    system.grants.of("unguarded").filter_map(|record| {
        let fields: Vec<&str> = record.split(' ').collect();
        match fields.as_slice() {
            [_, what, owner, reason] => Some((*what, *owner, *reason)),
            _ => None,
        }
    })
}

/// Partition for which the text form excepts something, once.
fn owner(system: &System<'_>, what: &str) -> Option<usize> {
    let mut named = records(system).filter(|(excepted, ..)| *excepted == what);
    let (_, owner, _) = named.next().filter(|_| named.next().is_none())?;
    let mut names = system.blob.partitions.iter();
    names.position(|p| p.name.as_deref() == Some(owner))
}

/// Partition that the text form, with a reason, lets master the bus by a PCI function of a board without an SMMU.
pub(crate) fn excepted(system: &System<'_>, bdf: u64) -> Option<usize> {
    owner(system, &format!("{bdf:#x}")).filter(|_| system.blob.board.smmu == 0)
}

/// Where the registers of a device are that the text form excepts: its partition alone was given them.
fn registers(system: &System<'_>, what: &str) -> Option<String> {
    registers_of(system, owner(system, what)?, what)
}

/// Where a partition was given the register blocks of a device at fixed addresses: each is a thing of its own.
pub(crate) fn registers_of(system: &System<'_>, owner: usize, what: &str) -> Option<String> {
    let party = system.party(owner);
    let granted = system.grants.grants.iter();
    let block = |grant: &Grant| {
        let range = grant.run.physical();
        let mut placed = system.grants.memory.iter();
        let is_own = placed.any(|p| p.owner == party && p.name == what && p.range == range);
        (is_own && grant.run.access.memory == MemoryType::Device).then(|| range.to_string())
    };
    let own = granted.filter(|g| g.root == party && g.name == what);
    let blocks: Vec<String> = own.map(block).collect::<Option<_>>()?;
    (!blocks.is_empty()).then(|| blocks.join(" and "))
}

/// What the proof does not cover: the bus masters of a board without an SMMU, and each that nothing confines. Implements: BH-CHK-055.
pub(crate) fn exceptions(system: &System<'_>) -> Vec<String> {
    let sentence = |(what, owner, reason): (&str, &str, &str)| {
        let device = if what.starts_with("0x") {
            format!("PCI function {what}")
        } else {
            format!("device {what} at {}", registers(system, what).unwrap_or_default())
        };
        format!(
            "{device} of {owner} masters the bus and no SMMU guards it: its DMA reaches all physical memory ({reason})"
        )
    };
    let board = "the board has no SMMU that EL2 drives: nothing keeps a bus master to its partition's memory";
    let bare = system.blob.board.smmu == 0;
    let board = bare.then(|| board.to_owned());
    board.into_iter().chain(records(system).map(sentence)).collect()
}

/// Each exception is one of something that masters the bus. Implements: BH-CHK-053.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    for record in system.grants.of("unguarded") {
        let what = record.split(' ').nth(1).unwrap_or_default();
        let masters = |f: &&PciFunction| f.bus_master == 1 && what == format!("{:#x}", f.bdf);
        let is_master = if what.starts_with("0x") {
            let function = system.blob.pci_functions.iter().find(masters);
            function.and_then(|f| excepted(system, f.bdf.into())).is_some()
        } else {
            let mut streams = system.grants.of("stream");
            let is_guarded = streams.any(|stream| stream.split(' ').nth(3) == Some(what));
            registers(system, what).is_some() && !is_guarded
        };
        if !is_master {
            out.push(format!(
                "grants.txt: {record}: nothing masters the bus unguarded there"
            ));
        }
    }
}
