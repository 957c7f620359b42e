// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours: a partition whose pages have them, and every way to lack one.
//!
//! With 32 colours of 2 MiB the hand-written system has its blob in colour 1, live area and payloads in colour 2,
//! and the RAM of `car` in colour 20.

use crate::encode::{BLOB_SIZE, Files, encode};
use crate::model::*;

/// Text form in which `car` has these colours and its RAM is a `coloured` grant.
fn coloured(files: &Files, car: &str) -> Files {
    coloured_of(files, "car", car)
}

/// Text form in which a partition has these colours; its RAM, and that of its bus master, are `coloured` grants.
fn coloured_of(files: &Files, name: &str, colours: &str) -> Files {
    let mut lines: Vec<String> = files.grants.lines().map(str::to_owned).collect();
    let last_root = lines.iter().rposition(|line| line.starts_with("root ")).unwrap();
    let mut added = vec!["colours 32 0x200000".to_owned()];
    added.extend(["adas", "info", "cluster", "car"].map(|partition| {
        let own = if partition == name { colours } else { "any" };
        format!("colour {partition} {own}")
    }));
    lines.splice(last_root + 1..last_root + 1, added);
    let ram = format!("grant partition:{name} ram ");
    // The bus master of `adas` has this stream.
    let is_own =
        |line: &String| line.starts_with(&ram) || name == "adas" && line.starts_with("grant stream:0x8 ");
    let own: Vec<String> = lines.iter().filter(|line| is_own(line)).cloned().collect();
    lines.retain(|line| !is_own(line));
    let behind = 1 + lines.iter().rposition(|line| line.starts_with("grant ")).unwrap();
    let own = own.iter().map(|grant| grant.replacen("grant", "coloured", 1));
    lines.splice(behind..behind, own);
    let memory = format!(" partition:{name} ram");
    let memory = lines.iter().position(|line| line.ends_with(&memory)).unwrap();
    let placed = lines.remove(memory);
    lines.push(placed.replacen("memory", "coloured-memory", 1));
    with(files, &lines)
}

fn with(files: &Files, lines: &[String]) -> Files {
    let mut changed = files.clone();
    changed.grants = lines.iter().map(|line| format!("{line}\n")).collect();
    changed
}

fn good_files() -> Files {
    encode(&good(BLOB_SIZE))
}

/// Properties that refuse the files.
fn refusals(files: &Files) -> Vec<&'static str> {
    let failures = files.prove().err().unwrap_or_default();
    failures.iter().map(|failure| failure.property).collect()
}

#[track_caller]
fn refused(files: &Files, property: &str) {
    let found = refusals(files);
    assert!(
        found.contains(&property),
        "{property}: {:#?}",
        files.prove().err()
    );
}

/// Verifies: BH-CHK-025, BH-CHK-061, BH-CHK-062.
#[test]
fn a_partition_in_its_colours_is_accepted() {
    let files = coloured(&good_files(), "1-2,20");
    assert_eq!(files.prove().map(|proof| proof.pages > 0), Ok(true));
    // More colours than it uses in these ranges are fine, too: the next granules of them are not in the range.
    assert!(coloured(&good_files(), "1-2,5,20").prove().is_ok());
}

/// Verifies: BH-CHK-025.
#[test]
fn each_thing_outside_the_colours_is_refused() {
    for (colours, what) in [
        ("2,20", "table page"),
        ("1,20", "table page"),
        ("1-2,21", "reaches"),
    ] {
        let files = coloured(&good_files(), colours);
        refused(&files, "BH-CHK-025");
        let failures = files.prove().unwrap_err();
        let told = failures
            .iter()
            .any(|f| f.property == "BH-CHK-025" && f.text.contains(what));
        assert!(told, "{colours}: {failures:#?}");
    }
}

/// RAM of a partition with colours that is somewhere else, while tables and text form agree. Verifies: BH-CHK-025.
#[test]
fn plain_memory_of_another_colour_is_refused() {
    let mut model = good(BLOB_SIZE);
    let (spare, root) = (
        0x42a0_0000,
        model
            .roots
            .iter_mut()
            .find(|r| r.name == "partition:car")
            .unwrap(),
    );
    root.maps
        .push(map("payload", spare, PAGE, "r--", WB, 0x7f_5000_0000));
    model
        .memory
        .push((spare, PAGE, "partition:car payload-area".to_owned()));
    let files = encode(&model);
    assert!(files.prove().is_ok(), "{:#?}", files.prove().err());
    assert_eq!(refusals(&coloured(&files, "1-2,20")), ["BH-CHK-025"]);
    assert!(coloured(&files, "1-2,20-21").prove().is_ok());
}

/// Verifies: BH-CHK-025.
#[test]
fn colours_of_two_partitions_are_disjoint() {
    let files = coloured(&good_files(), "1-2,20");
    let other = |colours: &str| Files {
        grants: files
            .grants
            .replace("colour info any", &format!("colour info {colours}")),
        ..files.clone()
    };
    let texts =
        |files: &Files| -> Vec<String> { files.prove().unwrap_err().into_iter().map(|f| f.text).collect() };
    let common = |texts: Vec<String>| texts.iter().any(|t| t.contains("have a colour in common"));
    assert!(common(texts(&other("18-20"))));
    assert!(
        !common(texts(&other("18-19"))),
        "tables are not of its colours, but none is common"
    );
}

