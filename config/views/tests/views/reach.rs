// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `who-can` against a walker that shares nothing with the one of the views.

use bulkhead_views::overview::overview;
use bulkhead_views::records::Span;
use bulkhead_views::who_can::{routes, who_can};
use bulkhead_views::{AskError, Built};

use crate::Sample;
use crate::support::Workshop;
use crate::support::walker::{Leaf, Stage, leaves, reader};

/// Every root of the text form, walked by the other walker: name and leaves.
fn walked(sample: &Sample) -> Vec<(String, Vec<Leaf>)> {
    let base = sample.compiled.plan.blob.start;
    let roots = sample
        .compiled
        .text
        .lines()
        .filter_map(|l| l.strip_prefix("root "));
    roots
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let stored = u64::from_str_radix(&fields[2][2..], 16).unwrap();
            let stage = if fields[0].starts_with("el2") {
                Stage::One
            } else {
                Stage::Two
            };
            let read = reader(&sample.compiled.blob, base);
            (fields[0].to_owned(), leaves(&read, stored, stage))
        })
        .collect()
}

/// Who reaches an address, by brute force over every leaf.
fn brute(walked: &[(String, Vec<Leaf>)], address: u64) -> Vec<String> {
    let mut found = Vec::new();
    for (root, leaves) in walked {
        for leaf in leaves
            .iter()
            .filter(|l| l.output <= address && address - l.output < l.size)
        {
            let right = |has, letter| if has { letter } else { '-' };
            let m = leaf.meaning;
            let rights: String = [right(m.read, 'r'), right(m.write, 'w'), right(m.execute, 'x')]
                .iter()
                .collect();
            let memory = match m.memory {
                "wb" => "normal-wb",
                "nc" => "normal-nc",
                _ => "device-ngnre",
            };
            found.push(format!(
                "{root} {rights} {memory} {:#x}",
                leaf.input + (address - leaf.output)
            ));
        }
    }
    found.sort();
    found
}

fn answered(built: &Built<'_>, address: u64) -> Vec<String> {
    let wanted = Span {
        start: address,
        end: address + 1,
    };
    let routes = routes(built, &[wanted]).unwrap();
    let mut found: Vec<String> = routes
        .iter()
        .map(|r| format!("{} {} {} {:#x}", r.root, r.rights, r.memory, r.input))
        .collect();
    found.sort();
    found
}

// Verifies: BH-EXPL-001
#[test]
fn who_can_agrees_with_brute_force_at_random_addresses() {
    let sample = Sample::reference();
    let built = sample.built();
    let walked = walked(&sample);
    let mut random = fastrand::Rng::with_seed(3);
    let edges: Vec<u64> = walked
        .iter()
        .flat_map(|(_, l)| l)
        .flat_map(|l| [l.output, l.output + l.size])
        .collect();
    let (mut reached, mut nobody) = (0, 0);
    for round in 0..2400 {
        let address = match round % 4 {
            0 => random.u64(0x4000_0000..0x8000_0000),
            1 => random.u64(0..0x4000_0000),
            _ => edges[random.usize(0..edges.len())]
                .wrapping_add(random.u64(0..8192))
                .wrapping_sub(4096),
        };
        let expected = brute(&walked, address);
        assert_eq!(answered(&built, address), expected, "{address:#x}");
        if expected.is_empty() {
            nobody += 1
        } else {
            reached += 1
        }
    }
    assert!(reached > 500 && nobody > 500, "both kinds: {reached}, {nobody}");
}

/// Changes one stage-2 leaf of a partition in the blob: the leaf that holds this address then leads elsewhere.
pub(crate) fn redirect(sample: &mut Sample, partition: usize, input: u64, output: u64) {
    let (plan, blob) = (&sample.compiled.plan, &mut sample.compiled.blob);
    let word =
        |blob: &[u8], at: u64| u64::from_le_bytes(blob[at as usize..at as usize + 8].try_into().unwrap());
    let mut at = plan.pristine_root(partition) + 8 * (input >> 30 & 511);
    at = (word(blob, at) & 0xffff_ffff_f000) - plan.blob.start + 8 * (input >> 21 & 511);
    let leaf = word(blob, at);
    assert_eq!(leaf & 0b11, 0b01, "RAM is mapped by blocks");
    let changed = leaf & !0xffff_ffff_f000 | output;
    blob[at as usize..at as usize + 8].copy_from_slice(&changed.to_le_bytes());
}

