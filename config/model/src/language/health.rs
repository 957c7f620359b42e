// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of the health monitor: what is done about each error, on each level.

use super::{Key, Kind, Meaning, Table, Word, optional, table, word};

/// `health` of a spec.
pub(super) const HEALTH: Table = table(
    "the health table",
    &[
        optional(
            "monitor",
            Kind::Text(Meaning::Partition),
            "none",
            "The partition that `notify` tells, in its window; bare-metal.",
        ),
        optional(
            "core",
            Kind::Map(&CORE),
            "as below",
            "What is done about errors of the hypervisor on one core.",
        ),
        optional(
            "system",
            Kind::Map(&SYSTEM),
            "as below",
            "What is done about errors that are nobody's.",
        ),
    ],
);

const CORE: Table = table(
    "the core level",
    &[
        reaction(
            "deadline-overrun",
            GOES_ON,
            "`log`",
            "A slot of the core passed without having begun.",
        ),
        reaction(
            "serror",
            ENDS,
            "`stop-core`",
            "An SError while no partition's registers were loaded.",
        ),
        reaction(
            "hardware-poll",
            GOES_ON,
            "`log`",
            "A poll of the core's hardware reached its bound.",
        ),
        reaction(
            "assertion",
            ENDS,
            "`stop-core`",
            "The hypervisor found its own state impossible.",
        ),
        reaction(
            "crash",
            ENDS,
            "`stop-core`",
            "The hypervisor took an exception of its own.",
        ),
    ],
);

const SYSTEM: Table = table(
    "the system level",
    &[
        reaction(
            "dma-fault",
            NOBODYS,
            "`log`",
            "DMA of a function that no partition owns.",
        ),
        reaction(
            "hardware-poll",
            NOBODYS,
            "`log`",
            "A poll of hardware that all share reached its bound.",
        ),
    ],
);

/// `health` of a partition.
pub(super) const REACTIONS: Table = table(
    "the reactions to a partition's errors",
    &[
        reaction(
            "memory-fault",
            ACTIONS,
            "`restart-partition`",
            "An access that its stage 2 does not allow. Where it is only recorded, the guest takes a synchronous external abort.",
        ),
        reaction(
            "illegal-call",
            ACTIONS,
            "`log`",
            "A call that it may not make: an SMC that `smc` does not list, an HVC with a number, a call that the spec does not entitle it to.",
        ),
        reaction(
            "dma-fault",
            ACTIONS,
            "`log`, from asil-b `restart-partition`",
            "DMA of its functions that the SMMU refused.",
        ),
        reaction(
            "deadline-overrun",
            ACTIONS,
            "`log`",
            "Its own count of missed deadlines grew, or its call of the firmware took longer than declared.",
        ),
        reaction(
            "lock-held",
            ACTIONS,
            "`log`",
            "It held a lock longer than declared; the lock was taken away.",
        ),
        reaction(
            "heartbeat",
            ACTIONS,
            "`restart-partition`",
            "The sign of life that `heartbeat` declares is overdue.",
        ),
        reaction(
            "interrupt-storm",
            ACTIONS,
            "`log`, from asil-b `restart-partition`",
            "More interrupts of its devices in a slot than `interrupt_limit`.",
        ),
        reaction(
            "serror",
            ACTIONS,
            "`restart-partition`",
            "An SError while its registers were loaded.",
        ),
    ],
);

const fn reaction(
    name: &'static str,
    words: &'static [Word],
    default: &'static str,
    text: &'static str,
) -> Key {
    optional(name, Kind::Word(words), default, text)
}

const LOG: Word = word("log", "It is recorded, as with every other action.");
const NOTIFY: Word = word("notify", "The monitor partition is told.");
const GLOBAL: Word = word("global-safe-state", "Every partition goes to its safe state.");
const STOP_CORE: Word = word("stop-core", "The core parks; the others go on.");

const ACTIONS: &[Word] = &[
    LOG,
    NOTIFY,
    word(
        "restart-partition",
        "The partition starts again, at most `restart_limit` times; then its safe state.",
    ),
    word("stop-partition", "The partition stays stopped."),
    word("safe-state", "The partition goes to its safe state."),
    GLOBAL,
];
const GOES_ON: &[Word] = &[LOG, NOTIFY, STOP_CORE, GLOBAL];
const ENDS: &[Word] = &[STOP_CORE, GLOBAL];
const NOBODYS: &[Word] = &[LOG, NOTIFY, GLOBAL];
