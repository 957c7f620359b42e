// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guest device trees: what a partition is told of its machine. Implements: BH-CFG-012.
//!
//! A partition sees a machine like QEMU's `virt` with what it owns and nothing else. The seeds under
//! `/chosen` are zero in the emitted tree; [`DeviceTree::seeds`] says where the loader fills them.
//!
//! # References
//! Devicetree Specification v0.4; Linux, `Documentation/devicetree/bindings/` (arm/psci, cpu/cpu-topology,
//! interrupt-controller/arm,gic and arm,gic-v3, timer/arm,arch_timer, serial/pl011).

use bulkhead_model::board::{GicV2, GicVersion};
use bulkhead_model::system::{Console, Cores, Partition, Payload, System};
use dtoolkit::error::ModelError;
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree as Tree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node, Property, ToPropertyValue};

use crate::channel_nodes;
use crate::device_nodes;
use crate::devices::Assigned;
use crate::grants::taken_by;
use crate::machine;
use crate::units::id;
use bulkhead_abi::window::WINDOW_SIZE;

/// Phandle of the interrupt controller.
const GIC_PHANDLE: u32 = 1;
/// Phandle of the UART's clock.
const CLOCK_PHANDLE: u32 = 2;
/// Phandle of the first CPU.
const CPU_PHANDLE: u32 = 16;
/// Frequency of the UART's clock in Hz, as QEMU's `virt` has it.
const CLOCK_HZ: u32 = 24_000_000;
/// Interrupt specifier: SPI, PPI.
pub(crate) const SPI: u32 = 0;
const PPI: u32 = 1;
/// Interrupt specifier: rising edge, level high.
pub(crate) const EDGE_RISING: u32 = 1;
pub(crate) const LEVEL_HIGH: u32 = 4;

/// A finished tree.
#[derive(Clone, Debug)]
pub struct DeviceTree {
    /// Flattened form.
    pub dtb: Vec<u8>,
    /// Source form.
    pub dts: String,
    /// Bytes of the flattened form that the loader fills.
    pub seeds: Vec<Seed>,
    /// What it was flattened from.
    pub tree: Tree,
}

/// A place for random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Offset in the flattened form.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// Why a tree cannot be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeviceTreeError {
    /// A name that a device tree cannot hold.
    #[error("device tree: {0}")]
    Name(String),
    /// The emitted bytes cannot be read back.
    #[error("device tree: the emitted tree is not readable: {0}")]
    Unreadable(String),
}

impl From<ModelError> for DeviceTreeError {
    fn from(error: ModelError) -> Self {
        DeviceTreeError::Name(error.to_string())
    }
}

/// A node under construction.
pub(crate) struct Builder(pub(crate) DeviceTreeNode);

impl Builder {
    pub(crate) fn new(name: &str) -> Result<Self, ModelError> {
        Ok(Builder(DeviceTreeNode::new(name)?))
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToPropertyValue) -> Result<Self, ModelError> {
        self.0.add_property(DeviceTreeProperty::new(name, value)?);
        Ok(self)
    }

    pub(crate) fn flag(self, name: &str) -> Result<Self, ModelError> {
        let nothing: &[u8] = &[];
        self.with(name, nothing)
    }

    pub(crate) fn child(mut self, child: Builder) -> Self {
        self.0.add_child(child.0);
        self
    }

    pub(crate) fn reg(self, ranges: &[(u64, u64)]) -> Result<Self, ModelError> {
        let cells: Vec<u32> = ranges
            .iter()
            .flat_map(|(base, size)| [cells(*base), cells(*size)])
            .flatten()
            .collect();
        self.with("reg", cells)
    }
}

/// A 64-bit value as two cells.
pub(crate) fn cells(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}

