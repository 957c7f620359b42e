// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to locks, and from those to typed ones.

use crate::decode::{Fields, choice, nanoseconds, number, present, small};
use crate::decode_spec::ACCEPTED;
use crate::lock::{Lock, Participant};
use crate::resolve::partition_index;
use crate::span::Spanned;
use crate::spec::{Name, Spec};
use crate::tree::Entry;

const INHERITS: &[(&str, bool)] = &[("priority", true), ("none", false)];

/// A lock as written.
#[derive(Debug)]
pub(crate) struct LockSpec {
    pub(crate) name: Name,
    pub(crate) participants: Vec<ParticipantSpec>,
    pub(crate) hold: Spanned<u64>,
    pub(crate) at: Option<Spanned<u64>>,
    pub(crate) inherits: bool,
    /// Whether participants accept less critical ones.
    pub(crate) less_critical: bool,
}

/// A participant as written.
#[derive(Debug)]
pub(crate) struct ParticipantSpec {
    pub(crate) partition: Name,
    pub(crate) priority: u8,
    pub(crate) acquisitions: Spanned<u32>,
}

/// A lock; nothing when a value of it could not be read.
pub(crate) fn lock(entry: &Entry) -> Option<LockSpec> {
    let fields = Fields::of(&entry.value)?;
    let inherits = present(fields.get("inheritance").map(|n| choice(n, INHERITS)))?;
    let less_critical = present(fields.get("less_critical").map(|n| choice(n, ACCEPTED)))?;
    let participants = fields.entries("participants").iter().map(participant);
    Some(LockSpec {
        name: entry.key.clone(),
        participants: participants.collect::<Option<_>>()?,
        hold: fields.get("hold").and_then(nanoseconds)?,
        at: fields.get("at").and_then(number),
        inherits: inherits.is_none_or(|i| i.value),
        less_critical: less_critical.is_some_and(|l| l.value),
    })
}

fn participant(entry: &Entry) -> Option<ParticipantSpec> {
    let fields = Fields::of(&entry.value)?;
    Some(ParticipantSpec {
        partition: entry.key.clone(),
        priority: fields.get("priority").and_then(small)?.value,
        acquisitions: fields.get("acquisitions").and_then(small)?,
    })
}

/// All locks with names resolved. Nothing only when a rule was broken.
pub(crate) fn resolve(spec: &Spec) -> Option<Vec<Lock>> {
    let participant = |written: &ParticipantSpec| {
        Some(Participant {
            partition: partition_index(&written.partition, spec)?,
            priority: written.priority,
            acquisitions: written.acquisitions.value,
        })
    };
    let lock = |written: &LockSpec| {
        Some(Lock {
            name: written.name.clone(),
            participants: written
                .participants
                .iter()
                .map(participant)
                .collect::<Option<_>>()?,
            hold: written.hold,
            at: written.at,
            inherits: written.inherits,
        })
    };
    spec.locks.iter().map(lock).collect()
}
