// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices of a board that a partition can own, and what guards memory from those that master the bus.

use crate::board::{Board, Interrupt, PciFunction, Region};
use crate::property::Property;
use crate::reset::ResetStep;
use crate::span::{Span, Spanned};

/// A device that can be assigned.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name, as specs use it.
    pub name: Spanned<String>,
    /// What it is.
    pub kind: DeviceKind,
    /// What its driver looks for, where its kind does not say it.
    pub compatible: Vec<Spanned<String>>,
    /// Further properties in its partition's device tree, distinct.
    pub properties: Vec<Property>,
    /// Its PCI function; nothing for a device at fixed addresses.
    pub pci: Option<PciFunction>,
    /// Where the registers for its partition are.
    pub registers: Registers,
    /// Clock that its driver divides, in Hz.
    pub clock: Option<u32>,
    /// Its interrupts, distinct.
    pub interrupts: Vec<Spanned<Interrupt>>,
    /// Whether it is a CAN controller: `wiring` may name it.
    pub can: bool,
    /// Whether it masters the bus: its owner's RAM is then its too, through the SMMU, or all of memory without one.
    pub bus_master: bool,
    /// StreamIDs of a bus master at fixed addresses, distinct; a PCI function has its own.
    pub streams: Vec<Spanned<u32>>,
    /// How it is reset before each start of its partition; nothing where its kind says it.
    pub reset: Option<Vec<ResetStep>>,
    /// Controllers that it depends on, indices into [`Board::controllers`].
    pub controlled_by: Vec<Spanned<usize>>,
}

impl Device {
    /// Bus, device, function of its PCI function; also its StreamID.
    pub fn bdf(&self) -> Option<u32> {
        self.pci.as_ref().map(PciFunction::bdf)
    }

    /// The StreamIDs that the board file knows of it: that of its PCI function, or those of a device at fixed addresses.
    pub fn stream_ids(&self) -> impl Iterator<Item = u32> {
        self.bdf()
            .into_iter()
            .chain(self.streams.iter().map(|id| id.value))
    }

    /// Its register blocks at fixed addresses.
    pub fn blocks(&self) -> &[Block] {
        match &self.registers {
            Registers::At(blocks) => blocks,
            Registers::Bar(_) => &[],
        }
    }

    /// A register block in words; which of them, where there are several.
    pub fn block_title(&self, index: usize) -> String {
        let title = format!("device `{}`", self.name.value);
        let name = self.blocks().get(index).and_then(|block| block.name.as_ref());
        match (self.blocks(), name) {
            ([] | [_], _) => title,
            (_, Some(name)) => format!("block `{}` of {title}", name.value),
            (_, None) => format!("block {index} of {title}"),
        }
    }

    /// INTIDs of its interrupts.
    pub fn intids(&self) -> impl Iterator<Item = u32> {
        self.interrupts.iter().map(|i| i.value.intid)
    }

    /// Its interrupts in words: `, INTID 34`, `, INTIDs 34 and 39`, nothing where there is none.
    pub fn show_interrupts(&self) -> String {
        let intids: Vec<String> = self.intids().map(|intid| intid.to_string()).collect();
        match intids.as_slice() {
            [] => String::new(),
            [one] => format!(", INTID {one}"),
            [all @ .., last] => format!(", INTIDs {} and {last}", all.join(", ")),
        }
    }
}

/// Where the registers of a device are.
#[derive(Clone, Debug, PartialEq)]
pub enum Registers {
    /// In this BAR of its PCI function.
    Bar(usize),
    /// At fixed addresses, at least one block.
    At(Vec<Block>),
}

/// Registers at addresses that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What the device's driver calls it.
    pub name: Option<Spanned<String>>,
    /// Where it is, whole pages.
    pub region: Region,
    /// Where the board file says it.
    pub span: Span,
}

impl Board {
    /// Bytes of each of a device's register blocks.
    pub fn register_sizes(device: &Device) -> Vec<u64> {
        match (&device.registers, &device.pci) {
            (Registers::At(blocks), _) => blocks.iter().map(|block| block.region.size).collect(),
            (Registers::Bar(bar), Some(pci)) => {
                pci.bars.get(*bar).map(|size| size.value).into_iter().collect()
            }
            (Registers::Bar(_), None) => Vec::new(),
        }
    }

