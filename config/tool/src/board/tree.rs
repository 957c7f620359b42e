// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device tree as a flat list of nodes, with addresses as the cores see them.
//!
//! # References
//! Devicetree Specification 0.4, "Standard Properties", "Interrupts and Interrupt Mapping".

use std::collections::BTreeMap;

/// A node.
pub(super) struct Node {
    pub(super) name: String,
    properties: BTreeMap<String, Vec<u8>>,
    parent: Option<usize>,
}

/// A tree; the root is node 0, and parents come before their children.
pub(super) struct Tree(Vec<Node>);

/// An interrupt as its node says it: the number of an SPI or PPI, and its flags.
pub(super) struct Interrupt {
    pub(super) intid: u32,
    pub(super) edge: bool,
}

impl Node {
    pub(super) fn has(&self, property: &str) -> bool {
        self.properties.contains_key(property)
    }

    /// Names of its properties.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    pub(super) fn cells(&self, property: &str) -> Vec<u32> {
        let value = self.properties.get(property).map_or(&[][..], Vec::as_slice);
        let (cells, _) = value.as_chunks::<4>();
        cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect()
    }

    pub(super) fn cell(&self, property: &str) -> Option<u32> {
        self.cells(property).first().copied()
    }

    /// A list of strings.
    pub(super) fn words(&self, property: &str) -> Vec<&str> {
        let value = self.properties.get(property).map_or(&[][..], Vec::as_slice);
        let parts = value.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.filter_map(|part| std::str::from_utf8(part).ok()).collect()
    }

    pub(super) fn is(&self, compatible: &[&str]) -> bool {
        self.words("compatible")
            .iter()
            .any(|word| compatible.contains(word))
    }

    pub(super) fn is_off(&self) -> bool {
        !matches!(self.words("status").first(), None | Some(&"okay" | &"ok"))
    }

    pub(super) fn base_name(&self) -> &str {
        self.name.split('@').next().unwrap_or(&self.name)
    }
}

/// A number of one or two cells.
fn number(cells: &[u32]) -> u64 {
    cells.iter().fold(0, |value, cell| value << 32 | u64::from(*cell))
}

