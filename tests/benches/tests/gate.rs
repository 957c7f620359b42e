// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The gate refuses what it has to refuse. Verifies: BH-BENCH-003.
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use bulkhead_benches::bounds::{Bounds, FigureBound, Of, PathBound};
use bulkhead_benches::counts::{Counts, Histogram};
use bulkhead_benches::report::{Row, Spread};

fn bounds(ceiling: u64, bound: u64, exception: Option<&str>) -> Bounds {
    Bounds {
        bounds: 1,
        path: vec![PathBound {
            id: "irq".to_owned(),
            ceiling,
            bound,
            known: None,
            exception: exception.map(str::to_owned),
        }],
        figure: Vec::new(),
    }
}

fn breaches(bounds: &Bounds, id: &str, lengths: &[u64]) -> Vec<String> {
    let mut histogram = Histogram::default();
    lengths.iter().for_each(|length| histogram.add(*length, 1));
    let paths = BTreeMap::from([(id.to_owned(), histogram)]);
    let longest = BTreeMap::from([(id.to_owned(), 1000)]);
    bounds
        .judge(&paths, &longest)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn what_keeps_its_bound_passes() {
    assert!(breaches(&bounds(80, 80, None), "irq", &[44, 80]).is_empty());
    assert!(breaches(&bounds(80, 200, Some("why")), "irq", &[199]).is_empty());
}

#[test]
fn one_instruction_over_the_bound_fails() {
    let found = breaches(&bounds(80, 80, None), "irq", &[44, 81]);
    assert_eq!(found, ["irq: 81 instructions, bound 80"]);
}

#[test]
fn a_bound_above_its_ceiling_needs_a_reason() {
    let wanted = ["irq: bound 200 is above the ceiling 80, and no exception says why"];
    assert_eq!(breaches(&bounds(80, 200, None), "irq", &[199]), wanted);
    assert_eq!(breaches(&bounds(80, 200, Some(" ")), "irq", &[199]), wanted);
}

#[test]
fn a_path_without_entry_fails() {
    let found = breaches(&bounds(80, 80, None), "sgi", &[5]);
    assert_eq!(found, ["sgi: 5 instructions, and no entry"]);
}

#[test]
fn a_bound_that_bounds_nothing_fails() {
    let found = breaches(&bounds(80, 80, None), "irq", &[72]);
    assert_eq!(
        found,
        ["irq: bound 80 is more than 1.10 times the most that is known, 72"]
    );
    assert!(breaches(&bounds(80, 80, None), "irq", &[73]).is_empty());
}

#[test]
fn the_trees_file_is_complete_in_itself() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
    let bounds = Bounds::read(&file).expect("bounds.toml");
    assert!(bounds.judge(&BTreeMap::new(), &BTreeMap::new()).is_empty());
    assert!(bounds.judge_figures(&[], |_| true).is_empty());
    assert!(bounds.path.len() > 10 && bounds.figure.len() > 20);
}

/// When somebody types, the host decides what the path meets.
#[test]
fn a_bound_may_rest_on_what_is_known() {
    let mut bounds = bounds(80, 80, None);
    if let [entry] = bounds.path.as_mut_slice() {
        entry.known = Some(73);
    }
    assert!(breaches(&bounds, "irq", &[20]).is_empty());
    assert_eq!(breaches(&bounds, "irq", &[81]).len(), 1);
}

