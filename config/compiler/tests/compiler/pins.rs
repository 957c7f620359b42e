// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pinned memory lies where the spec says.

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::image::Range;
use bulkhead_types::load::step;

use crate::support::{Workshop, hypervisor_bin, repository};

/// What `tests/invalid/valid.pins.yaml` pins: the owner and the name in the text form, the place.
const PINNED: [(&str, &str, Range); 10] = [
    ("partition:control", "payload-area", sized(0x4700_0000, 0)),
    ("partition:panel", "ram", sized(0x5000_0000, 0x20_0000)),
    ("channel:state", "memory", sized(0x7000_0000, 0x1_0000)),
    ("channel:record", "lock", sized(0x7010_0000, 0x1000)),
    ("partition:panel", "window", sized(0x7020_0000, 0x8000)),
    ("partition:panel", "stolen-time", sized(0x7020_8000, 0x1000)),
    ("channel:faults", "memory", sized(0x7040_0000, 0x1000)),
    ("channel:faults.reader", "memory", sized(0x7041_0000, 0x1000)),
    ("el2", "smmu-queues", sized(0x7050_0000, 0x2000)),
    ("el2", "live", sized(0x7060_0000, 0x8000)),
];

const fn sized(start: u64, size: u64) -> Range {
    let end = start + size;
    Range { start, end }
}

fn pinned() -> Compiled {
    let workshop = Workshop::new();
    let spec = repository().join("tests/invalid/valid.pins.yaml");
    let system = workshop.load(&std::fs::read_to_string(spec).unwrap());
    compile(&system, &hypervisor_bin()).unwrap()
}

/// Verifies: BH-CFG-227, BH-MEM-013.
#[test]
fn what_is_pinned_lies_there_and_nothing_else_does() {
    let compiled = pinned();
    let plan = &compiled.plan;
    let areas = plan.map.areas();
    for pair in areas.windows(2) {
        assert!(pair[0].range.end <= pair[1].range.start, "{pair:?}");
    }
    for (owner, name, mut place) in PINNED {
        if name == "payload-area" {
            place.end += compiled.areas[0].size();
        }
        let area = areas.iter().find(|a| a.owner == owner && a.name == name);
        assert_eq!(area.map(|a| a.range), Some(place), "{owner} {name}");
        let fields = [
            format!("{:#x}-{:#x}", place.start, place.end),
            owner.to_owned(),
            name.to_owned(),
        ];
        let says = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.first() == Some(&"memory") && words[1..] == fields
        };
        assert!(compiled.text.lines().any(says), "{fields:?}");
    }
    // What reads a place has it, too.
    let [
        payload,
        ram,
        state,
        record,
        window,
        stolen,
        faults,
        reader,
        queues,
        live,
    ] = PINNED.map(|(.., at)| at);
    assert_eq!(plan.payloads[0].hull().start, payload.start);
    assert_eq!((plan.ram[2].hull(), plan.windows[2]), (ram, window));
    assert_eq!(plan.channels, [state, faults, reader, record]);
    assert_eq!(
        (plan.stolen[2], plan.queues, plan.live),
        (Some(stolen), Some(queues), live)
    );
    assert!(plan.file_end >= payload.start + compiled.areas[0].size());
    let roots = [
        ("root partition:control 0x70600000 ", 1),
        ("live 0x70600000-0x70608000", 1),
        ("stream-table 0x70604000-0x70608000 ", 1),
    ];
    for (begin, count) in roots {
        let lines = compiled.text.lines().filter(|l| l.starts_with(begin)).count();
        assert_eq!(lines, count, "{begin}");
    }
}

/// Verifies: BH-MEM-014.
#[test]
fn a_pinned_device_tree_lies_there() {
    let compiled = pinned();
    let steps = &compiled.areas[0].steps;
    let jump = steps.iter().find(|s| s.kind == step::JUMP).unwrap();
    assert_eq!(jump.source, 0x4010_0000, "x0 is its address");
    let copies = steps
        .iter()
        .filter(|s| s.kind == step::COPY && s.target == jump.source);
    assert_eq!(
        copies.map(|s| s.size).collect::<Vec<_>>(),
        [compiled.trees[0].dtb.len() as u64]
    );
    let seeds = steps.iter().filter(|s| s.kind == step::RANDOM);
    assert!(
        seeds
            .map(|s| s.target)
            .all(|at| (jump.source..jump.source + 0x1_0000).contains(&at))
    );
}

/// Others lie behind a pinned payload that is in their way.
///
/// Verifies: BH-MEM-015.
#[test]
fn payloads_make_way_for_a_pinned_one() {
    let workshop = Workshop::new();
    let spec = repository().join("tests/invalid/valid.pins.yaml");
    let text = std::fs::read_to_string(spec).unwrap();
    let load = |at: u64| {
        let text = text.replace("payload_at: 0x4700_0000", &format!("payload_at: {at:#x}"));
        compile(&workshop.load(&text), &hypervisor_bin()).unwrap().plan
    };
    let first = load(0x4700_0000).payloads[2].hull();
    let beside = load(first.start + 0x1000);
    let (control, panel) = (beside.payloads[0].hull(), beside.payloads[2].hull());
    assert_eq!((control.start, panel.start), (first.start + 0x1000, control.end));
}
