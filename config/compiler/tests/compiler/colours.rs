// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours, judged by walking the emitted tables: the colour of each page is computed here, from its address.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_model::colours::Colouring;
use bulkhead_model::system::System;
use bulkhead_types::blob::BlobHeader;
use bulkhead_types::system;
use proptest::prelude::*;
use zerocopy::FromBytes;

use crate::support::walker::{Leaf, Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin};

const PAGE: u64 = 4096;
const RAM: u64 = 0x4000_0000;

/// A board's colours, and the colours and the memory (in MiB) of three partitions; the last may have none.
#[derive(Clone, Debug)]
struct Case {
    count: u64,
    granule: u64,
    memory: [u64; 3],
    colours: [Option<BTreeSet<u64>>; 3],
}

fn cases() -> impl Strategy<Value = Case> {
    let geometry = (1..=6_u32, 0..=3_u32);
    (
        geometry,
        any::<[u64; 2]>(),
        [1..=6_u64, 1..=6, 1..=6],
        any::<bool>(),
    )
        .prop_map(|((count, granule), bits, memory, plain)| {
            let count = 1 << count;
            // Each colour belongs to one partition at most; each partition has one at least.
            let owner = |colour: u64| match colour {
                0 => Some(0),
                1 => Some(1),
                _ => match (bits[0] >> colour & 1, bits[1] >> colour & 1) {
                    (0, 0) => Some(0),
                    (0, 1) => Some(1),
                    (1, 0) => Some(2),
                    _ => None,
                },
            };
            let of = |p| -> BTreeSet<u64> { (0..count).filter(|c| owner(*c) == Some(p)).collect() };
            let last = Some(of(2)).filter(|set| !plain && !set.is_empty());
            Case {
                count,
                granule: PAGE << granule,
                memory: memory.map(|m| 2 * m),
                colours: [Some(of(0)), Some(of(1)), last],
            }
        })
}

impl Case {
    fn colour(&self, address: u64) -> u64 {
        (address / self.granule) % self.count
    }

    fn spec(&self) -> String {
        let mut text = "bulkhead: 1\nname: c\nboard: qemu-virt\npartitions:\n".to_owned();
        for (p, (memory, colours)) in self.memory.iter().zip(&self.colours).enumerate() {
            let list = |set: &BTreeSet<u64>| set.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let accepted = if self.colours[2].is_none() {
                ", uncoloured: [p2]"
            } else {
                ""
            };
            let colours = colours
                .as_ref()
                .map(|set| format!(", colours: [{}]{accepted}", list(set)));
            text += &format!(
                "  p{p}:\n    criticality: qm\n    cores: {{ dedicated: [{}], interrupts: direct }}\n    memory: {{ size: \
                 {memory}MiB{} }}\n    payload: {{ elf: adas }}\n    console: text\n",
                p + 1,
                colours.unwrap_or_default()
            );
        }
        text + "schedule: { major_frame: 10ms, cores: { 0: [ { run: system, for: 10ms } ] } }\n"
    }

