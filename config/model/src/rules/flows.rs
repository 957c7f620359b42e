// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what flows through channels: memory that fits, and nobody who holds up a more critical one.

use bulkhead_abi::queuing::READER_SIZE;

use super::Facts;
use super::locks::rank;
use crate::channel::{ChannelKind, LARGEST_MEMORY, MEMORY_ROOM, MOST_PORTS, Overflow, alignment, lay_out};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;

/// Memory that no table can map as it is.
static SHARED_SIZE: Rule = Rule {
    number: "BH210",
    id: "channels/shared-size",
    text: "Shared memory is whole pages of 4KiB, from one page to 32MiB.",
    fix: "Round the size up to a multiple of 4KiB, or share less.",
};
/// More than the partitions' addresses have room for.
static NO_ROOM: Rule = Rule {
    number: "BH211",
    id: "channels/no-room",
    text: "A system has at most 112 sampling channels, and the memories of its other channels take at most 64MiB.",
    fix: "Join channels of one writer, or share less memory.",
};

/// A queue that is too large.
static QUEUE_SIZE: Rule = Rule {
    number: "BH212",
    id: "channels/queue-size",
    text: "A queue takes at most 32MiB: its messages, each with 16 bytes and rounded up to 64, one more, and 64 bytes.",
    fix: "Write a smaller `depth`.",
};
/// A queue that several would empty.
static ONE_READER: Rule = Rule {
    number: "BH213",
    id: "channels/one-reader",
    text: "A queue has one reader, who alone says what it has taken, and a doorbell one who hears it.",
    fix: "Give each reader a channel of its own.",
};
/// A reader that can hold up a more critical writer.
static BACK_PRESSURE: Rule = Rule {
    number: "BH214",
    id: "channels/back-pressure",
    text: "A queue that refuses messages when it is full has a reader that is as critical as its writer or more: its writer depends on it.",
    fix: "Write `overflow: drop-oldest`.",
};

pub(super) static ALL: &[&Rule] = &[&SHARED_SIZE, &NO_ROOM, &QUEUE_SIZE, &ONE_READER, &BACK_PRESSURE];
pub(super) const CHECKS: &[super::Check] = &[shared_size, no_room, queue_size, one_reader, back_pressure];

const PAGE: u64 = 4096;

/// Implements: BH-CFG-210.
fn shared_size(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for kind in facts.spec.channels.iter().filter_map(|c| c.kind) {
        let ChannelKind::Shared { size } = kind else {
            continue;
        };
        if size.is_multiple_of(PAGE) && (PAGE..=LARGEST_MEMORY).contains(&size.value) {
            continue;
        }
        let fits = size.clamp(1, LARGEST_MEMORY).next_multiple_of(PAGE);
        diagnostics.push(Diagnostic::new(
            &SHARED_SIZE,
            size.span,
            format!("{} bytes of shared memory are not possible", size.value),
            "must be whole pages, at most 32MiB",
            format!("write {fits}"),
        ));
    }
}

/// Implements: BH-CFG-211.
fn no_room(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let channels = facts.spec.channels.iter();
    let (mut ports, mut memories) = (0, Vec::new());
    for channel in channels {
        match channel.kind {
            Some(ChannelKind::Sampling { .. }) => ports += 1,
            Some(kind @ ChannelKind::Queuing { .. }) => memories.extend([kind.size(), READER_SIZE as u64]),
            Some(kind @ ChannelKind::Shared { .. }) => memories.push(kind.size()),
            Some(ChannelKind::Doorbell { .. }) | None => {}
        }
        if memories.iter().any(|size| *size > LARGEST_MEMORY) {
            // Another rule says so.
            return;
        }
        let sizes = memories.iter().map(|size| (*size, alignment(*size)));
        if ports > MOST_PORTS || lay_out(sizes).1 > MEMORY_ROOM {
            diagnostics.push(Diagnostic::new(
                &NO_ROOM,
                channel.name.span,
                format!(
                    "there is no room for the memory of channel `{}`",
                    channel.name.value
                ),
                "with this one they are too many",
                NO_ROOM.fix,
            ));
            return;
        }
    }
}

/// Implements: BH-CFG-212.
fn queue_size(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for kind in facts.spec.channels.iter().filter_map(|c| c.kind) {
        let ChannelKind::Queuing { depth, .. } = kind else {
            continue;
        };
        if kind.size() > LARGEST_MEMORY {
            diagnostics.push(Diagnostic::new(
                &QUEUE_SIZE,
                depth.span,
                format!("a queue of {} of these messages is too large", depth.value),
                format!("must take at most {LARGEST_MEMORY} bytes"),
                QUEUE_SIZE.fix,
            ));
        }
    }
}

/// Implements: BH-CFG-213.
fn one_reader(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for channel in &facts.spec.channels {
        let Some(ChannelKind::Queuing { .. } | ChannelKind::Doorbell { .. }) = channel.kind else {
            continue;
        };
        if let [first, second, ..] = channel.readers.as_slice() {
            let diagnostic = Diagnostic::new(
                &ONE_READER,
                second.span,
                format!("channel `{}` has more than one reader", channel.name.value),
                "one too many",
                ONE_READER.fix,
            );
            diagnostics.push(diagnostic.and(first.span, "already read here"));
        }
    }
}

/// Implements: BH-CFG-214.
fn back_pressure(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let level = |name: &Spanned<String>| facts.spec.partition(name)?.1.criticality;
    for channel in &facts.spec.channels {
        let Some(ChannelKind::Queuing { overflow, .. }) = channel.kind else {
            continue;
        };
        let Some((writer, reader)) = channel.writer.as_ref().zip(channel.readers.first()) else {
            continue;
        };
        let Some((writes, reads)) = level(writer).zip(level(reader)) else {
            continue;
        };
        if overflow.value == Overflow::Refuse && rank(reads.value) < rank(writes.value) {
            let diagnostic = Diagnostic::new(
                &BACK_PRESSURE,
                overflow.span,
                format!(
                    "`{}`, which is `{}`, could hold up `{}`, which is `{}`",
                    reader.value,
                    reads.word(),
                    writer.value,
                    writes.word()
                ),
                "full queues refuse messages",
                BACK_PRESSURE.fix,
            );
            diagnostics.push(
                diagnostic
                    .and(writer.span, "the more critical one writes")
                    .and(reader.span, "the less critical one reads"),
            );
        }
    }
}
