// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long a partition waits for another: for a lock, and for the answer to its frames.

use std::path::Path;
use std::time::Duration;

use crate::elsewhere::REFERENCE;
use crate::rows::Found;
use crate::run::{Builder, System};
use crate::{Error, Place};

/// How long `high` waits for a lock that `low` holds while `medium` hogs the core, with inheritance and without.
pub(crate) fn inversion(
    place: Place<'_>,
    builder: &Builder<'_>,
    library: Option<&Path>,
    found: &mut Found,
) -> Result<(), Error> {
    let none = "locks.record.inheritance=none".to_owned();
    let [with, without] = place.waits();
    for (id, inheritance, waits) in [
        ("pi_inversion_with", None, with),
        ("pi_inversion_without", Some(none), without),
    ] {
        let waits = format!("partitions.high.args=role=high waits={waits}");
        let overrides: Vec<String> = inheritance.into_iter().chain([waits]).collect();
        let system = System {
            name: id,
            spec: "tests/systems/inversion.yaml".to_owned(),
            overrides: &overrides,
            until: ("high", "bench done", Duration::from_secs(120)),
            then: Duration::ZERO,
            count: &[],
            memory: false,
        };
        let ran = system.run(place, builder, library)?;
        found.paths_of(&ran);
        found.time(id, None, ran.printed.get("wait"));
        found.note(
            id,
            "ns from the call to the lock, by the waiter's counter; the lock may be held for 500000, and is held for half of that; --long takes 1000 waits",
        );
        found.runs.push(ran.run);
    }
    Ok(())
}

/// From the sensors' frames to the brake request that answers them, in the reference system while Linux boots and runs.
pub(crate) fn answer(place: Place<'_>, builder: &Builder<'_>, found: &mut Found) -> Result<(), Error> {
    let id = "sensor_to_brake";
    let seeds = ["adas", "vehicle", "infotainment", "cluster"]
        .map(|partition| format!("partitions.{partition}.seed=fixed"));
    let measure = "partitions.vehicle.args=seed=1 measure=answers".to_owned();
    let overrides: Vec<String> = seeds.into_iter().chain([measure]).collect();
    let system = System {
        name: id,
        spec: REFERENCE.to_owned(),
        overrides: &overrides,
        until: ("vehicle", "bench done", Duration::from_secs(60)),
        then: Duration::ZERO,
        count: &[],
        memory: false,
    };
    // Without the plugin: its callbacks would only slow down what nobody counts.
    let ran = system.run(place, builder, None)?;
    found.time(id, None, ran.printed.get(id));
    found.note(
        id,
        "ns by the counter of vehicle, from the first of the sensors' two frames to the checked request; adas begins 200000 ns after its sensors' first frames",
    );
    found.shares_of(&ran);
    found.runs.push(ran.run);
    Ok(())
}
