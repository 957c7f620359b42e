// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's device tree against the blob: evidence, not input.
//!
//! The only place that reads a device tree. The parser panics on a damaged tree: boot then stops with the
//! panic's message, which is a refusal too; nothing has been started by then.
//!
//! # References
//! Devicetree Specification 0.4, "Device Node Requirements"; Linux, "Documentation/devicetree/bindings",
//! arm,gic-v3, arm,gic and psci.

use bulkhead_board::Gic;
use bulkhead_drivers::gicv2::interface::{GICC_SIZE, GICH_SIZE};
use bulkhead_types::system::System;
use fdt::Fdt;
use fdt::node::FdtNode;

use crate::refusal::{Fact, Refusal};

/// Largest tree that is looked at.
pub const MAX_SIZE: usize = 0x20_0000;
/// Bytes of the tree's header.
pub const HEADER_SIZE: usize = 40;
/// First word of a tree, big-endian.
const MAGIC: u32 = 0xD00D_FEED;

/// Size of the tree whose first [`HEADER_SIZE`] bytes these are, from its header.
///
/// # Errors
/// It is no device tree, or one larger than [`MAX_SIZE`].
pub fn total_size(header: &[u8]) -> Result<usize, Refusal> {
    let word = |index: usize| {
        header
            .as_chunks::<4>()
            .0
            .get(index)
            .map(|w| u32::from_be_bytes(*w))
    };
    let (magic, size) = (word(0).unwrap_or(0), word(1).unwrap_or(0));
    Refusal::new("device tree", Fact::Hex(MAGIC.into()), Fact::Hex(magic.into())).unless(magic == MAGIC)?;
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    Refusal::new(
        "device tree size",
        Fact::Text("40 bytes to 2 MiB"),
        Fact::Hex(size.into()),
    )
    .unless((HEADER_SIZE..=MAX_SIZE).contains(&bytes))?;
    Ok(bytes)
}

/// `reg` of a core: one or two cells.
fn affinity(cpu: FdtNode<'_, '_>) -> Option<u64> {
    let value = cpu.property("reg")?.value;
    let (cells, rest) = value.as_chunks::<4>();
    (rest.is_empty() && (1..=2).contains(&cells.len())).then(|| {
        cells
            .iter()
            .fold(0, |id, cell| id << 32 | u64::from(u32::from_be_bytes(*cell)))
    })
}

/// A board's device tree.
pub struct Board<'a>(Fdt<'a>);

