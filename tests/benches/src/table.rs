// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures as a table for the README, with those of other hypervisors.

use crate::report::{Report, Spread};

/// What others need, and what is aimed at; measured in the same way on the same emulator.
struct Known {
    id: &'static str,
    text: &'static str,
    bao: &'static str,
    xen: &'static str,
    aim: &'static str,
}

const fn known(id: &'static str, text: &'static str, [bao, xen, aim]: [&'static str; 3]) -> Known {
    Known {
        id,
        text,
        bao,
        xen,
        aim,
    }
}

const KNOWN: [Known; 22] = [
    known(
        "timer_irq_dedicated",
        "timer to handler, dedicated core",
        ["200", "1 008", "1"],
    ),
    known(
        "timer_irq_shared_el2",
        "interrupt injected on a shared core, EL2's part",
        ["199", "~1 000", "80"],
    ),
    known(
        "null_hypercall",
        "null hypercall, EL2's part",
        ["155", "393", "30"],
    ),
    known("gicd_read", "distributor read", ["234", "815", "100"]),
    known(
        "gicd_enable_write",
        "distributor enable write",
        ["3 566", "–", "150"],
    ),
    known(
        "doorbell",
        "doorbell, to the other partition's handler",
        ["–", "760", "200"],
    ),
    known("self_sgi", "SGI to itself, to the handler", ["770", "976", "150"]),
    known(
        "longest_el2_path",
        "longest path through EL2",
        ["3 764", "5 657", "500"],
    ),
    known("world_switch", "world switch with FP", ["–", "–", "400"]),
    known(
        "sliced_timer_lateness",
        "1 ms timer beside a spinning Linux, lateness",
        ["cannot", "3.06 ms", "slot bound + 1 µs"],
    ),
    known(
        "boot_to_guest",
        "EL2's first instruction to the first partition's",
        ["374 954", "89 200 000", "20 000"],
    ),
    known("boot_verify", "checksums, apart from that", ["–", "–", "–"]),
    known("payload_ready", "payload loaded and entered", ["–", "–", "–"]),
    known(
        "linux_first_user",
        "Linux alone on a core, its first instruction to its first process",
        ["–", "1.093 × native", "1.01 × native"],
    ),
    known(
        "linux_cpu_bound",
        "a process of it that only computes",
        ["–", "–", "1.01 × native"],
    ),
    known(
        "cyclictest",
        "a timer of it, due time to the process of the highest priority",
        ["–", "–", "1.10 × native"],
    ),
    known(
        "reset_to_first_can_frame",
        "reset to the first CAN frames that adas takes, ns",
        ["–", "–", "50 000 000"],
    ),
    known(
        "sensor_to_brake",
        "sensors' frames to the checked brake request, beside Linux, ns",
        ["–", "–", "–"],
    ),
    known(
        "pi_inversion_with",
        "wait for a lock that is held for 500 000 ns at most, with inheritance",
        ["–", "–", "–"],
    ),
    known(
        "pi_inversion_without",
        "the same without inheritance",
        ["–", "–", "–"],
    ),
    known("text_bytes", "EL2's executable bytes", ["65 KB", "–", "32 KB"]),
    known(
        "source_lines",
        "EL2's source lines",
        ["10 092", "83 110", "6 000"],
    ),
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

/// The table in Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = String::from("| | native | Bulkhead | Bao | Xen | aim |\n|---|---|---|---|---|---|\n");
    for known in KNOWN {
        let row = report.rows.iter().find(|r| r.id == known.id);
        let native = row.and_then(|r| r.native).map_or("–".to_owned(), spread);
        let own = row.map_or("–".to_owned(), |r| spread(r.bulkhead));
        let Known {
            text: what,
            bao,
            xen,
            aim,
            ..
        } = known;
        text.push_str(&format!(
            "| {what} | {native} | {own} | {bao} | {xen} | {aim} |\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, grouped};

    /// The figures in the README are those of the last time that somebody asked for them; its rows are all.
    #[test]
    fn the_readme_has_every_row() {
        let readme = include_str!("../../../README.md");
        let table = readme
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
