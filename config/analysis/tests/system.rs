// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a spec to verdicts: costs, windows, doubts, and what a user is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../model/tests/common/mod.rs"]
mod common;

use bulkhead_analysis::report::TaskReport;
use bulkhead_analysis::{Analysis, Doubt, Verdict, rules};
use bulkhead_model::bounds::{Basis, Bound, Bounds, CostPath};
use bulkhead_model::span::{Span, Spanned};
use bulkhead_model::system::System;
use bulkhead_model::{LoadError, Record, load_text};
use common::{Fixture, root};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// The valid spec of tests/invalid with tasks for `panel`, which has the slot from 8 to 10 ms of 10 ms.
fn spec(tasks: &str) -> String {
    let valid = std::fs::read_to_string(root().join("tests/invalid/valid.yaml")).unwrap();
    let before = "    devices: [can1]\n";
    assert_eq!(valid.matches(before).count(), 1);
    valid.replace(before, &format!("{before}    tasks: {tasks}\n"))
}

fn system(tasks: &str) -> System {
    let fixture = Fixture::new();
    load_text(&spec(tasks), &fixture.paths("tests/invalid/valid.yaml"), &[]).unwrap()
}

/// Every cost, in the order of [`CostPath::ALL`].
fn bounds(ns: [u64; 6], measured: bool) -> Bounds {
    let entry = |(path, ns): (CostPath, u64)| Bound {
        path,
        instructions: None,
        ns: Some(ns),
        measured,
        source: String::new(),
    };
    let entries = CostPath::ALL.into_iter().zip(ns).map(entry);
    Bounds {
        picoseconds_per_instruction: None,
        entries: entries.map(|e| Spanned::new(e, Span::default())).collect(),
    }
}

/// Switch, lateness, tick, interrupt, guarded wake, longest stay.
const COSTS: [u64; 6] = [10 * US, 20 * US, 16, 2 * US, US, 10 * US];
const TASKS: &str =
    "{ draw: { period: 10ms, wcet: 1ms }, receive: { period: 20ms, wcet: 1us, interrupt: can1 } }";

fn reports(system: &System, bounds: &Bounds) -> Vec<TaskReport> {
    let vcpus = Analysis::of(system, bounds).report(system);
    vcpus.into_iter().flat_map(|v| v.tasks).collect()
}

fn records(tasks: &str) -> Vec<Record> {
    match rules::admit(system(tasks)) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => diagnostics.records(),
        Err(error) => panic!("{error:?}"),
    }
}

// Verifies: BH-TASK-022
#[test]
fn every_cost_is_in_the_bound_where_it_happens() {
    let short = system(TASKS);
    let times = |ns| {
        let reports = reports(&short, &bounds(ns, true));
        reports
            .iter()
            .map(|r| r.response_ns.unwrap())
            .collect::<Vec<u64>>()
    };
    // Released when the slot ends, 8 ms before the next.
    assert_eq!(times([0; 6]), [9 * MS, 9 * MS + US]);
    // By hand: its time ends 16 ns early, the next begins 30 µs late, one stay of 10 µs, two interrupts of 2 µs.
    let wait = 8 * MS + 16 + 30 * US;
    assert_eq!(
        times(COSTS),
        [wait + MS + 10 * US + 4 * US, wait + MS + US + 10 * US + 4 * US]
    );
    // A switch that leaves 1 ns less than its WCET: that is served one frame later, after the switch.
    let slow = system(&TASKS.replace("period: 10ms", "period: 20ms"));
    let found = reports(&slow, &bounds([MS + 1, 0, 0, 0, 0, 0], true));
    assert_eq!(found[0].response_ns, Some(10 * MS + 9 * MS + 1 + 1));
}

