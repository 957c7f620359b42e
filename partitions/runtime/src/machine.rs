// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition finds in its device tree. Implements: BH-PART-003.
//!
//! # References
//! Devicetree Specification, "Standard Properties"; Linux bindings "arm,gic" and "arm,gic-v3" (interrupt specifiers).

use fdt::Fdt;
use fdt::node::FdtNode;
use heapless::Vec;

/// Channels of one kind, or CAN controllers, that a partition can have.
pub const MOST: usize = 8;
/// Channels that a partition can have.
pub const MOST_CHANNELS: usize = 16;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

/// How the window's console is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lines of text.
    Text,
    /// defmt frames.
    Defmt,
}

/// What a partition may do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one writer.
    Writer,
    /// One of the readers.
    Reader,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel<'a> {
    /// Its name in the spec.
    pub label: &'a str,
    /// Its memory.
    pub range: Range,
    /// What this partition may do with it.
    pub role: Role,
    /// What it carries.
    pub kind: ChannelKind,
}

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// The last message.
    Sampling {
        /// Bytes of a message.
        message_size: u32,
    },
    /// Messages in order.
    Queuing {
        /// Bytes of a message.
        message_size: u32,
        /// Messages that the queue holds.
        depth: u32,
        /// The reader's memory; the writer has it where a full queue refuses messages.
        reader: Option<Range>,
    },
    /// Memory without a protocol.
    Shared,
}

/// Reads what a channel carries from its node.
type ReadKind = fn(&FdtNode<'_, '_>) -> Option<ChannelKind>;

impl ChannelKind {
    /// `compatible` of a node, and how the rest of it is read.
    const COMPATIBLE: [(&'static str, ReadKind); 3] = [
        ("bulkhead,sampling-1", |node| {
            Some(Self::Sampling {
                message_size: cell(node, "bulkhead,message-size", 0)?,
            })
        }),
        ("bulkhead,queuing-1", |node| {
            Some(Self::Queuing {
                message_size: cell(node, "bulkhead,message-size", 0)?,
                depth: cell(node, "bulkhead,depth", 0)?,
                reader: range(node, 1),
            })
        }),
        ("bulkhead,shared-1", |_| Some(Self::Shared)),
    ];
}

/// A lock with priority inheritance, and the record that it guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock<'a> {
    /// Its name in the spec.
    pub label: &'a str,
    /// Its memory.
    pub range: Range,
    /// Its number, for EL2.
    pub number: u32,
    /// Position of this partition among its participants.
    pub participant: u8,
}

/// A doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell<'a> {
    /// Its name in the spec.
    pub label: &'a str,
    /// What this partition may do with it.
    pub end: End,
}

/// An end of a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Rings it, by its number for EL2.
    Rings(u32),
    /// Hears it, as this interrupt.
    Hears(u32),
}

/// A CAN controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Can<'a> {
    /// Its name on the board.
    pub label: &'a str,
    /// Its registers.
    pub range: Range,
    /// Its interrupt.
    pub intid: u32,
    /// Its programming model.
    pub kind: CanKind,
    /// Clock that it divides, in Hz, where the board file says so.
    pub clock: Option<u32>,
}

/// Programming model of a CAN controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanKind {
    /// CTU CAN FD.
    CtuCanFd,
    /// AMD (Xilinx) CAN of the Zynq.
    XilinxCan,
    /// AMD (Xilinx) CAN FD 2.0.
    XilinxCanFd,
    /// Bosch M_CAN of TI's K3 SoCs.
    MCan,
}

impl CanKind {
    /// `compatible` of all that there are.
    const COMPATIBLE: [(&'static str, Self); 4] = [
        ("ctu,ctucanfd", Self::CtuCanFd),
        ("xlnx,zynq-can-1.0", Self::XilinxCan),
        ("xlnx,canfd-2.0", Self::XilinxCanFd),
        ("bosch,m_can", Self::MCan),
    ];
}

/// A partition's machine.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// RAM.
    pub ram: Range,
    /// GIC distributor.
    pub distributor: Range,
    /// Version of the GIC, and its other registers.
    pub gic: Gic,
    /// Window, if there is one, and what its console carries.
    pub window: Option<(Range, Encoding)>,
    /// Channels.
    pub channels: Vec<Channel<'a>, MOST_CHANNELS>,
    /// Doorbells.
    pub doorbells: Vec<Doorbell<'a>, MOST>,
    /// Locks.
    pub locks: Vec<Lock<'a>, MOST>,
    /// CAN controllers.
    pub cans: Vec<Can<'a>, MOST>,
    /// Registers of the DMA test device, on machines that have one.
    pub edu: Option<Range>,
    /// Registers of a virtio function, on machines that have one.
    pub virtio: Option<Range>,
    /// Arguments from the spec.
    pub arguments: &'a str,
    /// Whether Bulkhead's hypercalls exist.
    pub hypercalls: Hypercalls,
}

