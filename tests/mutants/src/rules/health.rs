// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The health table: `hypervisor/abi/src/health.rs` says which error occurs on which level, and what answers it.

use crate::blob::{Blob, NONE};
use crate::bytes::index;
use crate::judge::Found;

/// Errors by code: the word, and on which levels it occurs (partition, core, system).
const ERRORS: [(&str, [bool; 3]); 11] = [
    ("memory-fault", [true, false, false]),
    ("illegal-call", [true, false, false]),
    ("dma-fault", [true, false, true]),
    ("deadline-overrun", [true, true, false]),
    ("lock-held", [true, false, false]),
    ("heartbeat", [true, false, false]),
    ("interrupt-storm", [true, false, false]),
    ("serror", [true, true, false]),
    ("hardware-poll", [false, true, true]),
    ("assertion", [false, true, false]),
    ("crash", [false, true, false]),
];
/// Actions by code: the word, and the levels on which it answers something.
const ACTIONS: [(&str, [bool; 3]); 8] = [
    ("?", [false; 3]),
    ("log", [true; 3]),
    ("notify", [true; 3]),
    ("restart-partition", [true, false, false]),
    ("stop-partition", [true, false, false]),
    ("stop-core", [false, true, false]),
    ("safe-state", [true, false, false]),
    ("global-safe-state", [true; 3]),
];

/// Whose table, its level, the table.
fn tables(blob: &Blob) -> Vec<(String, usize, [u8; 16])> {
    let [core, system] = blob.board.health;
    let mut all = vec![("core".to_owned(), 1, core), ("system".to_owned(), 2, system)];
    for p in &blob.partitions {
        let name = p.name.as_deref().unwrap_or("?");
        all.push((format!("partition:{name}"), 0, p.health));
    }
    all
}

/// Each place of a table holds an action that answers its error on its level, the others hold nothing.
pub(crate) fn check(blob: &Blob, found: &mut Found) {
    for (whose, level, table) in tables(blob) {
        for (code, entry) in table.iter().enumerate() {
            let occurs = ERRORS.get(code).is_some_and(|(_, levels)| levels[level]);
            let (action, levels) = ACTIONS.get(usize::from(*entry)).unwrap_or(&ACTIONS[0]);
            // EL2 cannot go on after an SError of nobody, an assertion or a crash.
            let goes_on = level == 1 && [7, 9, 10].contains(&code) && ["log", "notify"].contains(action);
            let good = if occurs {
                levels[level] && !goes_on
            } else {
                *entry == 0
            };
            found.form(good, || {
                format!("health of {whose}: error {code}, action {entry}")
            });
        }
    }
    let monitor = blob.board.monitor;
    let there = monitor == NONE || index(monitor.into()) < blob.partitions.len();
    found.form(there, || "health: monitor".to_owned());
}

/// The records of the text form.
pub(crate) fn records(blob: &Blob) -> Vec<String> {
    let mut out = Vec::new();
    for (whose, level, table) in tables(blob) {
        for ((error, levels), entry) in ERRORS.iter().zip(table) {
            let (action, _) = ACTIONS.get(usize::from(entry)).unwrap_or(&ACTIONS[0]);
            if levels[level] {
                out.push(format!("health {whose} {error} {action}"));
            }
        }
    }
    let monitor = blob.partitions.get(index(blob.board.monitor.into()));
    let name = if blob.board.monitor == NONE {
        "-"
    } else {
        monitor.and_then(|p| p.name.as_deref()).unwrap_or("?")
    };
    out.push(format!("monitor {name}"));
    for p in &blob.partitions {
        let safe = if p.flags & 16 == 0 { "silent" } else { "output" };
        let name = p.name.as_deref().unwrap_or("?");
        let ((every, grace), limit) = (p.heartbeat, p.interrupt_limit);
        out.push(format!("watch {name} {safe} {every} {grace} {limit}"));
    }
    for p in &blob.partitions {
        let flag = |bit: u32, set: &'static str, clear: &'static str| match p.flags & bit {
            0 => clear,
            _ => set,
        };
        let name = p.name.as_deref().unwrap_or("?");
        let (limit, steady) = (p.restart_limit, flag(1, "steady", "-"));
        let ledger = flag(32, "ledger", "-");
        let (when, seed) = (flag(4, "boot", "off"), flag(8, "fixed", "board"));
        out.push(format!("start {name} {when} {limit} {seed} {steady} {ledger}"));
    }
    out.extend(super::firmware::records(blob));
    if blob.board.watchdog != 0 {
        out.push(format!("watchdog {}", blob.board.watchdog));
    }
    out
}
