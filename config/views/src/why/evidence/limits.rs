// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What rules about time and about errors judged: calls of the firmware, shares of slots, memory traffic, reactions,
//! tolerances, the watchdog.

use bulkhead_abi::health::Level;
use bulkhead_model::smc::{FirmwareCall, Reach, reach};
use bulkhead_model::system::{Partition, System};

use super::{at, named, or};
use crate::built::Built;
use crate::share::slot_use;
use crate::why::health as reactions;
use crate::words::{budget, count, listed, time};

/// Each function that a partition may call.
pub(super) fn calls(system: &System, built: &Built<'_>) -> Vec<String> {
    let of = |p: &Partition| -> Vec<String> {
        let cores = p.core_list().iter();
        let slots = cores
            .filter_map(|core| system.schedule.core(core.value))
            .flat_map(|table| &table.slots);
        let shortest = slots.map(|slot| slot.length.value).min();
        let against = shortest.map_or_else(
            || "its cores have no slots".to_owned(),
            |ns| format!("shorter than each slot of its cores ({})", time(ns)),
        );
        let line = |call: &FirmwareCall| {
            let function = call.function.value;
            let kind = match reach(function) {
                Reach::Query => "a query of a standard".to_owned(),
                Reach::Vouched | Reach::Never(_) => {
                    let reason = call.reason.as_ref().map_or("-", |r| r.value.as_str());
                    format!("accepted for \"{reason}\"")
                }
            };
            let drives = system.board.controllers.iter();
            let drives = drives.filter(|c| c.is_driven_by(function));
            let drives: Vec<&str> = drives.map(|c| c.name.value.as_str()).collect();
            format!(
                "{}: {function:#x}, {kind}; at most {}, {against}; drives controllers: {} ({})",
                p.name.value,
                time(call.within.value),
                listed(drives),
                at(system, call.function.span)
            )
        };
        p.smc.iter().map(line).collect()
    };
    let lines: Vec<String> = system.partitions.iter().flat_map(of).collect();
    let allowed: usize = built.partitions.iter().map(|p| p.calls().count()).sum();
    let mut lines = or(lines, "no partition may call the firmware");
    lines.push(format!("the blob allows {}", count(allowed, "call")));
    lines
}

/// Each slot that several share.
pub(super) fn sharing(system: &System, built: &Built<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (k, core) in built.cores.iter().enumerate() {
        let slots = built.slots_of(core).iter();
        for slot in slots.filter(|s| s.shares().next().is_some()) {
            let begin = system.schedule.core(k).and_then(|table| {
                let written = table.slots.iter().find(|s| s.offset == slot.offset_ns)?;
                Some(at(system, written.run.span))
            });
            lines.push(format!(
                "core {k} from {} for {}: {} ({})",
                time(slot.offset_ns),
                time(slot.length_ns),
                slot_use(built, slot),
                begin.unwrap_or_default()
            ));
        }
    }
    or(lines, "each slot is one partition's alone")
}

/// The budget of each core.
pub(super) fn bandwidth(system: &System, built: &Built<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (k, core) in built.cores.iter().enumerate() {
        let (Some(written), Some(traffic)) = (system.schedule.budget(k), &system.board.traffic) else {
            continue;
        };
        let frame = system.schedule.major_frame.value;
        let periods = frame.checked_div(written.period.value).unwrap_or(0);
        lines.push(format!(
            "core {k}, sliced: {}, {periods} whole periods in the major frame of {}; EL2 keeps {} of {} counters ({})",
            budget(core),
            time(frame),
            traffic.kept,
            traffic.counters,
            at(system, written.core.span)
        ));
    }
    or(lines, "no core has a budget of memory traffic")
}

/// All reactions, with those who are told.
pub(super) fn health(system: &System, built: &Built<'_>) -> Vec<String> {
    let shown = |level, table| {
        let reactions = reactions::reactions(level, table).into_iter();
        listed(
            reactions
                .map(|(error, action)| format!("{error}: {action}"))
                .collect(),
        )
    };
    let entries = built.partitions.iter().zip(&system.partitions);
    let mut lines: Vec<String> = entries
        .map(|(entry, p)| {
            format!(
                "{} ({}): {}; {}; interrupts in a slot: {} ({})",
                p.name.value,
                p.criticality.value.word(),
                shown(Level::Partition, &entry.health),
                reactions::heartbeat(entry),
                reactions::storm(entry),
                at(system, p.name.span)
            )
        })
        .collect();
    lines.push(format!("cores: {}", shown(Level::Core, &built.board.health_core)));
    lines.push(format!(
        "system: {}",
        shown(Level::System, &built.board.health_system)
    ));
    lines.push(reactions::monitor(built));
    lines
}

/// How soon each fault that must be answered is found, and by whom it is answered.
pub(super) fn tolerances(system: &System) -> Vec<String> {
    let frame = system.schedule.major_frame.value;
    let line = |p: &Partition| {
        let tolerance = p.fault_tolerant_time.as_ref()?;
        let found = p.heartbeat.as_ref().map_or_else(
            || "no heartbeat is expected of it".to_owned(),
            |beat| {
                format!(
                    "a missing heartbeat is found within {} and a major frame of {}",
                    time(beat.every.value),
                    time(frame)
                )
            },
        );
        let answers = system.partitions.get(tolerance.reaction.value)?;
        Some(format!(
            "{} ({}): its fault may go unanswered for {}; {found}; {} ({}) answers it ({})",
            p.name.value,
            p.criticality.value.word(),
            time(tolerance.limit.value),
            named(system, tolerance.reaction.value),
            answers.criticality.value.word(),
            at(system, tolerance.limit.span)
        ))
    };
    let lines = system.partitions.iter().filter_map(line).collect();
    or(lines, "no partition has a fault-tolerant time")
}

/// The watchdog.
pub(super) fn watchdog(system: &System) -> Vec<String> {
    let Some(used) = system.watchdog else {
        return vec!["the system uses no watchdog".to_owned()];
    };
    let device = system.board.devices.get(used.device);
    let name = device.map_or("?", |d| d.name.value.as_str());
    let owner = device.and_then(|d| system.owner(d));
    let written = system.values.iter().find(|v| v.path == "watchdog.timeout");
    vec![format!(
        "{name}: timeout {}, of at least 10 ms and three major frames of {} and at most 30 min; given to {} ({})",
        time(used.timeout),
        time(system.schedule.major_frame.value),
        owner.map_or("no partition", |p| named(system, p)),
        written.map_or_else(String::new, |v| at(system, v.span))
    )]
}
