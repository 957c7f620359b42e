// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a spec outside its partitions and channels.

use super::channel::CHANNEL;
use super::health::HEALTH;
use super::partition::PARTITION;
use super::{Count, Key, Kind, Meaning, Table, Word, needed, optional, table, word};

/// A spec.
pub static SPEC: Table = table("a spec", KEYS);

const KEYS: &[Key] = &[
    needed(
        "bulkhead",
        Kind::Version,
        "Version of the language in which this spec is written.",
    ),
    optional(
        "include",
        crate::include::KIND,
        "none",
        "Files that this one is laid over, in order: maps are joined key by key, values and lists replaced; each file says its version.",
    ),
    needed("name", Kind::Text(Meaning::Name), "The system's name."),
    needed(
        "board",
        Kind::Text(Meaning::Board),
        "The board: a file of `config/boards` without its ending, or a path relative to the spec.",
    ),
    needed(
        "partitions",
        Kind::Named(Meaning::Name, &Kind::Map(&PARTITION), Count::Some),
        "The partitions by name.",
    ),
    optional(
        "channels",
        Kind::Named(Meaning::Name, &Kind::Map(&CHANNEL), Count::Any),
        "none",
        "What partitions tell each other, by name.",
    ),
    needed(
        "schedule",
        Kind::Map(&SCHEDULE),
        "The slot tables of the sliced cores.",
    ),
    optional(
        "wiring",
        Kind::Named(Meaning::Can, &Kind::Text(Meaning::Name), Count::Any),
        "none",
        "The bus that the transceiver of each CAN controller is wired to.",
    ),
    optional(
        "expect",
        Kind::List(&Kind::Map(&EXPECTATION), Count::Any),
        "none",
        "Lines that must be seen in a run.",
    ),
    optional(
        "never",
        Kind::List(&Kind::Map(&EXPECTATION), Count::Any),
        "none",
        "Lines that must not be seen in a run.",
    ),
    optional(
        "locks",
        Kind::Named(Meaning::Name, &Kind::Map(&LOCK), Count::Any),
        "none",
        "Locks between partitions, each with a record of 4032 bytes that its owner alone writes.",
    ),
    optional(
        "health",
        Kind::Map(&HEALTH),
        "as its keys",
        "The health table: what is done about errors that are no partition's.",
    ),
    optional(
        "hypervisor",
        Kind::Map(&HYPERVISOR),
        "as its keys",
        "Where memory lies that the hypervisor writes and that is no part of its image.",
    ),
    optional(
        "watchdog",
        Kind::Map(&WATCHDOG),
        "not used",
        "The board's watchdog, which the hypervisor pets as long as the slots of every sliced core go on.",
    ),
];

const HYPERVISOR: Table = table(
    "the hypervisor's memory",
    &[
        optional(
            "live_at",
            Kind::U64,
            "the compiler finds a place",
            "Physical address of the root pages and the stream table that it writes, below 4GiB, a multiple of 2MiB, and of the stream table's size if that is more.",
        ),
        optional(
            "smmu_queues_at",
            Kind::U64,
            "the compiler finds a place",
            "Physical address of the two pages of the SMMU's queues, below 4GiB, a multiple of 4KiB; boards with an SMMU.",
        ),
    ],
);

const WATCHDOG: Table = table(
    "the watchdog",
    &[needed(
        "timeout",
        Kind::Time,
        "Time without a pet after which it resets the board.",
    )],
);

const SCHEDULE: Table = table(
    "the schedule",
    &[
        needed(
            "major_frame",
            Kind::Time,
            "Length of the frame that every core repeats for ever.",
        ),
        needed(
            "cores",
            Kind::Numbered(&Kind::Core, &Kind::List(&Kind::Map(&SLOT), Count::Any)),
            "The slots of each sliced core, in time order; they fill the frame exactly, and exactly one core has `system` slots.",
        ),
        optional(
            "bandwidth",
            Kind::Numbered(&Kind::Core, &Kind::Map(&BANDWIDTH)),
            "none",
            "How much memory traffic each of these sliced cores may make; one that has spent its budget stands still until the period ends.",
        ),
    ],
);