    /// Whether its SMMU keeps a bus master to what its partition may write: the board file knows its StreamIDs.
    pub fn guards(&self, device: &Device) -> bool {
        self.smmu.is_some() && device.stream_ids().next().is_some()
    }

    /// Its watchdog and the index of that.
    pub fn watchdog(&self) -> Option<(usize, &Device)> {
        let mut devices = self.devices.iter().enumerate();
        devices.find(|(_, device)| device.kind == DeviceKind::I6300Esb)
    }

    /// Why nothing confines a bus master that it does not guard.
    pub fn why_unguarded(&self, device: &Device) -> String {
        match (&self.smmu, self.guards(device)) {
            (None, _) => format!("board `{}` has no SMMU", self.name.value),
            (Some(_), false) => "it has no StreamID that the SMMU knows".to_owned(),
            (Some(_), true) => "the SMMU guards it".to_owned(),
        }
    }
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// CTU CAN FD controller.
    CtuCanFd,
    /// AMD (Xilinx) CAN controller of the Zynq.
    XilinxCan,
    /// AMD (Xilinx) CAN FD controller 2.0.
    XilinxCanFd,
    /// Bosch M_CAN of TI's K3 SoCs, with its message RAM 28 KiB behind the registers.
    MCan,
    /// QEMU's `edu` function, which copies memory by DMA; for tests.
    Edu,
    /// Virtio function over PCI, without the legacy interface; on QEMU, for tests.
    VirtioPci,
    /// Gigabit Ethernet controller of the Zynq UltraScale+ (Cadence GEM).
    XilinxGem,
    /// Channel of a DMA controller of the Zynq UltraScale+.
    XilinxDma,
    /// SD host controller of the Zynq UltraScale+ (Arasan).
    XilinxSdhci,
    /// SD host controller of the i.MX (uSDHC).
    ImxUsdhc,
    /// Smart DMA controller of the i.MX.
    ImxSdma,
    /// Watchdog of the Intel 6300ESB, which EL2 drives.
    I6300Esb,
    /// Arm PrimeCell PL011.
    Pl011,
    /// UART of the i.MX.
    ImxUart,
    /// UART of the 8250 family with 32-bit registers, as TI's K3 SoCs have it.
    Uart8250,
    /// Cadence UART of AMD (Xilinx) SoCs.
    CadenceUart,
    /// Nothing that is known here: the board file says what its driver looks for.
    Other,
}

impl DeviceKind {
    /// All, as a board file names them.
    pub(crate) const NAMED: [(&'static str, Self); 17] = [
        ("ctucanfd", Self::CtuCanFd),
        ("xilinx-can", Self::XilinxCan),
        ("xilinx-canfd", Self::XilinxCanFd),
        ("m-can", Self::MCan),
        ("edu", Self::Edu),
        ("virtio-pci", Self::VirtioPci),
        ("xilinx-gem", Self::XilinxGem),
        ("xilinx-dma", Self::XilinxDma),
        ("xilinx-sdhci", Self::XilinxSdhci),
        ("imx-usdhc", Self::ImxUsdhc),
        ("imx-sdma", Self::ImxSdma),
        ("i6300esb", Self::I6300Esb),
        ("pl011", Self::Pl011),
        ("imx-uart", Self::ImxUart),
        ("uart-8250", Self::Uart8250),
        ("cadence-uart", Self::CadenceUart),
        ("other", Self::Other),
    ];

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            DeviceKind::CtuCanFd => "CTU CAN FD controller",
            DeviceKind::XilinxCan => "Xilinx CAN controller",
            DeviceKind::XilinxCanFd => "Xilinx CAN FD controller",
            DeviceKind::MCan => "M_CAN controller",
            DeviceKind::Edu => "DMA test device",
            DeviceKind::VirtioPci => "virtio function",
            DeviceKind::XilinxGem => "Xilinx Ethernet controller",
            DeviceKind::XilinxDma => "Xilinx DMA channel",
            DeviceKind::XilinxSdhci => "Xilinx SD host controller",
            DeviceKind::ImxUsdhc => "i.MX SD host controller",
            DeviceKind::ImxSdma => "i.MX smart DMA controller",
            DeviceKind::I6300Esb => "6300ESB watchdog",
            DeviceKind::Pl011 => "PL011 UART",
            DeviceKind::ImxUart => "i.MX UART",
            DeviceKind::Uart8250 => "8250 UART",
            DeviceKind::CadenceUart => "Cadence UART",
            DeviceKind::Other => "Device",
        }
    }
}
