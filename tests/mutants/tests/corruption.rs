// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The compiler's values, corrupted between its stages: tables and text form then agree with each other, and the
//! checker names the property that is broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "systems/line.rs"]
mod line;
#[allow(dead_code, reason = "the other test programs use the rest")]
mod systems;

use bulkhead_compiler::access::{Grant, MemoryType, Rights, Root};
use bulkhead_compiler::colour::Extent;
use bulkhead_mutants::files::Files;
use bulkhead_mutants::judge::{Verdict, judge};
use bulkhead_types::image::Range;
use bulkhead_types::tables::{Slot, slot_kind};
use line::Line;

/// Partitions of `systems/masters.yaml`, in order.
const DIRECT: usize = 0;
const GUARDED: usize = 1;
const SLICED: usize = 2;

fn refused(property: &str, files: &Files) {
    let failures = systems::prove(files).err().unwrap_or_default();
    let named = failures.iter().any(|failure| failure.property == property);
    assert!(named, "{property}: {failures:#?}");
    assert_ne!(
        judge(files).verdict(),
        Verdict::Harmless,
        "{property}: the second opinion accepts"
    );
}

fn named<'a>(grants: &'a mut [Grant], root: Root, name: &str) -> &'a mut Grant {
    grants
        .iter_mut()
        .find(|g| g.root == root && g.name == name)
        .unwrap()
}

/// First address of a thing of one range.
fn first(extent: &Extent) -> u64 {
    extent.ranges[0].start
}

/// The same thing at another place.
fn placed(extent: &Extent, start: u64) -> Extent {
    let ranges = vec![moved(extent.ranges[0], start)];
    Extent {
        ranges,
        ..extent.clone()
    }
}

fn moved(range: Range, start: u64) -> Range {
    Range {
        start,
        end: start + (range.end - range.start),
    }
}

/// The stages alone give what the compiler gives, and that is proved.
#[test]
fn what_is_not_corrupted_is_proved() {
    let line = Line::new();
    let files = line.finish(&line.stages(), |_| {});
    assert!(files.blob == line.compiled.blob && files.text == line.compiled.text.clone().into_bytes());
    assert_eq!(systems::prove(&files).map(|_| ()), Ok(()));
    assert_eq!(judge(&files).verdict(), Verdict::Harmless);
}

/// Verifies: BH-CHK-020, BH-CHK-021.
#[test]
fn a_plan_that_puts_two_things_into_one_place() {
    let line = Line::new();
    let plan = &line.compiled.plan;
    let ram = plan.ram.clone();
    refused(
        "BH-CHK-020",
        &line.replan(|plan| plan.ram[GUARDED] = placed(&ram[GUARDED], first(&ram[DIRECT]))),
    );
    let page = first(&ram[SLICED]) + 4096;
    refused(
        "BH-CHK-020",
        &line.replan(|plan| plan.payloads[DIRECT] = placed(&plan.payloads[DIRECT], page)),
    );
    // Windows, queues and live tables in RAM of a partition.
    refused(
        "BH-CHK-021",
        &line.replan(|plan| plan.windows[GUARDED] = moved(plan.windows[GUARDED], page)),
    );
    refused(
        "BH-CHK-020",
        &line.replan(|plan| plan.channels[0] = moved(plan.channels[0], page)),
    );
    refused(
        "BH-CHK-021",
        &line.replan(|plan| plan.queues = plan.queues.map(|queues| moved(queues, page))),
    );
    let live = first(&ram[SLICED]);
    refused(
        "BH-CHK-021",
        &line.replan(|plan| plan.live = moved(plan.live, live)),
    );
    refused(
        "BH-CHK-021",
        &line.replan(|plan| plan.ram[SLICED] = placed(&ram[SLICED], plan.blob.start)),
    );
}

