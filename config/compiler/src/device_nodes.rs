// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices in a partition's device tree. Implements: BH-CFG-012.
//!
//! # References
//! Devicetree Specification v0.4, "ranges", "dma-ranges"; Linux, `Documentation/devicetree/bindings/`
//! (net/can/bosch,m_can, net/cdns,macb, dma/xilinx/xlnx,zynqmp-dma-1.0, mmc/arasan,sdhci, mmc/fsl-imx-esdhc, dma/fsl,imx-sdma,
//! serial/pl011, serial/fsl-imx-uart, serial/8250, serial/cdns,uart, clock/fixed-clock).

use bulkhead_model::board::{Device, DeviceKind, PropertyValue, Trigger};
use bulkhead_model::span::Spanned;
use bulkhead_model::system::System;
use bulkhead_types::image::Range;
use dtoolkit::error::ModelError;

use crate::devices::Assigned;
use crate::devicetree::{Builder, EDGE_RISING, LEVEL_HIGH, SPI, cells};
use crate::machine;
use crate::units::id;

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
        DeviceKind::Pl011 => ("serial", &["arm,pl011", "arm,primecell"]),
        DeviceKind::ImxUart => ("serial", &["fsl,imx8mp-uart", "fsl,imx6q-uart"]),
        DeviceKind::Uart8250 => ("serial", &["ti,j721e-uart", "ti,am654-uart", "ns16550a"]),
        DeviceKind::CadenceUart => ("serial", &["xlnx,zynqmp-uart", "cdns,uart-r1p12"]),
        // The board file says it.
        DeviceKind::Other => ("device", &[]),
    }
}

/// Where a device's driver looks for the frequency of its clock.
enum Clocks {
    /// In `clock-frequency`.
    Frequency,
    /// In clocks of these names. All of them are the one of the board file.
    Named(&'static [&'static str]),
    /// In as many clocks, which the board file names among the properties.
    OfProperties(usize),
}

/// Where the drivers of a device's kind look.
fn clocks(device: &Device) -> Clocks {
    match device.kind {
        DeviceKind::Pl011 => Clocks::Named(&["uartclk", "apb_pclk"]),
        DeviceKind::ImxUart => Clocks::Named(&["ipg", "per"]),
        DeviceKind::CadenceUart => Clocks::Named(&["uart_clk", "pclk"]),
        DeviceKind::Other => {
            let mut properties = device.properties.iter();
            let names = properties.find_map(|p| match &p.value {
                PropertyValue::Strings(names) if p.name.value == "clock-names" => Some(names.len()),
                PropertyValue::Strings(_) | PropertyValue::Cells(_) | PropertyValue::Flag => None,
            });
            // A clock without a name is one.
            Clocks::OfProperties(names.unwrap_or(1))
        }
        DeviceKind::CtuCanFd
        | DeviceKind::XilinxCan
        | DeviceKind::XilinxCanFd
        | DeviceKind::MCan
        | DeviceKind::Edu
        | DeviceKind::VirtioPci
        | DeviceKind::XilinxGem
        | DeviceKind::XilinxDma
        | DeviceKind::XilinxSdhci
        | DeviceKind::ImxUsdhc
        | DeviceKind::ImxSdma
        | DeviceKind::I6300Esb
        | DeviceKind::Uart8250 => Clocks::Frequency,
    }
}

/// Phandle of the clock of the board's first device; each has one of its own.
const CLOCKS: u32 = 0x1000;

/// Registers of an M_CAN, and where its message RAM begins behind them on TI's K3 SoCs.
const M_CAN_REGISTERS: u64 = 0x200;
const M_CAN_RAM: u64 = 0x7000;
/// Its offset, then filters (standard, extended), elements of receive FIFOs 0 and 1, of buffers for reception, transmit
/// events and transmission, as Linux gives them for these SoCs.
const M_CAN_ELEMENTS: [u32; 8] = [0, 128, 64, 64, 64, 64, 32, 32];

/// What a driver looks for at a device's addresses.
fn regions(kind: DeviceKind, blocks: &[Range]) -> Vec<(u64, u64)> {
    match blocks {
        [Range { start, end }] if kind == DeviceKind::MCan => vec![
            (*start, M_CAN_REGISTERS),
            (start + M_CAN_RAM, end.saturating_sub(start + M_CAN_RAM)),
        ],
        blocks => blocks.iter().map(|b| (b.start, b.end - b.start)).collect(),
    }
}

