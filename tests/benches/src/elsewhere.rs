// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Systems that are run for the length of their paths through EL2 alone: Linux boots while a partition fails and is
//! restarted, partitions share slots, attackers do their worst, events and interrupts come in floods.
//!
//! Implements: BH-BENCH-008.

use std::path::Path;
use std::time::Duration;

use crate::rows::Found;
use crate::run::{Builder, System};
use crate::{Error, Place};

pub(crate) const REFERENCE: &str = "config/systems/adas-infotainment.yaml";
const ATTACKERS: &str = "tests/systems/attackers.yaml";

/// A run: its name, its spec, what is changed, what ends it, and for how long it goes on then, ms.
type Elsewhere = (
    &'static str,
    &'static str,
    &'static [&'static str],
    (&'static str, &'static str),
    u64,
);

const RUNS: [Elsewhere; 9] = [
    (
        "linux-and-restart",
        REFERENCE,
        &[
            "partitions.adas.seed=fixed",
            "partitions.vehicle.seed=fixed",
            "partitions.infotainment.seed=fixed",
            "partitions.cluster.seed=fixed",
            "partitions.adas.args=\"fault=20us@brake\"",
        ],
        ("infotainment", "infotainment: ready"),
        500,
    ),
    (
        "shared-slots",
        "tests/systems/sharing.yaml",
        &[],
        ("ringer", " rung"),
        500,
    ),
    (
        "shared-slots-two-cores",
        "tests/systems/sharing-cores.yaml",
        &[],
        ("pair", " calls"),
        500,
    ),
    (
        "firmware",
        "tests/systems/firmware.yaml",
        &[],
        ("other", "firmware done"),
        20,
    ),
    attack("faults", &["partitions.attacker.args=\"attack=memory\""], 200),
    attack("event-flood", &["partitions.attacker.args=\"attack=dma\""], 200),
    attack(
        "interrupt-flood",
        &["partitions.attacker.args=\"attack=line\""],
        40,
    ),
    attack(
        "interrupt-controller",
        &["partitions.attacker.args=\"attack=gic\""],
        300,
    ),
    attack(
        "random-traps",
        &["partitions.attacker.args=\"attack=fuzz seed=20261121 programs=200\""],
        200,
    ),
];

/// A run of the attackers' system with the given arguments of the attacker.
const fn attack(name: &'static str, arguments: &'static [&'static str], ms: u64) -> Elsewhere {
    (name, ATTACKERS, arguments, ("beside", "ready"), ms)
}

/// Runs them all; their paths are judged with those of the other runs.
pub(crate) fn run(
    place: Place<'_>,
    builder: &Builder<'_>,
    plugin: Option<&Path>,
    found: &mut Found,
) -> Result<(), Error> {
    for (name, spec, changes, (partition, text), ms) in RUNS {
        let overrides: Vec<String> = changes.iter().map(|&c| c.to_owned()).collect();
        let system = System {
            name,
            spec: spec.to_owned(),
            overrides: &overrides,
            until: (partition, text, Duration::from_secs(60)),
            then: Duration::from_millis(ms),
            count: &[],
            memory: false,
        };
        let ran = system.run(place, builder, plugin)?;
        found.paths_of(&ran);
        if let Some(ns) = ran.first_frame {
            let note = "the counter, which begins at reset, when adas has taken the first valid frames of both sensors; it starts its controller beside a Linux that boots; not counted: firmware and boot loader";
            found.one("reset_to_first_can_frame", "ns", ns, Some(note.to_owned()));
        }
        found.runs.push(ran.run);
    }
    Ok(())
}
