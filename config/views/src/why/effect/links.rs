// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the keys of channels and locks decide.

use bulkhead_model::channel::ChannelKind;
use bulkhead_model::lock::Participant;
use bulkhead_model::system::System;
use bulkhead_types::tables::Channel;

use super::grant;
use crate::at::doorbell;
use crate::built::Built;
use crate::channel::carries;
use crate::words::{listed, time};

/// What a key of a channel decides, or all of them.
pub(super) fn channel(system: &System, built: &Built<'_>, name: &str, keys: &[&str]) -> Vec<String> {
    let Some(found) = system.channels.iter().find(|c| c.name.value == name) else {
        return Vec::new();
    };
    let partition = |index: usize| system.partitions.get(index);
    let title = |index: usize| {
        partition(index).map_or_else(String::new, |p| {
            format!("{} ({})", p.name.value, p.criticality.value.word())
        })
    };
    if let ["from_qm"] = keys {
        let readers = found.readers.iter().map(|r| title(r.value)).collect();
        return vec![format!(
            "{} may read what {} writes and must judge it; no table depends on it",
            listed(readers),
            title(found.writer.value)
        )];
    }
    let mut lines = Vec::new();
    if !matches!(keys, ["writer" | "readers" | "at" | "reader_at", ..]) {
        lines.push(format!("it carries: {}", carries(found)));
    }
    if matches!(found.kind, ChannelKind::Doorbell { .. }) {
        lines.extend(rung(system, built, name));
    } else {
        lines.extend(grants(built, name));
    }
    lines
}

/// What a key of a lock decides, or all of them.
pub(super) fn lock(system: &System, built: &Built<'_>, name: &str, keys: &[&str]) -> Vec<String> {
    let Some(found) = system.locks.iter().find(|l| l.name.value == name) else {
        return Vec::new();
    };
    let hold = found.hold.value;
    let title = |p: &Participant| {
        let partition = system.partitions.get(p.partition.value);
        partition.map_or("?", |p| p.name.value.as_str())
    };
    let takes = |p: &Participant| {
        format!(
            "{} waits at priority {}, and takes it {} times in a major frame, for {} together at most while somebody waits",
            title(p),
            p.priority,
            p.acquisitions,
            time(hold.saturating_mul(p.acquisitions.into()))
        )
    };
    let inherits = || {
        if found.inherits {
            format!(
                "while somebody waits its owner runs ahead of the slot table, for {} of a major frame at most",
                time(found.boosts(|_| true))
            )
        } else {
            "its owner never runs ahead of the slot table: tasks of partitions that wait for it have no bound"
                .to_owned()
        }
    };
    match keys {
        ["hold"] => {
            let enforced = built.locks().filter(|(lock, _)| *lock == name);
            let line = |(_, lock): (&str, &Channel)| {
                format!(
                    "EL2 takes it from an owner that holds it for longer than {} while somebody waits",
                    time(lock.hold_ns)
                )
            };
            enforced.map(line).chain([inherits()]).collect()
        }
        ["inheritance"] => vec![inherits()],
        ["less_critical"] => {
            let parties = found.participants.iter().map(|p| {
                let partition = system.partitions.get(p.partition.value);
                let word = partition.map_or("?", |p| p.criticality.value.word());
                format!("{} ({word})", title(p))
            });
            vec![format!(
                "{} may wait for each other, whatever their criticality; no table depends on it",
                listed(parties.collect())
            )]
        }
        ["participants", who, ..] => {
            let own = found.participants.iter().filter(|p| title(p) == *who);
            own.map(takes).collect()
        }
        ["participants"] => found.participants.iter().map(takes).collect(),
        _ => grants(built, name),
    }
}

/// Who may ring a doorbell, and how often.
fn rung(system: &System, built: &Built<'_>, name: &str) -> Option<String> {
    let bell = system.doorbells().find(|bell| bell.channel.name.value == name)?;
    let spi = built.spis.iter().find(|s| s.intid == bell.intid)?;
    Some(doorbell(built, spi))
}

fn grants(built: &Built<'_>, name: &str) -> Vec<String> {
    let name = format!("channel:{name}");
    built
        .records
        .grants
        .iter()
        .filter(|g| g.name == name || g.name.strip_prefix(&name) == Some(".reader"))
        .map(grant)
        .collect()
}
