// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions whose answers lie beyond one value: defaults of whole maps, routes, tasks, doorbells, and all kinds of
//! addresses against the grants of the text form.

use std::collections::BTreeSet;

use bulkhead_analysis::Analysis;
use bulkhead_views::at::at;
use bulkhead_views::who_can::who_can;
use bulkhead_views::why::why;

use crate::Sample;
use crate::support::{Workshop, repository};

fn told(sample: &Sample, question: &str) -> String {
    let analysis = Analysis::of(&sample.system, &sample.system.board.bounds);
    match why(&sample.system, &analysis, &sample.built(), question) {
        Ok(answer) => answer.text(),
        Err(error) => format!("{error:?}"),
    }
}

// Verifies: BH-EXPL-004
#[test]
fn defaults_routes_tasks_and_doorbells_have_reasons() {
    let sample = Sample::every_key(|text| text);
    let cases = [
        (
            "partitions.control.health.memory-fault",
            "decides  memory-fault on the partition level: restart-partition\n",
        ),
        (
            "partitions.panel.health.memory-fault",
            "decides  memory-fault on the partition level: safe-state\n",
        ),
        (
            "board/devices.can0.interrupt.intid",
            "INTID 36 (level) goes to partition control on core 3, without EL2\n",
        ),
        (
            "board/devices.can1.interrupt.intid",
            "INTID 38 (level) goes to partition car on core 2, without EL2\n",
        ),
        ("partitions.control.tasks.brake.wcet", "control/plan ends within "),
        ("partitions.control.tasks.plan.deadline", "its deadline is 20 ms"),
        (
            "channels.ready.doorbell.interval",
            "the doorbell of panel that control may ring at most once in 1 ms\n",
        ),
        ("control", "partitions.control.criticality = `asil-d`"),
        ("ready", "channels.ready.writer = `control`"),
    ];
    for (question, wanted) in cases {
        let said = told(&sample, question);
        assert!(said.contains(wanted), "{question}: {said}");
    }
    let one = told(&sample, "partitions.control.health.memory-fault");
    assert_eq!(one.matches("on the partition level").count(), 1, "{one}");
    let last = told(&sample, "partitions.control.tasks.plan.wcet");
    assert!(
        !last.contains("control/brake"),
        "a less urgent task delays no other: {last}"
    );
    for nobody in [
        "partitions.nobody.health.memory-fault",
        "partitions.control.tasks.fly.deadline",
    ] {
        assert!(
            told(&sample, nobody).contains("there is no rule, value or thing"),
            "{nobody}"
        );
    }
}

/// Each register block and each interrupt of a device is told. Verifies: BH-EXPL-001.
#[test]
fn every_block_and_interrupt_of_a_device_is_told() {
    let workshop = Workshop::new();
    let read = |path: &str| std::fs::read_to_string(repository().join("tests/systems").join(path)).unwrap();
    std::fs::create_dir(workshop.path("boards")).unwrap();
    let board = read("boards/virt-devices.yaml");
    std::fs::write(workshop.path("boards/virt-devices.yaml"), board).unwrap();
    let spec = read("devices.yaml").replace("elf: prober", "elf: adas");
    let sample = Sample::of(workshop.load(&spec));
    let built = sample.built();
    let said = who_can(&built, Some(&sample.system.board), "clockpins").unwrap();
    assert_eq!(
        (said.read.as_slice(), said.write.as_slice()),
        (&["owner".to_owned()][..], &["owner".to_owned()][..])
    );
    let text = said.text();
    for wanted in [
        "device `clockpins`, 2 register blocks",
        "0x9010000-0x9011000 at its address 0x9010000, granted as `clockpins`",
        "0x9030000-0x9031000 at its address 0x9030000, granted as `clockpins`",
        "interrupt: INTID 34 (level) to partition owner on core 1",
        "interrupt: INTID 39 (level) to partition owner on core 1",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("INTID 40"), "{text}");
    let routes = told(&sample, "board/devices.clockpins.interrupt.1.intid");
    for intid in [34, 39] {
        let wanted = format!("INTID {intid} (level) goes to partition owner on core 1, without EL2");
        assert!(routes.contains(&wanted), "{routes}");
    }
    let overview = bulkhead_views::overview::overview(&sample.system, &built)
        .unwrap()
        .text();
    for wanted in [
        "0x9030000-0x9031000, block `pins` of device `clockpins`",
        "interrupt `pins`: INTID 39",
    ] {
        assert!(overview.contains(wanted), "{wanted}: {overview}");
    }
}

// Verifies: BH-EXPL-004
#[test]
fn a_misspelt_name_gets_one_that_has_an_answer() {
    let sample = Sample::every_key(|text| text);
    for (question, meant) in [
        ("contorl", "control"),
        ("dahs", "dash"),
        ("pannel", "panel"),
        ("redy", "ready"),
        ("brakke", "brake"),
        ("setings", "settings"),
    ] {
        let said = told(&sample, question);
        assert!(
            said.contains(&format!("did you mean `{meant}`?")),
            "{question}: {said}"
        );
        assert!(!told(&sample, meant).contains("there is no"), "{meant}");
    }
    let built = sample.built();
    for (question, meant) in [
        ("contorl", "control"),
        ("vehicle-sate", "vehicle-state"),
        ("contorl:0", "control"),
    ] {
        let error = format!(
            "{:?}",
            who_can(&built, Some(&sample.system.board), question).unwrap_err()
        );
        assert!(
            error.contains(&format!("did you mean `{meant}`?")),
            "{question}: {error}"
        );
    }
    let whole = who_can(&built, None, "car").unwrap();
    let why = "its window is EL2's too, and nothing guards a bus master of driver";
    assert_eq!(whole.write, ["el2", "car", "driver"], "{why}");
}