// Verifies: BH-SMC-014
#[test]
fn a_call_of_the_firmware_delays_whoever_shares_the_core() {
    let valid = spec(TASKS);
    let bound = |partition: &str, within: &str, shared: bool| {
        let call = format!("    smc: [{{ function: 0x8400_0006, within: {within} }}]\n");
        let key = format!("\n  {partition}:\n");
        let mut text = valid.replace(&key, &format!("{key}{call}"));
        if shared {
            let slot = "      - { run: panel, for: 2ms }\n";
            let slack = "      - { run: panel, for: 2ms, budget: 1100us, slack: linux }\n";
            assert_eq!(text.matches(slot).count(), 1);
            text = text.replace(slot, slack);
        }
        let fixture = Fixture::new();
        let system = load_text(&text, &fixture.paths("tests/invalid/valid.yaml"), &[]).unwrap();
        let mut found = reports(&system, &bounds([0; 6], true));
        found.remove(0).response_ns.unwrap()
    };
    let alone = bound("linux", "1ns", false) - 2;
    assert_eq!(alone, 9 * MS);
    for (partition, within) in [("linux", 300 * US), ("panel", 70 * US)] {
        // By hand: the slot begins behind a call from the slot before, and the task, once released, behind one.
        let time = format!("{within}ns");
        assert_eq!(bound(partition, &time, false), alone + 2 * within, "{partition}");
    }
    // A wake-up beside slack may have to wait for the other's call, too: that of `draw` and that by the interrupt.
    let beside = bound("linux", "1ns", true);
    let more = bound("linux", "10001ns", true) - beside;
    assert!(more >= 4 * 10 * US, "{more}");
    // On another core nobody notices.
    let other = valid.replace(
        "      - { run: linux, for: 8ms }\n      - { run: panel",
        "      - { run: idle, for: 8ms }\n      - { run: panel",
    );
    assert_ne!(other, valid);
    let other = other.replace("sliced: [0, 1]", "sliced: [0]").replace(
        "\n  linux:\n",
        "\n  linux:\n    smc: [{ function: 0x8400_0006, within: 1ms }]\n",
    );
    let fixture = Fixture::new();
    let system = load_text(&other, &fixture.paths("tests/invalid/valid.yaml"), &[]).unwrap();
    assert_eq!(
        reports(&system, &bounds([0; 6], true))[0].response_ns,
        Some(9 * MS)
    );
}

/// The response of the first task of `panel` in a valid spec of tests/invalid with these tasks and another edit.
fn of_panel(file: &str, tasks: &str, edit: (&str, &str), costs: [u64; 6]) -> u64 {
    let path = format!("tests/invalid/{file}");
    let valid = std::fs::read_to_string(root().join(&path)).unwrap();
    let (key, (from, to)) = ("\n  panel:\n", edit);
    assert_eq!((valid.matches(key).count(), valid.matches(from).count()), (1, 1));
    let text = valid.replace(key, &format!("{key}    tasks: {tasks}\n"));
    let fixture = Fixture::new();
    let system = load_text(&text.replace(from, to), &fixture.paths(&path), &[]).unwrap();
    reports(&system, &bounds(costs, true))[0].response_ns.unwrap()
}

// Verifies: BH-TASK-022
#[test]
fn each_ring_of_a_doorbell_costs_who_hears_it_an_interrupt() {
    let panel = |from, to, interrupt| {
        let tasks = "{ draw: { period: 10ms, wcet: 1ms } }";
        let costs = [0, 0, 0, interrupt, 0, 0];
        of_panel("valid.doorbells.yaml", tasks, (from, to), costs)
    };
    let bell = "{ interval: 1ms }\n    writer: control\n    readers: [panel]";
    // By hand: 8 ms without a slot, the task, its own interrupt; in a little more than 9 ms ten rings, or four.
    let alone = 9 * MS + 2 * US;
    assert_eq!(panel(bell, bell, 2 * US), alone + 10 * 2 * US);
    let seldom = bell.replace("1ms", "3ms");
    assert_eq!(panel(bell, &seldom, 2 * US), alone + 4 * 2 * US);
    // Whoever rings pays nothing for it, and nobody does when an interrupt is free.
    let other = bell.replace("control", "panel").replace("[panel]", "[control]");
    assert_eq!(panel(bell, &other, 2 * US), alone);
    assert_eq!(panel(bell, bell, 0), 9 * MS);
}

