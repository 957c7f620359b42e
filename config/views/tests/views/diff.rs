// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff` names exactly those for whom something changed.

use std::fs;

use bulkhead_views::diff::{Difference, Side, Verdict, diff};

use crate::controllers::with_controllers;
use crate::reach::redirect;
use crate::support::{Workshop, kernel};
use crate::{Sample, reference_text};

pub(crate) fn compared(a: &Sample, b: &Sample) -> Difference {
    let (before, after) = (a.built(), b.built());
    let before = Side::of(&before, &a.stated).unwrap();
    diff(&before, &Side::of(&after, &b.stated).unwrap())
}

/// Names of everybody with a verdict.
fn with(difference: &Difference, verdict: Verdict) -> Vec<&str> {
    let subjects = difference.subjects.iter().filter(|s| s.verdict == verdict);
    subjects.map(|s| s.name.as_str()).collect()
}

fn changed(text: &str, from: &str, to: &str) -> Sample {
    assert_eq!(text.matches(from).count(), 1, "`{from}`");
    Sample::of(Workshop::new().load(&text.replacen(from, to, 1)))
}

// Verifies: BH-EXPL-005
#[test]
fn a_system_does_not_differ_from_itself() {
    let difference = compared(&Sample::reference(), &Sample::reference());
    assert!(difference.is_empty(), "{}", difference.text());
    assert_eq!(
        with(&difference, Verdict::Unchanged).len(),
        difference.subjects.len()
    );
}

// Verifies: BH-EXPL-005
#[test]
fn a_new_kernel_concerns_its_partition_alone() {
    let (workshop, before) = (Workshop::new(), Sample::reference());
    let path = workshop.path("guest/linux-image-cloud-arm64/boot/vmlinuz-6.1");
    let mut image = fs::read(&path).unwrap();
    image[0x1_0000] ^= 1;
    fs::write(&path, image).unwrap();
    let difference = compared(&before, &Sample::of(workshop.reference()));
    assert!(!difference.is_empty());
    assert_eq!(with(&difference, Verdict::Changed), ["partition:infotainment"]);
    assert!(
        difference.text().contains("\nadas: unchanged\n"),
        "{}",
        difference.text()
    );
    assert_eq!(
        with(&difference, Verdict::Unchanged).len(),
        difference.subjects.len() - 1
    );
}

/// Asserts that of all partitions only infotainment differs, and that for all others nothing moved.
fn concerns_infotainment_alone(before: &Sample, after: &Sample) {
    let difference = compared(before, after);
    let of = |verdict| {
        let mut names = with(&difference, verdict);
        names.retain(|n| n.starts_with("partition:"));
        names
    };
    let text = difference.text();
    assert_eq!(of(Verdict::Changed), ["partition:infotainment"], "{text}");
    assert_eq!(
        of(Verdict::Unchanged),
        ["partition:adas", "partition:vehicle", "partition:cluster"],
        "{text}"
    );
}

// Verifies: BH-EXPL-005
#[test]
fn a_controller_elsewhere_concerns_the_partition_whose_device_depends_on_it() {
    let before = with_controllers(|spec| spec, |board| board);
    let after = with_controllers(
        |spec| spec,
        |board| board.replacen("base: 0x0a10_0000", "base: 0x0a12_0000", 1),
    );
    let difference = compared(&before, &after);
    let text = difference.text();
    assert_eq!(
        with(&difference, Verdict::Changed),
        ["partition:control"],
        "{text}"
    );
    assert!(text.contains("controller clocks of `can0`"), "{text}");
}

// Verifies: BH-EXPL-005, BH-MEM-007
#[test]
fn a_larger_kernel_does_not_even_move_the_others() {
    let (workshop, before) = (Workshop::new(), Sample::reference());
    let path = workshop.path("guest/linux-image-cloud-arm64/boot/vmlinuz-6.1");
    for (file, memory) in [(0xb0_0000, 0xc0_0000), (0x200_0000, 0x300_0000)] {
        fs::write(&path, kernel(file, memory)).unwrap();
        concerns_infotainment_alone(&before, &Sample::of(workshop.reference()));
    }
}

// Verifies: BH-EXPL-005, BH-MEM-007
#[test]
fn more_memory_for_one_does_not_even_move_the_others() {
    let before = Sample::reference();
    for size in ["128MiB", "258MiB", "512MiB", "768MiB"] {
        let after = changed(&reference_text(), "memory: 256MiB", &format!("memory: {size}"));
        concerns_infotainment_alone(&before, &after);
    }
}

