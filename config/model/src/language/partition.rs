// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a partition.

use super::health::REACTIONS;
use super::memory::{DMA, DUMP, DUMPS, MEMORY};
use super::payload::PAYLOAD;
use super::{Count, Key, Kind, Meaning, Table, Word, needed, optional, table, word};

/// A partition.
pub(super) const PARTITION: Table = table("a partition", KEYS);

const KEYS: &[Key] = &[
    needed(
        "criticality",
        Kind::Word(CRITICALITIES),
        "Automotive safety integrity level of what it does.",
    ),
    needed(
        "cores",
        Kind::Forms(&[&DEDICATED, &SLICED]),
        "The cores that it runs on; vCPU k runs on the k-th, always.",
    ),
    needed(
        "memory",
        Kind::Either(&Kind::Bytes, &Kind::Map(&MEMORY)),
        "Its RAM, a multiple of 2MiB; the compiler finds a place.",
    ),
    needed("payload", Kind::Map(&PAYLOAD), "What it executes."),
    optional(
        "window_at",
        Kind::U64,
        "the compiler finds a place",
        "Physical address of the window that it shares with the hypervisor, below 4GiB, a multiple of 32KiB.",
    ),
    optional(
        "payload_at",
        Kind::U64,
        "the compiler finds a place",
        "Physical address of its load list and payload in the image, a multiple of 4KiB, in the RAM that the image can cover; not with `colours`.",
    ),
    optional(
        "stolen_time_at",
        Kind::U64,
        "the compiler finds a place",
        "Physical address of the page of its stolen time, below 4GiB, a multiple of 4KiB; sliced partitions.",
    ),
    optional(
        "device_tree_at",
        Kind::U64,
        "at the end of its RAM",
        "Where its device tree lies in its RAM as it sees it, from 0x4000_0000, a multiple of 4KiB; the payload leaves room there.",
    ),
    optional(
        "args",
        Kind::Text(Meaning::Free),
        "none",
        "Text for a bare-metal payload (`bootargs` of its device tree).",
    ),
    optional(
        "console",
        Kind::Word(CONSOLES),
        "`none`",
        "Where its output goes.",
    ),
    optional(
        "devices",
        Kind::List(&Kind::Text(Meaning::Device), Count::Any),
        "none",
        "Devices of the board that it owns.",
    ),
    optional(
        "restart_limit",
        Kind::U32,
        "0",
        "Times that an error restarts it before it goes to its safe state.",
    ),
    optional(
        "marks_steady",
        Kind::Boolean,
        "`false`",
        "Whether it marks the begin of the steady state.",
    ),
    optional(
        "reads_ledger",
        Kind::Boolean,
        "`false`",
        "Whether it may read how each core's time was used; it learns when the others execute.",
    ),
    optional(
        "seed",
        Kind::Word(SEEDS),
        "`board`",
        "Where the seeds of its random numbers come from.",
    ),
    optional(
        "autostart",
        Kind::Boolean,
        "`true`",
        "Whether it is started at boot.",
    ),
    optional(
        "tasks",
        Kind::Named(Meaning::Name, &Kind::Map(&TASK), Count::Any),
        "none",
        "What has to end in time, by name; for the analysis, the hypervisor does not look at it.",
    ),
    optional(
        "health",
        Kind::Map(&REACTIONS),
        "as its keys",
        "What is done about its errors.",
    ),
    optional(
        "heartbeat",
        Kind::Map(&HEARTBEAT),
        "none",
        "A sign of life that it must give: the counter of activations in its window changes; bare-metal.",
    ),
    optional(
        "safe_state",
        Kind::Word(SAFE_STATES),
        "`silent`",
        "Its safe state: what becomes of it when it may not restart any more.",
    ),
    optional(
        "fault_tolerant_time",
        Kind::Map(&TOLERANCE),
        "none",
        "How long a fault of it may go unanswered, and who answers when its frames stay away; runs are judged by it.",
    ),
    optional(
        "interrupt_limit",
        Kind::range(1, u32::MAX as u64),
        "none",
        "Interrupts of its devices in one slot; more are a storm; sliced partitions.",
    ),
    optional(
        "dump",
        Kind::Either(&Kind::Word(DUMPS), &Kind::Map(&DUMP)),
        "`registers`",
        "What is kept when an error ends it; `bulkhead crash` reads it.",
    ),
    optional(
        "smc",
        Kind::List(&Kind::Map(&CALL), Count::Some),
        "none: every SMC is refused",
        "Functions of the firmware that it may call by SMC; not from `interrupts: direct`.",
    ),
    optional(
        "dma",
        Kind::Named(
            Meaning::Device,
            &Kind::List(&Kind::Map(&DMA), Count::Some),
            Count::Any,
        ),
        "all RAM that the partition may write",
        "The ranges of its RAM that each of its bus masters reaches.",
    ),
    optional(
        "unguarded_dma",
        Kind::Named(Meaning::Device, &Kind::Text(Meaning::Something), Count::Any),
        "none",
        "Its bus masters that no SMMU guards, each with the reason why that is accepted: they reach all of memory.",
    ),
    optional(
        "device_tree",
        Kind::Text(Meaning::File),
        "a generated one",
        "A flattened device tree that it is given: a built image, or a path. It names nothing that the partition does not own; arguments, initial RAM disk and seeds are put into it.",
    ),
];

