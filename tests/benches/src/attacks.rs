// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each attack that the attackers' program knows, for the length of the paths through EL2 that it makes.
//!
//! Implements: BH-BENCH-008.

use std::time::Duration;

use crate::run::System;

const ATTACKERS: &str = "tests/systems/attackers.yaml";
const LOCKS: &str = "tests/systems/locks.yaml";

/// A run: the attack and what it is told, its spec, what is changed beside that, what the run waits for, and for how long it
/// goes on then, ms.
struct Attack(
    &'static str,
    &'static str,
    &'static [&'static str],
    (&'static str, &'static str),
    u64,
);

/// The attack comes to its end, and the system slot takes what it left.
const DONE: (&str, &str) = ("attacker", " succeeded");
/// The attack goes on for longer than the run.
const BEGUN: (&str, &str) = ("beside", "ready");

const VIRTIO: &[&str] = &[
    "partitions.attacker.devices=[rng0]",
    "partitions.store.memory={ size: 4MiB, at: 0x4200_0000 }",
    "partitions.attacker.memory={ size: 2MiB, rights: segments }",
    "partitions.attacker.dma={ rng0: [{ offset: 1536KiB, size: 4KiB }] }",
];

const ATTACKS: &[Attack] = &[
    Attack("fuzz seed=20261121 programs=200", ATTACKERS, &[], DONE, 40),
    Attack("registers", ATTACKERS, &[], DONE, 40),
    Attack("immediates", ATTACKERS, &[], DONE, 40),
    Attack("memory", ATTACKERS, &[], DONE, 40),
    Attack(
        "places",
        ATTACKERS,
        &["partitions.attacker.health={ memory-fault: log }"],
        DONE,
        40,
    ),
    Attack("trapped", ATTACKERS, &[], DONE, 40),
    Attack("forms", ATTACKERS, &[], DONE, 40),
    Attack("psci", ATTACKERS, &[], DONE, 40),
    Attack("calls", ATTACKERS, &[], DONE, 40),
    Attack("gic", ATTACKERS, &[], DONE, 40),
    Attack("dma", ATTACKERS, &[], DONE, 40),
    Attack("revoked", ATTACKERS, &[], DONE, 200),
    Attack(
        "rights",
        ATTACKERS,
        &["partitions.attacker.memory={ size: 2MiB, rights: segments }"],
        DONE,
        40,
    ),
    Attack(
        "ranges",
        ATTACKERS,
        &["partitions.attacker.dma={ edu0: [{ offset: 1536KiB, size: 4KiB }] }"],
        DONE,
        40,
    ),
    Attack("virtio", ATTACKERS, VIRTIO, DONE, 40),
    Attack("late then=stop", ATTACKERS, VIRTIO, ("attacker", " served"), 100),
    Attack("hog", ATTACKERS, &[], DONE, 40),
    Attack("storm", ATTACKERS, &[], DONE, 40),
    Attack("timers", ATTACKERS, &[], DONE, 40),
    Attack("console", ATTACKERS, &[], DONE, 40),
    Attack("line", ATTACKERS, &[], DONE, 40),
    Attack(
        "line",
        ATTACKERS,
        &[
            "partitions.attacker.health={ interrupt-storm: restart-partition }",
            "partitions.attacker.restart_limit=2",
            "partitions.attacker.interrupt_limit=50",
        ],
        BEGUN,
        300,
    ),
    Attack(
        "fp",
        ATTACKERS,
        &["partitions.attacker.restart_limit=0"],
        BEGUN,
        100,
    ),
    Attack(
        "ledger",
        ATTACKERS,
        &["partitions.attacker.reads_ledger=true"],
        DONE,
        40,
    ),
    Attack("locks", LOCKS, &[], DONE, 40),
    Attack("boosts", LOCKS, &[], DONE, 40),
];

/// The runs, by the attack's name.
pub(crate) fn systems() -> impl Iterator<Item = System<'static>> {
    ATTACKS
        .iter()
        .map(|Attack(what, spec, changes, (partition, text), ms)| {
            let arguments = format!("partitions.attacker.args=\"attack={what}\"");
            System {
                name: what.split(' ').next().unwrap_or(what),
                spec: (*spec).to_owned(),
                overrides: [arguments]
                    .into_iter()
                    .chain(changes.iter().map(|&c| c.to_owned()))
                    .collect(),
                until: (partition, text, Duration::from_secs(120)),
                then: Duration::from_millis(*ms),
                ..System::default()
            }
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ATTACKS;

    const PROGRAM: &str = include_str!("../../../partitions/attackers/src/main.rs");
    /// Those that another system has: `elsewhere` runs that of the first, the second is beside `boosts`, and the third
    /// listens for the attacker of the suite `attackers`.
    const OTHERS: [&str; 3] = ["canary", "accomplice", "listen"];

    /// Verifies: BH-BENCH-008.
    #[test]
    fn each_attack_of_the_program_is_run() {
        let arms = PROGRAM.lines().filter_map(|line| line.trim().strip_prefix('"'));
        let known: BTreeSet<&str> = arms
            .filter_map(|arm| Some(arm.split_once("\" => crate::")?.0))
            .collect();
        let run = ATTACKS.iter().filter_map(|attack| attack.0.split(' ').next());
        let run: BTreeSet<&str> = run.chain(OTHERS).collect();
        assert!(known.len() > 20);
        assert_eq!(known, run);
    }
}