    /// The model, with this case's geometry: the board file has another.
    fn system(&self, workshop: &Workshop) -> System {
        let mut plain = self.clone();
        plain.colours = [const { None }; 3];
        let mut system = workshop.load(&plain.spec());
        system.board.colouring = Some(Colouring {
            count: u32::try_from(self.count).unwrap(),
            granule: self.granule,
        });
        for (partition, colours) in system.partitions.iter_mut().zip(&self.colours) {
            let set = |set: &BTreeSet<u64>| set.iter().map(|c| u32::try_from(*c).unwrap()).collect();
            partition.memory.colours = colours.as_ref().map(set);
        }
        system
    }
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

/// Judges a compiled system page by page.
fn judge(case: &Case, compiled: &Compiled) {
    let blob = &compiled.blob;
    let base = BlobHeader::read_from_prefix(blob).unwrap().0.base;
    let parsed = system::System::parse(blob).unwrap();
    let read = reader(blob, base);
    let loader = compiled.info.loader;
    let mut owners: BTreeMap<u64, usize> = BTreeMap::new();
    for (p, (partition, colours)) in parsed.partitions.iter().zip(&case.colours).enumerate() {
        let allowed = |address: u64| {
            colours
                .as_ref()
                .is_none_or(|set| set.contains(&case.colour(address)))
        };
        let mut pages = Vec::new();
        tables(&read, base + partition.pristine_root, 1, &mut pages);
        assert!(allowed(partition.live_root), "root of p{p}");
        for page in &pages[1..] {
            assert!(allowed(*page), "table {page:#x} of p{p}");
            assert!(owners.insert(*page, p).is_none(), "table {page:#x} twice");
        }
        assert!(owners.insert(partition.live_root, p).is_none(), "root {p} twice");
        let walk: Vec<Leaf> = leaves(&read, base + partition.pristine_root, Stage::Two);
        let mut next = RAM;
        for leaf in &walk {
            let shared = (loader.start..loader.end).contains(&leaf.output)
                || compiled
                    .plan
                    .windows
                    .iter()
                    .any(|w| (w.start..w.end).contains(&leaf.output));
            if shared {
                continue;
            }
            assert!(colours.is_none() || leaf.size == PAGE, "a block in p{p}");
            for page in (leaf.output..leaf.output + leaf.size).step_by(4096) {
                assert!(allowed(page), "{page:#x} of p{p}");
                assert!(owners.insert(page, p).is_none(), "{page:#x} twice");
            }
            if leaf.input >= RAM && leaf.meaning.execute {
                assert_eq!(leaf.input, next, "RAM is contiguous");
                next += leaf.size;
            }
        }
        assert_eq!(next - RAM, case.memory[p] << 20, "all RAM of p{p}");
        let area = &compiled.areas[p];
        let payload: u64 = walk
            .iter()
            .filter(|l| l.input >= 0x7f_4000_0000)
            .map(|l| l.size)
            .sum();
        assert_eq!(payload, area.payload.len() as u64);
    }
    for fixed in [compiled.info.base, compiled.plan.certificate.start, 0x4800_0000] {
        assert!(!owners.contains_key(&fixed), "{fixed:#x}");
    }
}

/// What a partition would read at an input address, from the image file.
fn loaded(compiled: &Compiled, image: &[u8], partition: usize, input: u64, size: usize) -> Vec<u8> {
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let base = compiled.plan.blob.start;
    let walk = leaves(
        &reader(&compiled.blob, base),
        base + parsed.partitions[partition].pristine_root,
        Stage::Two,
    );
    let byte = |at: u64| {
        let (output, _) = crate::support::walker::translate(&walk, at).unwrap();
        image[usize::try_from(output - compiled.info.base).unwrap()]
    };
    (0..size as u64).map(|n| byte(input + n)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Verifies: BH-MEM-005, BH-MEM-004.
    #[test]
    fn every_page_has_a_colour_of_its_owner(case in cases()) {
        let workshop = Workshop::new();
        let system = case.system(&workshop);
        let compiled = compile(&system, &hypervisor_bin()).unwrap();
        judge(&case, &compiled);
    }
}

/// The payload of a coloured partition is in the image where its stage 2 finds it. Verifies: BH-MEM-005.
#[test]
fn payloads_are_scattered_as_they_are_mapped() {
    let case = Case {
        count: 16,
        granule: PAGE,
        memory: [2, 4, 2],
        colours: [Some([3].into()), Some([0, 9, 10].into()), None],
    };
    let workshop = Workshop::new();
    let system = workshop.load(&case.spec());
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    judge(&case, &compiled);
    let image = bulkhead_compiler::image::assemble(&compiled, &hypervisor_bin(), &[0xcc; 4096]);
    for (p, area) in compiled.areas.iter().enumerate() {
        assert_eq!(
            loaded(&compiled, &image, p, 0x7f_0010_0000, area.list.len()),
            area.list
        );
        assert_eq!(
            loaded(&compiled, &image, p, 0x7f_4000_0000, area.payload.len()),
            area.payload
        );
    }
}

/// Colours that run out of RAM are named. Verifies: BH-MEM-005.
#[test]
fn colours_without_room_are_refused() {
    let case = Case {
        count: 64,
        granule: PAGE,
        memory: [64, 2, 2],
        colours: [Some([3].into()), Some([0, 9, 10].into()), None],
    };
    let workshop = Workshop::new();
    let error = compile(&case.system(&workshop), &hypervisor_bin())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ram of partition:p0") && error.contains("colours 3"),
        "{error}"
    );
}

/// What a page more costs does not depend on how many there are. Verifies: BH-MEM-006.
#[test]
fn work_grows_with_the_pages() {
    let workshop = Workshop::new();
    let mut rates = Vec::new();
    for memory in [16, 64, 256] {
        let case = Case {
            count: 2,
            granule: PAGE,
            memory: [memory, 2, 2],
            colours: [Some([0].into()), Some([1].into()), None],
        };
        let compiled = compile(&case.system(&workshop), &hypervisor_bin()).unwrap();
        rates.push((compiled.steps, memory * 256));
    }
    let per_page = |a: (u64, u64), b: (u64, u64)| (b.0 - a.0) as f64 / (b.1 - a.1) as f64;
    let (small, large) = (per_page(rates[0], rates[1]), per_page(rates[1], rates[2]));
    assert!(
        (0.9..=1.1).contains(&(large / small)),
        "{small} and {large} steps a page"
    );
}
