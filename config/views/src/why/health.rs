// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the keys of the health monitor decide.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use bulkhead_types::tables::{NONE, Partition};

use crate::built::Built;
use crate::words::time;

/// The errors of a level, each with what is done about it.
pub(crate) fn reactions(level: Level, table: &[u8; ERRORS]) -> Vec<(&'static str, &'static str)> {
    let errors = Error::ALL.iter().filter(|error| error.occurs_on(level));
    let reaction = |error: &Error| (error.word(), Action::of(table, *error, level).word());
    errors.map(reaction).collect()
}

/// The errors of a level that end more than one partition: those of a core, or all.
pub(crate) fn ending(level: Level, table: &[u8; ERRORS]) -> Vec<(Error, Action)> {
    let errors = Error::ALL.iter().filter(|error| error.occurs_on(level));
    let reactions = errors.map(|error| (*error, Action::of(table, *error, level)));
    reactions
        .filter(|(_, action)| matches!(action, Action::StopCore | Action::GlobalSafeState))
        .collect()
}

fn table(level: Level, table: &[u8; ERRORS]) -> Vec<String> {
    let reactions = reactions(level, table).into_iter();
    reactions
        .map(|(error, action)| format!("{error} on the {} level: {action}", level.word()))
        .collect()
}

/// The reactions of the levels above partitions.
pub(super) fn system(built: &Built<'_>) -> Vec<String> {
    let mut lines = table(Level::Core, &built.board.health_core);
    lines.extend(table(Level::System, &built.board.health_system));
    lines.push(monitor(built));
    lines
}

/// Who is told of what is notified.
pub(crate) fn monitor(built: &Built<'_>) -> String {
    match usize::try_from(built.board.monitor) {
        Ok(index) if built.board.monitor != NONE => {
            format!(
                "partition {} is told of what is notified",
                built.partition_name(index)
            )
        }
        Ok(_) | Err(_) => "nobody is told of what is notified".to_owned(),
    }
}

/// The reactions to a partition's errors.
pub(super) fn partition(built: &Built<'_>, index: usize) -> Vec<String> {
    let entry = built.partitions.get(index);
    entry.map_or_else(Vec::new, |p| table(Level::Partition, &p.health))
}

/// What is expected of a partition.
pub(crate) fn heartbeat(partition: &Partition) -> String {
    match partition.heartbeat_ns {
        0 => "no sign of life is expected of it".to_owned(),
        every => format!(
            "a sign of life is expected every {}, and none in the first {} after a start",
            time(every),
            time(partition.heartbeat_grace_ns)
        ),
    }
}

/// How many interrupts a partition's devices may raise.
pub(crate) fn storm(partition: &Partition) -> String {
    match partition.interrupt_limit {
        0 => "any number".to_owned(),
        limit => format!("at most {limit}, more are a storm"),
    }
}
