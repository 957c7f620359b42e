// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules that need sizes and places: the compiler finds their breaches.

use crate::diagnostic::Rule;

/// Payloads where something else lies.
pub static IMAGE: Rule = Rule {
    number: "BH170",
    id: "totals/image",
    text: "The image with all payloads ends before RAM that is reserved, pinned or absent.",
    fix: "Make payloads smaller, or pin memory elsewhere.",
};
/// Tables where something else lies.
pub static TABLES: Rule = Rule {
    number: "BH171",
    id: "totals/tables",
    text: "The blob with all translation tables ends before RAM that is reserved, pinned or absent.",
    fix: "Pin memory elsewhere, correct `hypervisor` and `reserved` in the board file, or give partitions with `colours` less memory.",
};
/// No room for what EL2 shares.
pub static WINDOWS: Rule = Rule {
    number: "BH172",
    id: "totals/windows",
    text: "Live tables, windows and channels find room in the board's RAM below 4 GiB.",
    fix: "Pin less memory below 4 GiB, or use fewer channels.",
};
/// No contiguous room.
pub static MEMORY: Rule = Rule {
    number: "BH173",
    id: "totals/memory",
    text: "The memory of each partition finds a place in what image, windows and all others leave.",
    fix: "Take memory from partitions, or pin none in the middle of RAM.",
};
/// No room for registers.
pub static BARS: Rule = Rule {
    number: "BH174",
    id: "totals/bars",
    text: "The registers of all PCI functions of the board fit into its PCIe window.",
    fix: "Correct the sizes or the window in the board file.",
};
/// A hypervisor for something else.
pub static HYPERVISOR: Rule = Rule {
    number: "BH175",
    id: "board/hypervisor",
    text: "The board file has the number, the address and no more cores than the hypervisor was built for.",
    fix: "Correct the board file, or build the hypervisor for this board.",
};
/// Nothing to map.
pub static NO_REGISTERS: Rule = Rule {
    number: "BH176",
    id: "devices/no-registers",
    text: "A device that a partition owns has registers, and a PCI function has a host bridge.",
    fix: "Correct the device or `pcie` in the board file.",
};
/// Two interrupts in one.
pub static EMULATED: Rule = Rule {
    number: "BH177",
    id: "devices/emulated-interrupt",
    text: "A device's interrupt is not that of its partition's emulated UART.",
    fix: "Give the device to another partition, or the partition another console.",
};
/// Registers behind something else.
pub static OCCUPIED: Rule = Rule {
    number: "BH344",
    id: "devices/occupied",
    text: "Where the registers of a partition's device are, the partition sees nothing else: a device at fixed addresses is seen at these.",
    fix: "Give the partition less memory or another console, or the device to another partition.",
};
/// A payload that cannot be loaded.
pub static UNUSABLE: Rule = Rule {
    number: "BH178",
    id: "payload/unusable",
    text: "A payload is complete, enters executable code, and its parts fit beside each other and the device tree.",
    fix: "Build the payload for the partition's memory.",
};

/// No device tree.
pub static TREE_UNUSABLE: Rule = Rule {
    number: "BH236",
    id: "device-tree/unusable",
    text: "A partition's own device tree is a flattened one with memory and CPUs.",
    fix: "Compile the device tree with `dtc`, or leave `device_tree` out.",
};
/// More than the partition owns.
pub static TREE_FOREIGN: Rule = Rule {
    number: "BH237",
    id: "device-tree/foreign",
    text: "Each CPU, memory, register and interrupt of a partition's own device tree is one that it owns.",
    fix: "Remove the node, or give the partition what the node names.",
};

/// Every rule of this module, by number; they come after those of the analysis.
pub static ALL: &[&Rule] = &[
    &IMAGE,
    &TABLES,
    &WINDOWS,
    &MEMORY,
    &BARS,
    &HYPERVISOR,
    &NO_REGISTERS,
    &EMULATED,
    &UNUSABLE,
    &TREE_UNUSABLE,
    &TREE_FOREIGN,
    &OCCUPIED,
];
