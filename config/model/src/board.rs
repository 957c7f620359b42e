// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The typed model of a board: what a board file says, with units converted.
//!
//! Addresses and sizes are in bytes.

use crate::boot::Boot;
use crate::bounds::Bounds;
use crate::colours::Colouring;
use crate::errata::Erratum;
use crate::smc::Functions;
use crate::span::{Span, Spanned};

pub use crate::device::{Block, Device, DeviceKind, Registers};
pub use crate::function::{Interrupt, PciFunction, Trigger};
pub use crate::property::{Property, PropertyValue};
pub use crate::qemu::{Deterministic, Qemu, TreeMaker};

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name, as specs use it.
    pub name: Spanned<String>,
    /// Its number; the hypervisor image and the blob carry it.
    pub id: Spanned<u32>,
    /// One line for people.
    pub title: String,
    /// RAM.
    pub ram: Vec<Spanned<Region>>,
    /// Parts of RAM that nothing may be placed in.
    pub reserved: Vec<Reserved>,
    /// Physical address where the hypervisor image begins.
    pub hypervisor: Spanned<u64>,
    /// Bits of a physical address.
    pub physical_address_bits: u32,
    /// Cores by index; core 0 is the one that boots.
    pub cores: Vec<Core>,
    /// The errata of its cores that are worked around.
    pub workarounds: Vec<Spanned<&'static Erratum>>,
    /// Interrupt controller.
    pub gic: Gic,
    /// UART of EL2.
    pub uart: Uart,
    /// SMMU.
    pub smmu: Option<Smmu>,
    /// What it has to guard memory from bus masters, which EL2 does not drive.
    pub undriven_smmu: Option<String>,
    /// PCIe host bridge.
    pub pcie: Option<Pcie>,
    /// Bound of every hardware poll, iterations.
    pub poll_bound: u64,
    /// How its cores count memory traffic.
    pub traffic: Option<Traffic>,
    /// Page colours of the last-level cache, where the board file declares them.
    pub colouring: Option<Colouring>,
    /// Devices that can be assigned.
    pub devices: Vec<Device>,
    /// Clock, reset, power and pin controllers; nobody is given one.
    pub controllers: Vec<Controller>,
    /// How it boots from a medium.
    pub boot: Option<Boot>,
    /// How QEMU models it.
    pub qemu: Option<Qemu>,
    /// What EL2 costs on it.
    pub bounds: Bounds,
    /// Parts of the file that could not be read.
    pub(crate) unread: Unread,
}

/// Parts of a board file that could not be read to their end. What a [`Board`] has in their place is no part of it: a
/// rule that needs one does not judge, and nothing is built.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unread {
    pub(crate) ram: bool,
    pub(crate) cores: bool,
    pub(crate) gic: bool,
}

/// How the performance monitors of a board's cores count memory traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The event that stands for it.
    pub event: u16,
    /// Counters of the hypervisor, the last ones.
    pub kept: u16,
    /// Event counters of each core, 1 to 31.
    pub counters: u32,
    /// INTID of the interrupt that they raise, a PPI.
    pub interrupt: u32,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Bytes; `base + size` does not overflow.
    pub size: u64,
}

impl Region {
    /// First address after it.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Region) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// Whether all of `other` lies in it.
    pub fn contains(&self, other: &Region) -> bool {
        self.base <= other.base && other.end() <= self.end()
    }
}

/// A reserved part of RAM.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// What lies there.
    pub name: String,
    /// Where.
    pub region: Spanned<Region>,
    /// Whether EL2 must know of it.
    pub purpose: ReservedUse,
}

/// What a reserved range is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedUse {
    /// Nothing of the hypervisor.
    Other,
    /// The board's device tree lies there; boot reads it as evidence.
    DeviceTree,
    /// A partition's RAM is kept there when it crashes.
    Dump,
}

/// What keeps the predictions that one partition trained from steering another one's speculation on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predictors {
    /// Nothing.
    None,
    /// The core by itself (FEAT_CSV2).
    Isolated,
    /// CFP, DVP and CPP RCTX at the switch (FEAT_SPECRES).
    Restricted,
    /// The firmware's `SMCCC_ARCH_WORKAROUND_1` at the switch.
    Firmware,
}

impl Predictors {
    /// All, as a board file names them.
    pub(crate) const NAMED: [(&'static str, Self); 4] = [
        ("none", Self::None),
        ("isolated", Self::Isolated),
        ("restricted", Self::Restricted),
        ("firmware", Self::Firmware),
    ];
}

/// A physical core.
#[derive(Clone, Debug)]
pub struct Core {
    /// Affinity fields of `MPIDR_EL1`, bits 39:32 and 23:0.
    pub mpidr: u64,
    /// `MIDR_EL1`.
    pub midr: u64,
    /// Cluster number.
    pub cluster: u32,
    /// Relative capacity, 1024 for the fastest.
    pub capacity: u32,
    /// What keeps the predictions of different partitions apart.
    pub predictors: Predictors,
    /// Its entry.
    pub span: Span,
}

/// GIC.
#[derive(Clone, Debug)]
pub struct Gic {
    /// Distributor.
    pub distributor: u64,
    /// Its architecture version, with the registers that each core has beside the distributor's.
    pub version: GicVersion,
    /// SPIs, a multiple of 32.
    pub spi_lines: u32,
    /// INTIDs of SPIs to which nothing is wired.
    pub unwired: Vec<Spanned<u32>>,
    /// Its key.
    pub span: Span,
}

/// Version of a GIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GicVersion {
    /// GICv3.
    V3 {
        /// First redistributor; each takes 128 KiB.
        redistributors: u64,
    },
    /// GICv2 with the Virtualization Extensions; each core finds its own at the same addresses.
    V2(GicV2),
}

