// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters: what the emitted stream table lets each of them reach, with and without page colours.

use std::collections::BTreeSet;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_model::board::{Block, Device, DeviceKind, PciFunction, Region, Registers};
use bulkhead_model::colours::Colouring;
use bulkhead_model::span::Spanned;
use bulkhead_model::system::System;
use bulkhead_types::system;
use bulkhead_types::tables::PlatformStream;

use crate::support::walker::{Leaf, Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin};

const PAGE: u64 = 4096;

/// Bus and slot of the bus masters of each partition.
const MASTERS: [(usize, u32, u32); 3] = [(0, 0, 4), (1, 0, 5), (0, 1, 6)];

/// Two partitions with bus masters, in these colours of 16 of 4 KiB.
fn system(workshop: &Workshop, colours: [Option<&[u32]>; 2]) -> System {
    let mut text = "bulkhead: 1\nname: s\nboard: qemu-virt\npartitions:\n".to_owned();
    for p in 0..2 {
        text += &format!(
            "  p{p}:\n    criticality: qm\n    cores: {{ dedicated: [{}], interrupts: direct }}\n    memory: {}MiB\n    \
             payload: {{ elf: adas }}\n    console: text\n",
            p + 1,
            4 + 2 * p
        );
    }
    text += "schedule: { major_frame: 10ms, cores: { 0: [ { run: system, for: 10ms } ] } }\n";
    let mut system = workshop.load(&text);
    system.board.colouring = Some(Colouring {
        count: 16,
        granule: PAGE,
    });
    for (partition, colours) in system.partitions.iter_mut().zip(colours) {
        partition.memory.colours = colours.map(|set| set.iter().copied().collect());
    }
    system.board.pcie.as_mut().unwrap().buses = 2;
    system.board.smmu.as_mut().unwrap().stream_bits = 9;
    for (partition, bus, slot) in MASTERS {
        let name = system.partitions[partition].name.clone();
        let owned = &mut system.partitions[partition].devices;
        owned.push(Spanned::new(system.board.devices.len(), name.span));
        system.board.devices.push(Device {
            name: Spanned::new(format!("edu{slot}"), name.span),
            kind: DeviceKind::Edu,
            compatible: Vec::new(),
            properties: Vec::new(),
            pci: Some(PciFunction {
                bus,
                slot,
                vendor: 0x1234,
                device: 0x11e8,
                bars: [1 << 20, 0, 0, 0, 0, 0].map(|size| Spanned::new(size, name.span)),
            }),
            registers: Registers::Bar(0),
            clock: None,
            interrupts: Vec::new(),
            can: false,
            bus_master: true,
            streams: Vec::new(),
            reset: None,
            controlled_by: Vec::new(),
        });
    }
    system
}

/// Stage-2 roots of the streams with V = 1, by StreamID.
fn roots(compiled: &Compiled) -> Vec<(u64, u64)> {
    let layout = &compiled.plan.layout;
    let base = compiled.plan.blob.start;
    let read = reader(&compiled.blob, base);
    let entries = layout.stream_table_size / 64;
    let table = base + layout.live + layout.stream_table;
    (0..entries)
        .filter(|id| read(table + 64 * id) & 1 == 1)
        .map(|id| (id, read(table + 64 * id + 24)))
        .collect()
}

/// Addresses of the table pages of a root, the root itself first.
fn tables(read: &dyn Fn(u64) -> u64, root: u64, level: u32, found: &mut Vec<u64>) {
    found.push(root);
    for entry in (0..512).map(|e| read(root + 8 * e)) {
        if entry & 3 == 3 && level < 3 {
            tables(read, entry & 0x0000_ffff_ffff_f000, level + 1, found);
        }
    }
}

/// RAM of a partition as its root or that of one of its streams maps it, page by page.
fn ram(walk: &[Leaf]) -> Vec<(u64, u64)> {
    let inside = walk
        .iter()
        .filter(|l| (0x4000_0000..0x7e_0000_0000).contains(&l.input));
    inside
        .flat_map(|l| (0..l.size / PAGE).map(move |n| (l.input + n * PAGE, l.output + n * PAGE)))
        .collect()
}