/// Verifies: BH-BENCH-010.
#[test]
fn a_path_longer_than_the_disassembly_allows_fails() {
    let judged = |longest: &[(String, u64)]| {
        let mut histogram = Histogram::default();
        histogram.add(75, 1);
        let paths = BTreeMap::from([("irq".to_owned(), histogram)]);
        let longest = longest.iter().cloned().collect();
        let breaches = bounds(80, 80, None).judge(&paths, &longest);
        breaches.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let irq = |longest| ("irq".to_owned(), longest);
    assert!(judged(&[irq(80)]).is_empty());
    let says = |what: &str| [format!("irq: {what}")];
    assert_eq!(
        judged(&[irq(74)]),
        says("75 instructions, and the disassembly says 74 at most")
    );
    assert_eq!(
        judged(&[]),
        says("75 instructions, and the disassembly says 0 at most")
    );
    assert_eq!(
        judged(&[irq(79)]),
        says("bound 80, and the disassembly says 79 at most")
    );
}

fn figure(of: Of, ceiling: Option<u64>, bound: u64, exception: Option<&str>) -> Bounds {
    Bounds {
        bounds: 1,
        path: Vec::new(),
        figure: vec![FigureBound {
            id: "doorbell".to_owned(),
            of,
            ceiling,
            bound,
            exception: exception.map(str::to_owned),
        }],
    }
}

/// A row with a native median of 50 and maximum of 100.
fn row(unit: &'static str, median: u64, max: u64) -> Row {
    let spread = |median, max| Spread { min: 1, median, max };
    Row {
        id: "doorbell",
        unit,
        samples: 3,
        native: Some(spread(50, 100)),
        bulkhead: spread(median, max),
        longest: None,
        note: None,
        bounds: None,
    }
}

fn figures(bounds: &Bounds, rows: &[Row]) -> Vec<String> {
    let breaches = bounds.judge_figures(rows, |_| false);
    breaches.iter().map(ToString::to_string).collect()
}

/// Verifies: BH-BENCH-011.
#[test]
fn a_figure_is_held_to_its_bound() {
    let of = |of, bound| figures(&figure(of, None, bound, None), &[row("ns", 60, 115)]);
    assert!(of(Of::Median, 60).is_empty() && of(Of::Max, 115).is_empty());
    assert_eq!(of(Of::Median, 59), ["doorbell: 60 ns, bound 59"]);
    assert_eq!(of(Of::Max, 114), ["doorbell: 115 ns, bound 114"]);
    // The median, 1.2 times native, is worse than the largest, which is 1.15 times.
    assert!(of(Of::Ratio, 1200).is_empty());
    assert_eq!(
        of(Of::Ratio, 1199),
        ["doorbell: 1200 thousandths of native, bound 1199"]
    );
    assert_eq!(
        of(Of::Max, 127),
        ["doorbell: bound 127 is more than 1.10 times the most that is known, 115"]
    );
}

/// Verifies: BH-BENCH-011.
#[test]
fn what_is_to_be_always_the_same_may_not_vary() {
    let of = |least| {
        let mut row = row("ns", 115, 115);
        row.bulkhead.min = least;
        figures(&figure(Of::Constant, None, 115, None), &[row])
    };
    assert!(of(115).is_empty());
    let wanted = ["doorbell: 114 to 115 ns, and it is to be always the same"];
    assert_eq!(of(114), wanted);
}

/// Verifies: BH-BENCH-011.
#[test]
fn a_size_is_held_within_a_fiftieth() {
    for unit in ["bytes", "lines"] {
        let of = |bound| figures(&figure(Of::Max, None, bound, None), &[row(unit, 100, 100)]);
        assert!(of(102).is_empty());
        assert_eq!(
            of(103),
            ["doorbell: bound 103 is more than 1.02 times the most that is known, 100"]
        );
    }
}

/// Verifies: BH-BENCH-011.
#[test]
fn a_figure_needs_an_entry_and_an_entry_a_figure() {
    let bounds = figure(Of::Max, Some(100), 100, None);
    let rows = [row("ns", 60, 100)];
    assert!(figures(&bounds, &rows).is_empty());
    assert_eq!(figures(&bounds, &[]), ["doorbell: an entry, and no figure"]);
    assert!(bounds.judge_figures(&[], |id| id == "doorbell").is_empty());
    let none = Bounds {
        figure: Vec::new(),
        ..bounds
    };
    assert_eq!(figures(&none, &rows), ["doorbell: 100 ns, and no entry"]);
}

/// Verifies: BH-BENCH-011.
#[test]
fn a_figure_that_misses_its_aim_needs_a_reason() {
    let rows = [row("ns", 60, 100)];
    let with = |exception| figures(&figure(Of::Max, Some(50), 100, exception), &rows);
    assert!(with(Some("why")).is_empty());
    let wanted = ["doorbell: bound 100 is above the ceiling 50, and no exception says why"];
    assert_eq!(with(None), wanted);
    assert_eq!(with(Some(" ")), wanted);
}

/// Two calls of 1 000 instructions and one of 100. Verifies: BH-BENCH-014.
#[test]
fn what_el2_counts_otherwise_than_the_emulator_fails() {
    let entries = |hvc| BTreeMap::from([("hvc".to_owned(), hvc)]);
    let mut lengths = Histogram::default();
    lengths.add(1000, 2);
    lengths.add(100, 1);
    let counts = Counts {
        paths: BTreeMap::from([("hvc".to_owned(), lengths)]),
        entries: entries(3),
        ..Counts::default()
    };
    // The shortest path is in no ledger.
    for time in [2 * 840, 2100] {
        assert!(counts.audit(&entries(3), time).is_empty());
    }
    let wanted = ["entries for hvc: EL2 counted 2, the emulator 3"];
    assert_eq!(counts.audit(&entries(2), 2000), wanted);
    let wanted = ["entries for hvc: EL2 counted 0, the emulator 3"];
    assert_eq!(counts.audit(&BTreeMap::new(), 2000), wanted);
    for time in [2 * 840 - 1, 2101] {
        let wanted =
            format!("EL2's time: its ledger has {time} ns, of 2100 instructions it can see at least 1680");
        assert_eq!(counts.audit(&entries(3), time), [wanted]);
    }
}

/// DESIGN's aims: what is judged of each, and the figure. Verifies: BH-BENCH-003.
#[test]
fn no_aim_is_ever_lowered() {
    const PATHS: [(&str, u64); 8] = [
        ("hvc_null", 30),
        ("gicd_read", 100),
        ("gicd_write", 150),
        ("hvc_doorbell", 200),
        ("sgi", 150),
        ("irq", 80),
        ("fiq_switch", 400),
        ("wake_sleep", 500),
    ];
    const FIGURES: [(&str, Of, u64); 19] = [
        ("timer_irq_dedicated", Of::Max, 1),
        ("timer_irq_shared_el2", Of::Max, 80),
        ("null_hypercall", Of::Max, 30),
        ("gicd_read", Of::Max, 100),
        ("gicd_enable_write", Of::Max, 150),
        ("doorbell", Of::Max, 200),
        ("self_sgi", Of::Max, 150),
        ("longest_el2_path", Of::Max, 500),
        ("world_switch", Of::Constant, 400),
        ("sliced_timer_lateness", Of::Max, 701_400),
        ("boot_to_guest", Of::Max, 20_000),
        ("linux_first_user", Of::Ratio, 1010),
        ("linux_cpu_bound", Of::Ratio, 1010),
        ("cyclictest", Of::Ratio, 1100),
        ("reset_to_first_can_frame", Of::Max, 50_000_000),
        ("el2_share", Of::Max, 10_000),
        ("metering_share", Of::Max, 10_000),
        ("text_bytes", Of::Max, 32_768),
        ("source_lines", Of::Max, 6000),
    ];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
    let bounds = Bounds::read(&file).expect("bounds.toml");
    for (id, aim) in PATHS {
        let entry = bounds.path.iter().find(|e| e.id == id);
        assert_eq!(entry.map(|e| e.ceiling), Some(aim), "{id}");
    }
    for (id, of, aim) in FIGURES {
        let entry = bounds.figure.iter().find(|e| e.id == id);
        assert_eq!(entry.map(|e| (e.of, e.ceiling)), Some((of, Some(aim))), "{id}");
    }
    // No path may take longer than the longest may.
    assert!(bounds.path.iter().all(|e| e.ceiling <= 500));
}

/// What was seen elsewhere excuses no bound that it is above. Verifies: BH-BENCH-003.
#[test]
fn what_was_seen_excuses_no_more_than_its_bound() {
    let mut bounds = bounds(80, 200, Some("why"));
    let mut seen = |known| {
        bounds.path[0].known = known;
        breaches(&bounds, "irq", &[100])
    };
    let loose = ["irq: bound 200 is more than 1.10 times the most that is known, 100"];
    assert_eq!(seen(None), loose);
    assert!(seen(Some(190)).is_empty());
    assert_eq!(seen(Some(201)), loose);
}