/// Makes the tree of a partition; `initrd` are the first address of the initial RAM disk and the first
/// after it.
///
/// # Errors
/// See [`DeviceTreeError`].
pub fn build(
    system: &System,
    index: usize,
    devices: &[Assigned],
    initrd: Option<(u64, u64)>,
) -> Result<DeviceTree, DeviceTreeError> {
    let partition = &system.partitions[index];
    let uart = partition.console.value == Console::Uart;
    let compatible: &[&str] = match partition.payload {
        Payload::Linux(_) => &["bulkhead,partition", "linux,dummy-virt"],
        Payload::Elf(_) | Payload::Raw(_) => &["bulkhead,partition"],
    };
    let mut root = Builder::new("")?
        .with("#address-cells", 2u32)?
        .with("#size-cells", 2u32)?
        .with("interrupt-parent", GIC_PHANDLE)?
        .with("compatible", compatible)?
        .with("model", partition.name.value.as_str())?
        .child(chosen(partition, initrd)?)
        .child(
            Builder::new(&format!("memory@{:x}", machine::RAM))?
                .with("device_type", "memory")?
                .reg(&[(machine::RAM, partition.memory.size.value)])?,
        )
        .child(cpus(system, partition)?)
        .child(
            Builder::new("psci")?
                .with("compatible", ["arm,psci-1.0", "arm,psci-0.2"].as_slice())?
                .with("method", "hvc")?,
        )
        .child(timer()?)
        .child(match system.board.gic.version {
            GicVersion::V3 { .. } => gic(partition.core_list().len() as u64)?,
            GicVersion::V2(_) => gicv2(&partition.cores)?,
        })
        .child(Builder::new("hypervisor")?.with("compatible", "bulkhead,hypervisor-1")?);
    if uart {
        root = root.child(clock()?).child(pl011()?);
    } else if has_window(partition) {
        root = root.child(window(partition)?);
    }
    for channel in channel_nodes::of(system, index)? {
        root = root.child(channel);
    }
    for (number, lock) in taken_by(system, index) {
        let base = machine::lock(number);
        let position = lock.position(index).map_or(u32::MAX, id);
        root = root.child(
            Builder::new(&format!("lock@{base:x}"))?
                .with("compatible", "bulkhead,lock-1")?
                .reg(&[
                    (base, machine::LOCK_SIZE),
                    (machine::lock_registers(number), machine::LOCK_SIZE),
                ])?
                .with("label", lock.name.value.as_str())?
                .with("bulkhead,lock", id(number))?
                .with("bulkhead,participant", position)?,
        );
    }
    for node in device_nodes::of(system, index, devices)? {
        root = root.child(node);
    }
    let mut tree = Tree::new();
    tree.root = root.0;
    finish(tree)
}

/// Whether the partition itself has the window: bare-metal partitions, unless EL2 emulates a UART on it.
pub fn has_window(partition: &Partition) -> bool {
    match partition.payload {
        Payload::Linux(_) => false,
        Payload::Elf(_) | Payload::Raw(_) => partition.console.value != Console::Uart,
    }
}

fn chosen(partition: &Partition, initrd: Option<(u64, u64)>) -> Result<Builder, ModelError> {
    let arguments = match &partition.payload {
        Payload::Linux(linux) => linux.command_line.value.as_str(),
        Payload::Elf(_) | Payload::Raw(_) => partition.args.as_ref().map_or("", |a| a.value.as_str()),
    };
    let mut chosen = Builder::new("chosen")?.with("bootargs", arguments)?;
    if partition.console.value == Console::Uart {
        chosen = chosen.with("stdout-path", format!("/pl011@{:x}", machine::UART))?;
    }
    if let Some((start, end)) = initrd {
        chosen = chosen
            .with("linux,initrd-start", start)?
            .with("linux,initrd-end", end)?;
    }
    chosen.with("kaslr-seed", [0u8; 8])?.with("rng-seed", [0u8; 64])
}

fn cpus(system: &System, partition: &Partition) -> Result<Builder, ModelError> {
    let mut cpus = Builder::new("cpus")?
        .with("#address-cells", 1u32)?
        .with("#size-cells", 0u32)?;
    let mut clusters: Vec<(u32, Vec<u32>)> = Vec::new();
    for (index, core) in (0u32..).zip(partition.core_list()) {
        let core = &system.board.cores[core.value];
        let phandle = CPU_PHANDLE + index;
        cpus = cpus.child(
            Builder::new(&format!("cpu@{index:x}"))?
                .with("device_type", "cpu")?
                .with("compatible", cpu_compatible(core.midr))?
                .with("reg", index)?
                .with("enable-method", "psci")?
                .with("capacity-dmips-mhz", core.capacity)?
                .with("phandle", phandle)?,
        );
        match clusters.iter_mut().find(|(cluster, _)| *cluster == core.cluster) {
            Some((_, members)) => members.push(phandle),
            None => clusters.push((core.cluster, vec![phandle])),
        }
    }
    let mut map = Builder::new("cpu-map")?;
    for (number, (_, members)) in clusters.iter().enumerate() {
        let mut cluster = Builder::new(&format!("cluster{number}"))?;
        for (position, phandle) in members.iter().enumerate() {
            cluster = cluster.child(Builder::new(&format!("core{position}"))?.with("cpu", *phandle)?);
        }
        map = map.child(cluster);
    }
    Ok(cpus.child(map))
}

/// `compatible` of a core, from the part number in its `MIDR_EL1`.
pub(crate) fn cpu_compatible(midr: u64) -> &'static str {
    match (midr >> 24 & 0xff, midr >> 4 & 0xfff) {
        (0x41, 0xd03) => "arm,cortex-a53",
        (0x41, 0xd05) => "arm,cortex-a55",
        (0x41, 0xd07) => "arm,cortex-a57",
        (0x41, 0xd08) => "arm,cortex-a72",
        (0x41, 0xd0b) => "arm,cortex-a76",
        _ => "arm,armv8",
    }
}