// Verifies: BH-TASK-022, BH-TASK-030
#[test]
fn who_shares_a_slot_pays_for_overruns_of_others_and_for_each_wake_up() {
    let panel = |switch, lateness| {
        let tasks = "{ draw: { period: 20ms, wcet: 1ms } }";
        let costs = [switch, lateness, 0, 0, 0, 0];
        let same = "major_frame: 10ms";
        of_panel("valid.sharing.yaml", tasks, (same, same), costs)
    };
    // By hand: its 3 ms are used up at 3 ms; in the next frame `dash` takes its 1 ms first.
    let free = 7 * MS + MS + MS;
    assert_eq!(panel(0, 0), free);
    // The slot begins late, behind one switch; `dash` may overrun by the lateness and two switches; and the wake-up
    // takes two switches, as `lamp` and `linux` may be on the core.
    assert_eq!(panel(0, 20 * US), free + 20 * US + 20 * US);
    assert_eq!(panel(10 * US, 0), free + 10 * US + 20 * US + 20 * US);
    assert_eq!(panel(10 * US, 20 * US), free + 30 * US + 40 * US + 20 * US);
}

// Verifies: BH-TASK-022
#[test]
fn only_measured_costs_prove_anything() {
    let system = system(TASKS);
    let verdicts = |bounds: &Bounds| {
        let reports = reports(&system, bounds);
        reports.iter().map(|r| r.verdict).collect::<Vec<Verdict>>()
    };
    assert_eq!(verdicts(&bounds(COSTS, true)), [Verdict::Schedulable; 2]);
    assert_eq!(verdicts(&bounds(COSTS, false)), [Verdict::Unproven; 2]);
    assert_eq!(verdicts(&Bounds::default()), [Verdict::Unproven; 2]);
    for path in 0..CostPath::ALL.len() {
        let mut one = bounds(COSTS, true);
        one.entries[path].value.measured = false;
        // A sliced partition never wakes on a guarded core.
        let matters = CostPath::ALL[path] != CostPath::GuardedWake;
        assert_eq!(verdicts(&one)[0] == Verdict::Unproven, matters, "{path}");
        one.entries.remove(path);
        assert_eq!(verdicts(&one)[0] == Verdict::Unproven, matters, "{path}");
    }
    let slow = bounds([0, 9 * MS / 5, 0, 0, 0, 0], true);
    assert_eq!(verdicts(&slow), [Verdict::NotSchedulable; 2]);
}

// Verifies: BH-TASK-022
#[test]
fn an_interrupt_of_no_task_is_a_doubt() {
    let system = system("{ draw: { period: 10ms, wcet: 1ms } }");
    let analysis = Analysis::of(&system, &bounds(COSTS, true));
    let can1 = system
        .board
        .devices
        .iter()
        .position(|d| d.name.value == "can1")
        .unwrap();
    assert_eq!(analysis.vcpus[0].doubts, [Doubt::Interrupt(can1)]);
    assert_eq!(analysis.vcpus[0].tasks[0].verdict, Verdict::Unproven);
    assert!(analysis.table(&system).contains("how often `can1` interrupts"));
}

// Verifies: BH-TASK-010
#[test]
fn the_order_is_that_of_priorities_or_deadlines_or_names() {
    let order = |tasks: &str| {
        let found = reports(&system(tasks), &Bounds::default());
        found.into_iter().map(|r| r.name).collect::<Vec<String>>()
    };
    let (b, a) = ("b: { period: 90ms, wcet: 1us", "a: { period: 90ms, wcet: 1us");
    let c = "c: { period: 99ms, wcet: 1us, deadline: 80ms";
    assert_eq!(order(&format!("{{ {b} }}, {a} }}, {c} }} }}")), ["c", "a", "b"]);
    assert_eq!(
        order(&format!(
            "{{ {b}, priority: 0 }}, {a}, priority: 7 }}, {c}, priority: 5 }} }}"
        )),
        ["b", "c", "a"]
    );
}

