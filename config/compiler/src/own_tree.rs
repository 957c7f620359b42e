// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's own device tree: read, compared with what the partition owns, and completed.
//! Implements: BH-CFG-146, BH-CFG-147, BH-CFG-148.
//!
//! The generated tree lists all that a partition owns. A tree of its own may list less, and in other words, but nothing
//! else: each CPU, each range of memory or registers and each interrupt in it is one of the generated tree.
//!
//! # References
//! Devicetree Specification v0.4, "Standard Properties", "Interrupts and Interrupt Mapping", "/chosen Node".

use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree as Tree, DeviceTreeNode};
use dtoolkit::{Node, Property};

/// Properties that lead to interrupts, bus masters and translations of which the generated tree has none.
const REFUSED: [&str; 6] = [
    "interrupt-map",
    "iommus",
    "iommu-map",
    "msi-parent",
    "msi-map",
    "dma-ranges",
];
/// What the spec says of `/chosen`, not the tree.
const OF_SPEC: [&str; 5] = [
    "bootargs",
    "linux,initrd-start",
    "linux,initrd-end",
    "kaslr-seed",
    "rng-seed",
];
/// Interrupt specifiers of a GICv3 have three cells or more: kind, number, flags.
const GIC: &str = "arm,gic-v3";

/// Why a device tree cannot be a partition's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnTreeError {
    /// Not a device tree, or one without what each needs.
    #[error("{0}")]
    Unusable(String),
    /// A node with something that the partition does not own.
    #[error("node {node}: {what}")]
    Foreign {
        /// Path of the node.
        node: String,
        /// What it has.
        what: String,
    },
}

/// Something that a tree names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    /// RAM: first address, first address after it.
    Memory(u64, u64),
    /// Registers, or anything else that is reached: first address, first address after it.
    Registers(u64, u64),
    /// An interrupt of the GIC: kind and number.
    Interrupt(u32, u32),
    /// A CPU: the affinity fields of its `MPIDR_EL1`.
    Cpu(u64),
}

impl Resource {
    /// Whether one who owns `self` owns `other`.
    fn covers(self, other: Resource) -> bool {
        match (self, other) {
            (Resource::Memory(a, b), Resource::Memory(c, d) | Resource::Registers(c, d))
            | (Resource::Registers(a, b), Resource::Registers(c, d)) => a <= c && d <= b,
            (Resource::Interrupt(..), Resource::Interrupt(..)) | (Resource::Cpu(_), Resource::Cpu(_)) => {
                self == other
            }
            (
                Resource::Memory(..) | Resource::Registers(..) | Resource::Interrupt(..) | Resource::Cpu(_),
                _,
            ) => false,
        }
    }

    fn show(self) -> String {
        match self {
            Resource::Memory(start, end) => format!("memory {start:#x}-{end:#x} is not the partition's"),
            Resource::Registers(start, end) => format!("{start:#x}-{end:#x} is not the partition's"),
            Resource::Interrupt(0, number) => format!("SPI {number} is not the partition's"),
            Resource::Interrupt(_, number) => format!("PPI {number} is not the partition's"),
            Resource::Cpu(id) => format!("the partition has no CPU {id:#x}"),
        }
    }
}

/// How the addresses of a node's children become those of a CPU: child address, CPU address, bytes.
type Window = (u64, u64, u64);

/// What a node's parent says.
#[derive(Clone)]
struct Parent {
    address_cells: usize,
    size_cells: usize,
    windows: Vec<Window>,
    interrupt_parent: Option<u32>,
    reserves: bool,
}

/// Walks a tree.
struct Walk<'t> {
    tree: &'t Tree,
    found: Vec<(String, Resource)>,
}

