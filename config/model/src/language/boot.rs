// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a board's boot path.

use super::{Choose, Count, Key, Kind, Meaning, Table, Word, needed, optional, table, word};

/// How a board boots from a medium.
pub(super) const BOOT: Table = table("`boot`", KEYS);

const KEYS: &[Key] = &[
    needed(
        "loader",
        Kind::Word(LOADERS),
        "The boot loader that starts the hypervisor.",
    ),
    needed(
        "compatible",
        Kind::Text(Meaning::Something),
        "First entry of `compatible` of the board's device tree; the boot loader refuses another board.",
    ),
    needed(
        "staging",
        Kind::U64,
        "Address in RAM where the boot loader reads the boot image to.",
    ),
    optional(
        "medium",
        Kind::Map(&MEDIUM),
        "none",
        "The boot medium as the boot loader calls it; a board that starts only signed images needs it.",
    ),
    optional(
        "table",
        Kind::Word(TABLES),
        "`gpt`",
        "The partition table of the medium.",
    ),
    optional(
        "blobs",
        Kind::Named(Meaning::Name, &Kind::Map(&BLOB), Count::Any),
        "none",
        "Files of the vendor, by name; they are never shipped, and `flash` asks for their paths.",
    ),
    optional(
        "download",
        Kind::Word(DOWNLOADS),
        "none",
        "How the board is loaded over a cable.",
    ),
];

const LOADERS: &[Word] = &[word("u-boot", "Das U-Boot, by a script and a FIT.")];

const MEDIUM: Table = table(
    "`medium`",
    &[
        needed(
            "name",
            Kind::Text(Meaning::Something),
            "Interface, device and partition, as U-Boot's `load` takes them.",
        ),
        optional(
            "prepare",
            Kind::Text(Meaning::Something),
            "nothing",
            "Commands by which U-Boot finds it.",
        ),
    ],
);

const TABLES: &[Word] = &[
    word("gpt", "GUID partition table."),
    word("mbr", "Master boot record."),
];

const DOWNLOADS: &[Word] = &[word("uuu", "NXP's universal update utility.")];

const BLOB: Table = Table {
    what: "a file of the vendor",
    keys: &[
        needed(
            "text",
            Kind::Text(Meaning::Something),
            "What it is and where it comes from.",
        ),
        optional(
            "at",
            Kind::Bytes,
            "none",
            "Its place on the medium, before the first partition.",
        ),
        optional(
            "file",
            Kind::Text(Meaning::Something),
            "none",
            "Its name in the boot partition.",
        ),
    ],
    choose: Choose::One(&["at", "file"]),
};

/// Of `qemu`: the boot loader that it runs.
pub(super) const FIRMWARE: Key = optional(
    "firmware",
    Kind::Map(&PACKAGED),
    "none",
    "The boot loader for `run --boot`.",
);

/// Of `qemu`: the medium that it attaches.
pub(super) const DISK: Key = optional(
    "disk",
    Kind::Text(Meaning::Something),
    "none",
    "Argument of -device for the boot medium; `{drive}` stands for the drive.",
);

/// A file of a Debian package.
const PACKAGED: Table = table(
    "`firmware`",
    &[
        needed("package", Kind::Text(Meaning::Something), "The Debian package."),
        needed("file", Kind::Text(Meaning::Something), "The file in it."),
    ],
);