/// The interfaces of a GICv2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GicV2 {
    /// CPU interface (GICC): [`GicV2::INTERFACE`] bytes.
    pub cpu: u64,
    /// Virtual interface control (GICH): [`GicV2::CONTROL`] bytes.
    pub control: u64,
    /// Virtual CPU interface (GICV): [`GicV2::INTERFACE`] bytes.
    pub virtual_cpu: u64,
}

impl GicV2 {
    /// Bytes of a CPU interface: a page, and the page with the deactivation register.
    pub const INTERFACE: u64 = 0x2000;
    /// Bytes of its first page, without the deactivation register, by which one core can deactivate what is active at another.
    pub const WITHOUT_DEACTIVATION: u64 = 0x1000;
    /// Bytes of the virtual interface control.
    pub const CONTROL: u64 = 0x1000;
}

impl Gic {
    /// First redistributor, if there is one.
    pub fn redistributors(&self) -> Option<u64> {
        match self.version {
            GicVersion::V3 { redistributors } => Some(redistributors),
            GicVersion::V2(_) => None,
        }
    }

    /// The interfaces, if it is a GICv2.
    pub fn v2(&self) -> Option<GicV2> {
        match self.version {
            GicVersion::V3 { .. } => None,
            GicVersion::V2(interfaces) => Some(interfaces),
        }
    }
}

/// UART.
#[derive(Clone, Debug)]
pub struct Uart {
    /// Programming model.
    pub kind: UartKind,
    /// Registers.
    pub base: u64,
    /// INTID.
    pub interrupt: u32,
    /// Its key.
    pub span: Span,
}

/// Programming model of a UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// Arm PrimeCell PL011.
    Pl011,
    /// NXP i.MX.
    Imx,
    /// 8250 family with 32-bit registers.
    Uart8250,
    /// Cadence, as AMD (Xilinx) has it.
    Cadence,
}

impl UartKind {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            UartKind::Pl011 => "PL011",
            UartKind::Imx => "i.MX UART",
            UartKind::Uart8250 => "8250 UART",
            UartKind::Cadence => "Cadence UART",
        }
    }
}

/// SMMU.
#[derive(Clone, Debug)]
pub struct Smmu {
    /// Programming model.
    pub kind: SmmuKind,
    /// Registers.
    pub base: u64,
    /// log2 of the number of StreamIDs.
    pub stream_bits: u32,
    /// INTIDs of its interrupts.
    pub interrupts: Vec<u32>,
    /// Its key.
    pub span: Span,
}

/// Programming model of an SMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmmuKind {
    /// Arm SMMUv3.
    SmmuV3,
}

/// PCIe host bridge.
#[derive(Clone, Debug)]
pub struct Pcie {
    /// Configuration space (ECAM) of bus 0.
    pub ecam: u64,
    /// Buses, 1 MiB of configuration space each.
    pub buses: u32,
    /// Where BARs may be placed.
    pub window: Spanned<Region>,
    /// Its key.
    pub span: Span,
}

/// A controller that can stop devices: whoever reaches it can harm each device that depends on it.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Its name.
    pub name: Spanned<String>,
    /// What it controls.
    pub kinds: Vec<ControllerKind>,
    /// Its registers; nothing where the firmware alone drives it.
    pub registers: Option<Spanned<Region>>,
    /// Functions of the firmware that drive it.
    pub functions: Vec<Functions>,
}

impl Controller {
    /// Whether a function of the firmware drives it.
    pub fn is_driven_by(&self, function: u32) -> bool {
        self.functions.iter().any(|range| range.has(function))
    }
}

/// What a controller controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerKind {
    /// Clocks.
    Clock,
    /// Resets.
    Reset,
    /// Power domains.
    Power,
    /// Pins and their functions.
    Pins,
}

impl ControllerKind {
    /// All, as a board file names them.
    pub(crate) const NAMED: [(&'static str, Self); 4] = [
        ("clock", Self::Clock),
        ("reset", Self::Reset),
        ("power", Self::Power),
        ("pins", Self::Pins),
    ];

    /// What it is for people: `clocks`.
    pub fn title(self) -> &'static str {
        match self {
            ControllerKind::Clock => "clocks",
            ControllerKind::Reset => "resets",
            ControllerKind::Power => "power",
            ControllerKind::Pins => "pins",
        }
    }
}
