// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest.json`: what the runner and the other host tools must know of a built system.

use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::release::Release;

/// Version of the manifest.
pub const VERSION: u32 = 3;

/// A built system.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Name of the system.
    pub system: String,
    /// Name of the board.
    pub board: String,
    /// SHA-256 of the blob, lower-case hex.
    pub blob_hash: String,
    /// Bootable image, relative to the manifest.
    pub image: String,
    /// What the image consists of, ascending; between the parts it is zero.
    pub parts: Vec<Part>,
    /// ELF of the run-time part of EL2, for its defmt log and symbols; relative to the images folder.
    pub runtime_elf: String,
    /// Physical address of the statistics area.
    pub stats: u64,
    /// Number of physical cores.
    pub cores: u32,
    /// Partitions by index.
    pub partitions: Vec<Partition>,
    /// Names of the locks by number.
    pub locks: Vec<String>,
    /// Queuing channels in the order of the spec.
    #[serde(default)]
    pub queues: Vec<Queue>,
    /// Global vCPU index to partition, vCPU and core.
    pub vcpus: Vec<Vcpu>,
    /// Assigned PCI functions, in the blob's order.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// What the system does not isolate.
    #[serde(default)]
    pub isolation_lost: Vec<Loss>,
    /// How the board is started on QEMU; absent for boards that QEMU does not model.
    pub qemu: Option<Qemu>,
    /// Lines that must be seen.
    pub expect: Vec<Expectation>,
    /// Lines that must not be seen.
    pub never: Vec<Expectation>,
}

/// A part of the bootable image, which a boot loader can load and check by itself.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// `hypervisor`, `system` (blob and certificate), `payload-PARTITION`, or `payloads` when their pages mix.
    pub name: String,
    /// Physical address of its first byte.
    pub address: u64,
    /// Its first byte in the image.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes in the image, lower-case hex.
    pub sha256: String,
}

/// One partition.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Name.
    pub name: String,
    /// `qm`, `asil-a`, `asil-b`, `asil-c` or `asil-d`.
    pub criticality: String,
    /// Encoding of its console.
    pub console: Console,
    /// Physical address of its window.
    pub window: u64,
    /// Whether its payload publishes metrics (bare-metal partitions).
    pub metrics: bool,
    /// Its ELF for defmt and symbols; relative to the images folder, absolute when the user gave a path.
    pub elf: Option<String>,
    /// `dedicated` or `sliced`.
    pub mode: String,
    /// Slots that each of its vCPUs gets in a major frame.
    pub slots_per_frame: u32,
    /// Where its RAM lies; absent where its pages have colours.
    #[serde(default)]
    pub ram: Option<Ram>,
    /// Where its RAM is kept when an error ends it: behind a page that says of which start it is.
    #[serde(default)]
    pub dump: Option<Ram>,
    /// How long a fault of it may go unanswered.
    #[serde(default)]
    pub fault_tolerant_time: Option<Tolerance>,
}

/// RAM of a partition.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Ram {
    /// Its address as the partition sees it.
    pub ipa: u64,
    /// Its physical address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// How long a fault of a partition may go unanswered; times in ns.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Longest time from a fault to the reaction.
    pub limit: u64,
    /// Index of the partition that reacts.
    pub reaction: u32,
    /// Time without a valid frame after which it reacts.
    pub timeout: u64,
    /// Longest time between two signs of life of the faulty one; 0 when it owes none.
    pub heartbeat: u64,
}

/// Encoding of a console.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Console {
    /// Text in the window's ring.
    Text,
    /// defmt frames (rzCOBS) in the window's ring.
    Defmt,
    /// Text through an emulated PL011.
    Uart,
}

/// A queuing channel.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Physical address of the memory that its writer writes.
    pub memory: u64,
    /// Physical address of the memory that its reader writes.
    pub reader: u64,
}

/// One vCPU.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Vcpu {
    /// Partition index.
    pub partition: u32,
    /// Index in the partition.
    pub index: u32,
    /// Physical core.
    pub core: u32,
    /// Position among the vCPUs of its core: which block of the core's statistics is its own.
    pub slot: u32,
}

/// What can master the bus: an assigned PCI function, or a stream of a bus master at fixed addresses; in the order in
/// which the statistics count their faults.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Name of the device.
    pub device: String,
    /// StreamID: of a PCI function its bus, device, function.
    pub stream: u32,
    /// Index of its partition.
    pub partition: u32,
}

/// What becomes the QEMU command line.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// The first release that will do.
    #[serde(default)]
    pub since: Option<Release>,
    /// Argument of `-M`.
    pub machine: String,
    /// Argument of `-cpu`, if the machine takes one.
    pub cpu: Option<String>,
    /// Further properties of the machine in a deterministic run.
    pub deterministic_machine: Option<String>,
    /// Further properties of the cores in a deterministic run.
    pub deterministic_cpu: Option<String>,
    /// RAM in bytes.
    pub memory: u64,
    /// Number of cores.
    pub cores: u32,
    /// Which of the machine's serial lines is the board's UART.
    pub serial: u32,
    /// Serial lines of partitions' own UARTs, ascending.
    #[serde(default)]
    pub serials: Vec<SerialLine>,
    /// The board's device tree, relative to the manifest, for a machine that makes none.
    pub device_tree: Option<String>,
    /// Names of the CAN buses.
    pub can_buses: Vec<String>,
    /// Arguments of `-device`.
    pub devices: Vec<String>,
    /// Boot loader for runs from a medium, below the folder of unpacked Debian packages: `PACKAGE/FILE`.
    pub firmware: Option<String>,
    /// Argument of `-device` for that medium; `{drive}` stands for the drive.
    pub disk: Option<String>,
}

/// A serial line that is a partition's own.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SerialLine {
    /// Which of the machine's.
    pub line: u32,
    /// Name of the device.
    pub device: String,
}

/// A line to look for on a console.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Partition name.
    pub partition: String,
    /// Text that a line contains.
    pub text: String,
}
