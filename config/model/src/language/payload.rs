// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a partition's payload.

use super::{Choose, Count, Kind, Meaning, Table, needed, optional, table};

/// `payload`.
pub(super) const PAYLOAD: Table = Table {
    what: "a payload",
    keys: &[
        needed(
            "elf",
            Kind::Text(Meaning::File),
            "An AArch64 ELF linked at 0x4000_0000: a built image, or a path.",
        ),
        needed(
            "linux",
            Kind::Map(&LINUX),
            "A Linux kernel with its initial RAM disk.",
        ),
        needed(
            "raw",
            Kind::Text(Meaning::File),
            "A flat binary, copied to the begin of RAM and entered there: a path.",
        ),
    ],
    choose: Choose::OneByRule(&["elf", "linux", "raw"]),
};

const LINUX: Table = table(
    "a Linux payload",
    &[
        needed(
            "kernel",
            Kind::Text(Meaning::File),
            "An arm64 `Image`: `debian:PACKAGE`, or a path.",
        ),
        needed(
            "command_line",
            Kind::Text(Meaning::Free),
            "The kernel's command line.",
        ),
        optional(
            "initramfs",
            Kind::Map(&INITRAMFS),
            "none",
            "An initial RAM disk that is built from these.",
        ),
        optional(
            "initrd",
            Kind::Text(Meaning::File),
            "none",
            "A finished initial RAM disk: a path. Excludes `initramfs`.",
        ),
    ],
);

const INITRAMFS: Table = table(
    "`initramfs`",
    &[
        needed(
            "busybox",
            Kind::Text(Meaning::File),
            "A static AArch64 busybox: `debian:PACKAGE`, or a path.",
        ),
        optional(
            "programs",
            Kind::List(&Kind::Text(Meaning::File), Count::Any),
            "none",
            "Static AArch64 programs: built images, or paths.",
        ),
    ],
);
