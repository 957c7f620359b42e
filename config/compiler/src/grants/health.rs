// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The records of the health table. Implements: BH-HEALTH-018.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use bulkhead_model::system::System;
use bulkhead_types::tables::{NONE, partition_flag};

use super::{Text, name};
use crate::sections::Sections;
use crate::units::id;

/// What is done about each error, and what is watched of each partition.
pub(super) fn records(text: &mut Text, system: &System, sections: &Sections) {
    text.title("health: whose error, which, what is done about it");
    let mut table = |whose: &str, level: Level, table: &[u8; ERRORS]| {
        for error in Error::ALL.iter().filter(|error| error.occurs_on(level)) {
            let action = Action::of(table, *error, level);
            text.line(format!("health {whose} {} {}", error.word(), action.word()));
        }
    };
    table("core", Level::Core, &sections.board.health_core);
    table("system", Level::System, &sections.board.health_system);
    for (number, partition) in sections.partitions.iter().enumerate() {
        let whose = format!("partition:{}", name(system, id(number)));
        table(&whose, Level::Partition, &partition.health);
    }
    let monitor = match sections.board.monitor {
        NONE => "-",
        index => name(system, index),
    };
    text.line(format!("monitor {monitor}"));
    for (number, partition) in sections.partitions.iter().enumerate() {
        let safe = partition.flags & partition_flag::SAFE_OUTPUT != 0;
        text.line(format!(
            "watch {} {} {} {} {}",
            name(system, id(number)),
            if safe { "output" } else { "silent" },
            partition.heartbeat_ns,
            partition.heartbeat_grace_ns,
            partition.interrupt_limit,
        ));
    }
    for (number, partition) in sections.partitions.iter().enumerate() {
        let says = |flag: u32, set: &'static str, clear: &'static str| match partition.flags & flag {
            0 => clear,
            _ => set,
        };
        text.line(format!(
            "start {} {} {} {} {} {}",
            name(system, id(number)),
            says(partition_flag::AUTOSTART, "boot", "off"),
            partition.restart_limit,
            says(partition_flag::FIXED_SEED, "fixed", "board"),
            says(partition_flag::MAY_MARK, "steady", "-"),
            says(partition_flag::MAY_READ_LEDGER, "ledger", "-"),
        ));
    }
    super::firmware::records(text, system, sections);
    if sections.board.watchdog != 0 {
        text.line(format!("watchdog {}", sections.board.watchdog));
    }
}
