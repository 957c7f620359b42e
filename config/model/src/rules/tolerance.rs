// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the time in which a fault is tolerated: somebody answers, and a hang is found in
//! that time. That the answer comes in time is a rule of `config/analysis`.

use super::{Facts, meant};
use crate::diagnostic::{Diagnostic, Rule};
use crate::health::ToleranceSpec;
use crate::spec::PartitionSpec;
use crate::system::Console;
use crate::units::show_time;

/// Nobody who could answer.
static REACTION: Rule = Rule {
    number: "BH146",
    id: "tolerance/reaction",
    text: "The partition that answers a fault is another one of the spec, bare-metal: its window shows when it did; none of `qm` answers for one with a safety level.",
    fix: "Name another partition with an `elf` or `raw` payload, and with a safety level.",
};
/// A hang that the hypervisor finds too late.
static FOUND_LATE: Rule = Rule {
    number: "BH148",
    id: "tolerance/found-late",
    text: "A missing heartbeat is found in the fault-tolerant time: its `every` and a major frame fit into it.",
    fix: "Lower `every` of the heartbeat.",
};

pub(super) static ALL: &[&Rule] = &[&REACTION, &FOUND_LATE];
pub(super) const CHECKS: &[super::Check] = &[reaction, found_late];

fn tolerances<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a ToleranceSpec)> {
    let partitions = facts.spec.partitions.iter();
    partitions.filter_map(|p| Some((p, p.health.tolerance.as_ref()?)))
}

/// Implements: BH-HEALTH-030.
fn reaction(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, tolerance) in tolerances(facts) {
        let name = &tolerance.reaction;
        let (cause, help, place) = match facts.spec.partition(name) {
            None => (
                "there is no such partition",
                meant(name, "partitions are", facts.spec.partition_names()),
                None,
            ),
            Some((_, other)) if other.name.value == partition.name.value => (
                "whoever has the fault cannot be trusted to answer it",
                "name the partition that listens to it".to_owned(),
                Some(partition.name.span),
            ),
            Some((_, other)) if other.is_linux() || other.has_console(Console::Uart).is_some() => (
                "it has no window in which it could show its reaction",
                "name a bare-metal partition".to_owned(),
                other.without_window(),
            ),
            Some((_, other)) if other.is_qm() && partition.has_level() => (
                "it has no safety level, and a partition with one would depend on it",
                "name a partition with a safety level".to_owned(),
                other.criticality.map(|c| c.span),
            ),
            Some(_) => continue,
        };
        let message = format!(
            "`{}` cannot answer a fault of `{}`",
            name.value, partition.name.value
        );
        let diagnostic = Diagnostic::new(&REACTION, name.span, message, cause, help);
        diagnostics.push(diagnostic.and_at(place, "this is why"));
    }
}

/// Implements: BH-HEALTH-032.
fn found_late(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(frame) = facts.spec.schedule.as_ref().and_then(|s| s.major_frame) else {
        return;
    };
    for (partition, tolerance) in tolerances(facts) {
        let Some(heartbeat) = &partition.health.heartbeat else {
            continue;
        };
        let latest = heartbeat.every.value.saturating_add(frame.value);
        if latest <= tolerance.limit.value {
            continue;
        }
        diagnostics.push(
            Diagnostic::new(
                &FOUND_LATE,
                heartbeat.every.span,
                format!(
                    "that `{}` hangs may be found only after {}",
                    partition.name.value,
                    show_time(latest)
                ),
                format!("a fault is tolerated for {}", show_time(tolerance.limit.value)),
                "lower `every`",
            )
            .and(tolerance.limit.span, "tolerated for this time"),
        );
    }
}
