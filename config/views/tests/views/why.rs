// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `why` and the overview: every value of the spec and every rule has an answer with its place.

use bulkhead_analysis::Analysis;
use bulkhead_model::LoadError;
use bulkhead_model::values::Document;
use bulkhead_views::overview::overview;
use bulkhead_views::why::{Why, broken_rule, find_rule, why};

use crate::support::{Workshop, repository};
use crate::{Sample, reference_text};

pub(crate) fn ask(sample: &Sample, text: &str) -> Why {
    let analysis = Analysis::of(&sample.system, &sample.system.board.bounds);
    why(&sample.system, &analysis, &sample.built(), text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn fact<'a>(why: &'a Why, kind: &str) -> &'a str {
    why.facts
        .iter()
        .find(|f| f.kind == kind)
        .map_or("", |f| f.text.as_str())
}

// Verifies: BH-EXPL-004
#[test]
fn every_value_has_its_line_and_an_effect() {
    let sample = Sample::reference();
    let spec = reference_text();
    for value in sample
        .system
        .values
        .iter()
        .filter(|v| v.document == Document::Spec)
    {
        let answer = ask(&sample, &value.path);
        let from = fact(&answer, "from");
        let mut place = from.rsplit(':');
        let (column, line): (usize, usize) = (
            place.next().unwrap().parse().unwrap(),
            place.next().unwrap().parse().unwrap(),
        );
        let written = spec.lines().nth(line - 1).unwrap();
        let written: String = written.chars().skip(column - 1).collect();
        let written = written.trim_start_matches('"');
        assert!(
            written.starts_with(&value.text),
            "{}: `{}` at {line}:{column} is `{written}`",
            value.path,
            value.text
        );
        assert!(answer.facts.iter().any(|f| f.kind == "decides"), "{}", value.path);
    }
    let board = ask(&sample, "board/gic.distributor");
    assert!(fact(&board, "from").contains("qemu-virt.yaml:") && board.answer == "`0x0800_0000`");
}

// Verifies: BH-EXPL-004
#[test]
fn defaults_choices_and_changes_say_what_they_are() {
    let sample = Sample::reference();
    assert!(fact(&ask(&sample, "partitions.adas.seed"), "from").contains("default"));
    let ram = ask(&sample, "adas/ram");
    let (start, end) = sample.placed("partition:adas", "ram");
    assert!(ram.answer.contains(&format!("{start:#x}-{end:#x}")));
    assert!(fact(&ram, "from").contains("chosen by the compiler"));
    let pinned = reference_text().replacen("memory: 256MiB", "memory: { size: 256MiB, at: 0x6000_0000 }", 1);
    let pinned = Sample::of(Workshop::new().load(&pinned));
    let ram = ask(&pinned, "infotainment/ram");
    assert!(fact(&ram, "from").contains("pinned by the spec") && ram.answer.starts_with("0x60000000"));
}

// Verifies: BH-MEM-013
#[test]
fn every_place_in_ram_says_which_key_pins_it() {
    let text = std::fs::read_to_string(repository().join("tests/invalid/valid.pins.yaml")).unwrap();
    let sample = Sample::of(Workshop::new().load(&text));
    let from = |thing: &str| fact(&ask(&sample, thing), "from").to_owned();
    // Of its lock.
    let judged = ask(&sample, "locks/hold-fits").text();
    assert!(judged.contains("no circle of waits"), "{judged}");
    for (thing, key) in [
        ("control/payload-area", "partitions.control.payload_at"),
        ("panel/ram", "partitions.panel.memory.at"),
        ("panel/window", "partitions.panel.window_at"),
        ("panel/stolen-time", "partitions.panel.stolen_time_at"),
        ("channel/state", "channels.state.at"),
        ("channel/faults", "channels.faults.at"),
        ("channel/faults.reader", "channels.faults.reader_at"),
        ("channel/record", "locks.record.at"),
        ("el2/live", "hypervisor.live_at"),
        ("el2/smmu-queues", "hypervisor.smmu_queues_at"),
    ] {
        let from = from(thing);
        let says = format!("pinned by the spec: `{key}`, ");
        assert!(from.starts_with(&says), "{thing}: {from}");
        // And the key says what it decides.
        let pin = ask(&sample, key);
        let address = pin.answer.trim_matches('`').replace('_', "");
        let decided = pin.facts.iter().filter(|f| f.kind == "decides");
        let tells = |text: &str| text.contains(&format!("{address}-"));
        assert!(
            decided.map(|f| f.text.as_str()).any(tells),
            "{key}: {}",
            pin.text()
        );
    }
    assert!(from("linux/ram").contains("; `partitions.linux.memory.at` would pin it"));
    // Only what belongs to the image and what the board fixes has no key.
    let ram = sample.system.board.ram[0].value;
    let places = sample.compiled.plan.map.areas().iter();
    let without = places.filter(|a| ram.base <= a.range.start && a.range.start < ram.end());
    let without = without.filter(|a| sample.system.pin(&a.owner, &a.name).is_none());
    let names: Vec<&str> = without.map(|a| a.name.as_str()).collect();
    let image = ["hypervisor", "padding", "blob", "certificate", "slack"];
    let reserved = ["boot-stub", "board-device-tree", "crash-dump"];
    let known = |name: &&str| image.contains(name) || reserved.contains(name);
    assert!(names.iter().all(known) && names.contains(&"blob"), "{names:?}");
    assert!(from("el2/blob").starts_with("it follows the hypervisor's image"));
}

