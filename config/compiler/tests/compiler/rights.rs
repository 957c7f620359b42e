// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RAM with the rights of segments: what the tables let the partition and its bus master do, and what the loader does.

use std::collections::BTreeMap;
use std::fs;

use bulkhead_compiler::access::{Rights, Root};
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::load::{PAYLOAD_IPA, Step, step};
use bulkhead_types::system;

use crate::support::elf::{DATA, RODATA, Segment, TEXT, executable};
use crate::support::walker::{Leaf, Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin, repository};

const PAGE: u64 = 4096;
const RAM: u64 = 0x4000_0000;
const CODE: u64 = RAM + 0x8_0000;
const CONSTANTS: u64 = CODE + 0x2000;
const VARIABLES: u64 = CODE + 0x4000;

/// One partition with a bus master; what its spec says of memory, and what of DMA.
fn compiled(memory: &str, dma: &str) -> Compiled {
    let workshop = Workshop::new();
    let board = fs::read_to_string(repository().join("tests/mutants/boards/virt-edu.yaml")).unwrap();
    fs::write(workshop.path("virt-edu.yaml"), board).unwrap();
    let segments = [
        Segment::new(CODE, TEXT, &[1; 0x1804], 0x1804),
        Segment::new(CONSTANTS + 8, RODATA, &[2; 0x10], 0x1100),
        Segment::new(VARIABLES, DATA, &[3; 0x10], 0x4000),
    ];
    fs::write(
        workshop.path("images/parts.elf"),
        executable(CODE, &segments, &[]),
    )
    .unwrap();
    let text = format!(
        "bulkhead: 1\nname: s\nboard: ./virt-edu.yaml\npartitions:\n  p:\n    criticality: qm\n    \
         cores: {{ dedicated: [1], interrupts: direct }}\n    memory: {memory}\n    payload: {{ elf: parts }}\n    \
         console: text\n    devices: [edu0]\n{dma}schedule: {{ major_frame: 10ms, cores: {{ 0: [ {{ run: system, for: 10ms }} ] }} }}\n"
    );
    compile(&workshop.load(&text), &hypervisor_bin()).unwrap()
}

/// Leaves of the partition and of its bus master.
fn walks(compiled: &Compiled) -> [Vec<Leaf>; 2] {
    let base = compiled.plan.blob.start;
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let read = reader(&compiled.blob, base);
    let root = base + parsed.partitions[0].pristine_root;
    let layout = &compiled.plan.layout;
    let entry = base + layout.live + layout.stream_table + 64 * 0x10;
    [root, read(entry + 24)].map(|root| leaves(&read, root, Stage::Two))
}

/// Pages of RAM in `leaves`: input address to output address, whether written, whether executed.
fn pages(leaves: &[Leaf]) -> BTreeMap<u64, (u64, bool, bool)> {
    let ram = leaves
        .iter()
        .filter(|l| (RAM..RAM + (2 << 20)).contains(&l.input));
    ram.flat_map(|l| {
        let meaning = (l.meaning.write, l.meaning.execute);
        (0..l.size / PAGE).map(move |n| (l.input + n * PAGE, (l.output + n * PAGE, meaning.0, meaning.1)))
    })
    .collect()
}

/// Verifies: BH-MEM-008.
#[test]
fn each_page_has_the_rights_of_its_segment() {
    let compiled = compiled("{ size: 2MiB, rights: segments }", "");
    let [own, dma] = walks(&compiled).map(|walk| pages(&walk));
    assert_eq!(own.len(), 512, "all of RAM is there");
    let area = compiled.plan.payloads[0].hull();
    for (page, (output, write, execute)) in &own {
        let (wanted, from_image) = match page {
            p if (CODE..CODE + 0x2000).contains(p) => ((false, true), true),
            p if (CONSTANTS..CONSTANTS + 0x2000).contains(p) => ((false, false), true),
            _ => ((true, false), false),
        };
        assert_eq!((*write, *execute), wanted, "{page:#x}");
        assert_eq!((area.start..area.end).contains(output), from_image, "{page:#x}");
        let reached = dma.get(page).map(|(to, write, execute)| (*to, *write, *execute));
        assert_eq!(
            reached,
            (!from_image).then_some((*output, true, false)),
            "{page:#x} by DMA"
        );
    }
    assert_eq!(dma.len(), 512 - 4);
}