impl Tree {
    /// Reads a flattened tree.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        flatten(bytes)
            .map(Tree)
            .ok_or_else(|| "this is no device tree".to_owned())
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.0.iter().enumerate()
    }

    pub(super) fn find(&self, wanted: impl Fn(&Node) -> bool) -> Option<(usize, &Node)> {
        self.nodes().find(|(_, node)| wanted(node))
    }

    pub(super) fn parent(&self, index: usize) -> Option<&Node> {
        self.0.get(self.0.get(index)?.parent?)
    }

    pub(super) fn by_phandle(&self, phandle: u32) -> Option<(usize, &Node)> {
        self.find(|node| node.cell("phandle") == Some(phandle))
    }

    /// The node at a path, or that an alias names.
    pub(super) fn at(&self, path: &str) -> Option<usize> {
        let path = path.split(':').next().unwrap_or(path);
        if !path.starts_with('/') {
            let (_, aliases) = self.find(|node| node.name == "aliases")?;
            let target = aliases.words(path).first()?.to_string();
            return target.starts_with('/').then(|| self.at(&target))?;
        }
        let mut here = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let child = |(_, node): &(usize, &Node)| {
                node.parent == Some(here) && (node.name == part || node.base_name() == part)
            };
            here = self.nodes().find(child)?.0;
        }
        Some(here)
    }

    /// Cells of addresses and sizes of the children of a node.
    fn widths(&self, index: Option<usize>) -> (usize, usize) {
        let of = |property: &str, default: u32| {
            let cells = index.and_then(|i| self.0.get(i)?.cell(property));
            usize::try_from(cells.unwrap_or(default)).unwrap_or(0)
        };
        (of("#address-cells", 2), of("#size-cells", 1))
    }

    /// `reg` as (address, size), where the cores see it.
    pub(super) fn reg(&self, index: usize) -> Vec<(u64, u64)> {
        let Some(node) = self.0.get(index) else {
            return Vec::new();
        };
        let (address, size) = self.widths(node.parent);
        let cells = node.cells("reg");
        if address + size == 0 {
            return Vec::new();
        }
        let entries = cells.chunks_exact(address + size);
        entries
            .filter_map(|entry| {
                let (base, bytes) = entry.split_at(address);
                Some((self.translate(number(base), node.parent)?, number(bytes)))
            })
            .collect()
    }

    /// The `reg` of a node that is no address, such as a core's.
    pub(super) fn identity(&self, index: usize) -> Option<u64> {
        let cells = self.0.get(index)?.cells("reg");
        (!cells.is_empty()).then(|| number(&cells))
    }

    /// An address on the bus of `bus` as the cores see it; nothing on a bus that is not mapped.
    fn translate(&self, address: u64, bus: Option<usize>) -> Option<u64> {
        let Some(index) = bus.filter(|i| *i != 0) else {
            return Some(address);
        };
        let node = self.0.get(index)?;
        if !node.has("ranges") {
            return None;
        }
        let ranges = node.cells("ranges");
        let (own, size) = self.widths(Some(index));
        let (outer, _) = self.widths(node.parent);
        if ranges.is_empty() {
            return self.translate(address, node.parent);
        }
        ranges.chunks_exact(own + outer + size).find_map(|range| {
            let (from, rest) = range.split_at(own);
            let (to, bytes) = rest.split_at(outer);
            let offset = address.checked_sub(number(from))?;
            (offset < number(bytes)).then(|| self.translate(number(to).checked_add(offset)?, node.parent))?
        })
    }

    /// Interrupts of a node at the interrupt controller with the given phandle.
    pub(super) fn interrupts(&self, index: usize, controller: Option<u32>) -> Vec<Interrupt> {
        let mut here = Some(index);
        let mut parent = None;
        while let Some(node) = here.and_then(|i| self.0.get(i)) {
            parent = node.cell("interrupt-parent");
            if parent.is_some() {
                break;
            }
            here = node.parent;
        }
        let Some(node) = self
            .0
            .get(index)
            .filter(|_| parent.is_none() || parent == controller)
        else {
            return Vec::new();
        };
        let cells = node.cells("interrupts");
        let entries = cells.chunks_exact(3);
        entries
            .filter_map(|entry| {
                let [kind, number, flags] = *entry else {
                    return None;
                };
                let first = match kind {
                    0 => 32,
                    1 => 16,
                    _ => return None,
                };
                Some(Interrupt {
                    intid: number.checked_add(first)?,
                    edge: flags & 0xf == 1,
                })
            })
            .collect()
    }
}

/// The nodes of a flattened tree: Devicetree Specification 0.4, "Structure Block". The libraries for it refuse
/// property names that QEMU writes, or end at a deleted node.
fn flatten(bytes: &[u8]) -> Option<Vec<Node>> {
    const MAGIC: u32 = 0xd00d_feed;
    let cell = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk::<4>()?));
    let place = |at: usize| usize::try_from(cell(at)?).ok();
    let text = |at: usize| std::str::from_utf8(bytes.get(at..)?.split(|b| *b == 0).next()?).ok();
    let (mut at, strings) = (place(8)?, place(12)?);
    let mut nodes: Vec<Node> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    if cell(0)? != MAGIC {
        return None;
    }
    loop {
        let token = cell(at)?;
        at += 4;
        match token {
            1 => {
                let name = text(at)?;
                at += (name.len() + 1).next_multiple_of(4);
                nodes.push(Node {
                    name: name.to_owned(),
                    properties: BTreeMap::new(),
                    parent: open.last().copied(),
                });
                open.push(nodes.len() - 1);
            }
            2 => drop(open.pop()?),
            3 => {
                let (length, name) = (place(at)?, text(strings.checked_add(place(at + 4)?)?)?);
                let value = bytes.get(at + 8..)?.get(..length)?.to_vec();
                let node = nodes.get_mut(*open.last()?)?;
                node.properties.insert(name.to_owned(), value);
                at += 8 + length.next_multiple_of(4);
            }
            4 => {}
            9 => return (!nodes.is_empty() && open.is_empty()).then_some(nodes),
            _ => return None,
        }
    }
}
