// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a board's devices and of what controls them.

use super::board::{BASE, SIZE};
use super::{Count, Key, Kind, Meaning, Table, Word, needed, optional, table, word};

/// A device.
pub(super) const DEVICE: Table = table(
    "a device",
    &[
        needed("kind", Kind::Word(DEVICES), "What it is."),
        optional(
            "pci",
            Kind::Map(&PCI),
            "none: it is at fixed addresses",
            "Its PCI function.",
        ),
        optional(
            "compatible",
            Kind::List(&Kind::Text(Meaning::Something), Count::Some),
            "that of its kind; `other` has none",
            "What the driver of an `other` device looks for, the nearest first.",
        ),
        optional(
            "properties",
            Kind::Map(&PROPERTIES),
            "none",
            "Further properties of an `other` device in its partition's device tree.",
        ),
        needed(
            "registers",
            Kind::Either(
                &Kind::Forms(&[&IN_BAR, &AT_ADDRESS]),
                &Kind::List(&Kind::Map(&AT_ADDRESS), Count::Some),
            ),
            "Where the registers for its partition are: one block, or a list of blocks at fixed addresses.",
        ),
        optional(
            "clock",
            Kind::Frequency,
            "unknown to the partition",
            "Frequency of the clock that its driver divides.",
        ),
        optional(
            "interrupt",
            Kind::Either(
                &Kind::Map(&INTERRUPT),
                &Kind::List(&Kind::Map(&INTERRUPT), Count::Some),
            ),
            "none",
            "Its interrupt, or a list of its interrupts.",
        ),
        optional(
            "can",
            Kind::Boolean,
            "`false`",
            "Whether it is a CAN controller: `wiring` may name it.",
        ),
        optional(
            "bus_master",
            Kind::Boolean,
            "`false`",
            "Whether it reads and writes memory by itself: its partition's RAM, where it is a PCI function or has `streams` and the board has an SMMU; else all of memory.",
        ),
        optional(
            "streams",
            Kind::List(&Kind::U32, Count::Some),
            "a PCI function has that of its bus and slot; another device has none, and no SMMU guards it",
            "StreamIDs that a bus master at fixed addresses uses, behind the SMMU.",
        ),
        optional(
            "reset",
            Kind::List(&Kind::Forms(&[&RESET_WRITE, &RESET_POLL]), Count::Some),
            "that of its kind",
            "How it is brought into its reset state before each start of its partition: steps, in order.",
        ),
        optional(
            "controlled_by",
            Kind::List(&Kind::Text(Meaning::Free), Count::Any),
            "none",
            "The controllers of its clock, reset, power and pins.",
        ),
    ],
);

const BLOCK: Key = optional(
    "block",
    Kind::U32,
    "0",
    "Which of the device's register blocks it is in, counted from 0.",
);

const RESET_WRITE: Table = table(
    "a step of a reset",
    &[
        needed(
            "write",
            Kind::U32,
            "Offset of the 32-bit register that is written, from the first of its block.",
        ),
        needed("value", Kind::U32, "What is written."),
        BLOCK,
    ],
);

const RESET_POLL: Table = table(
    "a step of a reset",
    &[
        needed(
            "poll",
            Kind::U32,
            "Offset of the 32-bit register that is read until the bits are as wanted, from the first of its block.",
        ),
        needed("mask", Kind::U32, "The bits."),
        needed("until", Kind::U32, "What they have to be."),
        BLOCK,
        optional(
            "tries",
            Kind::range(1, 1_000_000),
            "1000",
            "Reads after which the partition's start is given up.",
        ),
    ],
);

/// A controller: with registers, or firmware alone.
pub(super) const CONTROLLER: Kind = Kind::Forms(&[&WITH_REGISTERS, &OF_FIRMWARE]);

const WITH_REGISTERS: Table = table(
    "a controller",
    &[
        needed(
            "base",
            Kind::U64,
            "First address of its registers; none where it has `smc` alone.",
        ),
        needed("size", Kind::Bytes, "Bytes of its registers; with `base` only."),
        CONTROLS,
        optional("smc", FIRMWARE, "no function drives it", FUNCTIONS_TEXT),
    ],
);

const OF_FIRMWARE: Table = table(
    "a controller of the firmware",
    &[needed("smc", FIRMWARE, FUNCTIONS_TEXT), CONTROLS],
);

const CONTROLS: Key = needed(
    "kind",
    Kind::Either(
        &Kind::Word(CONTROLLERS),
        &Kind::List(&Kind::Word(CONTROLLERS), Count::Some),
    ),
    "What it controls: a word, or a list of them.",
);

const FIRMWARE: Kind = Kind::List(&Kind::Either(&Kind::U32, &Kind::Map(&FUNCTIONS)), Count::Some);