/// The names of parts, when they have some.
fn names<'a>(parts: impl Iterator<Item = Option<&'a Spanned<String>>>) -> Vec<&'a str> {
    parts.flatten().map(|name| name.value.as_str()).collect()
}

/// The fixed clock of a device, and what its own node says of it.
fn clocked(
    device: &Device,
    index: usize,
    builder: Builder,
) -> Result<(Option<Builder>, Builder), ModelError> {
    let Some(hz) = device.clock else {
        return Ok((None, builder));
    };
    let phandle = CLOCKS + id(index);
    let builder = match clocks(device) {
        Clocks::Frequency => return Ok((None, builder.with("clock-frequency", hz)?)),
        Clocks::Named(names) => builder
            .with("clocks", vec![phandle; names.len()])?
            .with("clock-names", names)?,
        Clocks::OfProperties(count) => builder.with("clocks", vec![phandle; count])?,
    };
    let clock = Builder::new(&format!("clock-{}", device.name.value))?
        .with("compatible", "fixed-clock")?
        .with("#clock-cells", 0u32)?
        .with("clock-frequency", hz)?
        .with("phandle", phandle)?;
    Ok((Some(clock), builder))
}

/// A device, and its clock. Implements: BH-CFG-254.
fn device(system: &System, assigned: &Assigned) -> Result<(Option<Builder>, Builder), ModelError> {
    let device = &system.board.devices[assigned.device];
    let (node, compatible) = binding(device.kind);
    let first = assigned.registers.first().map_or(0, |block| block.start);
    let own: Vec<&str> = device.compatible.iter().map(|c| c.value.as_str()).collect();
    let compatible = if own.is_empty() { compatible } else { &own };
    let mut builder = Builder::new(&format!("{node}@{first:x}"))?
        .with("compatible", compatible)?
        .reg(&regions(device.kind, &assigned.registers))?
        .with("label", device.name.value.as_str())?;
    let mut blocks = names(device.blocks().iter().map(|b| b.name.as_ref()));
    let mut lines = names(device.interrupts.iter().map(|i| i.value.name.as_ref()));
    if device.kind == DeviceKind::MCan {
        if blocks.is_empty() {
            blocks = vec!["m_can", "message_ram"];
        }
        if lines.is_empty() {
            lines = vec!["int0"];
        }
        builder = builder.with("bosch,mram-cfg", M_CAN_ELEMENTS)?;
    }
    if device.kind == DeviceKind::Uart8250 {
        builder = builder.with("reg-shift", 2u32)?.with("reg-io-width", 4u32)?;
    }
    for property in &device.properties {
        let name = property.name.value.as_str();
        builder = match &property.value {
            PropertyValue::Cells(cells) => builder.with(name, cells.clone())?,
            PropertyValue::Strings(texts) => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                builder.with(name, texts.as_slice())?
            }
            PropertyValue::Flag => builder.flag(name)?,
        };
    }
    if !blocks.is_empty() {
        builder = builder.with("reg-names", blocks.as_slice())?;
    }
    if !device.interrupts.is_empty() {
        let cells = device.interrupts.iter().flat_map(|interrupt| {
            let trigger = match interrupt.value.trigger {
                Trigger::Level => LEVEL_HIGH,
                Trigger::Edge => EDGE_RISING,
            };
            [SPI, interrupt.value.intid - 32, trigger]
        });
        builder = builder.with("interrupts", cells.collect::<Vec<u32>>())?;
    }
    if !lines.is_empty() {
        builder = builder.with("interrupt-names", lines.as_slice())?;
    }
    clocked(device, assigned.device, builder)
}

/// The nodes of a partition's devices. Its bus masters that nothing guards are on a bus whose `dma-ranges` says by which
/// addresses, physical ones, they reach its RAM. Implements: BH-CFG-172.
pub(crate) fn of(system: &System, index: usize, devices: &[Assigned]) -> Result<Vec<Builder>, ModelError> {
    let partition = &system.partitions[index];
    let (mut nodes, mut unguarded) = (Vec::new(), Vec::new());
    for assigned in devices.iter().filter(|d| d.partition == index) {
        let (clock, device) = device(system, assigned)?;
        nodes.extend(clock);
        match partition.unguarded_reason(assigned.device) {
            Some(_) => unguarded.push(device),
            None => nodes.push(device),
        }
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
