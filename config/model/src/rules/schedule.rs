// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for slot tables.

use super::{Facts, meant};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};
use crate::spec::{CoreScheduleSpec, IDLE, Mode, PartitionSpec, STANDBY, SYSTEM, SlotSpec};
use crate::units::show_time;

/// Slots that do not add up.
static NOT_FILLED: Rule = Rule {
    number: "BH090",
    id: "schedule/not-filled",
    text: "The slots of each core fill the major frame exactly.",
    fix: "Lengthen or shorten slots, or add an `idle` slot.",
};
/// No such partition.
static UNKNOWN_PARTITION: Rule = Rule {
    number: "BH091",
    id: "schedule/unknown-partition",
    text: "A slot runs a partition of the spec, `system`, `standby` or `idle`.",
    fix: "Use the name of a partition of this spec, `system`, `standby` or `idle`.",
};
/// A partition on a core of others.
static NOT_ITS_CORE: Rule = Rule {
    number: "BH092",
    id: "schedule/not-its-core",
    text: "A slot runs a partition only on a core that the partition lists.",
    fix: "Add the core to the partition's cores, or let another partition run here.",
};
/// A vCPU that never runs.
static NO_SLOT: Rule = Rule {
    number: "BH093",
    id: "schedule/no-slot",
    text: "A sliced partition has a slot on each of its cores.",
    fix: "Add a slot on that core, or take the core from the partition's list.",
};
/// vCPUs that do not run together.
static UNALIGNED: Rule = Rule {
    number: "BH094",
    id: "schedule/unaligned",
    text: "The slots of a partition begin and end together on all its cores, unless it says `unaligned: accepted`.",
    fix: "Move the slots together, or write `unaligned: accepted`.",
};
/// No core, or several, for EL2's housekeeping.
static SYSTEM_CORE: Rule = Rule {
    number: "BH095",
    id: "schedule/system-core",
    text: "Exactly one core has system slots.",
    fix: "Give exactly one core slots with `run: system`.",
};
/// A sliced core without slots.
static NO_TABLE: Rule = Rule {
    number: "BH096",
    id: "schedule/no-table",
    text: "Every sliced core has a slot table.",
    fix: "Add the core under `schedule.cores`.",
};
/// A slot table for a core that is not shared.
static DEDICATED_CORE: Rule = Rule {
    number: "BH097",
    id: "schedule/dedicated-core",
    text: "A dedicated core has no slot table.",
    fix: "Remove the table, or make the partition `sliced`.",
};
/// A slot that is over before it began.
static TOO_SHORT: Rule = Rule {
    number: "BH098",
    id: "schedule/too-short",
    text: "A slot lasts at least 100 µs.",
    fix: "Lengthen the slot to 100us or more.",
};
/// Several successors for EL2's housekeeping, or one that fails together with the system core.
static STANDBY_CORE: Rule = Rule {
    number: "BH099",
    id: "schedule/standby-core",
    text: "At most one core has standby slots, and it is not the one with the system slots.",
    fix: "Give one core beside the system core slots with `run: standby`.",
};

pub(super) static ALL: &[&Rule] = &[
    &NOT_FILLED,
    &UNKNOWN_PARTITION,
    &NOT_ITS_CORE,
    &NO_SLOT,
    &UNALIGNED,
    &SYSTEM_CORE,
    &NO_TABLE,
    &DEDICATED_CORE,
    &TOO_SHORT,
    &STANDBY_CORE,
];
pub(super) const CHECKS: &[super::Check] = &[
    not_filled,
    unknown_partition,
    not_its_core,
    no_slot,
    unaligned,
    system_core,
    standby_core,
    no_table,
    dedicated_core,
    too_short,
];

/// Shortest slot in ns; below it the world switch would take a noticeable part.
const SHORTEST: u64 = 100_000;

fn tables<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a CoreScheduleSpec> {
    facts.spec.schedule.iter().flat_map(|s| &s.cores)
}

fn slots<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a CoreScheduleSpec, &'a SlotSpec)> {
    tables(facts).flat_map(|t| t.slots.iter().map(move |s| (t, s)))
}

fn sliced<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a PartitionSpec> {
    facts.spec.partitions.iter().filter(|p| p.is_sliced())
}

/// Whether it is known what each slot of a table runs; otherwise another rule says what is not.
fn is_clear(facts: &Facts<'_>, table: &CoreScheduleSpec) -> bool {
    let mut names = table.slots.iter().filter_map(SlotSpec::partition);
    table.complete && names.all(|name| facts.spec.partition(name).is_some())
}

fn slots_of<'a>(table: &'a CoreScheduleSpec, partition: &str) -> Vec<&'a SlotSpec> {
    table
        .slots
        .iter()
        .filter(|s| s.claims().any(|c| c.partition.value == partition))
        .collect()
}

