// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for locks: who may take one, for how long, and what that takes from others. None orders them: EL2 lets no vCPU wait
//! for a lock while it owns another, so that waits make no circle.

use bulkhead_abi::lock::{MAX_LOCKS, MAX_PARTICIPANTS};

use super::{Facts, meant};
use crate::decode_locks::{LockSpec, ParticipantSpec};
use crate::diagnostic::{Diagnostic, Rule};
use crate::spec::PartitionSpec;
use crate::system::Criticality;
use crate::units::show_time;

/// No such partition.
static UNKNOWN_PARTITION: Rule = Rule {
    number: "BH100",
    id: "locks/unknown-partition",
    text: "The participants of a lock are partitions of the spec.",
    fix: "Use the name of a partition of this spec.",
};
/// Too many of something.
static TOO_MANY: Rule = Rule {
    number: "BH101",
    id: "locks/too-many",
    text: "A system has at most 6 locks, and a lock 2 to 8 participants.",
    fix: "Let partitions that share much share one lock.",
};
/// The name of a channel.
static NAME: Rule = Rule {
    number: "BH102",
    id: "locks/name",
    text: "No lock has the name of a channel: both name shared memory.",
    fix: "Give the lock another name.",
};
/// A participant that has its cores alone.
static DEDICATED: Rule = Rule {
    number: "BH103",
    id: "locks/dedicated",
    text: "A partition on dedicated cores takes no lock: it shares nothing with EL2's other cores that it could wait for.",
    fix: "Publish what it has to say in a sampling channel.",
};
/// A participant that waits for one that is worth less.
static LESS_CRITICAL: Rule = Rule {
    number: "BH104",
    id: "locks/less-critical",
    text: "No partition waits for a less critical one, unless the lock says `less_critical: accepted`.",
    fix: "Write `less_critical: accepted` and let the more critical partition try the lock instead of waiting.",
};
/// Boosts that are longer than the frame.
static HOLD: Rule = Rule {
    number: "BH105",
    id: "locks/hold-fits",
    text: "A lock is held for at least 1us, and all boosts of a core, acquisitions times hold of its locks, fit into half a major frame.",
    fix: "Shorten `hold`, or take the lock less often.",
};

pub(super) static ALL: &[&Rule] = &[
    &UNKNOWN_PARTITION,
    &TOO_MANY,
    &NAME,
    &DEDICATED,
    &LESS_CRITICAL,
    &HOLD,
];
pub(super) const CHECKS: &[super::Check] = &[
    unknown_partition,
    too_many,
    name,
    dedicated,
    less_critical,
    hold_fits,
];

fn participants<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a LockSpec, &'a ParticipantSpec)> {
    let locks = facts.spec.locks.iter();
    locks.flat_map(|lock| lock.participants.iter().map(move |p| (lock, p)))
}

/// Place of a level in the order of ISO 26262, whose words are its letters.
pub(super) fn rank(level: Criticality) -> u8 {
    match level {
        Criticality::Qm => 0,
        Criticality::AsilA => 1,
        Criticality::AsilB => 2,
        Criticality::AsilC => 3,
        Criticality::AsilD => 4,
    }
}

fn partition<'a>(facts: &'a Facts<'_>, participant: &ParticipantSpec) -> Option<&'a PartitionSpec> {
    facts.spec.partition(&participant.partition).map(|(_, p)| p)
}

/// Implements: BH-CFG-130.
fn unknown_partition(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, participant) in participants(facts).filter(|(_, p)| partition(facts, p).is_none()) {
        let name = &participant.partition;
        diagnostics.push(Diagnostic::new(
            &UNKNOWN_PARTITION,
            name.span,
            format!("there is no partition `{}`", name.value),
            "unknown partition",
            meant(name, "partitions are", facts.spec.partition_names()),
        ));
    }
}