/// Verifies: BH-MEM-008.
#[test]
fn the_loader_writes_nothing_that_is_only_read() {
    let compiled = compiled("{ size: 2MiB, rights: segments }", "");
    let area = &compiled.areas[0];
    let only_read = CODE..CONSTANTS + 0x2000;
    let writes = |s: &&Step| [step::ZERO, step::COPY, step::RANDOM].contains(&s.kind);
    let mut zeroed = 0;
    for step in area.steps.iter().filter(writes) {
        assert!(
            step.target + step.size <= only_read.start || only_read.end <= step.target,
            "{step:x?}"
        );
        zeroed += if step.kind == step::ZERO { step.size } else { 0 };
        if step.kind == step::COPY {
            assert!(step.source + step.size <= PAYLOAD_IPA + area.copied, "{step:x?}");
        }
    }
    assert_eq!(zeroed, (2 << 20) - 0x4000, "everything else is scrubbed");
    // What is mapped is what the segments hold, and zeros.
    let image = |ipa: u64, size: usize| -> Vec<u8> {
        let part = area.parts.iter().find(|p| p.start <= ipa && ipa < p.end).unwrap();
        let at = usize::try_from(part.image.unwrap() + (ipa - part.start)).unwrap();
        area.payload[at..at + size].to_vec()
    };
    assert_eq!(image(CODE, 0x1804), vec![1; 0x1804]);
    assert_eq!(image(CODE + 0x1804, 0x7fc), vec![0; 0x7fc]);
    assert_eq!(image(CONSTANTS, 8), [0; 8]);
    assert_eq!(image(CONSTANTS + 8, 0x10), [2; 0x10]);
    assert_eq!(image(CONSTANTS + 24, 0x1fe8), vec![0; 0x1fe8]);
}

#[test]
fn open_memory_is_all_alike() {
    let compiled = compiled("2MiB", "");
    let [own, dma] = walks(&compiled).map(|walk| pages(&walk));
    assert!(own.values().all(|(_, write, execute)| *write && *execute));
    let outputs =
        |pages: &BTreeMap<u64, (u64, bool, bool)>| -> Vec<u64> { pages.values().map(|p| p.0).collect() };
    assert_eq!(outputs(&own), outputs(&dma));
}

/// Verifies: BH-DMA-011.
#[test]
fn a_bus_master_reaches_its_ranges_alone() {
    let dma = "    dma: { edu0: [ { offset: 1536KiB, size: 4KiB }, { offset: 1MiB, size: 64KiB } ] }\n";
    for memory in ["2MiB", "{ size: 2MiB, rights: segments }"] {
        let compiled = compiled(memory, dma);
        let [own, reached] = walks(&compiled);
        let inputs: Vec<u64> = pages(&reached).into_keys().collect();
        let wanted = (0..16)
            .map(|n| RAM + (1 << 20) + n * PAGE)
            .chain([RAM + (1536 << 10)]);
        assert_eq!(inputs, wanted.collect::<Vec<_>>(), "{memory}");
        let own = pages(&own);
        for (page, (output, write, execute)) in pages(&reached) {
            assert_eq!((output, write, execute), (own[&page].0, true, false), "{page:#x}");
        }
        let granted = compiled
            .grants
            .iter()
            .filter(|g| matches!(g.root, Root::Stream { .. }));
        let granted: Vec<(u64, Rights)> = granted.map(|g| (g.size(), g.rights)).collect();
        assert_eq!(
            granted,
            [(64 << 10, Rights::ReadWrite), (4 << 10, Rights::ReadWrite)]
        );
    }
}
