// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a channel.

use super::{Choose, Count, Key, Kind, Meaning, Need, Table, Word, needed, optional, table, word};

/// A channel.
pub(super) const CHANNEL: Table = Table {
    what: "a channel",
    keys: KEYS,
    choose: Choose::One(&["sampling", "queuing", "shared", "doorbell"]),
};

const KEYS: &[Key] = &[
    needed(
        "sampling",
        Kind::Map(&SAMPLING),
        "Readers see the last message whole, and neither side ever waits.",
    ),
    needed(
        "queuing",
        Kind::Map(&QUEUING),
        "One reader takes messages in order, and neither side ever waits.",
    ),
    needed(
        "shared",
        Kind::Map(&SHARED),
        "Memory that the writer writes and readers read, without a protocol: what is read is a claim of the writer.",
    ),
    needed(
        "doorbell",
        Kind::Map(&DOORBELL),
        "An interrupt without payload, which the writer raises in the one reader.",
    ),
    Key {
        name: "writer",
        need: Need::NeededByRule,
        value: Kind::Text(Meaning::Partition),
        text: "The one partition that writes.",
    },
    needed(
        "readers",
        Kind::List(&Kind::Text(Meaning::Partition), Count::Some),
        "The partitions that read.",
    ),
    optional(
        "at",
        Kind::U64,
        "the compiler finds a place",
        "Physical address of the memory that the writer writes, below 4GiB, a multiple of 64KiB, of 2MiB if it is that large.",
    ),
    optional(
        "reader_at",
        Kind::U64,
        "the compiler finds a place",
        "Physical address of the memory in which the reader of a queue says what it has taken, below 4GiB, a multiple of 64KiB.",
    ),
    optional(
        "from_qm",
        Kind::Word(FROM_QM),
        "`refused`",
        "Whether readers with a safety level may depend on a writer without one.",
    ),
];

const FROM_QM: &[Word] = &[
    word("accepted", "The readers check age and range of what they read."),
    word("refused", "They may not."),
];

const SAMPLING: Table = table(
    "`sampling`",
    &[needed(
        "message",
        Kind::Bytes,
        "Size of a message, a multiple of 8 from 8 to 16288.",
    )],
);

const QUEUING: Table = table(
    "`queuing`",
    &[
        needed(
            "message",
            Kind::Bytes,
            "Size of a message, a multiple of 8 from 8 to 16288.",
        ),
        needed("depth", Kind::range(1, 65_536), "Messages that the queue holds."),
        optional(
            "overflow",
            Kind::Word(OVERFLOW),
            "`drop-oldest`",
            "What becomes of a message for which there is no room.",
        ),
    ],
);

const OVERFLOW: &[Word] = &[
    word(
        "drop-oldest",
        "The oldest message gives way, and the reader learns how many it lost: the writer depends on no reader.",
    ),
    word(
        "refuse",
        "It is refused, and the writer learns: it depends on its reader, which must be as critical.",
    ),
];

const SHARED: Table = table(
    "`shared`",
    &[needed(
        "size",
        Kind::Bytes,
        "Size of the memory, whole pages, at most 32MiB.",
    )],
);

const DOORBELL: Table = table(
    "`doorbell`",
    &[needed(
        "interval",
        Kind::Time,
        "Least time from one ring to the next, from 10us to 1s; an earlier one is refused and counted.",
    )],
);
