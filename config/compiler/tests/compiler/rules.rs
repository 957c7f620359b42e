// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each file in tests/invalid breaks its rule at its place and no other, rules on sizes and places among them.

use std::collections::BTreeSet;

use bulkhead_analysis::rules::survey;
use bulkhead_compiler::pack::pack;
use bulkhead_compiler::rules::{Refusal, admit};
use bulkhead_model::rules::placement;
use bulkhead_model::span::Span;
use bulkhead_model::{Diagnostics, LoadError, Paths, Record};

use crate::own_tree::put_foreign_tree;
use crate::support::cases::cases;
use crate::support::{
    Workshop, boot_elf, hypervisor_bin, loader_elf, repository, runtime_elf, runtime_symbols,
};

/// What the tool says of a file: breaches of every rule, those on times and places among them.
fn diagnostics(workshop: &Workshop, file: &str, overrides: &[String]) -> Option<Diagnostics> {
    judge(workshop, file, overrides, &hypervisor_bin())
}

fn judge(workshop: &Workshop, file: &str, overrides: &[String], hypervisor: &[u8]) -> Option<Diagnostics> {
    let paths = Paths {
        spec: repository().join("tests/invalid").join(file),
        boards: repository().join("config/boards"),
        images: workshop.path("images"),
        guest: workshop.path("guest"),
    };
    let (mut found, placing) = match survey(&paths, overrides) {
        Ok((system, _)) => (None, Some(Box::new(system))),
        Err(refused) => match refused.error {
            LoadError::Invalid(found) => (Some(found), refused.placing),
            error => panic!("{file}: {error:?}"),
        },
    };
    let placed = placing.map_or(Ok(()), |system| admit(&system, hypervisor));
    match placed {
        Ok(()) => {}
        Err(Refusal::Rule(LoadError::Invalid(more))) => match &mut found {
            Some(found) => found.list.extend(more.list),
            None => found = Some(more),
        },
        Err(error) => panic!("{file}: {error:?}"),
    }
    found
}

fn breaches(workshop: &Workshop, file: &str, overrides: &[String]) -> Vec<Record> {
    diagnostics(workshop, file, overrides).map_or_else(Vec::new, |found| {
        assert!(!found.plain().is_empty() && !found.graphical(100, false).is_empty());
        found.records()
    })
}

/// Those whose file or board fits other images than these: the model's tests judge them, and `check` by the real ones.
const ELSEWHERE: [&str; 4] = [
    "cores.too-many-vcpus.yaml",
    "partitions.too-many.yaml",
    "payload.outside-memory.yaml",
    "payload.too-large.yaml",
];

// Verifies: BH-CFG-110, BH-CFG-111, BH-CFG-112, BH-CFG-113, BH-CFG-114, BH-CFG-115, BH-CFG-116, BH-CFG-117, BH-CFG-118,
// BH-CFG-146, BH-CFG-147, BH-MEM-014, BH-MEM-015
#[test]
fn every_rule_on_places_fires() {
    let workshop = Workshop::new();
    put_foreign_tree(&workshop);
    let rules: BTreeSet<&str> = placement::ALL.iter().map(|r| r.id).collect();
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|c| !ELSEWHERE.contains(&c.file.as_str()))
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|c| c.judge(&breaches(&workshop, &c.file, &c.overrides)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let tested: BTreeSet<&str> = cases.iter().map(|c| c.rule.as_str()).collect();
    assert!(tested.is_superset(&rules));
    assert_eq!(breaches(&workshop, "valid.yaml", &[]), []);
}

/// Rules of which one side stands in no YAML: a payload, a device tree or the hypervisor's image is that side.
const ALONE: &[&str] = &["board.hypervisor", "device-tree.foreign", "device-tree.unusable"];