/// Implements: BH-CFG-060.
fn not_filled(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(frame) = facts.spec.schedule.as_ref().and_then(|s| s.major_frame) else {
        return;
    };
    for table in tables(facts).filter(|t| t.complete) {
        let sum = table
            .slots
            .iter()
            .fold(0_u64, |sum, s| sum.saturating_add(s.length.value));
        if sum == frame.value {
            continue;
        }
        let difference = show_time(sum.abs_diff(frame.value));
        let help = if sum < frame.value {
            format!("add `- {{ run: idle, for: {difference} }}`, or lengthen a slot")
        } else {
            format!("shorten the slots by {difference}")
        };
        diagnostics.push(
            Diagnostic::new(
                &NOT_FILLED,
                table.core.span,
                format!(
                    "the slots of core {} do not fill the major frame",
                    table.core.value
                ),
                format!("its slots last {}", show_time(sum)),
                help,
            )
            .and(frame.span, format!("the frame lasts {}", show_time(frame.value))),
        );
    }
}

/// Implements: BH-CFG-061.
fn unknown_partition(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let names = slots(facts).flat_map(|(_, slot)| slot.names());
    for name in names.filter(|n| facts.spec.partition(n).is_none()) {
        diagnostics.push(Diagnostic::new(
            &UNKNOWN_PARTITION,
            name.span,
            format!("there is no partition `{}`", name.value),
            "unknown partition",
            meant(
                name,
                "a slot runs",
                facts.spec.partition_names().chain([SYSTEM, STANDBY, IDLE]),
            ),
        ));
    }
}

/// Implements: BH-CFG-062.
fn not_its_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let names = slots(facts).flat_map(|(table, slot)| slot.names().map(move |n| (table, n)));
    for (table, name) in names {
        let partition = facts.spec.partition(name).map(|(_, p)| p);
        let Some(partition) = partition.filter(|p| p.cores.is_some()) else {
            continue;
        };
        if partition.core_list().contains(&table.core) {
            continue;
        }
        diagnostics.push(
            Diagnostic::new(
                &NOT_ITS_CORE,
                name.span,
                format!(
                    "`{}` has a slot on core {}, which it does not list",
                    name.value, table.core.value
                ),
                format!("a slot on core {}", table.core.value),
                format!(
                    "add {} to its cores, or let another partition run here",
                    table.core.value
                ),
            )
            .and(list_span(partition), "its cores"),
        );
    }
}

fn list_span(partition: &PartitionSpec) -> Span {
    partition
        .core_list()
        .first()
        .map_or(partition.name.span, |c| c.span)
}

/// Implements: BH-CFG-063.
fn no_slot(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in sliced(facts) {
        for core in partition.core_list() {
            let table = facts.spec.table(core.value);
            let Some(table) = table.filter(|t| is_clear(facts, t)) else {
                continue;
            };
            if slots_of(table, &partition.name).is_empty() {
                diagnostics.push(
                    Diagnostic::new(
                        &NO_SLOT,
                        core.span,
                        format!("`{}` has no slot on core {}", partition.name.value, core.value),
                        "its vCPU there would never run",
                        format!(
                            "add `- {{ run: {}, for: … }}` to core {}, or take the core from its list",
                            partition.name.value, core.value
                        ),
                    )
                    .and(table.core.span, "the slots of this core"),
                );
            }
        }
    }
}

/// Implements: BH-CFG-064.
fn unaligned(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in sliced(facts) {
        let accepted =
            matches!(&partition.cores, Some(c) if matches!(c.mode, Mode::Sliced { unaligned: true }));
        let tables = partition
            .core_list()
            .iter()
            .filter_map(|c| facts.spec.table(c.value));
        let mut lists = tables
            .filter(|t| is_clear(facts, t))
            .map(|t| (t, slots_of(t, &partition.name)));
        let Some((first_table, first)) = lists.next().filter(|_| !accepted) else {
            continue;
        };
        for (table, list) in lists.filter(|(_, list)| !list.is_empty() && !first.is_empty()) {
            let window = |s: &SlotSpec| (s.offset, s.length.value);
            let differs = |(a, b): &(&&SlotSpec, &&SlotSpec)| window(a) != window(b);
            let (here, there) = match list.iter().zip(&first).find(differs) {
                Some((here, there)) => (here.run.span, there.run.span),
                None if list.len() != first.len() => (table.core.span, first_table.core.span),
                None => continue,
            };
            let cores = (first_table.core.value, table.core.value);
            diagnostics.push(
                Diagnostic::new(
                    &UNALIGNED,
                    here,
                    format!("the slots of `{}` differ on its cores {} and {}", partition.name.value, cores.0, cores.1),
                    "while one vCPU waits for a lock, the other that holds it may not run",
                    "give these slots the same begin and length, or write `unaligned: accepted` beside `sliced`",
                )
                .and(there, format!("on core {}", cores.0)),
            );
        }
    }
}