fn cells(node: &DeviceTreeNode, name: &str) -> Vec<u32> {
    let property = node.property(name);
    let bytes = property.as_ref().map_or(&[][..], |p| p.value());
    let words = bytes.chunks_exact(4);
    words
        .map(|w| w.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .collect()
}

/// The value of some cells; nothing when it has more than 64 bits.
fn number(cells: &[u32]) -> Option<u64> {
    let (high, low) = cells.split_at(cells.len().saturating_sub(2));
    let fits = high.iter().all(|cell| *cell == 0);
    fits.then(|| low.iter().fold(0, |value, cell| value << 32 | u64::from(*cell)))
}

fn text(node: &DeviceTreeNode, name: &str) -> String {
    let property = node.property(name);
    let bytes = property.as_ref().map_or(&[][..], |p| p.value());
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// The node that has a phandle.
fn by_phandle(node: &DeviceTreeNode, phandle: u32) -> Option<&DeviceTreeNode> {
    if cells(node, "phandle") == [phandle] {
        return Some(node);
    }
    node.children().find_map(|child| by_phandle(child, phandle))
}

impl Walk<'_> {
    fn node(&mut self, node: &DeviceTreeNode, path: &str, parent: &Parent) -> Result<(), OwnTreeError> {
        let foreign = |what: String| OwnTreeError::Foreign {
            node: path.to_owned(),
            what,
        };
        if let Some(name) = REFUSED.iter().find(|name| node.property(name).is_some()) {
            return Err(foreign(format!("`{name}` leads to what no partition owns")));
        }
        if text(node, "device_type") == "pci" {
            return Err(foreign("a partition owns functions, not a PCI bus".to_owned()));
        }
        let is = |name: &str| text(node, "device_type") == name;
        let width = parent.address_cells + parent.size_cells;
        let reg = cells(node, "reg");
        if width > 0 && !reg.len().is_multiple_of(width) {
            return Err(foreign("`reg` is not whole addresses and sizes".to_owned()));
        }
        for entry in reg.chunks(width.max(1)) {
            let (address, size) = entry.split_at(parent.address_cells.min(entry.len()));
            let too_long = || foreign("`reg` is longer than 64 bits".to_owned());
            let (address, size) = (
                number(address).ok_or_else(too_long)?,
                number(size).ok_or_else(too_long)?,
            );
            let found = if is("cpu") {
                Some(Resource::Cpu(address))
            } else {
                parent.place(address, size).map(|(start, end)| {
                    if is("memory") || parent.reserves {
                        Resource::Memory(start, end)
                    } else {
                        Resource::Registers(start, end)
                    }
                })
            };
            match found {
                Some(resource) => self.found.push((path.to_owned(), resource)),
                // Addresses of a bus that no CPU reaches.
                None if parent.windows.is_empty() => {}
                None => return Err(foreign(format!("{address:#x} is not mapped by its bus"))),
            }
        }
        let own = cells(node, "interrupt-parent").first().copied();
        let interrupt_parent = own.or(parent.interrupt_parent);
        self.interrupts(node, path, interrupt_parent)?;
        let count = |name: &str, usual: usize| {
            let said = cells(node, name).first().copied();
            said.map_or(usual, |said| usize::try_from(said).unwrap_or(usize::MAX))
        };
        let mut inner = Parent {
            address_cells: count("#address-cells", 2),
            size_cells: count("#size-cells", 1),
            windows: Vec::new(),
            interrupt_parent,
            reserves: path == "/reserved-memory",
        };
        if inner.address_cells > 4 || inner.size_cells > 4 {
            return Err(foreign("addresses have at most 4 cells".to_owned()));
        }
        inner.windows = if path.is_empty() {
            vec![(0, 0, u64::MAX)]
        } else {
            parent
                .through(node, &inner)
                .ok_or_else(|| foreign("`ranges` leaves its bus".to_owned()))?
        };
        for child in node.children() {
            self.node(child, &format!("{path}/{}", child.name()), &inner)?;
        }
        Ok(())
    }

    /// The interrupts of a node that go to the GIC.
    fn interrupts(
        &mut self,
        node: &DeviceTreeNode,
        path: &str,
        parent: Option<u32>,
    ) -> Result<(), OwnTreeError> {
        let foreign = |what: &str| OwnTreeError::Foreign {
            node: path.to_owned(),
            what: what.to_owned(),
        };
        let mut specifiers: Vec<(u32, Vec<u32>)> = Vec::new();
        let plain = cells(node, "interrupts");
        if !plain.is_empty() {
            let parent = parent.ok_or_else(|| foreign("`interrupts` without a parent"))?;
            specifiers.push((parent, plain));
        }
        let extended = cells(node, "interrupts-extended");
        let mut rest = extended.as_slice();
        while let [phandle, after @ ..] = rest {
            let controller = by_phandle(&self.tree.root, *phandle);
            let width = controller.and_then(|c| cells(c, "#interrupt-cells").first().copied());
            let width = width.and_then(|width| usize::try_from(width).ok());
            let width = width.filter(|width| *width <= after.len());
            let width = width.ok_or_else(|| foreign("`interrupts-extended` names no controller"))?;
            let (specifier, behind) = after.split_at(width);
            specifiers.push((*phandle, specifier.to_vec()));
            rest = behind;
        }
        for (phandle, specifier) in specifiers {
            let controller = by_phandle(&self.tree.root, phandle);
            let controller = controller.ok_or_else(|| foreign("its interrupt controller is not there"))?;
            // What another controller takes is its own business; its interrupts are looked at, too.
            if !text(controller, "compatible").split('\0').any(|name| name == GIC) {
                continue;
            }
            let width = cells(controller, "#interrupt-cells")
                .first()
                .copied()
                .unwrap_or(0);
            let width = usize::try_from(width).unwrap_or(0);
            if width < 3 || !specifier.len().is_multiple_of(width) {
                return Err(foreign("an interrupt of the GIC has at least three cells"));
            }
            for one in specifier.chunks(width) {
                if let [kind, number, ..] = one {
                    self.found
                        .push((path.to_owned(), Resource::Interrupt(*kind, *number)));
                }
            }
        }
        Ok(())
    }
}

impl Parent {
    /// Where a CPU finds `size` bytes at `address` of a child: first address, first address after it.
    fn place(&self, address: u64, size: u64) -> Option<(u64, u64)> {
        self.windows.iter().find_map(|(child, cpu, length)| {
            let offset = address.checked_sub(*child)?;
            let end = offset.checked_add(size).filter(|end| end <= length)?;
            Some((cpu.checked_add(offset)?, cpu.checked_add(end)?))
        })
    }

    /// The windows of the children of `node`, a child of this one.
    fn through(&self, node: &DeviceTreeNode, inner: &Parent) -> Option<Vec<Window>> {
        let Some(property) = node.property("ranges") else {
            return Some(Vec::new());
        };
        if property.value().is_empty() {
            return Some(self.windows.clone());
        }
        let entries = cells(node, "ranges");
        let width = inner.address_cells + self.address_cells + inner.size_cells;
        let window = |entry: &[u32]| {
            let (child, rest) = entry.split_at_checked(inner.address_cells)?;
            let (own, size) = rest.split_at_checked(self.address_cells)?;
            let size = number(size)?;
            let (start, _) = self.place(number(own)?, size)?;
            Some((number(child)?, start, size))
        };
        entries.chunks(width.max(1)).map(window).collect()
    }
}

/// Everything that a tree names, each with the path of its node.
fn resources(tree: &Tree) -> Result<Vec<(String, Resource)>, OwnTreeError> {
    let mut walk = Walk {
        tree,
        found: Vec::new(),
    };
    let nobody = Parent {
        address_cells: 0,
        size_cells: 0,
        windows: Vec::new(),
        interrupt_parent: None,
        reserves: false,
    };
    walk.node(&tree.root, "", &nobody)?;
    Ok(walk.found)
}

/// Reads a tree, refuses it unless everything in it is in `generated`, too, and puts into its `/chosen` what the spec
/// says: arguments, initial RAM disk, slots of seeds.
///
/// # Errors
/// See [`OwnTreeError`].
pub fn adopt(bytes: &[u8], generated: &Tree) -> Result<Tree, OwnTreeError> {
    let unusable = |what: &str| OwnTreeError::Unusable(what.to_owned());
    let flat =
        Fdt::new(bytes).map_err(|error| unusable(&format!("it is no flattened device tree: {error}")))?;
    let mut tree = Tree::from_fdt(&flat);
    let (owned, named) = (resources(generated)?, resources(&tree)?);
    let has = |wanted: fn(&Resource) -> bool| named.iter().any(|(_, found)| wanted(found));
    if !has(|found| matches!(found, Resource::Memory(..))) {
        return Err(unusable("it has no memory"));
    }
    if !has(|found| matches!(found, Resource::Cpu(_))) {
        return Err(unusable("it has no CPU"));
    }
    for (node, found) in &named {
        if !owned.iter().any(|(_, own)| own.covers(*found)) {
            return Err(OwnTreeError::Foreign {
                node: node.clone(),
                what: found.show(),
            });
        }
    }
    let mut chosen = tree.root.remove_child("chosen");
    let chosen_of_spec = generated.root.child("chosen");
    if let (Some(of_spec), None) = (chosen_of_spec, &chosen) {
        let mut fresh = of_spec.clone();
        fresh.remove_property("stdout-path");
        chosen = Some(fresh);
    }
    if let Some(mut chosen) = chosen {
        for name in OF_SPEC {
            chosen.remove_property(name);
            if let Some(property) = chosen_of_spec.and_then(|of_spec| of_spec.property(name)) {
                chosen.add_property(property.clone());
            }
        }
        tree.root.add_child(chosen);
    }
    Ok(tree)
}