const FUNCTIONS_TEXT: &str = "Functions of the firmware that drive it, with 32-bit and 64-bit arguments alike: no partition may call one while another has a device that it controls.";

const FUNCTIONS: Table = table(
    "functions of the firmware",
    &[
        needed(
            "first",
            Kind::U32,
            "Identifier of the first of them, a fast call by the SMC Calling Convention (Arm DEN0028).",
        ),
        needed(
            "last",
            Kind::U32,
            "Identifier of the last of them, of the same owner.",
        ),
    ],
);

const CONTROLLERS: &[Word] = &[
    word("clock", "Clocks."),
    word("reset", "Resets."),
    word("power", "Power domains."),
    word("pins", "Pins and their functions."),
];

const DEVICES: &[Word] = &[
    word("ctucanfd", "CTU CAN FD controller."),
    word("xilinx-can", "AMD (Xilinx) CAN controller of the Zynq."),
    word("xilinx-canfd", "AMD (Xilinx) CAN FD controller 2.0."),
    word(
        "m-can",
        "Bosch M_CAN of TI's K3 SoCs; 60KiB from its registers to the end of its message RAM.",
    ),
    word(
        "edu",
        "QEMU's `edu` function, which copies memory by DMA; for tests.",
    ),
    word(
        "virtio-pci",
        "Virtio function over PCI without the legacy interface; its registers are the BAR with the common configuration at 0.",
    ),
    word("xilinx-gem", "AMD (Xilinx) gigabit Ethernet controller."),
    word("xilinx-dma", "AMD (Xilinx) channel of a DMA controller."),
    word("xilinx-sdhci", "AMD (Xilinx) SD host controller."),
    word("imx-usdhc", "NXP i.MX SD host controller (uSDHC)."),
    word("imx-sdma", "NXP i.MX smart DMA controller (SDMA)."),
    word("pl011", "Arm PrimeCell PL011 UART."),
    word("imx-uart", "NXP i.MX UART."),
    word(
        "uart-8250",
        "UART of the 8250 family with 32-bit registers, as TI's K3 SoCs have it.",
    ),
    word("cadence-uart", "Cadence UART, as AMD (Xilinx) SoCs have it."),
    word(
        "other",
        "A device that Bulkhead knows nothing of; `compatible` says what its driver looks for, and without `reset` it is not reset.",
    ),
    word(
        "i6300esb",
        "Watchdog of the Intel 6300ESB: the hypervisor drives it where a system's `watchdog` asks for it.",
    ),
];

const PCI: Table = table(
    "`pci`",
    &[
        optional("bus", Kind::range(0, 255), "0", "Number of its bus."),
        needed(
            "slot",
            Kind::range(0, 31),
            "Device number on its bus; the function is 0.",
        ),
        needed("id", Kind::Text(Meaning::PciId), "Vendor and device ID."),
        needed(
            "bars",
            Kind::Numbered(&Kind::range(0, 5), &Kind::Bytes),
            "Size of each BAR, a power of two.",
        ),
    ],
);

const IN_BAR: Table = table(
    "`registers`",
    &[needed("bar", Kind::range(0, 5), "One of the BARs under `pci`.")],
);

const AT_ADDRESS: Table = table(
    "a register block",
    &[
        BASE,
        SIZE,
        optional(
            "name",
            Kind::Text(Meaning::Something),
            "none",
            "What the device's driver calls it (`reg-names`).",
        ),
    ],
);

const INTERRUPT: Table = table(
    "an interrupt",
    &[
        needed("intid", Kind::range(32, 1019), "INTID of the SPI."),
        needed("trigger", Kind::Word(TRIGGERS), "When it is pending."),
        optional(
            "name",
            Kind::Text(Meaning::Something),
            "none",
            "What the device's driver calls it (`interrupt-names`).",
        ),
    ],
);

const PROPERTIES: Table = table(
    "`properties`",
    &[
        optional(
            "cells",
            Kind::Named(
                Meaning::Free,
                &Kind::Either(&Kind::U32, &Kind::List(&Kind::U32, Count::Some)),
                Count::Some,
            ),
            "none",
            "Numbers of 32 bits, or lists of them.",
        ),
        optional(
            "strings",
            Kind::Named(
                Meaning::Free,
                &Kind::Either(
                    &Kind::Text(Meaning::Something),
                    &Kind::List(&Kind::Text(Meaning::Something), Count::Some),
                ),
                Count::Some,
            ),
            "none",
            "Texts, or lists of them.",
        ),
        optional(
            "flags",
            Kind::List(&Kind::Text(Meaning::Something), Count::Some),
            "none",
            "Properties without a value.",
        ),
    ],
);

const TRIGGERS: &[Word] = &[
    word("level", "As long as the line is active."),
    word("edge", "Once for each rising edge."),
];