// Verifies: BH-LANG-005
#[test]
fn a_conflict_on_places_underlines_both() {
    let workshop = Workshop::new();
    put_foreign_tree(&workshop);
    let rules: Vec<&str> = placement::ALL.iter().map(|r| r.id).collect();
    let mut wrong = Vec::new();
    let mut judged = 0;
    for case in cases().iter().filter(|c| rules.contains(&c.rule.as_str())) {
        let found = diagnostics(&workshop, &case.file, &case.overrides).unwrap();
        let (record, drawn) = (&found.records()[0], found.graphical(120, false));
        let name = case.file.trim_end_matches(".yaml");
        if record.others.is_empty() != ALONE.contains(&name) {
            wrong.push(format!("{name}: {} other places", record.others.len()));
        }
        for label in record.others.iter().chain([&record.primary]) {
            let has_extent = (label.end_line, label.end_column) > (label.line, label.column);
            assert!(has_extent, "{name}: nothing to underline: {label:?}");
            assert!(drawn.contains(&label.text), "{name}: {drawn}");
            let is_board_as_such = label.text == "this board";
            assert!(
                !is_board_as_such,
                "{name}: points at nothing that takes part: {label:?}"
            );
        }
        let is_total = record.rule.starts_with("totals/");
        for word in ["el2", "slack", "payload-area", "partition:"] {
            assert!(
                !is_total || !record.message.contains(word),
                "{name}: {}",
                record.message
            );
        }
        judged += 1;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(judged >= rules.len());
}

/// What takes part, by the text that begins there.
fn underlined(found: &Diagnostics) -> Vec<&str> {
    let first = &found.list[0];
    let labels = std::iter::once(&first.primary).chain(&first.others);
    let text = |span: Span| {
        let text = &found.sources.get(span).unwrap().text[span.start..];
        text.lines().next().unwrap()
    };
    labels.map(|label| text(label.span)).collect()
}

// Verifies: BH-LANG-005
#[test]
fn the_places_are_those_that_take_part() {
    let workshop = Workshop::new();
    let ram = "{ base: 0x4000_0000, size: 1GiB }";
    let of_panel = "0x5000_0000 }";
    for (file, wanted) in [
        (
            "totals.bars",
            &["64KiB } }", "{ base: 0x1000_0000, size: 0x1_0000 } }"][..],
        ),
        ("totals.memory", &["800MiB", ram, of_panel]),
        (
            "totals.tables",
            &[
                "0x4020_0000",
                "{ name: board device tree, base: 0x4030_0000, size: 2MiB, use: device-tree }",
            ],
        ),
        (
            "totals.windows",
            &["0x4020_0000", "{ base: 0x4000_0000, size: 6MiB }", of_panel],
        ),
        ("board.hypervisor", &["9"]),
        ("devices.no-registers", &["can0]", "can0:"]),
        (
            "devices.emulated-interrupt",
            &["can1]", "uart", "interrupt: { intid: 33, trigger: level }"],
        ),
        (
            "devices.occupied",
            &["dma0]", "{ base: 0x0b00_0000, size: 4KiB }"],
        ),
    ] {
        let found = diagnostics(&workshop, &format!("{file}.yaml"), &[]).unwrap();
        assert_eq!(underlined(&found), wanted, "{file}");
    }
    // A file of which a part is missing stands alone.
    let cut = ["partitions.panel.payload.elf=cut-short".to_owned()];
    let found = diagnostics(&workshop, "valid.yaml", &cut).unwrap();
    assert_eq!(
        (found.list[0].rule.id, underlined(&found)),
        ("payload/unusable", vec!["cut-short"])
    );
}

// Verifies: BH-LANG-005
#[test]
fn a_pin_beside_the_image_is_told_of_the_hypervisor() {
    let workshop = Workshop::new();
    // The room of the blob goes beyond the block where the image begins.
    let hypervisor = pack(
        &boot_elf(),
        &runtime_elf(&runtime_symbols()),
        &loader_elf(),
        1,
        0x4038_0000,
    );
    let change = ["partitions.panel.memory.at=0x40400000".to_owned()];
    let found = judge(&workshop, "valid.yaml", &change, &hypervisor.unwrap()).unwrap();
    assert_eq!(underlined(&found), ["0x40400000", "0x4020_0000"]);
    let first = &found.list[0];
    let whole = "the memory of `panel` (0x40400000-0x40600000) overlaps the hypervisor's image with its tables (0x40200000-0x40480000)";
    assert!(first.message.starts_with(whole), "{}", first.message);
    assert_eq!((first.rule.id, found.list.len()), ("totals/tables", 1));
    assert!(
        first.help.starts_with("pin it elsewhere") && !first.help.contains("colour"),
        "{}",
        first.help
    );
}
