// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys that say how QEMU models a board.

use super::boot::{DISK, FIRMWARE};
use super::{Count, Kind, Meaning, Table, Word, needed, optional, table, word};

/// How QEMU models a board.
pub(super) const QEMU: Table = table(
    "`qemu`",
    &[
        needed("machine", Kind::Text(Meaning::Free), "Argument of -M."),
        optional(
            "since",
            Kind::Text(Meaning::Release),
            "any",
            "The first release of QEMU that models the board as it is used here.",
        ),
        optional(
            "cpu",
            Kind::Text(Meaning::Free),
            "the machine's own",
            "Argument of -cpu.",
        ),
        optional(
            "cpus",
            Kind::range(1, 512),
            "the number of `cores`",
            "Argument of -smp, where the machine has more cores than the board.",
        ),
        optional(
            "serial",
            Kind::range(0, 15),
            "0",
            "Which of the machine's serial lines is `uart`, counted from 0.",
        ),
        optional(
            "device_tree",
            Kind::Word(MAKERS),
            "`machine`",
            "Who makes the board's device tree, which stands for that of a boot loader.",
        ),
        optional(
            "properties",
            Kind::Named(Meaning::Free, &Kind::Text(Meaning::Free), Count::Any),
            "none",
            "Property of the machine for devices of the board; `{bus}` stands for the CAN bus.",
        ),
        optional(
            "devices",
            Kind::Named(Meaning::Free, &Kind::Text(Meaning::Free), Count::Any),
            "none",
            "Argument of -device for devices of the board; `{bus}` stands for the CAN bus.",
        ),
        optional(
            "serials",
            Kind::Named(Meaning::Free, &Kind::range(0, 15), Count::Any),
            "none",
            "Which of the machine's serial lines are UARTs among the devices, by name; a run has the lines of those that somebody owns.",
        ),
        FIRMWARE,
        DISK,
        optional(
            "deterministic",
            Kind::Map(&DETERMINISTIC),
            "nothing",
            "What a deterministic run adds.",
        ),
    ],
);

const MAKERS: &[Word] = &[
    word("machine", "The emulated machine."),
    word(
        "compiler",
        "The compiler, from this file, for a machine that makes none: cores and interrupt controller; the machine adds memory and PSCI.",
    ),
];

const DETERMINISTIC: Table = table(
    "`deterministic`",
    &[
        optional(
            "machine",
            Kind::Text(Meaning::Free),
            "nothing",
            "Properties of the machine.",
        ),
        optional(
            "cpu",
            Kind::Text(Meaning::Free),
            "nothing",
            "Properties of its cores; needs `cpu`.",
        ),
    ],
);
