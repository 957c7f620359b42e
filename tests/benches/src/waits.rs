// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long a partition waits for another: for a lock, and for the answer to its frames.

use std::time::Duration;

use crate::Error;
use crate::elsewhere::REFERENCE;
use crate::rows::Found;
use crate::run::{Bench, System};

/// A thousand waits on a board with one core, in a short frame: `medium` has more than twice the hold, and `low` a fifth of it.
const FRAME: [&str; 5] = [
    "board=../benches/boards/qemu-virt.yaml",
    "locks.record.participants.low.acquisitions=1",
    "partitions.high.args=role=high waits=1000",
    "schedule.major_frame=2ms",
    "schedule.cores.0=[{ run: high, for: 700us }, { run: system, for: 100us }, { run: low, for: 100us }, { run: medium, for: 1100us }]",
];

/// How long `high` waits for a lock that `low` holds while `medium` hogs the core, with inheritance and without.
pub(crate) fn inversion(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    for (id, inheritance) in [
        ("pi_inversion_with", None),
        ("pi_inversion_without", Some("locks.record.inheritance=none")),
    ] {
        let changes = FRAME.into_iter().chain(inheritance).map(str::to_owned);
        let system = System {
            name: id,
            spec: "tests/systems/inversion.yaml".to_owned(),
            overrides: changes.collect(),
            until: ("high", "bench done", Duration::from_secs(120)),
            ..System::default()
        };
        let ran = system.run(bench)?;
        found.slots_of(&ran);
        found.paths_of(&ran);
        found.time(id, None, ran.printed.get("wait"));
        found.note(
            id,
            "ns from the call to the lock, by the waiter's counter; the lock may be held for 500000, and is held for half of that",
        );
        found.runs.push(ran.run);
    }
    Ok(())
}

/// From the sensors' frames to the brake request that answers them, in the reference system while Linux boots and runs.
pub(crate) fn answer(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let id = "sensor_to_brake";
    let seeds = ["adas", "vehicle", "infotainment", "cluster"]
        .map(|partition| format!("partitions.{partition}.seed=fixed"));
    let measure = "partitions.vehicle.args=seed=1 measure=answers".to_owned();
    let system = System {
        name: id,
        spec: REFERENCE.to_owned(),
        overrides: seeds.into_iter().chain([measure]).collect(),
        until: ("vehicle", "bench done", Duration::from_secs(60)),
        ..System::default()
    };
    // Without the plugin: its callbacks would only slow down what nobody counts.
    let ran = system.run(Bench {
        plugin: None,
        ..bench
    })?;
    found.time(id, None, ran.printed.get(id));
    found.note(
        id,
        "ns by the counter of vehicle, from the first of the sensors' two frames to the checked request; adas begins 200000 ns after its sensors' first frames",
    );
    found.shares_of(&ran);
    found.runs.push(ran.run);
    Ok(())
}
