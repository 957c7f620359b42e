// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SPIs and PCI functions: `hypervisor/types/src/tables.rs`; PCI Local Bus Specification 3.0, "Base Addresses".

use crate::blob::NONE;
use crate::bytes::index;
use crate::descriptor::Kind;
use crate::entries::Function;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::el2;
use crate::text::Excepted;

/// Each SPI and each function has one owner.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    spis(case, found);
    functions(case, found);
}

fn spis(case: &Case<'_>, found: &mut Found) {
    let blob = &case.blob;
    let sorted = blob.spis.windows(2).all(|w| w[0].intid < w[1].intid);
    found.effect(sorted, || "SPIs: one twice, or not ascending".to_owned());
    let own = blob.board.uart_intid;
    found.form(own == NONE || (32..1020).contains(&own), || {
        "INTID of EL2's UART".to_owned()
    });
    let mut words = vec![vec![0u32; 31]; blob.partitions.len()];
    for spi in &blob.spis {
        let at = || format!("SPI {}", spi.intid);
        let legal = (32..1020).contains(&spi.intid) && spi.edge < 2;
        found.form(legal, at);
        found.effect(spi.intid != own, || format!("SPI {} is EL2's", spi.intid));
        let runs = |v: &crate::entries::Vcpu| v.partition == spi.partition && v.core == spi.core;
        found.effect(blob.vcpus.iter().any(runs), || {
            format!("SPI {} goes to a foreign core", spi.intid)
        });
        let Some(owner) = words.get_mut(index(spi.partition.into())) else {
            found.form(false, at);
            continue;
        };
        let of_device = spi.ringer == NONE && (spi.doorbell, spi.interval) == (0, 0);
        let rung = index(spi.ringer.into()) < blob.partitions.len()
            && spi.ringer != spi.partition
            && spi.edge == 1
            && spi.doorbell < 16
            && spi.interval >= 10_000;
        let mut others = blob.spis.iter().filter(|other| other.intid != spi.intid);
        let alone = !others.any(|other| other.ringer != NONE && other.doorbell == spi.doorbell);
        found.effect(of_device || rung && alone, || {
            format!("SPI {} is no doorbell", spi.intid)
        });
        let number = spi.intid.saturating_sub(32);
        if let Some(word) = owner.get_mut(index((number / 32).into())) {
            *word |= 1 << (number % 32);
        }
        let lines = blob
            .partitions
            .get(index(spi.partition.into()))
            .map_or(0, |p| p.spi_lines);
        found.form(number < lines, || {
            format!("SPI {} is not shown to its owner", spi.intid)
        });
    }
    for (i, (partition, words)) in blob.partitions.iter().zip(words).enumerate() {
        found.effect(partition.spis == words, || {
            format!("partition {i}: SPIs that are not its own")
        });
    }
}

/// Whether a partition, excepted once for this device, of which no stream is granted, was given registers of this name.
fn is_its_device(case: &Case<'_>, name: &str, owner: &str) -> bool {
    let text = &case.text;
    let records = text.unguarded.iter();
    let once = records
        .filter(|(what, _)| matches!(what, Excepted::Device(other) if other == name))
        .count()
        == 1;
    let guarded = text.platform.iter().any(|(_, device)| device == name);
    once && !guarded && has_registers(case, name, owner)
}

/// Whether a partition was given registers of this name, of which each block is a thing of its own.
pub(super) fn has_registers(case: &Case<'_>, name: &str, owner: &str) -> bool {
    let text = &case.text;
    let party = format!("partition:{owner}");
    let blocks: Vec<_> = (text.grants.iter())
        .filter(|g| g.root == party && g.name == name)
        .collect();
    let exists = case
        .blob
        .partitions
        .iter()
        .any(|p| p.name.as_deref() == Some(owner));
    let is_placed = |range| {
        let mut placed = text.placed.iter();
        placed.any(|p| p.owner == party && p.name == name && p.range == range)
    };
    exists
        && !blocks.is_empty()
        && blocks
            .iter()
            .all(|g| g.kind == Kind::Device && is_placed(g.range))
}

fn functions(case: &Case<'_>, found: &mut Found) {
    let blob = &case.blob;
    for (what, owner) in &case.text.unguarded {
        let there = match what {
            Excepted::Function(id) => {
                let masters = |f: &&Function| u64::from(f.bdf) == *id && f.master == 1;
                blob.board.smmu == 0 && blob.functions.iter().filter(masters).count() == 1
            }
            Excepted::Device(name) => is_its_device(case, name, owner),
        };
        found.form(there, || format!("{what:?} is excepted and does not master"));
    }
    let mut taken: Vec<Range> = el2::devices(case);
    let ram: Vec<Range> = blob
        .ram
        .iter()
        .filter_map(|(base, size)| Range::sized(*base, *size))
        .collect();
    let apart = taken
        .iter()
        .all(|device| !ram.iter().any(|bank| bank.meets(*device)));
    found.form(apart, || "a device of EL2 lies in RAM".to_owned());
    taken.extend(ram);
    let nobodys = blob.functions.iter().filter(|f| f.partition == NONE).count();
    let count = blob.board.watchdog;
    let is_used = nobodys == usize::from(count != 0) && count < 1 << 20;
    found.form(is_used, || format!("{nobodys} watchdogs that count from {count}"));
    for (i, function) in blob.functions.iter().enumerate() {
        let bdf = function.bdf;
        let there = u64::from(bdf) < blob.board.ecam_buses.saturating_mul(256) && blob.board.ecam != 0;
        let watchdog = function.partition == NONE
            && blob.board.watchdog != 0
            && function.master == 0
            && function.bars.first().is_some_and(|(_, size)| *size >= 16);
        let owner = watchdog || index(function.partition.into()) < blob.partitions.len();
        found.form(there && owner && function.master < 2, || {
            format!("PCI function {bdf:#x}")
        });
        let again = blob.functions.iter().skip(i + 1).any(|other| other.bdf == bdf);
        found.effect(!again, || format!("PCI function {bdf:#x} twice"));
        if function.master == 1 {
            let guarded = case
                .reach
                .streams
                .iter()
                .any(|s| s.id == u64::from(bdf) && s.owner == Some(index(function.partition.into())));
            let owner = blob.partitions.get(index(function.partition.into()));
            let is_it = |what: &Excepted| *what == Excepted::Function(bdf.into());
            let mut excepted = case.text.unguarded.iter().filter(|(what, _)| is_it(what));
            let is_excepted = match (excepted.next(), excepted.next()) {
                (Some((_, name)), None) => {
                    blob.board.smmu == 0 && owner.is_some_and(|p| p.name.as_deref() == Some(name))
                }
                (_, _) => false,
            };
            found.effect(guarded || is_excepted, || {
                format!("PCI function {bdf:#x} masters without a stream")
            });
        }
        for (address, size) in function.bars {
            if (address, size) == (0, 0) {
                continue;
            }
            let Some(bar) = Range::sized(address, size).filter(|_| size.is_power_of_two()) else {
                found
                    .form
                    .push(format!("PCI function {bdf:#x}: a BAR of no size"));
                continue;
            };
            let aligned = address.is_multiple_of(size) && address != 0;
            found.form(aligned && bar.end <= 1 << case.text.address_bits, || {
                format!("PCI function {bdf:#x}: a BAR that is not aligned")
            });
            let apart = !taken.iter().any(|t| t.meets(bar));
            found.effect(apart, || {
                format!("PCI function {bdf:#x}: a BAR over something else")
            });
            taken.push(bar);
        }
    }
}
