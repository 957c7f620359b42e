// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries of the blob's tables of interrupts, PCI functions and EL2's devices.

use crate::range::{array, u32_at, u64_at};

/// An owned SPI.
#[derive(Clone, Debug)]
pub(crate) struct Spi {
    /// INTID.
    pub intid: u32,
    /// Partition index.
    pub partition: u32,
    /// Core.
    pub core: u32,
    /// 1 edge, 0 level.
    pub edge: u32,
    /// Partition that may ring it, or all ones.
    pub ringer: u32,
    /// Number of the doorbell.
    pub doorbell: u32,
    /// Least time in ns from one ring to the next.
    pub interval: u64,
}

impl Spi {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        Some(Self {
            intid: u32_at(e, 0)?,
            partition: u32_at(e, 4)?,
            core: u32_at(e, 8)?,
            edge: u32_at(e, 12)?,
            ringer: u32_at(e, 16)?,
            doorbell: u32_at(e, 20)?,
            interval: u64_at(e, 24)?,
        })
    }
}

/// A PCI function.
#[derive(Clone, Debug)]
pub(crate) struct PciFunction {
    /// Bus, device, function.
    pub bdf: u32,
    /// Vendor and device ID.
    pub id: u32,
    /// Partition index.
    pub partition: u32,
    /// 1 when it may master the bus.
    pub bus_master: u32,
    /// Address and size of each BAR.
    pub bars: [(u64, u64); 6],
}

impl PciFunction {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        let mut bars = [(0, 0); 6];
        for (i, bar) in bars.iter_mut().enumerate() {
            *bar = (u64_at(e, 16 + 16 * i)?, u64_at(e, 24 + 16 * i)?);
        }
        Some(Self {
            bdf: u32_at(e, 0)?,
            id: u32_at(e, 4)?,
            partition: u32_at(e, 8)?,
            bus_master: u32_at(e, 12)?,
            bars,
        })
    }
}

/// EL2's devices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoardDevices {
    /// Distributor.
    pub gicd: u64,
    /// UART.
    pub uart: u64,
    /// SMMU or 0.
    pub smmu: u64,
    /// Configuration space or 0.
    pub ecam: u64,
    /// Its buses.
    pub ecam_buses: u64,
    /// Offset of the stream table in the live image.
    pub stream_table: u64,
    /// log2 of the number of StreamIDs.
    pub stream_bits: u32,
    /// INTID of the UART or [`NONE`].
    pub uart_intid: u32,
    /// Command queue page, then event queue page.
    pub smmu_queues: u64,
    /// Core with the system slot.
    pub system_core: u32,
    /// Action on each error of EL2 on a core.
    pub health_core: [u8; 16],
    /// Action on each error of nobody.
    pub health_system: [u8; 16],
    /// Partition that is told, or [`NONE`].
    pub monitor: u32,
    /// Count of each stage of the watchdog, 0 when it is not used.
    pub watchdog: u32,
}

impl BoardDevices {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        Some(Self {
            gicd: u64_at(e, 0)?,
            uart: u64_at(e, 8)?,
            smmu: u64_at(e, 16)?,
            ecam: u64_at(e, 24)?,
            ecam_buses: u64_at(e, 32)?,
            stream_table: u64_at(e, 40)?,
            stream_bits: u32_at(e, 48)?,
            uart_intid: u32_at(e, 52)?,
            smmu_queues: u64_at(e, 56)?,
            system_core: u32_at(e, 72)?,
            health_core: array(e, 80)?,
            health_system: array(e, 96)?,
            monitor: u32_at(e, 112)?,
            watchdog: u32_at(e, 116)?,
        })
    }
}
