// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attacks on memory, by the CPU and by bus masters.

use bulkhead_on_target::{System, partition};

use super::SYSTEM;
use super::attack::{Outcome, attack};
use super::victims::{ends, hex, records};

/// A channel to read: its 16 pages.
const CHANNEL: &str = "channels.vehicle-state.readers=[cluster, attacker]";
const CHANNEL_PAGES: u64 = 16;
const PAGE: u64 = 4096;
/// A function of another, and the pages of its registers; the first and the last one are tried twice, since they are named, too.
const FUNCTION: [&str; 2] = [
    "partitions.store.devices=[can0]",
    "partitions.attacker.devices=[edu0, edu1]",
];
const FUNCTION_PAGES: u64 = 256 + 2;

/// Verifies: BH-ATK-001.
#[test]
fn memory() {
    let outcome = attack("memory", &[]);
    let restarts = partition(&outcome.report, "attacker").restarts;
    outcome.fails(outcome.reason("data_abort"));
    assert_eq!(restarts, outcome.attempts, "each attempt ends the partition");
    assert_eq!(attack("memory", &[CHANNEL]).succeeded, 1, "with a channel more");
}

/// What the attacker is granted, and first and last page of everything that was placed for others: windows, the
/// statistics with trace and crash records, configuration space, functions.
fn arguments(system: &System) -> String {
    let records = records(system);
    let words: Vec<Vec<&str>> = records
        .iter()
        .map(|record| record.iter().map(String::as_str).collect())
        .collect();
    let mut granted = Vec::new();
    let mut others = Vec::new();
    for record in &words {
        match record[..] {
            ["grant", "partition:attacker", _, range, rights, _, ipa] => {
                let ((start, end), ipa) = (ends(range), hex(ipa));
                granted.push((ipa, ipa + end - start, rights.trim_end_matches('-')));
            }
            ["emulated", "attacker", _, range] => {
                let (start, end) = ends(range);
                granted.push((start, end, "rw"));
            }
            ["memory", range, ..] | ["grant", "el2:boot", "stats", range, ..] => others.push(ends(range)),
            ["grant", _, function, range, ..] if function.starts_with("config:") => others.push(ends(range)),
            _ => {}
        }
    }
    granted.sort_unstable();
    let granted = granted
        .iter()
        .map(|(start, end, rights)| format!("{start:x}-{end:x}:{rights}"));
    let mut pages: Vec<u64> = others
        .iter()
        .flat_map(|(start, end)| [*start, end - PAGE])
        .collect();
    pages.sort_unstable();
    pages.dedup();
    let pages = pages.iter().map(|page| format!("{page:x}"));
    format!(
        "granted={} at={}",
        granted.collect::<Vec<_>>().join(","),
        pages.collect::<Vec<_>>().join(",")
    )
}

/// Tries everything that the certificate of the unchanged system does not grant.
fn everywhere(changes: &[&str]) -> Outcome {
    let told = arguments(&System::build(SYSTEM, &[]));
    let changes = [&["partitions.attacker.health={ memory-fault: log }"], changes].concat();
    attack(&format!("places {told}"), &changes)
}

/// Every page of the granted blocks and of their neighbours, first and last page of all others below 64 GiB, every root
/// entry, addresses that are too wide: load, store, fetch, pair. Verifies: BH-ATK-001.
#[test]
fn every_place() {
    let outcome = everywhere(&[]);
    outcome.is_seen(outcome.reason("data_abort") + outcome.reason("instruction_abort"));
    assert!(outcome.attempts > 150_000, "{}", outcome.attempts);
    assert_eq!(partition(&outcome.report, "attacker").restarts, 0);
    outcome.blamed("memory-fault", "log");
    let control = everywhere(&[CHANNEL]);
    assert_eq!(control.succeeded, CHANNEL_PAGES, "with a channel to read");
    let control = everywhere(&FUNCTION);
    assert_eq!(
        control.succeeded,
        2 * FUNCTION_PAGES,
        "with another's function: a load and a store of each page"
    );
    let said = &partition(&control.report, "attacker").console_tail;
    assert!(said.contains("STORED"), "{said}");
}

/// Verifies: BH-ATK-001, BH-DMA-023, BH-DMA-024, BH-DMA-025.
#[test]
fn dma() {
    // The window of another, the statistics, a register of another's function, RAM of another.
    let system = System::build(SYSTEM, &[]);
    let start = |head: &[&str]| super::victims::range(&system, head).0;
    let more = [
        start(&["shared", "window:cluster"]),
        start(&["grant", "el2:boot", "stats"]),
        start(&["grant", "partition:store", "edu1"]),
        start(&["grant", "partition:beside", "ram"]),
    ];
    let more = more.map(|address| format!("{address:x}")).join(",");
    let what = format!("dma at={more}");
    let outcome = attack(&what, &[]);
    let faults = &partition(&outcome.report, "attacker").dma_faults;
    assert!(
        partition(&outcome.report, "attacker")
            .console_tail
            .contains("granted DMA: lands")
    );
    outcome.fails(faults.get("edu0").copied().unwrap_or(0));
    let dma = outcome.report.dma;
    // QEMU tells of a full queue as GERROR.EVENTQ_ABT_ERR, where the architecture has an overflow.
    assert!(
        dma.overflows + dma.global_errors >= 1,
        "the flood fills the queue"
    );
    assert_eq!((dma.unowned, dma.stream_failures), (0, 0));
    assert!(partition(&outcome.report, "store").dma_faults.is_empty());
    outcome.blamed("dma-fault", "log");
    let control = attack("dma", &["partitions.attacker.memory=4MiB"]);
    // Two of the addresses lie in them.
    assert_eq!(control.succeeded, 2, "with 2 MiB of RAM more");
}