// Verifies: BH-TASK-026
#[test]
fn a_late_task_is_told_when_why_and_what_would_fit() {
    let late = "{ draw: { period: 10ms, wcet: 1ms, deadline: 5ms, priority: 1 }, tick: { period: 20ms, wcet: 500us, deadline: 15ms, priority: 0 } }";
    let found = records(late);
    assert_eq!(found.len(), 1, "{found:?}");
    let record = &found[0];
    assert!(record.message.contains("`draw` of `panel` may end ") && record.message.contains("within 5ms"));
    assert!(record.primary.text.contains("of the frame"), "{record:?}");
    let texts: Vec<&str> = record.others.iter().map(|o| o.text.as_str()).collect();
    assert_eq!(texts, ["its deadline", "after this slot the longest wait begins"]);
    // The wait alone is too long for any WCET.
    assert!(!record.help.contains("WCET"), "{}", record.help);
    let word_after = |text: &str, mark: &str| {
        let rest = text.split_once(mark).unwrap().1;
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    let deadline = word_after(&record.help, "a deadline of ");
    assert_eq!(
        records(&late.replace("deadline: 5ms", &format!("deadline: {deadline}"))),
        []
    );

    let long = late.replace("deadline: 5ms", "deadline: 9ms");
    let help = &records(&long)[0].help;
    let wcet = word_after(help, "WCET to ");
    let with = |wcet: &str| records(&long.replace("wcet: 1ms", &format!("wcet: {wcet}")));
    assert_eq!(with(&wcet), [], "{help}");
    let more = bulkhead_model::units::nanoseconds(&wcet).unwrap() + 1;
    assert_eq!(with(&format!("{more}ns")).len(), 1);
}

// Verifies: BH-TASK-023
#[test]
fn the_reference_system_is_in_time_and_says_that_nothing_is_proved() {
    let fixture = Fixture::new();
    let paths = fixture.paths("config/systems/adas-infotainment.yaml");
    let (system, analysis) = rules::load(&paths, &[]).unwrap();
    let reports = analysis.report(&system);
    let names: Vec<String> = reports
        .iter()
        .flat_map(|v| v.tasks.iter().map(move |t| format!("{}/{}", v.partition, t.name)))
        .collect();
    assert_eq!(
        names,
        [
            "adas/receive",
            "adas/braking",
            "vehicle/receive",
            "vehicle/plant",
            "cluster/gauge"
        ]
    );
    for vcpu in &reports {
        assert!(!vcpu.costs.is_empty() && !vcpu.doubts.is_empty(), "{vcpu:?}");
        assert!(vcpu.costs.iter().all(|c| c.basis != Basis::Unknown));
        for task in &vcpu.tasks {
            assert_eq!(task.verdict, Verdict::Unproven);
            assert!(task.response_ns.unwrap() <= task.deadline_ns);
        }
    }
    let table = analysis.table(&system);
    for word in [
        "cluster/gauge",
        "unproven",
        "world_switch",
        "assumed",
        "2ms of 10ms",
    ] {
        // The supply is shown without what EL2 takes.
        assert_eq!(table.contains(word), word != "2ms of 10ms", "{word}\n{table}");
    }
}

/// Verifies: BH-HEALTH-031.
#[test]
fn a_reaction_is_in_time_when_its_task_has_ended() {
    let fixture = Fixture::new();
    let paths = fixture.paths("config/systems/adas-infotainment.yaml");
    let with = |limit: &str, reaction: &str| {
        let tolerance = format!("{{limit: {limit}, reaction: {reaction}, timeout: 100ms}}");
        [format!("partitions.adas.fault_tolerant_time={tolerance}")]
    };
    let refused = |limit, reaction| match rules::load(&paths, &with(limit, reaction)) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => diagnostics.records(),
        Err(error) => panic!("{error:?}"),
    };
    // The timeout, a period of `gauge`, and its deadline, as nothing is proved on the emulator.
    assert_eq!(refused("130ms", "cluster"), []);
    for limit in ["110ms", "129ms"] {
        let found = refused(limit, "cluster");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.ends_with("only after 130ms"), "{found:?}");
    }
    assert_eq!(refused("120ms", "vehicle"), []);

    // A bound that is proved counts itself: `gauge` is released when its slot ends, 8.5 ms before the next, and loses in
    // each of two frames a boost of Linux, 100 us, and a wait for it, 200 us.
    let judge = |limit: &str, costs: [u64; 6]| {
        let system = bulkhead_model::load(&paths, &with(limit, "cluster")).unwrap();
        let analysis = Analysis::of(&system, &bounds(costs, true));
        analysis.diagnostics(&system).len()
    };
    assert_eq!(judge("119300us", [0; 6]), 0);
    assert_eq!(judge("119299us", [0; 6]), 1);
}
