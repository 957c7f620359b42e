// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The large system on 32 emulated cores with 80 GiB that the host provides as they are touched.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{System, says};
use bulkhead_runner::SessionOptions;

const SPEC: &str = "config/systems/large.yaml";

/// Starts a system on a machine whose RAM is not reserved beforehand.
fn unreserved(options: &mut SessionOptions) {
    let memory = "memory-backend-ram,id=lazy,size=80G,reserve=off";
    let arguments = ["-object", memory, "-machine", "memory-backend=lazy"];
    options.launch.extra = arguments.map(str::to_owned).to_vec();
}

fn zones() -> impl Iterator<Item = String> {
    (0..32).map(|number| format!("zone-{number:02}"))
}

fn build(overrides: &[String]) -> System {
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    System::build(SPEC, &overrides)
}

/// Every partition runs, with little memory: the loader touches all of it.
///
/// Verifies: BH-MEM-005.
#[test]
fn thirty_two_partitions_run_on_as_many_cores() {
    let small: Vec<String> = zones()
        .map(|zone| format!("partitions.{zone}.memory.size=2MiB"))
        .collect();
    let mut session = build(&small).start(unreserved);
    for zone in zones() {
        says(&mut session, &zone, "cluster: ready", 60);
    }
    session.finish("all partitions run").expect("report");
}

/// EL2 accepts and uses all tables; those partitions whose memory the host has not are left off.
///
/// Verifies: BH-BOOT-005.
#[test]
fn tables_of_64_gib_are_verified_and_used() {
    let mut overrides: Vec<String> = zones()
        .skip(1)
        .map(|zone| format!("partitions.{zone}.autostart=false"))
        .collect();
    overrides.push("partitions.zone-00.memory.size=64MiB".to_owned());
    let mut session = build(&overrides).start(unreserved);
    says(&mut session, "zone-00", "cluster: ready", 60);
    session.finish("the first partition runs").expect("report");
}