const BANDWIDTH: Table = table(
    "a budget of memory traffic",
    &[
        needed(
            "events",
            Kind::U32,
            "How often the event may happen in a period that the board file names for memory traffic.",
        ),
        needed(
            "period",
            Kind::Time,
            "The period; the major frame is a whole number of them.",
        ),
    ],
);

const SLOT: Table = table(
    "a slot",
    &[
        needed(
            "run",
            Kind::Text(Meaning::Run),
            "The partition whose vCPU may use the core, `system` for the hypervisor's housekeeping, `standby` on the core that takes it over when the hypervisor fails on that one, or `idle`.",
        ),
        needed("for", Kind::Time, "Length of the slot."),
        optional(
            "budget",
            Kind::Time,
            "the whole slot",
            "Time that the partition may use in the slot; what it does not need is left to the others.",
        ),
        optional(
            "priority",
            Kind::range(0, 255),
            "none",
            "Its place among the partitions that share the slot; 0 is the most urgent, and runs as soon as it can.",
        ),
        optional(
            "share",
            Kind::List(&Kind::Map(&SHARER), Count::Some),
            "none",
            "Other partitions that may use the core in the slot; at most four share one.",
        ),
        optional(
            "slack",
            Kind::Text(Meaning::Partition),
            "none",
            "The partition that runs when nobody with budget left can; the core sleeps without one.",
        ),
    ],
);

const SHARER: Table = table(
    "a partition that shares a slot",
    &[
        needed(
            "partition",
            Kind::Text(Meaning::Partition),
            "The partition whose vCPU of this core takes part.",
        ),
        optional(
            "budget",
            Kind::Time,
            "the whole slot",
            "Time that it may use in the slot.",
        ),
        needed(
            "priority",
            Kind::range(0, 255),
            "Its place among the partitions that share the slot; 0 is the most urgent.",
        ),
    ],
);

const EXPECTATION: Table = table(
    "an expectation",
    &[
        needed(
            "partition",
            Kind::Text(Meaning::Partition),
            "The partition on whose console the line appears.",
        ),
        needed(
            "text",
            Kind::Text(Meaning::Something),
            "A text that the line contains.",
        ),
    ],
);

const LOCK: Table = table(
    "a lock",
    &[
        needed(
            "participants",
            Kind::Named(Meaning::Partition, &Kind::Map(&PARTICIPANT), Count::Some),
            "The partitions that may take it.",
        ),
        needed(
            "hold",
            Kind::Time,
            "Longest time that it is held while somebody waits; past it the lock is revoked.",
        ),
        optional(
            "at",
            Kind::U64,
            "the compiler finds a place",
            "Physical address of its page, below 4GiB, a multiple of 4KiB.",
        ),
        optional(
            "inheritance",
            Kind::Word(INHERITANCE),
            "`priority`",
            "What becomes of the owner while somebody waits.",
        ),
        optional(
            "less_critical",
            Kind::Word(LESS_CRITICAL),
            "`refused`",
            "Whether participants may wait for less critical ones.",
        ),
    ],
);

const INHERITANCE: &[Word] = &[
    word(
        "priority",
        "It runs ahead of the slot table, for at most `acquisitions` times `hold` in a major frame.",
    ),
    word(
        "none",
        "It runs in its own slots only, so that a wait has no bound.",
    ),
];

const LESS_CRITICAL: &[Word] = &[
    word(
        "accepted",
        "The more critical ones only try, or bear the hold of the others.",
    ),
    word("refused", "They may not."),
];

const PARTICIPANT: Table = table(
    "a participant",
    &[
        needed(
            "priority",
            Kind::range(0, 255),
            "Its place among those who wait; 0 is the most urgent.",
        ),
        needed(
            "acquisitions",
            Kind::range(1, u32::MAX as u64),
            "Times that it takes the lock in a major frame.",
        ),
    ],
);