/// Verifies: BH-CHK-011, BH-CHK-020, BH-CHK-021, BH-CHK-022, BH-CHK-030, BH-CHK-032, BH-CHK-062.
#[test]
fn grants_that_were_shifted_or_widened() {
    let line = Line::new();
    let direct = Root::Partition(DIRECT);
    let shift = |root: Root, name: &'static str, by: i64| {
        line.regrant(|grants| {
            let grant = named(grants, root, name);
            let start = grant.range.start.checked_add_signed(by).unwrap();
            grant.range = moved(grant.range, start);
        })
    };
    let widen = |root: Root, name: &'static str, rights: Rights| {
        line.regrant(|grants| named(grants, root, name).rights = rights)
    };
    // One block on is the next partition's.
    refused("BH-CHK-020", &shift(Root::Partition(GUARDED), "ram", 2 << 20));
    let certificate = line.stages().plan.certificate.start;
    let onto_certificate = line.regrant(|grants| {
        let grant = named(grants, direct, "load-list");
        grant.range = moved(grant.range, certificate);
    });
    refused("BH-CHK-021", &onto_certificate);
    refused("BH-CHK-021", &shift(direct, "window", 0x8000));
    refused("BH-CHK-022", &shift(direct, "edu0", 1 << 20));
    refused("BH-CHK-032", &shift(Root::Core(1), "per-core:own", 0x4000));
    refused("BH-CHK-021", &widen(direct, "loader", Rights::All));
    refused("BH-CHK-062", &widen(direct, "payload", Rights::ReadWrite));
    refused("BH-CHK-011", &widen(direct, "window", Rights::All));
    refused(
        "BH-CHK-020",
        &widen(Root::Partition(SLICED), "channel:state", Rights::ReadWrite),
    );
    refused("BH-CHK-030", &widen(Root::Core(0), "text", Rights::All));
    refused("BH-CHK-032", &widen(Root::Core(2), "stats", Rights::ReadWrite));
    refused(
        "BH-CHK-020",
        &line.regrant(|grants| {
            named(grants, direct, "channel:state").memory = MemoryType::NormalWb;
        }),
    );
    let given = line.regrant(|grants| {
        let mut device = named(grants, direct, "can0").clone();
        device.root = Root::Partition(SLICED);
        let after = grants
            .iter()
            .rposition(|g| g.root == device.root && g.address < device.address);
        grants.insert(after.unwrap() + 1, device);
    });
    refused("BH-CHK-022", &given);
    let lost = line.regrant(|grants| grants.retain(|g| g.root != direct || g.name != "loader"));
    refused("BH-CHK-011", &lost);
}

/// What EL2 maps for its housekeeping is missing on the core that may have to do it, or is there on a core that never does.
/// Verifies: BH-CHK-032, BH-CHK-051.
#[test]
fn a_successor_that_could_not_and_one_that_must_not() {
    let line = Line::new();
    let (system, successor, other) = (Root::Core(0), Root::Core(1), Root::Core(3));
    for name in ["uart", "window:direct"] {
        let lost = line.regrant(|grants| grants.retain(|g| g.root != successor || g.name != name));
        refused("BH-CHK-032", &lost);
        let given = line.regrant(|grants| {
            let mut more = named(grants, system, name).clone();
            more.root = other;
            let before = |g: &Grant| g.root == other && g.address < more.address;
            let after = grants.iter().rposition(before).unwrap();
            grants.insert(after + 1, more);
        });
        refused("BH-CHK-032", &given);
    }
    let slots = |change: fn(&mut [Slot])| line.resect(|sections| change(&mut sections.slots));
    let kinds: Vec<u32> = line.stages().sections.slots.iter().map(|s| s.kind).collect();
    assert_eq!((kinds[1], kinds[5]), (slot_kind::SYSTEM, slot_kind::STANDBY));
    // It maps all that, and its slot is idle; it has no slot of the kind, and another core has.
    refused("BH-CHK-032", &slots(|slots| slots[5].kind = slot_kind::IDLE));
    let own = slots(|slots| {
        slots[1].kind = slot_kind::STANDBY;
        slots[5].kind = slot_kind::IDLE;
    });
    refused("BH-CHK-051", &own);
}

