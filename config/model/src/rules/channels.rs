// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for channels: one writer, readers that are others, a message that fits.

use super::{Facts, meant};
use crate::channel::ChannelKind;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;
use crate::system::Criticality;

/// Nobody writes.
static NO_WRITER: Rule = Rule {
    number: "BH080",
    id: "channels/no-writer",
    text: "A channel has a writer.",
    fix: "Add `writer: PARTITION`.",
};
/// No such partition.
static UNKNOWN_PARTITION: Rule = Rule {
    number: "BH081",
    id: "channels/unknown-partition",
    text: "Writer and readers of a channel are partitions of the spec.",
    fix: "Use the name of a partition of this spec.",
};
/// One partition in two roles.
static NAMED_TWICE: Rule = Rule {
    number: "BH082",
    id: "channels/named-twice",
    text: "A partition has one role in a channel: it writes, or it reads once.",
    fix: "Name the partition once; a writer sees what it wrote without reading it.",
};
/// A message that does not fit.
static MESSAGE_SIZE: Rule = Rule {
    number: "BH083",
    id: "channels/message-size",
    text: "A message is a multiple of 8 bytes, from 8 to 16288.",
    fix: "Round the size up to a multiple of 8, or split the message.",
};
/// A reader that is worth more than what it reads.
static FROM_QM: Rule = Rule {
    number: "BH084",
    id: "channels/from-qm",
    text: "A partition with a safety level reads from one without only where the channel says `from_qm: accepted`.",
    fix: "Let a partition with a safety level write, or write `from_qm: accepted` and let the readers check age and range.",
};

pub(super) static ALL: &[&Rule] = &[
    &NO_WRITER,
    &UNKNOWN_PARTITION,
    &NAMED_TWICE,
    &MESSAGE_SIZE,
    &FROM_QM,
];
pub(super) const CHECKS: &[super::Check] = &[unknown_partition, named_twice, message_size, from_qm];

/// Largest message: a port, with all its slots, takes at most the 64 KiB that lie between two channels.
const LARGEST: u64 = 16_288;
const _: () = {
    use bulkhead_abi::sampling::{MESSAGE, SLOT_COUNT, SLOTS};
    let stride = (MESSAGE + LARGEST as usize).next_multiple_of(64);
    assert!(SLOTS + stride * SLOT_COUNT as usize <= 0x1_0000);
    assert!(SLOTS + (stride + 64) * SLOT_COUNT as usize > 0x1_0000);
};

/// Found while the spec is read. Implements: BH-CFG-050.
pub(crate) fn no_writer(channel: &Spanned<String>) -> Diagnostic {
    Diagnostic::new(
        &NO_WRITER,
        channel.span,
        format!("channel `{}` has no writer", channel.value),
        "nobody writes it",
        "add `writer: PARTITION`",
    )
}

/// Implements: BH-CFG-051.
fn unknown_partition(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let ends = facts
        .spec
        .channels
        .iter()
        .flat_map(|c| c.writer.iter().chain(&c.readers));
    for end in ends.filter(|name| facts.spec.partition(name).is_none()) {
        diagnostics.push(Diagnostic::new(
            &UNKNOWN_PARTITION,
            end.span,
            format!("there is no partition `{}`", end.value),
            "unknown partition",
            meant(end, "partitions are", facts.spec.partition_names()),
        ));
    }
}

/// Implements: BH-CFG-052.
fn named_twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for channel in &facts.spec.channels {
        let ends: Vec<&Spanned<String>> = channel.writer.iter().chain(&channel.readers).collect();
        for (index, end) in ends.iter().enumerate() {
            if let Some(other) = ends.iter().take(index).find(|other| other == &end) {
                diagnostics.push(
                    Diagnostic::new(
                        &NAMED_TWICE,
                        end.span,
                        format!("channel `{}` names `{}` twice", channel.name.value, end.value),
                        "named again here",
                        "name it once; a writer sees what it wrote without reading it",
                    )
                    .and(other.span, "first named here"),
                );
            }
        }
    }
}

/// Implements: BH-CFG-053.
fn message_size(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for kind in facts.spec.channels.iter().filter_map(|c| c.kind) {
        let (ChannelKind::Sampling { message } | ChannelKind::Queuing { message, .. }) = kind else {
            continue;
        };
        if message.is_multiple_of(8) && (8..=LARGEST).contains(&message.value) {
            continue;
        }
        let fits = message.clamp(1, LARGEST).next_multiple_of(8);
        diagnostics.push(Diagnostic::new(
            &MESSAGE_SIZE,
            message.span,
            format!("a message of {} bytes is not possible", message.value),
            format!("must be a multiple of 8, from 8 to {LARGEST}"),
            format!("write {fits}"),
        ));
    }
}

/// A sampling port never blocks its reader and is never larger than it says, so that what a channel without
/// safety level can do is to say wrong things or nothing. Implements: BH-LANG-020.
fn from_qm(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let level = |name: &Spanned<String>| facts.spec.partition(name)?.1.criticality;
    let is_qm = |c: Spanned<Criticality>| c.value == Criticality::Qm;
    for channel in facts.spec.channels.iter().filter(|c| !c.from_qm) {
        let Some(writer) = channel.writer.as_ref().filter(|w| level(w).is_some_and(is_qm)) else {
            continue;
        };
        let readers = channel.readers.iter();
        let above: Vec<_> = readers.filter(|r| level(r).is_some_and(|l| !is_qm(l))).collect();
        if above.is_empty() {
            continue;
        }
        let mut diagnostic = Diagnostic::new(
            &FROM_QM,
            writer.span,
            format!(
                "channel `{}` flows from `qm` to a higher safety level",
                channel.name.value
            ),
            format!("`{}` is `qm`", writer.value),
            FROM_QM.fix,
        );
        for reader in above {
            let word = level(reader).map_or("", |l| l.word());
            diagnostic = diagnostic.and(reader.span, format!("`{}` is `{word}`", reader.value));
        }
        diagnostics.push(diagnostic);
    }
}
