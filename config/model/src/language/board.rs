// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a board file.

use crate::colours::MAX_COLOURS;

use super::boot::BOOT;
use super::cores::{CORE, ERRATUM};
use super::device::{CONTROLLER, DEVICE};
use super::qemu::QEMU;
use super::{Count, Key, Kind, Meaning, Table, Word, needed, optional, table, word};

/// A board file.
pub static BOARD: Table = table("a board file", KEYS);

const KEYS: &[Key] = &[
    needed(
        "board",
        Kind::Version,
        "Version of the language in which this file is written.",
    ),
    needed("name", Kind::Text(Meaning::Name), "The name that specs use."),
    needed(
        "id",
        Kind::U32,
        "Its number; the hypervisor image and the blob carry it.",
    ),
    needed("title", Kind::Text(Meaning::Free), "One line for people."),
    needed("ram", Kind::List(&Kind::Map(&REGION), Count::Some), "Its RAM."),
    needed(
        "reserved",
        Kind::List(&Kind::Map(&RESERVED), Count::Some),
        "Parts of RAM that nothing may be placed in.",
    ),
    needed(
        "hypervisor",
        Kind::U64,
        "Physical address where the hypervisor image begins.",
    ),
    needed(
        "physical_address_bits",
        Kind::range(32, 52),
        "Bits of a physical address.",
    ),
    needed(
        "cores",
        Kind::List(&Kind::Map(&CORE), Count::Some),
        "Its cores by index; core 0 is the one that boots.",
    ),
    optional(
        "workarounds",
        Kind::List(ERRATUM, Count::Some),
        "none: its cores have no known erratum",
        "The known errata of its cores, each with a remedy.",
    ),
    needed("gic", Kind::Map(&GIC), "The interrupt controller."),
    needed("uart", Kind::Map(&UART), "The hypervisor's own UART."),
    optional(
        "smmu",
        Kind::Map(&SMMU),
        "none",
        "The SMMU that guards the bus masters.",
    ),
    optional(
        "undriven_smmu",
        Kind::Text(Meaning::Free),
        "none",
        "What the board has to guard memory from bus masters, which the hypervisor does not drive.",
    ),
    optional("pcie", Kind::Map(&PCIE), "none", "The PCIe host bridge."),
    needed(
        "poll_bound",
        Kind::U64,
        "Iterations after which a wait for hardware is given up.",
    ),
    optional(
        "traffic",
        Kind::Map(&TRAFFIC),
        "none: no core has a budget",
        "How the performance monitors of its cores count memory traffic.",
    ),
    optional(
        "colours",
        Kind::Map(&COLOURS),
        "none",
        "Page colours of the last-level cache.",
    ),
    optional(
        "devices",
        Kind::Named(Meaning::Name, &Kind::Map(&DEVICE), Count::Any),
        "none",
        "Devices that a partition can own, by name.",
    ),
    optional(
        "controllers",
        Kind::Named(Meaning::Name, &CONTROLLER, Count::Any),
        "none",
        "Clock, reset, power and pin controllers, by name: registers, functions of the firmware, or both; no partition is given one.",
    ),
    optional(
        "boot",
        Kind::Map(&BOOT),
        "none",
        "How the board boots from a medium that `flash` writes.",
    ),
    optional("qemu", Kind::Map(&QEMU), "none", "How QEMU models the board."),
];

pub(super) const BASE: Key = needed("base", Kind::U64, "First address.");
pub(super) const SIZE: Key = needed("size", Kind::Bytes, "Bytes.");

const REGION: Table = table("a range", &[BASE, SIZE]);

const RESERVED: Table = table(
    "a reserved range",
    &[
        needed("name", Kind::Text(Meaning::Free), "What lies there."),
        BASE,
        SIZE,
        optional(
            "use",
            Kind::Word(USES),
            "nothing of the hypervisor",
            "What the hypervisor does with it.",
        ),
    ],
);

