// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The properties that are proved: an identifier, a sentence, and the function that decides it.

mod areas;
mod colours;
mod controllers;
pub(crate) mod devices;
mod el2;
pub(crate) mod firmware;
mod gicv2;
mod header;
mod health;
mod listing;
pub(crate) mod masters;
mod schedule;
mod sharing;
mod stage2;
mod streams;
mod text;
mod translation;
mod words;

use crate::system::System;

/// Something that every good system has.
pub struct Property {
    /// Requirement that it implements.
    pub id: &'static str,
    /// What is proved.
    pub text: &'static str,
    /// Tells everything that contradicts it.
    pub(crate) check: fn(&System<'_>, &mut Vec<String>),
}

/// The property that the three files can be decoded at all.
pub(crate) const FORM: &str = "BH-CHK-001";

/// All properties, in the order in which they are reported.
pub const PROPERTIES: &[Property] = &[
    Property {
        id: FORM,
        text: "The blob, the text form and hypervisor.bin have the form of this version, and reserved bytes are zero.",
        check: header::form,
    },
    Property {
        id: "BH-CHK-002",
        text: "The blob was made for this hypervisor: board, build ID and address are those of hypervisor.bin, and both digests are right.",
        check: header::identity,
    },
    Property {
        id: "BH-CHK-003",
        text: "Image, blob, live area and SMMU queues lie apart in RAM, and everything inside the blob lies where its header says, without overlap.",
        check: areas::check,
    },
    Property {
        id: "BH-CHK-004",
        text: "Each root is a page of its own, live roots correspond to their pristine copies, and each partition has its own VMID.",
        check: translation::roots,
    },
    Property {
        id: "BH-CHK-005",
        text: "No table page is reached twice, and all lie in the blob's area for their stage.",
        check: translation::table_pages,
    },
    Property {
        id: "BH-CHK-006",
        text: "Each descriptor has a defined form: reserved, software and contiguous bits zero, access flag set, shareability and type as defined, output address in range.",
        check: translation::descriptors,
    },
    Property {
        id: "BH-CHK-010",
        text: "Each partition's stage 2, and that of each of its streams, reaches exactly what the text form grants, with those rights and types.",
        check: stage2::grants,
    },
    Property {
        id: "BH-CHK-011",
        text: "Of a partition's memory only its RAM and the loader are executable, each page is reached at one address, and what EL2 emulates is unmapped.",
        check: stage2::shape,
    },
    Property {
        id: "BH-CHK-020",
        text: "No physical page is reachable by two partitions but the loader, which none can write, and non-cacheable, non-executable pages with one writer, or of a lock with its participants.",
        check: sharing::partitions,
    },
    Property {
        id: "BH-CHK-021",
        text: "No partition reaches anything of EL2, its devices or anything that EL2 maps but the loader, its own window, its stolen time to read, and channels, which of EL2's roots only the boot root maps but for a lock's on its participants' cores.",
        check: sharing::el2,
    },
    Property {
        id: "BH-CHK-022",
        text: "Each partition reaches RAM as Normal memory, the registers of its own devices as Device memory, and no other address: BARs of its PCI functions, and what the text form lists as its own outside RAM.",
        check: sharing::targets,
    },
    Property {
        id: "BH-CHK-023",
        text: "Each page that two parties reach is declared shared in the text form, with the rights of each.",
        check: sharing::declared,
    },
    Property {
        id: "BH-CHK-024",
        text: "The blob's table of channels names exactly the channels that the text form places, all non-cacheable memory of partitions lies in them, each is reached as a whole, and each lock is one page at its address in each participant.",
        check: sharing::channels,
    },
    Property {
        id: "BH-CHK-025",
        text: "Where a partition has colours, no two have one in common, every other one is stated to use any, and its RAM, load list, payload, root and tables, and the tables of its streams, lie in pages of its colours.",
        check: colours::check,
    },
    Property {
        id: "BH-CHK-026",
        text: "With a GICv2 each partition reaches one CPU interface: the physical one without its deactivation register when its cores are all its own and direct, the virtual one when it shares them; EL2 alone reaches the virtual interface control.",
        check: gicv2::check,
    },
    Property {
        id: "BH-CHK-030",
        text: "No EL2 page is writable and executable at once through any of its roots, and device memory is never executable.",
        check: el2::write_xor_execute,
    },
    Property {
        id: "BH-CHK-031",
        text: "EL2's boot root reaches exactly the parts of the image, the blob, the live area, windows, stolen time, channels, EL2's devices, its watchdog and read-only memory of the board.",
        check: el2::boot_root,
    },
    Property {
        id: "BH-CHK-032",
        text: "Each core's EL2 root reaches exactly what that core needs: not the boot part, no channel but the locks of its vCPUs, no other core's block, nobody else's statistics writable.",
        check: el2::core_roots,
    },
    Property {
        id: "BH-CHK-033",
        text: "EL2's roots reach exactly what the text form grants.",
        check: el2::grants,
    },
    Property {
        id: "BH-CHK-040",
        text: "EL2's own control words are those of its translation regime.",
        check: words::el2,
    },
    Property {
        id: "BH-CHK-041",
        text: "Every vCPU's control words are those that its core's mode, its partition and its index determine.",
        check: words::vcpus,
    },
    Property {
        id: "BH-CHK-050",
        text: "Each vCPU belongs to one partition and one core, and a dedicated core has exactly one.",
        check: schedule::ownership,
    },
    Property {
        id: "BH-CHK-051",
        text: "The slots of each sliced core cover its major frame, each names a vCPU of that core or the system on the system core, and each vCPU and the system have one.",
        check: schedule::slots,
    },
    Property {
        id: "BH-CHK-052",
        text: "Each SPI is owned once, routed to a core of its owner, and no partition is shown another one as its own.",
        check: devices::spis,
    },
    Property {
        id: "BH-CHK-053",
        text: "Assigned PCI functions and their BARs are distinct, one of nobody is there if and only if EL2 uses a watchdog, BARs lie outside RAM and EL2's devices, and none masters the bus without a stream of its partition unless the text form excepts it on a board without an SMMU.",
        check: devices::pci,
    },
    Property {
        id: "BH-CHK-054",
        text: "Each StreamID is invalid or granted to one partition, which has the registers of its device, in the blob as in the text form, and then reaches nothing but RAM that this partition may write, at the same addresses, never to execute it.",
        check: streams::check,
    },
    Property {
        id: "BH-CHK-073",
        text: "The health table is complete: each error of each level has a reaction that fits it, and the monitor is a partition.",
        check: health::complete,
    },
    Property {
        id: "BH-CHK-081",
        text: "Each function of the firmware that a partition may call is a fast call and listed once, changes no power state and takes no entry point as far as a standard says, has a reason where none does, and belongs to no partition that does not enter EL2.",
        check: firmware::check,
    },
    Property {
        id: "BH-CHK-082",
        text: "Each controller of clocks, resets, power or pins that the text form names is one of a device whose registers a partition was given, once, has whole pages, and no other pages are a controller's.",
        check: controllers::stated,
    },
    Property {
        id: "BH-CHK-083",
        text: "No partition's stage 2 reaches a page of a controller that a device of a partition depends on.",
        check: controllers::stage2,
    },
    Property {
        id: "BH-CHK-084",
        text: "No bus master that the SMMU guards reaches a page of a controller that a device of a partition depends on.",
        check: controllers::dma,
    },
    Property {
        id: "BH-CHK-060",
        text: "The text form says of cores, partitions, roots, words and devices exactly what the blob says.",
        check: text::records,
    },
    Property {
        id: "BH-CHK-061",
        text: "Everything of EL2 and of each partition that was placed in memory is listed once, as its owner's.",
        check: listing::memory,
    },
    Property {
        id: "BH-CHK-062",
        text: "Each grant of a partition is what its name says: RAM, loader, load list, payload, window, stolen time, channel or device registers, and nothing else.",
        check: listing::names,
    },
];