/// Cores with slots for `word`, each with the first of them.
fn cores_with(facts: &Facts<'_>, word: &str) -> Vec<(Spanned<usize>, Span)> {
    let mut found: Vec<(Spanned<usize>, Span)> = Vec::new();
    for (table, slot) in slots(facts).filter(|(_, s)| s.run.value == word) {
        if found.iter().all(|(core, _)| *core != table.core) {
            found.push((table.core, slot.run.span));
        }
    }
    found
}

/// Implements: BH-CFG-065.
fn system_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(schedule) = &facts.spec.schedule else {
        return;
    };
    match cores_with(facts, SYSTEM).split_first() {
        None if !tables(facts).all(|t| is_clear(facts, t)) => {}
        None => diagnostics.push(Diagnostic::new(
            &SYSTEM_CORE,
            schedule.span,
            "no core has a system slot",
            "EL2's housekeeping (consoles, SMMU events) has no time",
            "add `- { run: system, for: 1ms }` to one core",
        )),
        Some(((first, first_span), rest)) => {
            for (core, span) in rest {
                diagnostics.push(
                    Diagnostic::new(
                        &SYSTEM_CORE,
                        *span,
                        format!("cores {} and {} both have system slots", first.value, core.value),
                        "EL2's housekeeping runs on one core",
                        "keep the system slots of one core only; write `idle` on the other",
                    )
                    .and(*first_span, "the other"),
                );
            }
        }
    }
}

/// Implements: BH-CFG-087.
fn standby_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (system, found) = (cores_with(facts, SYSTEM), cores_with(facts, STANDBY));
    for (at, (core, span)) in found.iter().enumerate() {
        let same = system.iter().find(|(other, _)| other == core);
        let before = found.first().filter(|_| at > 0);
        let (message, label, other) = match (same, before) {
            (Some((_, other)), _) => (
                format!("core {} has both system and standby slots", core.value),
                "when EL2 fails on a core, it fails in all its slots",
                (*other, "EL2's housekeeping"),
            ),
            (None, Some((first, other))) => (
                format!("cores {} and {} both have standby slots", first.value, core.value),
                "EL2's housekeeping has one successor",
                (*other, "the other"),
            ),
            (None, None) => continue,
        };
        diagnostics.push(
            Diagnostic::new(
                &STANDBY_CORE,
                *span,
                message,
                label,
                "keep the standby slots of one core beside the system core; write `idle` here",
            )
            .and(other.0, other.1),
        );
    }
}

/// Implements: BH-CFG-066.
fn no_table(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(schedule) = &facts.spec.schedule else {
        return;
    };
    for partition in sliced(facts) {
        for core in partition
            .core_list()
            .iter()
            .filter(|c| facts.spec.table(c.value).is_none())
        {
            let diagnostic = Diagnostic::new(
                &NO_TABLE,
                core.span,
                format!("core {} is sliced and has no slot table", core.value),
                format!("used by `{}`", partition.name.value),
                format!("add core {} under `schedule`, `cores`", core.value),
            );
            diagnostics.push(diagnostic.and(schedule.span, "it is not in here"));
        }
    }
}

/// Implements: BH-CFG-067.
fn dedicated_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in facts.spec.partitions.iter().filter(|p| p.is_dedicated()) {
        for core in partition.core_list() {
            let Some(table) = facts.spec.table(core.value) else {
                continue;
            };
            // Then the core is claimed twice, which says more.
            if sliced(facts).any(|p| p.core_list().contains(core)) {
                continue;
            }
            diagnostics.push(
                Diagnostic::new(
                    &DEDICATED_CORE,
                    table.core.span,
                    format!(
                        "core {} is dedicated to `{}` and has a slot table",
                        core.value, partition.name.value
                    ),
                    "a dedicated core is not shared",
                    "remove it from the schedule, or make the partition `sliced`",
                )
                .and(core.span, "dedicated here"),
            );
        }
    }
}

/// Implements: BH-CFG-068.
fn too_short(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, slot) in slots(facts).filter(|(_, s)| s.length.value < SHORTEST) {
        diagnostics.push(Diagnostic::new(
            &TOO_SHORT,
            slot.length.span,
            format!("a slot of {} is too short", show_time(slot.length.value)),
            "the switch itself would take a noticeable part of it",
            format!("write at least {}", show_time(SHORTEST)),
        ));
    }
}