// Verifies: BH-EXPL-002
#[test]
fn doorbells_budgets_and_boosts_are_named_where_they_may_act() {
    let sample = Sample::every_key(|text| text.replace("    inheritance: none\n", ""));
    let built = sample.built();
    let said = |core: &str, time: &str| at(&built, core, time).unwrap().text();
    let panel = said("1", "6ms");
    assert!(
        panel.contains("the doorbell of panel that control may ring at most once in 1 ms, by way of EL2"),
        "{panel}"
    );
    assert!(
        panel.contains("when its budget is spent (at most 900000 of event"),
        "{panel}"
    );
    let boost = |who: &str, times: u32| {
        format!(
            "a boost of {who}, while it owns lock `settings` and somebody waits: at most {times} times 200 µs a frame"
        )
    };
    assert!(
        panel.contains(&boost("dash", 2)) && !panel.contains(&boost("panel", 1)),
        "{panel}"
    );
    let linux = said("1", "1ms");
    assert!(
        linux.contains(&boost("dash", 2)) && linux.contains(&boost("panel", 1)),
        "{linux}"
    );
    let other = said("0", "1ms");
    assert!(!other.contains("boost") && !other.contains("budget"), "{other}");
    let without = Sample::every_key(|text| text);
    let text = at(&without.built(), "1", "6ms").unwrap().text();
    assert!(!text.contains("boost"), "{text}");
}

/// Who may do what at an address, by the grants of the text form alone.
fn granted(sample: &Sample, address: u64) -> [BTreeSet<String>; 3] {
    let number = |text: &str| u64::from_str_radix(&text[2..], 16).unwrap();
    let mut parties = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for line in sample.compiled.text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ["grant", root, _, at, rights, ..] = fields.as_slice() else {
            continue;
        };
        let (start, end) = at.split_once('-').unwrap();
        if address < number(start) || address >= number(end) {
            continue;
        }
        let party = root.strip_prefix("partition:").unwrap_or("el2");
        for (letter, set) in ['r', 'w', 'x'].into_iter().zip(&mut parties) {
            if rights.contains(letter) {
                set.insert(party.to_owned());
            }
        }
    }
    parties
}

// Verifies: BH-EXPL-001
#[test]
fn each_kind_of_address_is_reached_by_whom_the_grants_name() {
    let sample = Sample::reference();
    let built = sample.built();
    let mut random = fastrand::Rng::with_seed(3);
    let mut ranges: Vec<(&str, u64, u64)> = Vec::new();
    for grant in &built.records.grants {
        let kind = match grant.root.as_str() {
            root if root.starts_with("el2") => "EL2",
            _ if grant.memory.starts_with("device") => "device",
            _ => "partition",
        };
        ranges.push((kind, grant.physical.start, grant.physical.end));
    }
    ranges.extend(
        built
            .records
            .shared
            .iter()
            .map(|s| ("shared", s.physical.start, s.physical.end)),
    );
    let bank = &built.ram[0];
    ranges.extend([
        ("RAM", bank.base, bank.base + bank.size),
        ("hole", 0, 1 << 32),
        ("hole", 1 << 36, 1 << 37),
    ]);
    let (mut unmapped, mut holes) = (0, 0);
    for kind in ["EL2", "device", "partition", "shared", "RAM", "hole"] {
        let of_kind: Vec<_> = ranges.iter().filter(|(k, ..)| *k == kind).collect();
        assert!(!of_kind.is_empty(), "{kind}");
        for _ in 0..25 {
            let (_, start, end) = *of_kind[random.usize(0..of_kind.len())];
            let address = random.u64(start..end);
            let wanted = granted(&sample, address);
            match who_can(&built, Some(&sample.system.board), &format!("{address:#x}")) {
                Ok(answer) => {
                    let found = [&answer.read, &answer.write, &answer.execute];
                    let found = found.map(|list| list.iter().cloned().collect::<BTreeSet<String>>());
                    assert_eq!(found, wanted, "{kind} {address:#x}: {}", answer.text());
                    unmapped += usize::from(wanted[0].is_empty());
                }
                Err(_) => {
                    assert!(wanted.iter().all(BTreeSet::is_empty), "{kind} {address:#x}");
                    holes += 1;
                }
            }
        }
    }
    assert!(unmapped > 0 && holes > 0, "{unmapped} unmapped, {holes} holes");
}

/// A bus master that nobody owns is one all the same: the SMMU aborts it, or nothing keeps it from memory.
/// Verifies: BH-EXPL-001
#[test]
fn a_bus_master_of_nobody_is_said_to_be_one() {
    for (file, device, says) in [
        ("streams", "dma0", "DMA: its StreamIDs are invalid"),
        ("gicv2", "gdma0", "DMA: as the boot loader left it"),
    ] {
        let folder = repository().join("tests/invalid");
        let text = std::fs::read_to_string(folder.join(format!("valid.{file}.yaml"))).unwrap();
        let board = format!("board: {}/boards/", folder.display());
        let text = text
            .replace("board: boards/", &board)
            .replace("[can1, dma0]", "[can1]");
        let sample = Sample::of(Workshop::new().load(&text));
        let answer = who_can(&sample.built(), Some(&sample.system.board), device).unwrap();
        let notes = answer.notes.join("\n");
        assert!(notes.contains("owner: nobody") && notes.contains(says), "{notes}");
        assert!(!notes.contains("no bus master"), "{notes}");
    }
}
