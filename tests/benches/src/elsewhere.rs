// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Systems that are run for the length of their paths through EL2 alone: Linux boots while a partition fails and is
//! restarted, and somebody types there; partitions share slots, one calls the firmware, two fill every register; and each
//! attack ([`crate::attacks`]).
//!
//! Implements: BH-BENCH-008.

use std::time::Duration;

use crate::Error;
use crate::attacks;
use crate::rows::Found;
use crate::run::{Bench, System};

pub(crate) const REFERENCE: &str = "config/systems/adas-infotainment.yaml";

/// A run: its name, its spec, what ends it, and for how long it goes on then, ms.
type Elsewhere = (&'static str, &'static str, (&'static str, &'static str), u64);

const RUNS: [Elsewhere; 4] = [
    (
        "shared-slots",
        "tests/systems/sharing.yaml",
        ("ringer", " rung"),
        500,
    ),
    (
        "shared-slots-two-cores",
        "tests/systems/sharing-cores.yaml",
        ("pair", " calls"),
        500,
    ),
    (
        "firmware",
        "tests/systems/firmware.yaml",
        ("other", "firmware done"),
        20,
    ),
    ("canary", "tests/systems/canary.yaml", ("one", " succeeded"), 40),
];

/// The reference system, in which `adas` fails while Linux boots; then its shell answers what is typed.
fn reference() -> System<'static> {
    let changes = [
        "partitions.adas.seed=fixed",
        "partitions.vehicle.seed=fixed",
        "partitions.infotainment.seed=fixed",
        "partitions.cluster.seed=fixed",
        "partitions.adas.args=\"fault=20us@brake\"",
    ];
    System {
        name: "linux-and-restart",
        spec: REFERENCE.to_owned(),
        overrides: changes.map(str::to_owned).into(),
        until: ("infotainment", "infotainment: ready", Duration::from_secs(60)),
        // What a line makes ends before the next one.
        typed: (
            "echo $((4321*2)); head -n 40 /proc/interrupts\n",
            3,
            Duration::from_millis(800),
        ),
        ..System::default()
    }
}

/// All of them.
pub(crate) fn systems() -> impl Iterator<Item = System<'static>> {
    let own = RUNS.map(|(name, spec, (partition, text), ms)| System {
        name,
        spec: spec.to_owned(),
        until: (partition, text, Duration::from_secs(60)),
        then: Duration::from_millis(ms),
        ..System::default()
    });
    [reference()].into_iter().chain(own).chain(attacks::systems())
}

/// Runs one for its paths, which are judged with those of the other runs.
pub(crate) fn run(system: &System<'_>, bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let ran = system.run(bench)?;
    found.paths_of(&ran);
    if let Some(ns) = ran.first_frame {
        let note = "the counter, which begins at reset, when adas has taken the first valid frames of both sensors; it starts its controller beside a Linux that boots; not counted: firmware and boot loader";
        found.one("reset_to_first_can_frame", "ns", ns, Some(note.to_owned()));
    }
    found.runs.push(ran.run);
    Ok(())
}