const CRITICALITIES: &[Word] = &[
    word(
        "qm",
        "Quality management only: nothing safety-related depends on it.",
    ),
    word("asil-a", "ASIL A, the lowest safety level."),
    word("asil-b", "ASIL B."),
    word("asil-c", "ASIL C."),
    word("asil-d", "ASIL D, the highest safety level."),
];

const DEDICATED: Table = table(
    "`cores`",
    &[
        needed(
            "dedicated",
            Kind::List(&Kind::Core, Count::Some),
            "Cores that it has for itself.",
        ),
        needed(
            "interrupts",
            Kind::Word(INTERRUPTS),
            "How its interrupts reach it.",
        ),
    ],
);

const SLICED: Table = table(
    "`cores`",
    &[
        needed(
            "sliced",
            Kind::List(&Kind::Core, Count::Some),
            "Cores that it shares by the slot tables of `schedule`.",
        ),
        optional(
            "unaligned",
            Kind::Word(UNALIGNED),
            "`refused`",
            "Whether its slots may differ from core to core.",
        ),
    ],
);

const INTERRUPTS: &[Word] = &[
    word(
        "direct",
        "Straight to the partition, WFI not trapped: no entry into the hypervisor.",
    ),
    word(
        "guarded",
        "Straight to the partition, WFI trapped: it can always be stopped.",
    ),
];

const UNALIGNED: &[Word] = &[
    word("accepted", "Its vCPUs may run at different times."),
    word("refused", "Its slots begin and end together on all its cores."),
];

const CONSOLES: &[Word] = &[
    word(
        "text",
        "Text in a ring in shared memory, no entry into the hypervisor; bare-metal payloads.",
    ),
    word(
        "defmt",
        "defmt frames in a ring in shared memory, no entry into the hypervisor; bare-metal payloads.",
    ),
    word("uart", "Text through an emulated PL011; sliced partitions."),
    word("none", "None."),
];

const SEEDS: &[Word] = &[
    word("board", "The board's entropy: different at each start."),
    word("fixed", "Constants: every run is the same. The report says so."),
];

const TASK: Table = table(
    "a task",
    &[
        needed("period", Kind::Time, "Least time between two activations."),
        needed(
            "wcet",
            Kind::Time,
            "Longest execution time of an activation, with the guest's own interrupt entry.",
        ),
        optional(
            "deadline",
            Kind::Time,
            "its period",
            "Time after its activation by which it has to end; may be longer than the period.",
        ),
        optional(
            "priority",
            Kind::U64,
            "the shortest deadline first, ties by name",
            "Its urgency on its vCPU, 0 first; all tasks of a vCPU have one, or none.",
        ),
        optional("vcpu", Kind::U32, "0", "The vCPU that it runs on."),
        optional(
            "jitter",
            Kind::Time,
            "0",
            "Longest time from its activation to its release.",
        ),
        optional(
            "interrupt",
            Kind::Text(Meaning::Device),
            "a timer",
            "The device of its partition whose interrupt releases it.",
        ),
    ],
);

const HEARTBEAT: Table = table(
    "`heartbeat`",
    &[
        needed("every", Kind::Time, "Longest time between two signs of life."),
        optional(
            "grace",
            Kind::Time,
            "none",
            "Time after its start in which none is expected.",
        ),
    ],
);

const TOLERANCE: Table = table(
    "`fault_tolerant_time`",
    &[
        needed("limit", Kind::Time, "Longest time from a fault to the reaction."),
        needed(
            "reaction",
            Kind::Text(Meaning::Partition),
            "The partition that reacts: it shows in its window when it did; bare-metal.",
        ),
        needed(
            "timeout",
            Kind::Time,
            "Time without a valid frame after which it reacts at its next activation.",
        ),
    ],
);

const SAFE_STATES: &[Word] = &[
    word(
        "silent",
        "It is stopped; who listens to it notices that its frames stay away.",
    ),
    word(
        "output",
        "Its payload, bare-metal, is loaded a last time and told by X1 = 1 at its first instruction to give its safe output; if it fails then, it is stopped.",
    ),
];

const CALL: Table = table(
    "a function of the firmware",
    &[
        needed(
            "function",
            Kind::U32,
            "Identifier of a fast call by the SMC Calling Convention (Arm DEN0028).",
        ),
        needed(
            "within",
            Kind::Time,
            "Longest time that the firmware takes for it; the analysis counts it for all partitions of the core.",
        ),
        optional(
            "reason",
            Kind::Text(Meaning::Something),
            "none",
            "Why no argument of it reaches what is not the partition's; needed for functions of vendors and trusted software, and no excuse for one that drives a controller of another's device.",
        ),
    ],
);
