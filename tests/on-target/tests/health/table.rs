// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every reaction of every example system fires in a test on the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use bulkhead_abi::health::{Action, Error, Level};
use bulkhead_model::system::{Cores, Partition, Payload, System};
use bulkhead_model::{Paths, load};
use bulkhead_on_target::{images, in_tree};

/// Level, error, action.
type Reaction = (Level, Error, Action);
/// A reaction as the language says it, the file and the function of the test in which it fires.
type Case = ([&'static str; 3], &'static str, &'static str);

const CASES: &[Case] = &[
    (
        ["partition", "memory-fault", "restart-partition"],
        "health/main.rs",
        "the_reaction_to_a_memory_fault_is_the_specs",
    ),
    (["partition", "illegal-call", "log"], "attackers/main.rs", "calls"),
    (["partition", "dma-fault", "log"], "attackers/memory.rs", "dma"),
    (
        ["partition", "deadline-overrun", "log"],
        "degraded.rs",
        "held_in_mid_brake_the_car_brakes_by_itself",
    ),
    (
        ["partition", "serror", "restart-partition"],
        "health/injected.rs",
        "an_serror_while_a_partition_runs_is_its_own",
    ),
    (["partition", "lock-held", "log"], "inversion.rs", "is_bounded"),
    (
        ["partition", "heartbeat", "restart-partition"],
        "health/main.rs",
        "without_a_heartbeat_it_restarts_up_to_its_limit_and_then_is_silent",
    ),
    (
        ["partition", "interrupt-storm", "log"],
        "attackers/storm.rs",
        "a_line_that_stays_up_is_a_storm_above_the_limit",
    ),
    (
        ["partition", "interrupt-storm", "restart-partition"],
        "attackers/storm.rs",
        "a_storm_ends_its_partition_where_the_spec_says_so",
    ),
    (
        ["core", "deadline-overrun", "log"],
        "health/injected.rs",
        "a_core_that_misses_slots_is_reported",
    ),
    (
        ["core", "serror", "stop-core"],
        "health/injected.rs",
        "an_serror_of_nobody_stops_its_core",
    ),
    (["core", "crash", "stop-core"], "failoperational.rs", "damaged"),
    (
        ["core", "assertion", "stop-core"],
        "health/injected.rs",
        "an_assertion_stops_its_core",
    ),
    (
        ["core", "assertion", "global-safe-state"],
        "health/injected.rs",
        "an_assertion_ends_everything_where_the_spec_says_so",
    ),
    (
        ["core", "hardware-poll", "log"],
        "health/injected.rs",
        "a_redistributor_that_does_not_answer_is_reported",
    ),
    (
        ["system", "dma-fault", "log"],
        "attackers/injection.rs",
        "dma_of_a_function_that_nobody_owns",
    ),
    (
        ["system", "hardware-poll", "log"],
        "health/injected.rs",
        "an_smmu_that_does_not_obey_is_reported",
    ),
];

/// The example systems.
fn examples() -> Vec<System> {
    let folder = in_tree("config/systems");
    let entries = fs::read_dir(folder).expect("the example systems");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let specs = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    specs.map(|spec| model(&spec)).collect()
}

/// Where the tool keeps the unpacked packages.
fn guest() -> PathBuf {
    let variable = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = || variable("BULKHEAD_CACHE").or_else(|| Some(user()?.join("bulkhead")));
    let folder = variable("BULKHEAD_GUEST").or_else(|| Some(cache()?.join("guest")));
    folder.expect("BULKHEAD_GUEST or HOME")
}

fn model(spec: &Path) -> System {
    let paths = Paths {
        spec: spec.to_owned(),
        boards: in_tree("config/boards"),
        images: images(),
        guest: guest(),
    };
    load(&paths, &[]).unwrap_or_else(|error| panic!("{}: {error}", spec.display()))
}

/// Whether an error can be blamed on a partition, by what it has.
fn can_fail(system: &System, index: usize, partition: &Partition, error: Error) -> bool {
    let devices = || {
        partition
            .devices
            .iter()
            .filter_map(|d| system.board.devices.get(d.value))
    };
    match error {
        Error::MemoryFault | Error::IllegalCall | Error::SError => true,
        Error::DmaFault => devices().any(|d| d.bus_master && system.board.guards(d)),
        // What Linux misses it tells nobody.
        Error::DeadlineOverrun => !matches!(partition.payload, Payload::Linux(_)),
        Error::LockHeld => {
            let mut all = system.locks.iter().flat_map(|lock| &lock.participants);
            all.any(|participant| participant.partition.value == index)
        }
        Error::Heartbeat => partition.heartbeat.is_some(),
        Error::InterruptStorm => partition.interrupt_limit.is_some(),
        Error::HardwarePoll | Error::Assertion | Error::Crash => false,
    }
}

/// Whether EL2 can report an error on a level above that of partitions.
fn can_occur(system: &System, level: Level, error: Error) -> bool {
    match (level, error) {
        (Level::Core, Error::DeadlineOverrun) => {
            let cores = system.partitions.iter().map(|p| &p.cores);
            cores.into_iter().any(|c| matches!(c, Cores::Sliced { .. }))
        }
        (Level::System, _) => system.board.smmu.is_some(),
        (Level::Core | Level::Partition, _) => true,
    }
}

fn used(system: &System) -> Vec<Reaction> {
    let mut all = Vec::new();
    for error in Error::ALL {
        for (index, partition) in system.partitions.iter().enumerate() {
            if error.occurs_on(Level::Partition) && can_fail(system, index, partition, *error) {
                let action = Action::of(&partition.health, *error, Level::Partition);
                all.push((Level::Partition, *error, action));
            }
        }
        for (level, table) in [
            (Level::Core, &system.health.core),
            (Level::System, &system.health.system),
        ] {
            if error.occurs_on(level) && can_occur(system, level, *error) {
                all.push((level, *error, Action::of(table, *error, level)));
            }
        }
    }
    all
}

/// A function of a source that rustfmt has written, from its name to its end.
fn body<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\nfn {name}("))?;
    rest.split_once("\n}\n").map(|(body, _)| body)
}

#[test]
fn a_body_ends_where_the_next_function_begins() {
    let text = "use a;\n\nfn one() {\n    if x {\n    }\n    \"log\";\n}\n\nfn two() {\n    \"crash\";\n}\n";
    assert_eq!(body(text, "one"), Some(") {\n    if x {\n    }\n    \"log\";"));
    assert!(body(text, "two").is_some_and(|body| !body.contains("log")));
    assert_eq!(body(text, "on"), None);
}

/// Verifies: BH-HEALTH-003, BH-HEALTH-011.
#[test]
fn every_reaction_of_the_example_systems_fires() {
    let systems = examples();
    assert!(systems.len() >= 6, "{} example systems", systems.len());
    let wanted: BTreeSet<[&str; 3]> = systems
        .iter()
        .flat_map(used)
        .map(|(level, error, action)| [level.word(), error.word(), action.word()])
        .collect();
    let shown: BTreeSet<[&str; 3]> = CASES.iter().map(|(reaction, ..)| *reaction).collect();
    let missing: Vec<_> = wanted.difference(&shown).collect();
    assert!(missing.is_empty(), "nothing fires {missing:?}");
    for ([level, error, action], file, name) in CASES {
        let path = in_tree("tests/on-target/tests").join(file);
        let text = fs::read_to_string(path).expect("a test");
        let body = body(&text, name).unwrap_or_else(|| panic!("{file} has no function {name}"));
        for word in [error, action] {
            assert!(
                body.contains(&format!("\"{word}\"")),
                "{name} in {file} does not look for {word}, {level} {error}"
            );
        }
    }
}