/// Version of an interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gic {
    /// GICv2, with the memory-mapped CPU interface.
    V2 {
        /// CPU interface.
        interface: Range,
    },
    /// GICv3.
    V3 {
        /// Redistributors.
        redistributors: Range,
    },
}

impl Gic {
    /// The registers that it has beside the distributor's.
    pub const fn others(&self) -> Range {
        let (Self::V2 { interface: others }
        | Self::V3 {
            redistributors: others,
        }) = self;
        *others
    }
}

/// Whether Bulkhead's hypercalls exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypercalls {
    /// The machine is a partition of Bulkhead.
    Present,
    /// The machine is another one.
    Absent,
}

/// What is wrong with a device tree: the name of the node or property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub &'static str);

fn text<'a>(node: &FdtNode<'_, 'a>, property: &str) -> Option<&'a str> {
    node.property(property)?.as_str()
}

fn cell(node: &FdtNode<'_, '_>, property: &str, index: usize) -> Option<u32> {
    let bytes = node.property(property)?.value;
    bytes
        .as_chunks()
        .0
        .get(index)
        .map(|cell| u32::from_be_bytes(*cell))
}

/// The `index`-th range of a node whose parent has two address and two size cells.
fn range(node: &FdtNode<'_, '_>, index: usize) -> Option<Range> {
    let bytes = node.property("reg")?.value;
    let mut cells = bytes
        .as_chunks()
        .0
        .iter()
        .map(|cell| u64::from_be_bytes(*cell))
        .skip(2 * index);
    Some(Range {
        start: cells.next()?,
        size: cells.next()?,
    })
}

/// INTID of the first interrupt of a node: three cells, of which the first is 0 for an SPI and 1 for a PPI.
fn intid(node: &FdtNode<'_, '_>) -> Option<u32> {
    let number = cell(node, "interrupts", 1)?;
    match cell(node, "interrupts", 0)? {
        0 => number.checked_add(32),
        1 => number.checked_add(16),
        _ => None,
    }
}

fn channel<'a>(node: &FdtNode<'_, 'a>, kind: Option<ChannelKind>) -> Option<Channel<'a>> {
    let role = match text(node, "bulkhead,role")? {
        "writer" => Role::Writer,
        "reader" => Role::Reader,
        _ => return None,
    };
    Some(Channel {
        label: text(node, "label")?,
        range: range(node, 0)?,
        role,
        kind: kind?,
    })
}

/// Channels of every kind.
fn channels<'a>(tree: &Fdt<'a>) -> Result<Vec<Channel<'a>, MOST_CHANNELS>, Missing> {
    let mut found = Vec::new();
    for (compatible, kind) in ChannelKind::COMPATIBLE {
        let of_kind: Vec<_, MOST> = all(tree, compatible, |node| channel(node, kind(node)))?;
        found
            .extend_from_slice(&of_kind)
            .map_err(|_| Missing(compatible))?;
    }
    Ok(found)
}

fn doorbell<'a>(node: &FdtNode<'_, 'a>) -> Option<Doorbell<'a>> {
    let end = match text(node, "bulkhead,role")? {
        "writer" => End::Rings(cell(node, "bulkhead,doorbell", 0)?),
        "reader" => End::Hears(intid(node)?),
        _ => return None,
    };
    Some(Doorbell {
        label: text(node, "label")?,
        end,
    })
}

fn lock<'a>(node: &FdtNode<'_, 'a>) -> Option<Lock<'a>> {
    Some(Lock {
        label: text(node, "label")?,
        range: range(node, 0)?,
        number: cell(node, "bulkhead,lock", 0)?,
        participant: cell(node, "bulkhead,participant", 0)?.try_into().ok()?,
    })
}