const USES: &[Word] = &[
    word(
        "device-tree",
        "The board's device tree lies there; boot compares the board with it.",
    ),
    word(
        "dump",
        "The RAM of a partition whose `dump` names it is kept there when it crashes.",
    ),
];

const TRAFFIC: Table = table(
    "`traffic`",
    &[
        needed(
            "event",
            Kind::range(0, 0xffff),
            "Number of the event that stands for memory traffic.",
        ),
        needed("counters", Kind::range(1, 31), "Event counters of each core."),
        optional(
            "kept",
            Kind::range(1, 30),
            "1",
            "How many of them, the last ones, are the hypervisor's.",
        ),
        needed(
            "interrupt",
            Kind::range(16, 31),
            "INTID of the interrupt that a core's performance monitors raise.",
        ),
    ],
);

const GIC: Table = table(
    "`gic`",
    &[
        needed(
            "version",
            Kind::Word(GIC_VERSIONS),
            "Version of the architecture.",
        ),
        needed("distributor", Kind::U64, "Registers of the distributor."),
        optional(
            "redistributors",
            Kind::U64,
            "a GICv2 has none",
            "Registers of the first redistributor of a GICv3; each takes 128KiB.",
        ),
        optional(
            "cpu",
            Kind::U64,
            "a GICv3 has none",
            "Registers of the CPU interface of a GICv2 (GICC), two pages.",
        ),
        optional(
            "control",
            Kind::U64,
            "a GICv3 has none",
            "Registers of the virtual interface control of a GICv2 (GICH), a page.",
        ),
        optional(
            "virtual_cpu",
            Kind::U64,
            "a GICv3 has none",
            "Registers of the virtual CPU interface of a GICv2 (GICV), two pages.",
        ),
        needed(
            "spi_lines",
            Kind::Number {
                least: 32,
                most: 960,
                multiple: 32,
            },
            "Number of SPIs.",
        ),
        optional(
            "unwired",
            Kind::List(&Kind::range(32, 1019), Count::Some),
            "none",
            "INTIDs of SPIs to which nothing is wired: each can be a doorbell.",
        ),
    ],
);

const GIC_VERSIONS: &[Word] = &[
    word("2", "GICv2 with the Virtualization Extensions."),
    word("3", "GICv3."),
];

const UART: Table = table(
    "`uart`",
    &[
        needed("kind", Kind::Word(UARTS), "Its programming model."),
        BASE,
        needed("interrupt", Kind::range(32, 1019), "INTID of its interrupt."),
    ],
);

const UARTS: &[Word] = &[
    word("pl011", "Arm PrimeCell PL011."),
    word("imx", "NXP i.MX."),
    word("8250", "8250 family with 32-bit registers."),
    word("cadence", "Cadence, as AMD (Xilinx) SoCs have it."),
];

const SMMU: Table = table(
    "`smmu`",
    &[
        needed("kind", Kind::Word(SMMUS), "Its programming model."),
        BASE,
        needed(
            "stream_bits",
            Kind::range(0, 32),
            "log2 of the number of StreamIDs.",
        ),
        optional(
            "interrupts",
            Kind::List(&Kind::range(32, 1019), Count::Any),
            "none",
            "INTIDs of its interrupts; no device may have one of them.",
        ),
    ],
);

const SMMUS: &[Word] = &[word("smmuv3", "Arm SMMUv3.")];

const PCIE: Table = table(
    "`pcie`",
    &[
        needed("ecam", Kind::U64, "Configuration space of bus 0."),
        needed("buses", Kind::range(1, 256), "Number of buses."),
        needed("window", Kind::Map(&WINDOW), "Where the compiler may place BARs."),
    ],
);

const WINDOW: Table = table("`window`", &[BASE, SIZE]);

const COLOURS: Table = table(
    "`colours`",
    &[
        needed(
            "count",
            Kind::range(2, MAX_COLOURS as u64),
            "Number of colours, a power of two.",
        ),
        needed(
            "granule",
            Kind::Bytes,
            "Bytes that follow each other in one colour, a power of two from 4KiB.",
        ),
    ],
);
