// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices in a partition's device tree. Implements: BH-CFG-012.
//!
//! # References
//! Devicetree Specification v0.4, "ranges", "dma-ranges"; Linux, `Documentation/devicetree/bindings/`
//! (net/can/bosch,m_can, net/cdns,macb, dma/xilinx/xlnx,zynqmp-dma-1.0, mmc/arasan,sdhci, mmc/fsl-imx-esdhc, dma/fsl,imx-sdma).

use bulkhead_model::board::{DeviceKind, Trigger};
use bulkhead_model::system::System;
use dtoolkit::error::ModelError;

use crate::devices::Assigned;
use crate::devicetree::{Builder, EDGE_RISING, LEVEL_HIGH, SPI, cells};
use crate::machine;

/// Name of a device's node, and what it is compatible with.
fn binding(kind: DeviceKind) -> (&'static str, &'static [&'static str]) {
    match kind {
        DeviceKind::CtuCanFd => ("can", &["ctu,ctucanfd"]),
        DeviceKind::XilinxCan => ("can", &["xlnx,zynq-can-1.0"]),
        DeviceKind::XilinxCanFd => ("can", &["xlnx,canfd-2.0"]),
        DeviceKind::MCan => ("can", &["bosch,m_can"]),
        DeviceKind::Edu => ("edu", &["qemu,edu"]),
        DeviceKind::VirtioPci => ("virtio", &["bulkhead,virtio-pci-1"]),
        DeviceKind::XilinxGem => ("ethernet", &["xlnx,zynqmp-gem", "cdns,gem"]),
        DeviceKind::XilinxDma => ("dma-controller", &["xlnx,zynqmp-dma-1.0"]),
        DeviceKind::XilinxSdhci => ("mmc", &["xlnx,zynqmp-8.9a", "arasan,sdhci-8.9a"]),
        DeviceKind::ImxUsdhc => (
            "mmc",
            &["fsl,imx8mp-usdhc", "fsl,imx8mm-usdhc", "fsl,imx7d-usdhc"],
        ),
        DeviceKind::ImxSdma => ("dma-controller", &["fsl,imx8mp-sdma", "fsl,imx8mq-sdma"]),
        DeviceKind::I6300Esb => ("watchdog", &["intel,6300esb-wdt"]),
    }
}

/// Registers of an M_CAN, and where its message RAM begins behind them on TI's K3 SoCs.
const M_CAN_REGISTERS: u64 = 0x200;
const M_CAN_RAM: u64 = 0x7000;
/// Its offset, then filters (standard, extended), elements of receive FIFOs 0 and 1, of buffers for reception, transmit
/// events and transmission, as Linux gives them for these SoCs.
const M_CAN_ELEMENTS: [u32; 8] = [0, 128, 64, 64, 64, 64, 32, 32];

/// What a driver looks for at a device's addresses.
fn regions(kind: DeviceKind, start: u64, end: u64) -> Vec<(u64, u64)> {
    match kind {
        DeviceKind::MCan => vec![
            (start, M_CAN_REGISTERS),
            (start + M_CAN_RAM, end.saturating_sub(start + M_CAN_RAM)),
        ],
        DeviceKind::CtuCanFd
        | DeviceKind::XilinxCan
        | DeviceKind::XilinxCanFd
        | DeviceKind::Edu
        | DeviceKind::VirtioPci
        | DeviceKind::XilinxGem
        | DeviceKind::XilinxDma
        | DeviceKind::XilinxSdhci
        | DeviceKind::ImxUsdhc
        | DeviceKind::ImxSdma
        | DeviceKind::I6300Esb => vec![(start, end - start)],
    }
}

fn device(system: &System, assigned: &Assigned) -> Result<Builder, ModelError> {
    let device = &system.board.devices[assigned.device];
    let registers = assigned.registers;
    let (node, compatible) = binding(device.kind);
    let mut builder = Builder::new(&format!("{node}@{:x}", registers.start))?
        .with("compatible", compatible)?
        .reg(&regions(device.kind, registers.start, registers.end))?
        .with("label", device.name.value.as_str())?;
    if device.kind == DeviceKind::MCan {
        builder = builder
            .with("reg-names", &["m_can", "message_ram"][..])?
            .with("interrupt-names", "int0")?
            .with("bosch,mram-cfg", M_CAN_ELEMENTS)?;
    }
    if let Some(hz) = device.clock {
        builder = builder.with("clock-frequency", hz)?;
    }
    if let Some(interrupt) = &device.interrupt {
        let trigger = match interrupt.value.trigger {
            Trigger::Level => LEVEL_HIGH,
            Trigger::Edge => EDGE_RISING,
        };
        builder = builder.with("interrupts", [SPI, interrupt.value.intid - 32, trigger])?;
    }
    Ok(builder)
}

/// The nodes of a partition's devices. Its bus masters that nothing guards are on a bus whose `dma-ranges` says by which
/// addresses, physical ones, they reach its RAM. Implements: BH-CFG-172.
pub(crate) fn of(system: &System, index: usize, devices: &[Assigned]) -> Result<Vec<Builder>, ModelError> {
    let partition = &system.partitions[index];
    let (mut nodes, mut unguarded) = (Vec::new(), Vec::new());
    for assigned in devices.iter().filter(|d| d.partition == index) {
        let list = match partition.unguarded_reason(assigned.device) {
            Some(_) => &mut unguarded,
            None => &mut nodes,
        };
        list.push(device(system, assigned)?);
    }
    if let Some(at) = partition.memory.at.as_ref().filter(|_| !unguarded.is_empty()) {
        let size = partition.memory.size.value;
        let ram: Vec<u32> = [at.value, machine::RAM, size]
            .into_iter()
            .flat_map(cells)
            .collect();
        let bus = Builder::new("unguarded-bus")?
            .with("compatible", "simple-bus")?
            .with("#address-cells", 2u32)?
            .with("#size-cells", 2u32)?
            .flag("ranges")?
            .with("dma-ranges", ram)?;
        nodes.push(unguarded.into_iter().fold(bus, Builder::child));
    }
    Ok(nodes)
}