/// A page of a controller that the device of one partition depends on is mapped for another, for its own, for a bus master.
///
/// Verifies: BH-CHK-083, BH-CHK-084, BH-CFG-256.
#[test]
fn controllers_that_somebody_reaches() {
    let line = Line::new();
    let told = line.compiled.text.lines().map(|record| {
        let fields: Vec<&str> = record.split_whitespace().collect();
        fields.join(" ")
    });
    let told: Vec<String> = told.filter(|record| record.contains("controller")).collect();
    assert_eq!(
        told,
        [
            "controller direct can0 clocks",
            "controller direct can0 pads",
            "controller direct edu0 clocks",
            "controller sliced edu1 clocks",
            "memory 0xa100000-0xa101000 controller:clocks registers",
            "memory 0xa110000-0xa111000 controller:pads registers",
        ]
    );
    let of_direct = |root: &Root| matches!(root, Root::Stream { partition, .. } if *partition == DIRECT);
    let mut roots = line.compiled.grants.iter().map(|g| g.root);
    let stream = roots.find(of_direct).unwrap();
    for (property, root, instead) in [
        ("BH-CHK-083", Root::Partition(DIRECT), "can0"),
        ("BH-CHK-083", Root::Partition(SLICED), "edu1"),
        ("BH-CHK-084", stream, "ram"),
    ] {
        for page in [0xa10_0000, 0xa11_0000] {
            let files = line.regrant(|grants| {
                named(grants, root, instead).range = moved(Range { start: 0, end: 4096 }, page);
            });
            refused(property, &files);
            let found = judge(&files).harmful;
            assert!(
                found.iter().any(|text| text.contains("reaches controller")),
                "{found:?}"
            );
        }
    }
}

/// Tables from other grants than the text. Verifies: BH-CHK-010, BH-CHK-033.
#[test]
fn tables_that_the_text_does_not_tell() {
    let line = Line::new();
    let told = line.finish(&line.stages(), |_| {}).text;
    for (property, root, name) in [
        ("BH-CHK-010", Root::Partition(DIRECT), "payload"),
        ("BH-CHK-033", Root::Core(0), "rodata"),
    ] {
        let mut files = line.regrant(|grants| named(grants, root, name).rights = Rights::ReadWrite);
        files.text.clone_from(&told);
        refused(property, &files);
    }
}

/// Verifies: BH-CHK-053, BH-CHK-054.
#[test]
fn streams_that_were_given_to_others() {
    let line = Line::new();
    let stages = line.stages();
    let (one, other) = (0, 1);
    refused(
        "BH-CHK-054",
        &line.finish(&stages, |tables| {
            let words = tables.streams[one].words;
            tables.streams[one].words = tables.streams[other].words;
            tables.streams[other].words = words;
        }),
    );
    refused(
        "BH-CHK-054",
        &line.finish(&stages, |tables| {
            tables.streams[one].words[3] = tables.streams[other].words[3];
        }),
    );
    refused(
        "BH-CHK-054",
        &line.finish(&stages, |tables| tables.streams[one].id += 1),
    );
    refused(
        "BH-CHK-054",
        &line.finish(&stages, |tables| tables.streams.truncate(1)),
    );
    refused(
        "BH-CHK-054",
        &line.finish(&stages, |tables| {
            tables.streams[one].words[2] = tables.streams[other].words[2];
        }),
    );
    refused(
        "BH-CHK-053",
        &line.resect(|sections| {
            sections.pci_functions[0].bus_master = 1;
        }),
    );
}

/// Verifies: BH-CHK-004, BH-CHK-041, BH-CHK-050, BH-CHK-051, BH-CHK-052.
#[test]
fn sections_that_were_corrupted() {
    let line = Line::new();
    refused(
        "BH-CHK-004",
        &line.resect(|sections| {
            sections.partitions[GUARDED].vmid = sections.partitions[DIRECT].vmid;
            sections.vcpus[1].vttbr = sections.vcpus[1].vttbr & !(0xFF << 48) | 1 << 48;
        }),
    );
    refused(
        "BH-CHK-004",
        &line.resect(|sections| {
            sections.partitions[GUARDED].live_root = sections.partitions[DIRECT].live_root;
            sections.partitions[GUARDED].pristine_root = sections.partitions[DIRECT].pristine_root;
        }),
    );
    refused("BH-CHK-041", &line.resect(|sections| sections.vcpus[0].hcr &= !1));
    refused(
        "BH-CHK-041",
        &line.resect(|sections| sections.vcpus[1].vttbr = sections.vcpus[0].vttbr),
    );
    refused("BH-CHK-050", &line.resect(|sections| sections.vcpus[0].core = 2));
    refused(
        "BH-CHK-051",
        &line.resect(|sections| sections.slots[0].length_ns += 1),
    );
    refused(
        "BH-CHK-052",
        &line.resect(|sections| sections.spis[0].partition = 1),
    );
}