/// Verifies: BH-CHK-025, BH-CHK-001, BH-CHK-010, BH-CHK-061.
#[test]
fn each_record_of_colours_is_needed_and_read() {
    let good = coloured(&good_files(), "1-2,20");
    let lines: Vec<String> = good.grants.lines().map(str::to_owned).collect();
    let about = |line: &String| line.starts_with("colour");
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| about(line)) {
        let mut fewer = lines.clone();
        fewer.remove(i);
        assert!(!refusals(&with(&good, &fewer)).is_empty(), "without: {line}");
        let mut more = lines.clone();
        more.insert(i, line.clone());
        assert!(!refusals(&with(&good, &more)).is_empty(), "twice: {line}");
    }
    for (from, to, property) in [
        ("colours 32 0x200000", "colours 32 0x400000", "BH-CHK-025"),
        ("colours 32 0x200000", "colours 33 0x200000", "BH-CHK-001"),
        ("colours 32 0x200000", "colours 32 0x800", "BH-CHK-001"),
        ("colour car 1-2,20", "colour car 1-2,32", "BH-CHK-001"),
        ("colour car 1-2,20", "colour car any", "BH-CHK-001"),
        ("colour adas any", "colour adds any", "BH-CHK-025"),
        (
            "coloured partition:car ram 0x42800000",
            "coloured partition:car ram 0x42801000",
            "BH-CHK-010",
        ),
        (
            "0x42800000-0x42a00000 partition:car",
            "0x42800000-0x429ff000 partition:car",
            "BH-CHK-061",
        ),
        (
            "0x42800000-0x42a00000 partition:car",
            "0x42800000-0x42a00000 partition:info",
            "BH-CHK-061",
        ),
        (
            "coloured partition:car ram",
            "coloured partition:car payload",
            "BH-CHK-062",
        ),
    ] {
        let changed = Files {
            grants: good.grants.replace(from, to),
            ..good.clone()
        };
        assert_ne!(changed.grants, good.grants, "{from}");
        refused(&changed, property);
    }
}

/// A range that would take for ever to expand is no reason to wait. Verifies: BH-CHK-001, BH-CHK-010.
#[test]
fn endless_ranges_end() {
    let good = coloured(&good_files(), "1-2,20");
    for (end, property) in [("0xfffffffff000", "BH-CHK-001"), ("0xff42800000", "BH-CHK-010")] {
        let changed = Files {
            grants: good.grants.replace(
                "coloured partition:car ram 0x42800000-0x42a00000",
                &format!("coloured partition:car ram 0x42800000-{end}"),
            ),
            ..good.clone()
        };
        assert_ne!(changed.grants, good.grants);
        refused(&changed, property);
    }
}

/// Two `coloured` records of one root. Verifies: BH-CHK-010.
#[test]
fn coloured_grants_out_of_order() {
    let files = coloured(&good_files(), "1-2,20");
    let mut lines: Vec<String> = files.grants.lines().map(str::to_owned).collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("coloured "))
        .unwrap();
    let whole = lines[at].clone();
    let fields: Vec<&str> = whole.split(' ').filter(|f| !f.is_empty()).collect();
    let hex = |field: &str| u64::from_str_radix(field.trim_start_matches("0x"), 16).unwrap();
    let (start, end) = fields[3].split_once('-').unwrap();
    let (start, end, input) = (hex(start), hex(end), hex(fields[6]));
    let part = |from: u64, to: u64| {
        let range = format!("{from:#x}-{to:#x}");
        let address = format!("{:#x}", input + (from - start));
        whole.replace(fields[3], &range).replace(fields[6], &address)
    };
    let middle = start + PAGE;
    lines.splice(at..=at, [part(start, middle), part(middle, end)]);
    assert_eq!(refusals(&with(&files, &lines)), [""; 0]);
    lines.swap(at, at + 1);
    refused(&with(&files, &lines), "BH-CHK-010");
}

/// Blob in colour 1, payload and root in 2, RAM of `adas` in 16: also the tables of its bus master, and what that reaches.
///
/// Verifies: BH-CHK-025, BH-CHK-010, BH-CHK-054.
#[test]
fn a_bus_master_in_its_partitions_colours() {
    let good = coloured_of(&good_files(), "adas", "1-2,16");
    assert_eq!(good.prove().map(|proof| proof.roots), Ok(11));
    for (colours, what) in [("2,16", "table page"), ("1-2,17", "reaches")] {
        let failures = coloured_of(&good_files(), "adas", colours).prove().unwrap_err();
        let told = failures
            .iter()
            .any(|f| f.property == "BH-CHK-025" && f.text.starts_with("stream:0x8") && f.text.contains(what));
        assert!(told, "{colours}: {failures:#?}");
    }
    // A `coloured` grant of a stream whose partition has none.
    let stray = good.grants.replace("colour adas 1-2,16", "colour adas any");
    let stray = stray.replace("coloured partition:adas", "grant partition:adas");
    let changed = Files {
        grants: stray,
        ..good.clone()
    };
    assert!(!refusals(&changed).is_empty());
    let mut lines: Vec<String> = coloured(&good_files(), "1-2,20")
        .grants
        .lines()
        .map(str::to_owned)
        .collect();
    let stream = lines
        .iter()
        .position(|line| line.starts_with("grant stream:"))
        .unwrap();
    let grant = lines.remove(stream).replacen("grant", "coloured", 1);
    let behind = 1 + lines
        .iter()
        .rposition(|line| line.starts_with("coloured "))
        .unwrap();
    lines.insert(behind, grant);
    refused(&with(&good, &lines), "BH-CHK-010");
    let without = |line: &&String| !line.starts_with("coloured stream:");
    let lines: Vec<String> = good.grants.lines().map(str::to_owned).collect();
    let lines: Vec<String> = lines.iter().filter(without).cloned().collect();
    refused(&with(&good, &lines), "BH-CHK-010");
}