/// Registers, and what belongs to them: the message RAM of an M_CAN is behind them.
fn registers(node: &FdtNode<'_, '_>, kind: CanKind) -> Option<Range> {
    let first = range(node, 0)?;
    match kind {
        CanKind::CtuCanFd | CanKind::XilinxCan | CanKind::XilinxCanFd => Some(first),
        CanKind::MCan => {
            let ram = range(node, 1)?;
            let end = ram.start.checked_add(ram.size)?;
            let size = end.checked_sub(first.start)?;
            Some(Range { size, ..first })
        }
    }
}

fn can<'a>(node: &FdtNode<'_, 'a>, kind: CanKind) -> Option<Can<'a>> {
    Some(Can {
        label: text(node, "label")?,
        range: registers(node, kind)?,
        intid: intid(node)?,
        kind,
        clock: cell(node, "clock-frequency", 0),
    })
}

/// CAN controllers of every kind.
fn cans<'a>(tree: &Fdt<'a>) -> Result<Vec<Can<'a>, MOST>, Missing> {
    let mut found = Vec::new();
    for (compatible, kind) in CanKind::COMPATIBLE {
        let of_kind = all(tree, compatible, |node| can(node, kind))?;
        found
            .extend_from_slice(&of_kind)
            .map_err(|_| Missing(compatible))?;
    }
    Ok(found)
}

/// All nodes with the given compatible string, each read by `read`.
fn all<'a, T>(
    tree: &Fdt<'a>,
    compatible: &'static str,
    read: impl Fn(&FdtNode<'_, 'a>) -> Option<T>,
) -> Result<Vec<T, MOST>, Missing> {
    let mut found = Vec::new();
    for node in tree.all_nodes() {
        if node
            .compatible()
            .is_some_and(|all| all.all().any(|one| one == compatible))
        {
            let item = read(&node).ok_or(Missing(compatible))?;
            found.push(item).map_err(|_| Missing(compatible))?;
        }
    }
    Ok(found)
}

impl<'a> Machine<'a> {
    /// Reads the machine from its device tree.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub fn parse(tree: &Fdt<'a>) -> Result<Self, Missing> {
        let root = tree.find_node("/").ok_or(Missing("/"))?;
        let two_cells = ["#address-cells", "#size-cells"]
            .iter()
            .all(|p| cell(&root, p, 0) == Some(2));
        if !two_cells {
            return Err(Missing("#address-cells = 2, #size-cells = 2"));
        }
        let memory = |node: &FdtNode<'_, 'a>| text(node, "device_type") == Some("memory");
        let ram = tree.all_nodes().find(memory).and_then(|node| range(&node, 0));
        let gics = all(tree, "arm,gic-v3", |node| {
            let redistributors = range(node, 1)?;
            Some((range(node, 0)?, Gic::V3 { redistributors }))
        })?;
        let older = all(tree, "arm,gic-400", |node| {
            let interface = range(node, 1)?;
            Some((range(node, 0)?, Gic::V2 { interface }))
        })?;
        let windows = all(tree, "bulkhead,window-1", |node| {
            let encoding = match text(node, "bulkhead,console")? {
                "text" => Encoding::Text,
                "defmt" => Encoding::Defmt,
                _ => return None,
            };
            Some((range(node, 0)?, encoding))
        })?;
        let hypervisors = all(tree, "bulkhead,hypervisor-1", |_| Some(()))?;
        let mut found = gics.iter().chain(&older);
        let (distributor, gic) = *found.next().ok_or(Missing("arm,gic-v3 or arm,gic-400"))?;
        Ok(Self {
            ram: ram.ok_or(Missing("memory"))?,
            distributor,
            gic,
            window: windows.first().copied(),
            channels: channels(tree)?,
            doorbells: all(tree, "bulkhead,doorbell-1", doorbell)?,
            locks: all(tree, "bulkhead,lock-1", lock)?,
            cans: cans(tree)?,
            edu: all(tree, "qemu,edu", |node| range(node, 0))?.first().copied(),
            virtio: all(tree, "bulkhead,virtio-pci-1", |node| range(node, 0))?
                .first()
                .copied(),
            arguments: tree
                .find_node("/chosen")
                .and_then(|node| text(&node, "bootargs"))
                .unwrap_or(""),
            hypercalls: if hypervisors.is_empty() {
                Hypercalls::Absent
            } else {
                Hypercalls::Present
            },
        })
    }
}
