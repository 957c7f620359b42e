// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The health table is complete: every error of every level has one reaction, and one that fits the level.

use crate::system::System;
use crate::tables::{FLAG_BOOT, FLAG_FIXED, FLAG_LEDGER, FLAG_OUTPUT, FLAG_STEADY, NONE};

/// Errors by code.
const ERRORS: [&str; 11] = [
    "memory-fault",
    "illegal-call",
    "dma-fault",
    "deadline-overrun",
    "lock-held",
    "heartbeat",
    "interrupt-storm",
    "serror",
    "hardware-poll",
    "assertion",
    "crash",
];
/// Actions by code; no action has code 0.
const ACTIONS: [&str; 8] = [
    "?",
    "log",
    "notify",
    "restart-partition",
    "stop-partition",
    "stop-core",
    "safe-state",
    "global-safe-state",
];
/// Errors of a partition.
const OF_PARTITION: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
/// Errors of EL2 on a core.
const OF_CORE: [usize; 5] = [3, 7, 8, 9, 10];
/// Errors of nobody.
const OF_NOBODY: [usize; 2] = [2, 8];
/// Actions that answer a partition's error.
const PARTITION: [u8; 6] = [1, 2, 3, 4, 6, 7];
/// Actions that answer an error with which a core can go on.
const GOES_ON: [u8; 4] = [1, 2, 5, 7];
/// Actions that answer an error with which it cannot.
const ENDS: [u8; 2] = [5, 7];
/// Actions that answer an error of nobody.
const NOBODY: [u8; 3] = [1, 2, 7];

/// Whose table, which errors it answers, and the table.
fn tables<'a>(system: &'a System<'_>) -> Vec<(String, &'static [usize], &'a [u8; 16])> {
    let board = &system.blob.board;
    let mut all: Vec<(String, &[usize], &[u8; 16])> = vec![
        ("core".to_owned(), &OF_CORE, &board.health_core),
        ("system".to_owned(), &OF_NOBODY, &board.health_system),
    ];
    let partitions = system.blob.partitions.iter().enumerate();
    all.extend(partitions.map(|(i, p)| {
        let whose = format!("partition:{}", system.name(i));
        (whose, OF_PARTITION.as_slice(), &p.health)
    }));
    all
}

/// Implements: BH-CHK-073.
pub(crate) fn complete(system: &System<'_>, out: &mut Vec<String>) {
    for (whose, errors, table) in tables(system) {
        for (code, action) in table.iter().enumerate() {
            let answers: &[u8] = match (whose.as_str(), code) {
                (_, code) if !errors.contains(&code) => &[0],
                ("core", 7 | 9 | 10) => &ENDS,
                ("core", _) => &GOES_ON,
                ("system", _) => &NOBODY,
                _ => &PARTITION,
            };
            if !answers.contains(action) {
                let error = ERRORS
                    .get(code)
                    .copied()
                    .unwrap_or("an error that does not exist");
                out.push(format!("health of {whose}: action {action} on {error}"));
            }
        }
    }
    let partitions = system.blob.partitions.len();
    let monitor = system.blob.board.monitor;
    if monitor != NONE && !usize::try_from(monitor).is_ok_and(|m| m < partitions) {
        out.push(format!(
            "health: the monitor is partition {monitor} of {partitions}"
        ));
    }
}

/// The records of the text form that the blob determines: `health`, `monitor`, `watch`, `start`.
pub(super) fn records(system: &System<'_>) -> [Vec<String>; 4] {
    let mut health = Vec::new();
    for (whose, errors, table) in tables(system) {
        for code in errors {
            let action = table.get(*code).and_then(|a| ACTIONS.get(usize::from(*a)));
            let (error, action) = (ERRORS.get(*code).unwrap_or(&"?"), action.unwrap_or(&"?"));
            health.push(format!("health {whose} {error} {action}"));
        }
    }
    let monitor = match system.blob.board.monitor {
        NONE => "-",
        index => super::text::name(system, index),
    };
    let watch = system.blob.partitions.iter().enumerate().map(|(i, p)| {
        let safe = if p.flags & FLAG_OUTPUT != 0 {
            "output"
        } else {
            "silent"
        };
        let (every, grace) = p.heartbeat;
        format!(
            "watch {} {safe} {every} {grace} {}",
            system.name(i),
            p.interrupt_limit
        )
    });
    let start = system.blob.partitions.iter().enumerate().map(|(i, p)| {
        let has = |flag: u32| p.flags & flag != 0;
        let first = if has(FLAG_BOOT) { "boot" } else { "off" };
        let seed = if has(FLAG_FIXED) { "fixed" } else { "board" };
        let steady = if has(FLAG_STEADY) { "steady" } else { "-" };
        let ledger = if has(FLAG_LEDGER) { "ledger" } else { "-" };
        let name = system.name(i);
        format!(
            "start {name} {first} {} {seed} {steady} {ledger}",
            p.restart_limit
        )
    });
    [
        health,
        vec![format!("monitor {monitor}")],
        watch.collect(),
        start.collect(),
    ]
}
