// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures as a table for the README, with those of other hypervisors.

use crate::bounds::{Bounds, FigureBound, Of};
use crate::report::{Row, Spread};

/// What others need, measured in the same way on the same emulator.
struct Known {
    id: &'static str,
    text: &'static str,
    bao: &'static str,
    xen: &'static str,
}

const fn known(id: &'static str, text: &'static str, [bao, xen]: [&'static str; 2]) -> Known {
    Known { id, text, bao, xen }
}

const KNOWN: [Known; 24] = [
    known(
        "timer_irq_dedicated",
        "timer to handler, dedicated core",
        ["200", "1 008"],
    ),
    known(
        "timer_irq_shared_el2",
        "interrupt injected on a shared core, EL2's part",
        ["199", "~1 000"],
    ),
    known("null_hypercall", "null hypercall, EL2's part", ["155", "393"]),
    known("gicd_read", "distributor read", ["234", "815"]),
    known("gicd_enable_write", "distributor enable write", ["3 566", "–"]),
    known("doorbell", "doorbell, EL2's part of the ring", ["–", "760"]),
    known("self_sgi", "SGI to itself, to the handler", ["770", "976"]),
    known("longest_el2_path", "longest path through EL2", ["3 764", "5 657"]),
    known("world_switch", "world switch with FP", ["–", "–"]),
    known(
        "sliced_timer_lateness",
        "1 ms timer beside a spinning Linux, lateness",
        ["cannot", "3.06 ms"],
    ),
    known(
        "slot_lateness",
        "latest begin of a slot on one core, ns",
        ["–", "–"],
    ),
    known(
        "boot_to_guest",
        "EL2's first instruction to the first partition's",
        ["374 954", "89 200 000"],
    ),
    known("boot_verify", "checksums, apart from that", ["–", "–"]),
    known("payload_ready", "payload loaded and entered", ["–", "–"]),
    known(
        "linux_first_user",
        "Linux alone on a core, its first instruction to its first process",
        ["–", "1.093 × native"],
    ),
    known(
        "linux_cpu_bound",
        "a process of it that only computes",
        ["–", "–"],
    ),
    known(
        "cyclictest",
        "a timer of it, due time to the process of the highest priority",
        ["–", "–"],
    ),
    known(
        "reset_to_first_can_frame",
        "reset to the first CAN frames that adas takes, ns",
        ["–", "–"],
    ),
    known(
        "sensor_to_brake",
        "sensors' frames to the checked brake request, beside Linux, ns",
        ["–", "–"],
    ),
    known(
        "pi_inversion_with",
        "wait for a lock that is held for 500 000 ns at most, with inheritance",
        ["–", "–"],
    ),
    known("pi_inversion_without", "the same without inheritance", ["–", "–"]),
    known(
        "el2_share",
        "EL2's share of a busy core's time, metering in it, ppm",
        ["–", "–"],
    ),
    known("text_bytes", "EL2's executable bytes", ["65 KB", "–"]),
    known("source_lines", "EL2's source lines", ["10 092", "83 110"]),
];

fn spread(spread: Spread) -> String {
    if spread.min == spread.max {
        grouped(spread.max)
    } else {
        format!("{} – {}", grouped(spread.min), grouped(spread.max))
    }
}

/// A number in groups of three digits.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let rest = rest
        .as_bytes()
        .chunks(3)
        .map(|c| String::from_utf8_lossy(c).into_owned());
    let head = (!head.is_empty()).then(|| head.to_owned());
    head.into_iter().chain(rest).collect::<Vec<_>>().join("\u{202f}")
}

/// The aim of a figure.
fn aim(bound: &FigureBound) -> String {
    match (bound.ceiling, bound.of) {
        (None, _) => "–".to_owned(),
        (Some(thousandths), Of::Ratio) => {
            let (whole, rest) = (thousandths / 1000, thousandths % 1000);
            format!("{whole}.{:02} × native", rest / 10)
        }
        (Some(ceiling), Of::Median) => format!("{} in the median", grouped(ceiling)),
        (Some(ceiling), Of::Max | Of::Constant) => grouped(ceiling),
    }
}

/// The table in Markdown, and behind it, for each aim that is missed, why. Implements: BH-BENCH-012.
pub fn markdown(rows: &[Row], bounds: &Bounds) -> String {
    let mut text = String::from("| | native | Bulkhead | Bao | Xen | aim |\n|---|---|---|---|---|---|\n");
    for Known {
        id,
        text: what,
        bao,
        xen,
    } in KNOWN
    {
        let row = rows.iter().find(|r| r.id == id);
        let native = row.and_then(|r| r.native).map_or("–".to_owned(), spread);
        let own = row.map_or("–".to_owned(), |r| spread(r.bulkhead));
        let bound = bounds.figure.iter().find(|b| b.id == id);
        let aim = bound.map_or("–".to_owned(), aim);
        text.push_str(&format!(
            "| {what} | {native} | {own} | {bao} | {xen} | {aim} |\n"
        ));
    }
    text + "\nWhere an aim is missed:\n\n" + &missed(bounds)
}

/// A line for each figure whose bound is above its aim.
fn missed(bounds: &Bounds) -> String {
    let line = |known: &Known| {
        let bound = bounds.figure.iter().find(|b| b.id == known.id)?;
        Some(format!("- {}: {}.\n", known.text, bound.missed()?))
    };
    KNOWN.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests")]
    use std::path::Path;

    use super::{KNOWN, grouped, missed};
    use crate::bounds::Bounds;

    const README: &str = include_str!("../../../README.md");

    fn bounds() -> Bounds {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
        Bounds::read(&file).expect("bounds.toml")
    }

    /// Verifies: BH-BENCH-012.
    #[test]
    fn the_readme_says_why_each_aim_is_missed() {
        let lines = missed(&bounds());
        assert!(lines.lines().count() > 0);
        assert!(
            README.contains(&format!(":\n\n{lines}\n")),
            "README.md: paste what `bulkhead bench --table` prints:\n{lines}"
        );
    }

    /// Its figures are compared where the bench runs.
    #[test]
    fn the_readme_has_every_row() {
        let table = README
            .split_once("| | native | Bulkhead |")
            .and_then(|(_, rest)| rest.split_once("\n\n"))
            .expect("the table");
        let rows = table.0.lines().skip(2);
        let shown: Vec<&str> = rows.filter_map(|row| row.split(" | ").next()).collect();
        let known: Vec<String> = KNOWN.iter().map(|known| format!("| {}", known.text)).collect();
        assert_eq!(shown, known);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1\u{202f}234");
        assert_eq!(grouped(89_200_000), "89\u{202f}200\u{202f}000");
    }
}
