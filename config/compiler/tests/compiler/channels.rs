// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Channels, judged by walking the emitted tables and by reading the device trees.

use std::collections::BTreeMap;
use std::fs;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::blob::BlobHeader;
use bulkhead_types::system;
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use zerocopy::FromBytes;

use crate::support::walker::{Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin, partition_elf, repository};

const PARTITIONS: [&str; 3] = ["source", "sink", "hostile"];

fn compiled() -> Compiled {
    let workshop = Workshop::new();
    fs::write(workshop.path("images/channels.elf"), partition_elf(7)).unwrap();
    let spec = fs::read_to_string(repository().join("tests/systems/channels.yaml")).unwrap();
    compile(&workshop.load(&spec), &hypervisor_bin()).unwrap()
}

/// Non-cacheable pages that each partition reaches: input address, whether it may write, physical address.
fn reached(compiled: &Compiled) -> Vec<BTreeMap<u64, (bool, u64)>> {
    let base = BlobHeader::read_from_prefix(&compiled.blob).unwrap().0.base;
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let read = reader(&compiled.blob, base);
    let of = |partition: &bulkhead_types::tables::Partition| {
        let found = leaves(&read, base + partition.pristine_root, Stage::Two);
        let shared = found.into_iter().filter(|leaf| leaf.meaning.memory == "nc");
        let pages = shared.flat_map(|leaf| {
            assert!(leaf.meaning.read && !leaf.meaning.execute);
            (0..leaf.size)
                .step_by(4096)
                .map(move |at| (leaf.input + at, (leaf.meaning.write, leaf.output + at)))
        });
        pages.collect()
    };
    parsed.partitions.iter().map(of).collect()
}

/// Each memory is at one input address for all; its one writer writes it, its readers read it, and nobody else reaches
/// it: the numbers are written by hand. Verifies: BH-MEM-011.
#[test]
fn each_memory_has_one_writer_and_its_readers() {
    let compiled = compiled();
    let reached = reached(&compiled);
    // Memory, pages, and for source, sink and hostile whether they write or read it.
    let memories: [(u64, u64, [Option<bool>; 3]); 7] = [
        // `commands`, 33 slots of 64 bytes; what its reader took, which the source reads.
        (0xc00_0000, 1, [Some(true), Some(false), None]),
        (0xc01_0000, 1, [Some(false), Some(true), None]),
        // `log`: what the hostile reader says of it reaches nobody.
        (0xc02_0000, 1, [Some(true), None, Some(false)]),
        (0xc03_0000, 1, [None, None, Some(true)]),
        // `noise`: what the sink took reaches nobody.
        (0xc04_0000, 1, [None, Some(false), Some(true)]),
        (0xc05_0000, 1, [None, Some(true), None]),
        // `frame`.
        (0xc06_0000, 4, [Some(true), Some(false), Some(false)]),
    ];
    let mut physical = BTreeMap::new();
    for (name, (partition, reach)) in PARTITIONS.iter().zip(reached.iter().enumerate()) {
        let mut wanted = BTreeMap::new();
        for (base, pages, rights) in memories {
            for page in (0..pages).map(|n| base + n * 4096) {
                wanted.extend(rights[partition].map(|writes| (page, writes)));
            }
        }
        let found: BTreeMap<u64, bool> = reach.iter().map(|(page, (writes, _))| (*page, *writes)).collect();
        assert_eq!(found, wanted, "{name}");
        for (page, (_, output)) in reach {
            assert_eq!(
                physical.entry(*page).or_insert(*output),
                output,
                "{name} {page:#x}"
            );
        }
    }
    let mut pages: Vec<u64> = physical.into_values().collect();
    let count = pages.len();
    pages.sort_unstable();
    pages.dedup();
    assert_eq!(pages.len(), count, "two memories share a page");
}

/// Each end is told of its memories, and of nothing else. Verifies: BH-CFG-012.
#[test]
fn each_end_is_told_of_its_memories() {
    let compiled = compiled();
    let nodes = |partition: usize| -> Vec<String> {
        let fdt = Fdt::new(&compiled.trees[partition].dtb).unwrap();
        let root = fdt.find_node("/").unwrap();
        let channels = root.children().filter(|n| n.name().starts_with("channel@"));
        let describe = |node: &dtoolkit::fdt::FdtNode<'_>| {
            let text = |name| {
                node.property(name)
                    .unwrap()
                    .value_as::<&str>()
                    .unwrap()
                    .to_owned()
            };
            let cells = |name| {
                let property = node.property(name);
                let bytes = property.map(|p| p.value().to_vec()).unwrap_or_default();
                let words = bytes.chunks(4);
                let words = words.map(|w| u32::from_be_bytes(w.try_into().unwrap()));
                words.map(|w| format!(" {w:x}")).collect::<String>()
            };
            format!(
                "{} {} {}{}{}{}",
                text("label"),
                text("compatible"),
                text("bulkhead,role"),
                cells("reg"),
                cells("bulkhead,message-size"),
                cells("bulkhead,depth")
            )
        };
        channels.map(|n| describe(&n)).collect()
    };
    assert_eq!(
        nodes(0),
        [
            "commands bulkhead,queuing-1 writer 0 c000000 0 1000 0 c010000 0 1000 10 20",
            "log bulkhead,queuing-1 writer 0 c020000 0 1000 10 8",
            "frame bulkhead,shared-1 writer 0 c060000 0 4000",
        ]
    );
    assert_eq!(
        nodes(2),
        [
            "log bulkhead,queuing-1 reader 0 c020000 0 1000 0 c030000 0 1000 10 8",
            "noise bulkhead,queuing-1 writer 0 c040000 0 1000 10 8",
            "frame bulkhead,shared-1 reader 0 c060000 0 4000",
        ]
    );
}