fn timer() -> Result<Builder, ModelError> {
    let interrupts: Vec<u32> = machine::TIMER_INTIDS
        .iter()
        .flat_map(|intid| [PPI, intid - 16, LEVEL_HIGH])
        .collect();
    Builder::new("timer")?
        .with("compatible", ["arm,armv8-timer", "arm,armv7-timer"].as_slice())?
        .with("interrupts", interrupts)?
        .flag("always-on")
}

fn gic(vcpus: u64) -> Result<Builder, ModelError> {
    let (gicd, gicr) = (
        (machine::GICD, machine::GICD_SIZE),
        (machine::GICR, vcpus * machine::GICR_SIZE),
    );
    Builder::new(&format!("intc@{:x}", machine::GICD))?
        .with("compatible", "arm,gic-v3")?
        .flag("interrupt-controller")?
        .with("#interrupt-cells", 3u32)?
        .with("#address-cells", 2u32)?
        .with("#size-cells", 2u32)?
        .with("#redistributor-regions", 1u32)?
        .reg(&[gicd, gicr])?
        .with("phandle", GIC_PHANDLE)
}

/// As QEMU's `virt,gic-version=2` has it.
fn gicv2(cores: &Cores) -> Result<Builder, ModelError> {
    let size = match cores {
        Cores::Dedicated { .. } => GicV2::WITHOUT_DEACTIVATION,
        Cores::Sliced { .. } => GicV2::INTERFACE,
    };
    let (gicd, gicc) = ((machine::GICD, machine::GICD_SIZE), (machine::GICC, size));
    Builder::new(&format!("intc@{:x}", machine::GICD))?
        .with("compatible", ["arm,gic-400", "arm,cortex-a15-gic"].as_slice())?
        .flag("interrupt-controller")?
        .with("#interrupt-cells", 3u32)?
        .with("#address-cells", 2u32)?
        .with("#size-cells", 2u32)?
        .reg(&[gicd, gicc])?
        .with("phandle", GIC_PHANDLE)
}

fn clock() -> Result<Builder, ModelError> {
    Builder::new("apb-pclk")?
        .with("compatible", "fixed-clock")?
        .with("#clock-cells", 0u32)?
        .with("clock-frequency", CLOCK_HZ)?
        .with("clock-output-names", "clk24mhz")?
        .with("phandle", CLOCK_PHANDLE)
}

fn pl011() -> Result<Builder, ModelError> {
    Builder::new(&format!("pl011@{:x}", machine::UART))?
        .with("compatible", ["arm,pl011", "arm,primecell"].as_slice())?
        .reg(&[(machine::UART, machine::UART_SIZE)])?
        .with("interrupts", [SPI, machine::UART_INTID - 32, LEVEL_HIGH])?
        .with("clocks", [CLOCK_PHANDLE, CLOCK_PHANDLE])?
        .with("clock-names", ["uartclk", "apb_pclk"].as_slice())
}

fn window(partition: &Partition) -> Result<Builder, ModelError> {
    let console = match partition.console.value {
        Console::Defmt => "defmt",
        Console::Text => "text",
        Console::Uart | Console::None => "none",
    };
    Builder::new(&format!("window@{:x}", machine::WINDOW))?
        .with("compatible", "bulkhead,window-1")?
        .reg(&[(machine::WINDOW, WINDOW_SIZE as u64)])?
        .with("bulkhead,console", console)
}

/// Flattens a tree and finds its seeds in the result.
///
/// # Errors
/// [`DeviceTreeError::Unreadable`] without `/chosen` and its seeds.
pub(crate) fn finish(tree: Tree) -> Result<DeviceTree, DeviceTreeError> {
    let dtb = tree.to_dtb();
    let unreadable = |e: String| DeviceTreeError::Unreadable(e);
    let fdt = Fdt::new(&dtb).map_err(|e| unreadable(e.to_string()))?;
    let chosen = fdt
        .find_node("/chosen")
        .ok_or_else(|| unreadable("no /chosen".to_owned()))?;
    let mut seeds = Vec::new();
    for name in ["kaslr-seed", "rng-seed"] {
        let property = chosen
            .property(name)
            .ok_or_else(|| unreadable(format!("no {name}")))?;
        let value = property.value();
        let offset = value.as_ptr().addr() - dtb.as_ptr().addr();
        seeds.push(Seed {
            offset: offset as u64,
            size: value.len() as u64,
        });
    }
    let dts = fdt.to_string();
    Ok(DeviceTree {
        dtb,
        dts,
        seeds,
        tree,
    })
}