/// Implements: BH-CFG-131.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for lock in facts.spec.locks.iter().skip(MAX_LOCKS) {
        diagnostics.push(Diagnostic::new(
            &TOO_MANY,
            lock.name.span,
            format!("{} locks", facts.spec.locks.len()),
            format!("one of those after the first {MAX_LOCKS}"),
            TOO_MANY.fix,
        ));
    }
    for lock in &facts.spec.locks {
        let count = lock.participants.len();
        if !(2..=MAX_PARTICIPANTS).contains(&count) {
            diagnostics.push(Diagnostic::new(
                &TOO_MANY,
                lock.name.span,
                format!("lock `{}` has {count} participants", lock.name.value),
                format!("must be 2 to {MAX_PARTICIPANTS}"),
                TOO_MANY.fix,
            ));
        }
    }
}

/// Implements: BH-CFG-132.
fn name(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for lock in &facts.spec.locks {
        if let Some(channel) = facts.spec.channels.iter().find(|c| c.name == lock.name) {
            diagnostics.push(
                Diagnostic::new(
                    &NAME,
                    lock.name.span,
                    format!("lock `{}` has the name of a channel", lock.name.value),
                    "the lock",
                    NAME.fix,
                )
                .and(channel.name.span, "the channel"),
            );
        }
    }
}

/// Implements: BH-CFG-133.
fn dedicated(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (lock, participant) in participants(facts) {
        let taker = partition(facts, participant).filter(|p| p.is_dedicated());
        let Some(taker) = taker else { continue };
        let name = &participant.partition;
        diagnostics.push(
            Diagnostic::new(
                &DEDICATED,
                name.span,
                format!(
                    "`{}` has its cores alone and takes lock `{}`",
                    name.value, lock.name.value
                ),
                "on dedicated cores",
                DEDICATED.fix,
            )
            .and_at(taker.first_core(), "dedicated here"),
        );
    }
}

/// Implements: BH-CFG-134.
fn less_critical(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for lock in facts.spec.locks.iter().filter(|l| !l.less_critical) {
        let level = |p: &ParticipantSpec| partition(facts, p)?.criticality.map(|c| c.value);
        let levels = lock.participants.iter().filter_map(|p| Some((p, level(p)?)));
        let Some((below, least)) = levels.min_by_key(|(_, level)| rank(*level)) else {
            continue;
        };
        if let Some(above) = lock
            .participants
            .iter()
            .find(|p| level(p).is_some_and(|l| l != least))
        {
            let word = level(above).map_or("", |l| l.word());
            diagnostics.push(
                Diagnostic::new(
                    &LESS_CRITICAL,
                    above.partition.span,
                    format!(
                        "lock `{}` lets `{word}` wait for `{}`",
                        lock.name.value,
                        least.word()
                    ),
                    format!("`{}` is `{word}`", above.partition.value),
                    LESS_CRITICAL.fix,
                )
                .and(
                    below.partition.span,
                    format!("`{}` is `{}`", below.partition.value, least.word()),
                ),
            );
        }
    }
}

/// Implements: BH-CFG-135.
fn hold_fits(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for lock in facts.spec.locks.iter().filter(|l| l.hold.value < 1_000) {
        diagnostics.push(Diagnostic::new(
            &HOLD,
            lock.hold.span,
            format!(
                "lock `{}` is held for {}",
                lock.name.value,
                show_time(lock.hold.value)
            ),
            "shorter than EL2 can measure",
            "write at least 1us",
        ));
    }
    let Some(schedule) = &facts.spec.schedule else {
        return;
    };
    let Some(frame) = schedule.major_frame else { return };
    for table in &schedule.cores {
        let here = |p: &ParticipantSpec| {
            let cores = partition(facts, p).map_or(&[][..], PartitionSpec::core_list);
            cores.iter().any(|c| c.value == table.core.value)
        };
        let mut total: u64 = 0;
        for (lock, participant) in participants(facts).filter(|(l, p)| l.inherits && here(p)) {
            let boost = lock
                .hold
                .value
                .saturating_mul(participant.acquisitions.value.into());
            let before = total;
            total = total.saturating_add(boost);
            if before <= frame.value / 2 && total > frame.value / 2 {
                diagnostics.push(
                    Diagnostic::new(
                        &HOLD,
                        participant.acquisitions.span,
                        format!(
                            "boosts may take {} of each frame of core {}",
                            show_time(total),
                            table.core.value
                        ),
                        format!("{} times `hold` more", participant.acquisitions.value),
                        HOLD.fix,
                    )
                    .and(frame.span, "half of this is left to them"),
                );
            }
        }
    }
}