// Verifies: BH-EXPL-004
#[test]
fn every_rule_holds_with_evidence_and_a_broken_one_is_said_to_be() {
    let sample = Sample::reference();
    for rule in bulkhead_analysis::rules::every() {
        let answer = ask(&sample, rule.id);
        assert_eq!(answer.holds, Some(true), "{}", rule.id);
        assert_eq!(fact(&answer, "text"), rule.text);
        assert!(!fact(&answer, "evidence").is_empty());
        // A name may be a value's, too.
        assert!(answer.facts.starts_with(&ask(&sample, rule.number).facts));
    }
    let broken = reference_text().replacen("dedicated: [2]", "dedicated: [3]", 1);
    let Err(LoadError::Invalid(found)) = Workshop::new().try_load(&broken) else {
        panic!("two owners of a core")
    };
    let answer = broken_rule(find_rule("BH040").unwrap(), &found);
    assert_eq!(answer.holds, Some(false));
    assert!(fact(&answer, "breach").contains("core 3") && fact(&answer, "place").contains("spec.yaml:"));
    let other = broken_rule(find_rule("BH001").unwrap(), &found);
    assert_eq!((other.holds, other.answer.as_str()), (None, "is not decided"));
    assert!(fact(&other, "evidence").contains("breaks other rules (1 error)"));
}

// Verifies: BH-EXPL-003
#[test]
fn the_overview_names_everything() {
    let sample = Sample::reference();
    let text = overview(&sample.system, &sample.built()).unwrap().text();
    for name in [
        "adas",
        "vehicle",
        "infotainment",
        "cluster",
        "vehicle-state",
        "can0",
        "can1",
        "core 3",
        "system slot",
        "500 µs of each frame on core 1, when EL2 fails on the other",
        "asil-d",
        "gicd",
        "free",
    ] {
        assert!(text.contains(name), "{name}");
    }
    assert!(
        text.contains("every 10 ms: infotainment 8 ms, then cluster 1.5 ms, then standby 500 µs"),
        "{text}"
    );
}

// Verifies: BH-EXPL-004
#[test]
fn a_task_is_explained_by_its_supply_and_its_bound() {
    let sample = Sample::reference();
    let analysis = Analysis::of(&sample.system, &sample.system.board.bounds);
    let mut asked = 0;
    for vcpu in analysis.report(&sample.system) {
        for task in &vcpu.tasks {
            let answer = ask(&sample, &format!("{}/{}", vcpu.partition, task.name));
            let bound = task.response_ns.unwrap();
            let number = answer.answer.strip_prefix("ends within ").unwrap();
            let (number, unit) = number.split_once(' ').unwrap();
            let factor = if unit.starts_with("µs") {
                1_000.0
            } else {
                1_000_000.0
            };
            let said = number.parse::<f64>().unwrap() * factor;
            assert!(
                (said - bound as f64).abs() < 1.0,
                "{}: {} is {bound}",
                task.name,
                answer.answer
            );
            assert!(fact(&answer, "supply").contains(&format!("core {}", vcpu.core)));
            asked += 1;
        }
    }
    assert_eq!(asked, 5);
    assert_eq!(ask(&sample, "gauge").question, "cluster/gauge");
    let several = why(&sample.system, &analysis, &sample.built(), "receive");
    assert!(several.unwrap_err().to_string().contains("several partitions"));
}

// Verifies: BH-CFG-164
#[test]
fn an_erratum_says_who_works_around_it() {
    let sample = Sample::reference();
    let built = sample.built();
    let overview = overview(&sample.system, &built).unwrap();
    let section = overview.sections.iter().find(|s| s.title == "errata").unwrap();
    let names: Vec<&str> = section.entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cortex-a72-859971",
            "cortex-a72-1319367",
            "cortex-a72-cve-2018-3639",
            "cortex-a72-cve-2022-23960"
        ]
    );
    let by = ["firmware", "EL2", "firmware", "compiler"];
    for ((name, lines), by) in section.entries.iter().zip(by) {
        assert!(
            lines[0].contains(&format!("worked around by {by}: ")),
            "{name}: {lines:?}"
        );
        assert_eq!(lines[1], "cores 0, 1, 2 and 3", "{name}");
    }
    let decides = ask(&sample, "board/workarounds.1");
    assert_eq!(fact(&decides, "decides"), section.entries[1].1[0]);
    let shown = crate::pages::page(&sample);
    assert!(names.iter().all(|name| shown.contains(name)), "{shown}");
}