// Verifies: BH-EXPL-001
#[test]
fn the_tables_decide_and_not_the_spec() {
    let mut sample = Sample::reference();
    let adas = sample.placed("partition:adas", "ram").0;
    let before = who_can(&sample.built(), Some(&sample.system.board), "adas/ram").unwrap();
    let parties: Vec<&str> = before.routes.iter().map(|r| r.party.as_str()).collect();
    assert_eq!(parties, ["adas"]);
    redirect(&mut sample, 2, 0x4020_0000, adas);
    let after = who_can(&sample.built(), Some(&sample.system.board), "adas/ram").unwrap();
    let infotainment = after.routes.iter().find(|r| r.party == "infotainment").unwrap();
    assert_eq!(
        (infotainment.input, infotainment.physical.start),
        (0x4020_0000, adas)
    );
    assert!(infotainment.rights.write && after.text().contains("write    adas and infotainment"));
}

// Verifies: BH-EXPL-001
#[test]
fn a_valid_stream_is_a_route_of_its_own() {
    let mut sample = Sample::reference();
    let plan = &sample.compiled.plan;
    // StreamID 0x8 translated by the tables of partition 1.
    let root = plan.blob.start + plan.pristine_root(1);
    let entry = (plan.layout.live + plan.layout.stream_table + 8 * 64) as usize;
    for (word, value) in [(0, 0b1101), (3, root)] {
        let at = entry + 8 * word;
        sample.compiled.blob[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    let board = &sample.system.board;
    let answer = who_can(&sample.built(), Some(board), "vehicle/ram").unwrap();
    let stream = answer.routes.iter().find(|r| r.by == "stream").unwrap();
    assert_eq!((stream.root.as_str(), stream.input), ("stream:0x8", 0x4000_0000));
    let device = who_can(&sample.built(), Some(board), "can0").unwrap();
    assert!(
        device
            .notes
            .iter()
            .any(|n| n.contains("StreamID 0x8 is valid, but bus mastering stays off")),
        "{:?}",
        device.notes
    );
}

// Verifies: BH-EXPL-001
#[test]
fn names_and_addresses_of_partitions_lead_to_the_same_answer() {
    let sample = Sample::reference();
    let (built, board) = (sample.built(), Some(&sample.system.board));
    let ram = sample.placed("partition:adas", "ram").0;
    let physical = who_can(&built, board, &format!("{:#x}", ram + 0x1234)).unwrap();
    let own = who_can(&built, board, "adas:0x4000_1234").unwrap();
    assert_eq!(physical.routes, own.routes);
    let emulated = who_can(&built, board, "adas:0x0800_0000").unwrap();
    assert!(emulated.routes.is_empty() && emulated.text().contains("EL2 emulates the partition's gicd"));
    let nothing = who_can(&built, board, "adas:0x7000_0000").unwrap();
    assert!(nothing.routes.is_empty() && nothing.text().contains("is an error of the partition"));
    let free = who_can(&built, board, "0x6000_0000").unwrap();
    assert!(free.routes.is_empty() && free.text().contains("nobody"));
    let can = who_can(&built, board, "can0").unwrap();
    assert_eq!(
        can.routes.iter().map(|r| r.party.as_str()).collect::<Vec<_>>(),
        ["adas"]
    );
    assert!(
        can.notes
            .contains(&"interrupt: INTID 36 (level) to partition adas on core 3".to_owned()),
        "{:?}",
        can.notes
    );
    assert_eq!(who_can(&built, None, "can0").unwrap().routes, can.routes);
    let gicd = who_can(&built, board, "el2/gicd").unwrap();
    assert!(gicd.routes.iter().all(|r| r.party == "el2") && gicd.routes.len() == 5);
}

// Verifies: BH-EXPL-001
#[test]
fn what_is_not_there_gets_a_suggestion() {
    let sample = Sample::reference();
    let (built, board) = (sample.built(), Some(&sample.system.board));
    for (question, help) in [
        ("cam0", "did you mean `can0`?"),
        ("adas/rom", "did you mean `adas/ram`?"),
        ("adaz:0x4000_0000", "did you mean `adas`?"),
        ("0xdead_0000_0000", "the nearest thing is"),
        ("0xzz", "write an address like"),
        ("no such thing at all", "one of"),
    ] {
        match who_can(&built, board, question) {
            Err(AskError::Unknown { help: given, .. }) => {
                assert!(given.contains(help), "{question}: {given}")
            }
            other => panic!("{question}: {other:?}"),
        }
    }
}

// Verifies: BH-EXPL-001, BH-CFG-174
#[test]
fn a_bus_master_that_no_smmu_guards_reaches_everything() {
    let workshop = Workshop::new();
    let invalid = crate::support::repository().join("tests/invalid");
    std::fs::create_dir(workshop.path("boards")).unwrap();
    let board = "boards/no-smmu.yaml";
    std::fs::copy(invalid.join(board), workshop.path(board)).unwrap();
    let text = std::fs::read_to_string(invalid.join("valid.unguarded.yaml")).unwrap();
    let sample = Sample::of(workshop.load(&text));
    let (built, board) = (sample.built(), Some(&sample.system.board));
    for place in ["control:0x4000_0000", "0x6000_0000", "el2/live"] {
        let answer = who_can(&built, board, place).unwrap();
        for parties in [&answer.read, &answer.write] {
            assert!(parties.contains(&"panel".to_owned()), "{place}: {parties:?}");
        }
        assert!(
            answer.text().contains("not isolated: PCI function 0x10"),
            "{}",
            answer.text()
        );
    }
    let overview = overview(&sample.system, &built).unwrap().text();
    let page = crate::pages::page(&sample);
    for text in [
        "solation lost",
        "board no-smmu has no SMMU that EL2 drives",
        "the bridge in front of it reaches its buffers only",
    ] {
        assert!(overview.contains(text), "{text} in {overview}");
        assert!(page.contains(text), "{text}");
    }
    let reference = Sample::reference();
    assert!(crate::pages::page(&reference).contains("Nothing: each bus master is behind the SMMU"));
}

// Verifies: BH-SMC-022
#[test]
fn a_call_of_a_vendors_firmware_is_shown_with_its_reason() {
    let invalid = crate::support::repository().join("tests/invalid");
    let text = std::fs::read_to_string(invalid.join("valid.smc.yaml")).unwrap();
    let sample = Sample::of(Workshop::new().load(&text));
    let overview = overview(&sample.system, &sample.built()).unwrap().text();
    for text in [
        "its SMC 0x84000006 reaches the firmware, at most 20",
        "its SMC 0x82000010 reaches the firmware, at most 50",
        "accepted for reads-the-voltage",
    ] {
        assert!(overview.contains(text), "{text} in {overview}");
    }
    let page = crate::pages::page(&sample);
    for text in [
        "what 0x82000010 of the firmware does when panel calls it is not proved",
        "reads the voltage of the battery",
    ] {
        assert!(overview.contains(text), "{text} in {overview}");
        assert!(page.contains(text), "{text}");
    }
}

// Verifies: BH-EXPL-001
#[test]
fn a_bus_master_at_fixed_addresses_has_its_streams() {
    let (workshop, tests) = (Workshop::new(), crate::support::repository().join("tests"));
    let board = "virt-platform.yaml";
    std::fs::copy(tests.join("mutants/boards").join(board), workshop.path(board)).unwrap();
    let prober = crate::support::partition_elf(9);
    std::fs::write(workshop.path("images/prober.elf"), prober).unwrap();
    let spec = std::fs::read_to_string(tests.join("systems/platform.yaml")).unwrap();
    let spec = spec.replace("../mutants/boards/", "./");
    let sample = Sample::of(workshop.load(&spec));
    let (built, board) = (sample.built(), Some(&sample.system.board));
    let through = "through the SMMU as StreamID 0x80, 0x81";
    let answer = who_can(&built, board, "copier").unwrap().text();
    assert!(
        answer.contains(through) && answer.contains("owner: partition driver"),
        "{answer}"
    );
    let overview = overview(&sample.system, &built).unwrap().text();
    assert!(overview.contains(through), "{overview}");
    assert!(
        overview.contains("through the SMMU as StreamID 0x90"),
        "{overview}"
    );
    let ram = who_can(&built, board, "driver:0x4000_0000").unwrap().text();
    assert!(ram.contains("DMA of StreamID 0x81, partition driver"), "{ram}");
    let page = crate::pages::page(&sample);
    assert!(page.contains("each StreamID translated by a stage-2 root of its own"));
    assert!(page.contains("Nothing: each bus master is behind the SMMU"));
}