fn judge(workshop: &Workshop, colours: [Option<&[u32]>; 2]) {
    let compiled = compile(&system(workshop, colours), &hypervisor_bin()).unwrap();
    let base = compiled.plan.blob.start;
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let read = reader(&compiled.blob, base);
    let mut taken = BTreeSet::new();
    for partition in parsed.partitions {
        let mut pages = Vec::new();
        tables(&read, base + partition.pristine_root, 1, &mut pages);
        for page in &pages[1..] {
            assert!(taken.insert(*page), "table {page:#x} twice");
        }
    }
    let found = roots(&compiled);
    let ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [4 << 3, 5 << 3, 1 << 8 | 6 << 3]);
    for ((id, root), (owner, ..)) in found.into_iter().zip(MASTERS) {
        let walk = leaves(&read, root, Stage::Two);
        let own = leaves(&read, base + parsed.partitions[owner].pristine_root, Stage::Two);
        assert_eq!(ram(&walk), ram(&own), "stream {id:#x}");
        assert_eq!(ram(&walk).len() as u64, (4 + 2 * owner as u64) << 8);
        assert_eq!(
            walk.iter().map(|l| l.size).sum::<u64>(),
            (4 + 2 * owner as u64) << 20,
            "nothing but RAM"
        );
        for leaf in &walk {
            let meaning = leaf.meaning;
            assert!(
                meaning.read && meaning.write && !meaning.execute && meaning.memory == "wb",
                "{leaf:x?}"
            );
        }
        let mut pages = Vec::new();
        tables(&read, root, 1, &mut pages);
        for page in pages {
            assert!(taken.insert(page), "table {page:#x} twice");
            let colour = u32::try_from(page / PAGE % 16).unwrap();
            let allowed = colours[owner].is_none_or(|set| set.contains(&colour));
            assert!(allowed, "table {page:#x} of stream {id:#x}");
        }
    }
    let sized: u64 = compiled.tables.stage2.iter().sum();
    assert_eq!(
        sized,
        taken.len() as u64,
        "tables are counted before they are built"
    );
    let tables = base + compiled.plan.layout.stage2..base + compiled.plan.layout.live;
    assert!(taken.iter().all(|page| tables.contains(page)));
}

/// EL2 reaches the page of the configuration space of a function on bus 1.
/// Verifies: BH-CFG-222.
#[test]
fn a_function_on_another_bus_is_assigned() {
    let hypervisor = hypervisor_bin();
    let compiled = compile(&system(&Workshop::new(), [None, None]), &hypervisor).unwrap();
    let page = 0x40_1000_0000_u64 + (1 << 8 | 6 << 3) * PAGE;
    let line = compiled.text.lines().find(|l| l.contains("config:edu6")).unwrap();
    assert!(line.contains(&format!("{page:#x}-{:#x}", page + PAGE)), "{line}");
    assert!(
        compiled.text.contains("\nstream 0x130 p0\n"),
        "the text form grants it"
    );
}

/// Verifies: BH-DMA-010.
#[test]
fn a_bus_master_reaches_the_ram_of_its_partition() {
    judge(&Workshop::new(), [None, None]);
}

/// Verifies: BH-DMA-010, BH-MEM-005.
#[test]
fn the_tables_of_a_stream_are_in_its_partitions_colours() {
    let workshop = Workshop::new();
    judge(&workshop, [Some(&[3]), Some(&[0, 9, 10])]);
    judge(&workshop, [Some(&[0, 1, 2, 3, 4, 5, 6, 7]), None]);
    judge(&workshop, [None, Some(&[15])]);
}

/// Each StreamID of a device at fixed addresses has a root of its own, of its partition's RAM and within the ranges that
/// the spec names, and a record from which EL2 knows whose it is. Verifies: BH-DMA-012, BH-DMA-011.
#[test]
fn a_bus_master_at_fixed_addresses_has_a_root_for_each_stream() {
    let workshop = Workshop::new();
    let mut system = system(&workshop, [None, Some(&[0, 9, 10])]);
    let (name, device) = (system.partitions[1].name.clone(), system.board.devices.len());
    let streams = [0x1f1, 0x1f0].map(|id| Spanned::new(id, name.span));
    let region = Region {
        base: 0x0a10_0000,
        size: PAGE,
    };
    let mut copier = system.board.devices[device - 1].clone();
    copier.name.value = "copier".to_owned();
    let block = Block {
        name: None,
        region,
        span: name.span,
    };
    (copier.pci, copier.registers) = (None, Registers::At(vec![block]));
    copier.streams = streams.into();
    assert!(system.board.guards(&copier));
    system.board.devices.push(copier);
    system.partitions[1].devices.push(Spanned::new(device, name.span));
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let own = |stream| PlatformStream { stream, partition: 1 };
    assert_eq!(parsed.streams, [own(0x1f0), own(0x1f1)]);
    let record = |id: u32| format!("\nstream {id:#x} {} copier\n", name.value);
    assert!(compiled.text.contains(&record(0x1f0)) && compiled.text.contains(&record(0x1f1)));
    assert!(!compiled.text.contains("\nunguarded "));
    let base = compiled.plan.blob.start;
    let read = reader(&compiled.blob, base);
    let ram_of_its_partition = ram(&leaves(
        &read,
        base + parsed.partitions[1].pristine_root,
        Stage::Two,
    ));
    let found = roots(&compiled);
    let (one, other) = (found[found.len() - 2], found[found.len() - 1]);
    assert_eq!((one.0, other.0), (0x1f0, 0x1f1));
    assert_ne!(one.1, other.1, "they share a root");
    for (_, root) in [one, other] {
        assert_eq!(ram(&leaves(&read, root, Stage::Two)), ram_of_its_partition);
    }
}
