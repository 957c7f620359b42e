// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the text form says of health, and how partitions start.

use bulkhead_compiler::compile::compile;
use bulkhead_types::system;

use crate::grants::{records, reference};
use crate::support::{Workshop, hypervisor_bin};

/// Verifies: BH-HEALTH-018.
#[test]
fn the_health_table_is_stated_as_the_blob_has_it() {
    use bulkhead_abi::health::{Action, Error, Level};
    let compiled = reference();
    let system = system::System::parse(&compiled.blob).expect("tables");
    let mut stated = records(&compiled.text, "health").into_iter();
    let mut check = |whose: String, level: Level, table: &[u8; 16]| {
        for error in Error::ALL.iter().filter(|error| error.occurs_on(level)) {
            let action = Action::from_code(table[usize::from(error.code())]).expect("an action");
            let record = stated.next().expect("a record");
            assert_eq!(record, [whose.as_str(), error.word(), action.word()]);
        }
    };
    check("core".to_owned(), Level::Core, &system.board.health_core);
    check("system".to_owned(), Level::System, &system.board.health_system);
    for (record, partition) in records(&compiled.text, "partition").iter().zip(system.partitions) {
        check(
            format!("partition:{}", record[1]),
            Level::Partition,
            &partition.health,
        );
    }
    assert_eq!(stated.next(), None);
    assert_eq!(records(&compiled.text, "monitor"), [["-"]]);
    assert_eq!(records(&compiled.text, "watch").len(), system.partitions.len());
}

/// Verifies: BH-HEALTH-018.
#[test]
fn the_text_says_how_each_partition_starts() {
    let workshop = Workshop::new();
    let mut system = workshop.reference();
    for partition in &mut system.partitions {
        match partition.name.value.as_str() {
            "adas" => partition.restart_limit = 7,
            "vehicle" => partition.autostart = false,
            "cluster" => {
                partition.seed = bulkhead_model::system::Seed::Fixed;
                partition.reads_ledger = true;
            }
            _ => {}
        }
    }
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let start = records(&compiled.text, "start");
    let of = |name: &str| start.iter().find(|r| r[0] == name).expect("a record")[1..].to_vec();
    assert_eq!(of("adas"), ["boot", "7", "board", "-", "-"]);
    assert_eq!(of("vehicle"), ["off", "3", "board", "steady", "-"]);
    assert_eq!(of("cluster"), ["boot", "3", "fixed", "-", "ledger"]);
    assert_eq!(start.len(), 4);
}
