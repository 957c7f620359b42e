// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a partition's memory: where it is, what may be done with it, what is kept of it.

use crate::colours::MAX_COLOURS;

use super::{Count, Kind, Meaning, Table, Word, needed, optional, table, word};

/// `memory`.
pub(super) const MEMORY: Table = table(
    "`memory`",
    &[
        needed("size", Kind::Bytes, "A multiple of 2MiB."),
        optional(
            "at",
            Kind::U64,
            "the compiler finds a place",
            "Physical address, a multiple of 2MiB.",
        ),
        optional(
            "rights",
            Kind::Word(RIGHTS),
            "`open`",
            "What stage 2 lets it do with its RAM.",
        ),
        optional(
            "colours",
            Kind::Either(
                &Kind::range(1, MAX_COLOURS as u64),
                &Kind::List(&Kind::range(0, MAX_COLOURS as u64 - 1), Count::Some),
            ),
            "none",
            "Colours of the last-level cache that its pages have: a list, or how many.",
        ),
        optional(
            "uncoloured",
            Kind::List(&Kind::Text(Meaning::Partition), Count::Any),
            "none",
            "Partitions without colours that it accepts beside it.",
        ),
    ],
);

const RIGHTS: &[Word] = &[
    word(
        "open",
        "Read, write and execute everywhere: the guest's own translation tables decide.",
    ),
    word(
        "segments",
        "What the segments of its ELF payload say, read and write elsewhere; nothing writes what is read-only, not even the loader.",
    ),
];

/// What is kept of a partition that an error ends, in a word.
pub(super) const DUMPS: &[Word] = &[word(
    "registers",
    "The registers of its vCPUs, and RAM as long as it stays stopped.",
)];

/// What is kept of it, with its RAM.
pub(super) const DUMP: Table = table(
    "`dump`",
    &[needed(
        "full",
        Kind::Text(Meaning::Something),
        "Its RAM too, over a restart: the range of the board file's `reserved` with `use: dump` in which it is kept. The copy is outside all bounds of a restart.",
    )],
);

/// A range of RAM that a bus master may use.
pub(super) const DMA: Table = table(
    "a range of RAM",
    &[
        needed(
            "offset",
            Kind::Bytes,
            "Its begin, from the begin of RAM, a multiple of 4KiB.",
        ),
        needed("size", Kind::Bytes, "A multiple of 4KiB."),
    ],
);