// Verifies: BH-EXPL-005
#[test]
fn each_change_of_the_spec_names_the_partitions_that_it_concerns() {
    let text = reference_text();
    let before = Sample::reference();
    let everybody: &[&str] = &[
        "partition:adas",
        "partition:vehicle",
        "partition:infotainment",
        "partition:cluster",
    ];
    let cases: [(&str, &str, &[&str]); 16] = [
        (
            "restart_limit: 100",
            "restart_limit: 99",
            &["partition:infotainment"],
        ),
        ("args: \"seed=1\"", "args: \"seed=2\"", &["partition:vehicle"]),
        (
            "interrupts: direct }\n    memory: 2MiB\n    payload: { elf: adas }",
            "interrupts: guarded }\n    memory: 2MiB\n    payload: { elf: adas }",
            &["partition:adas"],
        ),
        (
            "readers: [cluster, infotainment]",
            "readers: [cluster]",
            &["partition:adas", "partition:infotainment", "partition:cluster"],
        ),
        (
            "      - { run: infotainment, for: 8ms }\n      - { run: cluster, for: 1500us }",
            "      - { run: infotainment, for: 8ms }\n      - { run: cluster, for: 1ms }\n      - { run: idle, for: 500us }",
            &["partition:cluster"],
        ),
        ("{ run: standby, for: 500us }", "{ run: idle, for: 500us }", &[]),
        (
            "marks_steady: true",
            "marks_steady: false",
            &["partition:vehicle"],
        ),
        (
            "    marks_steady: true",
            "    marks_steady: true\n    reads_ledger: true",
            &["partition:vehicle"],
        ),
        // A call of the firmware keeps the core from whoever else runs there.
        (
            "payload: { elf: cluster }",
            "payload: { elf: cluster }\n    smc: [{ function: 0x8400_0006, within: 20us }]",
            &["partition:infotainment", "partition:cluster"],
        ),
        // What ends one partition is its own, what ends all is everybody's.
        (
            "    marks_steady: true",
            "    marks_steady: true\n    health: { memory-fault: stop-partition }",
            &["partition:vehicle"],
        ),
        (
            "    marks_steady: true",
            "    marks_steady: true\n    health: { memory-fault: global-safe-state }",
            everybody,
        ),
        (
            "watchdog:",
            "health: { core: { serror: global-safe-state } }\nwatchdog:",
            everybody,
        ),
        (
            "watchdog:",
            "health: { core: { hardware-poll: stop-core } }\nwatchdog:",
            everybody,
        ),
        (
            "watchdog:",
            "health: { system: { dma-fault: global-safe-state } }\nwatchdog:",
            everybody,
        ),
        ("{ timeout: 2s }", "{ timeout: 3s }", everybody),
        ("watchdog: { timeout: 2s }\n", "", everybody),
    ];
    for (from, to, expected) in cases {
        let difference = compared(&before, &changed(&text, from, to));
        let partitions: Vec<&str> = with(&difference, Verdict::Changed)
            .into_iter()
            .filter(|n| n.starts_with("partition"))
            .collect();
        assert_eq!(partitions, expected, "{to}: {}", difference.text());
    }
}

// Verifies: BH-EXPL-005
#[test]
fn a_partition_that_comes_or_goes_is_said_to() {
    let text = reference_text();
    let at = |start: &str| text.find(start).unwrap();
    let (partition, channels) = (at("  # Instrument cluster"), at("channels:"));
    // The lock goes with its participant.
    let (lock, schedule) = (at("# The record of the displays"), at("schedule:"));
    let kept = [&text[..partition], &text[channels..lock], &text[schedule..]];
    let without = kept
        .concat()
        .replace("readers: [cluster, infotainment]", "readers: [infotainment]")
        .replace("{ run: cluster, for: 1500us }", "{ run: idle, for: 1500us }")
        .replace("  - { partition: cluster, text: \" km/h, \" }\n", "")
        .replace(
            "  - { partition: cluster, text: \"settings: brightness 80\" }\n",
            "",
        );
    let less = Sample::of(Workshop::new().load(&without));
    let difference = compared(&Sample::reference(), &less);
    assert_eq!(with(&difference, Verdict::Removed), ["partition:cluster"]);
    assert!(!with(&difference, Verdict::Changed).contains(&"partition:vehicle"));
    assert_eq!(
        with(&compared(&less, &Sample::reference()), Verdict::Added),
        ["partition:cluster"]
    );
}

// Verifies: BH-EXPL-005
#[test]
fn a_leaf_that_leads_elsewhere_is_seen_though_no_name_tells() {
    let mut after = Sample::reference();
    let elsewhere = after.placed("partition:cluster", "ram").1;
    redirect(&mut after, 3, 0x4000_0000, elsewhere);
    let difference = compared(&Sample::reference(), &after);
    assert_eq!(with(&difference, Verdict::Moved), ["partition:cluster"]);
    assert!(!difference.is_empty());
}

// Verifies: BH-EXPL-005
#[test]
fn another_hypervisor_concerns_everybody() {
    let mut after = Sample::reference();
    // The build ID in the blob's header.
    after.compiled.blob[72] ^= 1;
    let difference = compared(&Sample::reference(), &after);
    assert_eq!(
        with(&difference, Verdict::Changed),
        [
            "hypervisor",
            "partition:adas",
            "partition:vehicle",
            "partition:infotainment",
            "partition:cluster"
        ]
    );
}

// Verifies: BH-EXPL-009, BH-EXPL-005
#[test]
fn what_is_argued_on_is_compared_apart_from_what_is_enforced() {
    let text = reference_text();
    let before = Sample::reference();
    let cases = [
        (
            "criticality: asil-d",
            "criticality: asil-c",
            "adas",
            "criticality: asil-d -> asil-c",
        ),
        (
            "  - { partition: vehicle, text: \"CRASHED\" }",
            "  - { partition: vehicle, text: \"BROKEN\" }",
            "vehicle",
            "+ a run must never show `BROKEN`: yes",
        ),
        (
            "can1: vehicle-bus",
            "can1: other-bus",
            "vehicle",
            "bus that `can1` is wired to: vehicle-bus -> other-bus",
        ),
        (
            "limit: 200ms",
            "limit: 250ms",
            "adas",
            "its fault may go unanswered for: 200 ms -> 250 ms",
        ),
        (
            "name: adas-infotainment\n",
            "name: other\n",
            "system",
            "name of the system: adas-infotainment -> other",
        ),
    ];
    for (from, to, whose, line) in cases {
        let difference = compared(&before, &changed(&text, from, to));
        let said = difference.text();
        assert!(!difference.is_empty(), "{to}: {said}");
        assert!(said.contains("\nadas: unchanged\n"), "{to}: {said}");
        let part = said.split_once(&format!("\n{whose}: unchanged\n")).unwrap().1;
        assert!(
            part.starts_with("  stated, and enforced by no table:\n")
                && part.contains(&format!("    {line}\n")),
            "{to}: {said}"
        );
    }
}
