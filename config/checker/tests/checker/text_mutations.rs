// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text form that people review says nothing else than the tables.

use bulkhead_checker::Failure;

use crate::encode::{BLOB_SIZE, Files, encode};
use crate::model::good;

/// Lines that mean nothing.
fn is_free(line: &str) -> bool {
    line.starts_with('#')
}

/// Fields of a line whose wording is for people, by kind, counted from 0.
fn is_for_people(line: &str, field: usize) -> bool {
    match line.split(' ').next() {
        Some("system" | "board" | "shared") => field == 1,
        Some("grant") => field == 2,
        // Listing more memory than an owner has takes it from nobody, while no two records overlap.
        Some("memory") => field == 1 || field == 3,
        // The reason.
        Some("smc") => field == 4,
        _ => false,
    }
}

fn good_files() -> (Files, Vec<String>) {
    let files = encode(&good(BLOB_SIZE));
    let lines = files.grants.lines().map(str::to_owned).collect();
    (files, lines)
}

fn accepted(files: &Files, lines: &[String]) -> bool {
    let mut changed = files.clone();
    changed.grants = lines.iter().map(|line| format!("{line}\n")).collect();
    changed.prove().is_ok()
}

/// Verifies: BH-CHK-010, BH-CHK-023, BH-CHK-033, BH-CHK-060, BH-CHK-061.
#[test]
fn each_line_is_needed() {
    let (files, lines) = good_files();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| !is_free(line)) {
        let mut fewer = lines.clone();
        fewer.remove(i);
        assert!(!accepted(&files, &fewer), "without: {line}");
        let mut more = lines.clone();
        more.insert(i, line.clone());
        assert!(!accepted(&files, &more), "twice: {line}");
    }
}

/// Verifies: BH-CHK-001, BH-CHK-010, BH-CHK-023, BH-CHK-033, BH-CHK-060, BH-CHK-061.
#[test]
fn each_field_is_compared() {
    let (files, lines) = good_files();
    let mut random = fastrand::Rng::with_seed(0x7e47);
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| !is_free(line)) {
        let fields: Vec<&str> = line.split(' ').collect();
        for field in (0..fields.len()).filter(|field| !is_for_people(line, *field)) {
            let mut text: Vec<u8> = fields[field].bytes().collect();
            let at = random.usize(..text.len());
            let before = text[at];
            while text[at] == before {
                text[at] = b"0123456789abcdefrwx-"[random.usize(..20)];
            }
            let mut changed: Vec<String> = fields.iter().map(|&f| f.to_owned()).collect();
            changed[field] = String::from_utf8(text).unwrap();
            let mut all = lines.clone();
            all[i] = changed.join(" ");
            assert!(!accepted(&files, &all), "{line} -> {}", all[i]);
        }
    }
}

/// Verifies: BH-CHK-001.
#[test]
fn the_grammar_is_kept() {
    let (files, _) = good_files();
    for (from, to) in [
        ("bulkhead-grants 1", "bulkhead-grants 2"),
        ("core 0 0x0", "core 0 0x00"),
        ("core 0 0x0", "core 00 0x0"),
        ("core 0", "Core 0"),
        ("core 0", " core 0"),
        ("core 0", "\ncore 0"),
        ("core 0", "cores 0"),
        ("core 0", "core\t0"),
        ("sliced none", "sliced none "),
        ("sliced none", "sliced none # shared"),
        ("sliced none\n", "sliced none\r\n"),
        ("sliced none", "sliced isolated"),
        ("rw- normal-wb", "-w- normal-wb"),
        ("rw- normal-wb", "rw- normal"),
        ("normal-wb 0x7f00000000", "normal-wb 0x7f00000800"),
        ("system tests", "system t\u{e9}sts"),
    ] {
        let mut changed = files.clone();
        changed.grants = files.grants.replacen(from, to, 1);
        assert_ne!(changed.grants, files.grants, "{from}");
        let failures = changed.prove().err().unwrap_or_default();
        let of_form = |failure: &Failure| matches!(failure.property, "BH-CHK-001" | "BH-CHK-060");
        assert!(failures.iter().any(of_form), "{to}: {failures:#?}");
    }
}

/// Verifies: BH-CHK-061.
#[test]
fn all_of_an_owners_memory_is_listed() {
    let (files, lines) = good_files();
    for (i, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("memory "))
    {
        let fields: Vec<&str> = line.split(' ').collect();
        let (start, end) = fields[1].split_once('-').unwrap();
        let number = |text: &str| u64::from_str_radix(&text[2..], 16).unwrap();
        let (start, end) = (number(start), number(end));
        for (start, end) in [(start + 1, end), (start, end - 1)] {
            let mut all = lines.clone();
            all[i] = format!("memory {start:#x}-{end:#x} {} {}", fields[2], fields[3]);
            assert!(!accepted(&files, &all), "{line} -> {}", all[i]);
        }
    }
}

/// Verifies: BH-CHK-001.
#[test]
fn padding_of_columns_means_nothing() {
    let (files, lines) = good_files();
    let padded: Vec<String> = lines
        .iter()
        .map(|line| line.replace(' ', "   "))
        .skip(1)
        .collect();
    let lines: Vec<String> = lines.into_iter().take(1).chain(padded).collect();
    assert!(accepted(&files, &lines));
}