impl<'a> Board<'a> {
    /// Reads the header of a tree; [`total_size`] has been asked before.
    ///
    /// # Errors
    /// The parser does not take it.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let refusal = Refusal::new(
            "device tree",
            Fact::Text("readable"),
            Fact::Text("damaged header"),
        );
        Fdt::new(bytes).map(Self).map_err(|_| refusal)
    }

    /// Compares everything that the blob and the board crate, whose interrupt controller is `gic`, rely on. Implements: BH-BOOT-010,
    /// BH-FUZZ-005.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, system: &System<'_>, gic: Gic) -> Result<(), Refusal> {
        self.check_memory(system)?;
        self.check_cores(system)?;
        match gic {
            Gic::V3 | Gic::V3NonSecure => self.check_gic(system)?,
            Gic::V2 { cpu, control } => self.check_gicv2(system, cpu, control)?,
        }
        self.check_psci()
    }

    /// Nodes of a name, whatever their unit address.
    ///
    /// The parser's own search by path ends where a tree has a deleted node before the first of its kin, as QEMU
    /// leaves one in the tree of its Versal.
    fn called(&self, name: &str) -> impl Iterator<Item = FdtNode<'_, 'a>> {
        let is_meant = move |node: &FdtNode<'_, 'a>| node.name.split('@').next() == Some(name);
        self.0.all_nodes().filter(is_meant)
    }

    /// Calls `visit` with address and size of each entry of a node's `reg`.
    fn regions<'b>(node: FdtNode<'b, 'a>) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let regions = node.reg().into_iter().flatten();
        regions.map(|r| {
            let base = u64::try_from(r.starting_address.addr()).unwrap_or(u64::MAX);
            (base, u64::try_from(r.size.unwrap_or(0)).unwrap_or(u64::MAX))
        })
    }

    /// Each RAM bank of the blob lies inside one of the board's. Implements: BH-BOOT-010.
    fn check_memory(&self, system: &System<'_>) -> Result<(), Refusal> {
        for (index, bank) in system.ram.iter().enumerate() {
            let end = bank.base.saturating_add(bank.size);
            let mut nearest = None;
            let found = self.called("memory").flat_map(Self::regions).any(|(base, size)| {
                nearest = Some((base, size));
                base <= bank.base && end <= base.saturating_add(size)
            });
            let board = nearest.map_or(Fact::Text("none"), |(base, size)| Fact::Span(base, size));
            Refusal::of("RAM bank", index, Fact::Span(bank.base, bank.size), board).unless(found)?;
        }
        Ok(())
    }

    /// Each core of the blob is one of the board's enabled ones. Implements: BH-BOOT-010.
    fn check_cores(&self, system: &System<'_>) -> Result<(), Refusal> {
        for (index, core) in system.cores.iter().enumerate() {
            let mut count = 0u64;
            let mut found = false;
            for cpu in self.called("cpu") {
                let status = cpu.property("status").and_then(|p| p.as_str());
                if matches!(status, None | Some("okay" | "ok")) {
                    count = count.saturating_add(1);
                    found |= affinity(cpu) == Some(core.mpidr);
                }
            }
            let missing = Refusal::of("core", index, Fact::Hex(core.mpidr), Fact::Text("not there"));
            let too_few = Refusal::new(
                "number of cores",
                Fact::Count(u64::try_from(system.cores.len()).unwrap_or(u64::MAX)),
                Fact::Count(count),
            );
            too_few.unless(u64::try_from(system.cores.len()).is_ok_and(|needed| needed <= count))?;
            missing.unless(found)?;
        }
        Ok(())
    }

    /// Distributor and redistributors are where the blob says. Implements: BH-BOOT-010.
    fn check_gic(&self, system: &System<'_>) -> Result<(), Refusal> {
        let gicd = Fact::Hex(system.board.gicd);
        let node = self.0.find_compatible(&["arm,gic-v3"]);
        let node = node.ok_or(Refusal::new("GICv3", gicd, Fact::Text("not there")))?;
        let (base, _) = Self::regions(node).next().unwrap_or((0, 0));
        Refusal::new("GIC distributor", gicd, Fact::Hex(base)).unless(base == system.board.gicd)?;
        for (index, core) in system.cores.iter().enumerate() {
            let end = core.redistributor.saturating_add(0x2_0000);
            let mut nearest = (0, 0);
            let found = Self::regions(node).skip(1).any(|(base, size)| {
                nearest = (base, size);
                base <= core.redistributor && end <= base.saturating_add(size)
            });
            let board = Fact::Span(nearest.0, nearest.1);
            Refusal::of(
                "GIC redistributor of core",
                index,
                Fact::Hex(core.redistributor),
                board,
            )
            .unless(found)?;
        }
        Ok(())
    }

    /// Distributor, CPU interface and virtual interface control are where the blob and the board crate say.
    /// Implements: BH-BOOT-024.
    fn check_gicv2(&self, system: &System<'_>, cpu: usize, control: usize) -> Result<(), Refusal> {
        let gicd = Fact::Hex(system.board.gicd);
        let node = self.0.find_compatible(&["arm,gic-400", "arm,cortex-a15-gic"]);
        let node = node.ok_or(Refusal::new("GICv2", gicd, Fact::Text("not there")))?;
        let mut regions = Self::regions(node);
        let (base, _) = regions.next().unwrap_or((0, 0));
        Refusal::new("GIC distributor", gicd, Fact::Hex(base)).unless(base == system.board.gicd)?;
        let interfaces = [
            ("GIC CPU interface", cpu, GICC_SIZE),
            ("GIC virtual interface control", control, GICH_SIZE),
        ];
        for (what, start, size) in interfaces {
            let (base, length) = regions.next().unwrap_or((0, 0));
            let start = u64::try_from(start).unwrap_or(u64::MAX);
            let end = start.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
            let inside = base <= start && end <= base.saturating_add(length);
            Refusal::new(what, Fact::Hex(start), Fact::Span(base, length)).unless(inside)?;
        }
        Ok(())
    }

    /// PSCI is called by SMC. Implements: BH-BOOT-010.
    fn check_psci(&self) -> Result<(), Refusal> {
        let node = self.0.find_compatible(&["arm,psci-1.0", "arm,psci-0.2"]);
        let method = node.and_then(|n| n.property("method")).and_then(|p| p.as_str());
        let board = match method {
            Some("smc") => return Ok(()),
            Some("hvc") => Fact::Text("hvc"),
            Some(_) | None => Fact::Text("none"),
        };
        Err(Refusal::new("PSCI method", Fact::Text("smc"), board))
    }

    /// The board's entropy: `/chosen` `rng-seed` and `kaslr-seed`, empty when it has none.
    pub fn entropy(&self) -> [&'a [u8]; 2] {
        let seed = |name| {
            self.called("chosen")
                .next()
                .and_then(|node| node.property(name))
                .map_or(&[][..], |p| p.value)
        };
        [seed("rng-seed"), seed("kaslr-seed")]
    }
}
