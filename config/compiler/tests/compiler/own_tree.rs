// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device trees of a partition's own.

use std::fs;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::error::BuildError;
use bulkhead_compiler::own_tree::{OwnTreeError, adopt};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node, Property};

use crate::support::{ONE, Workshop, hypervisor_bin};

/// A device tree with one CPU, memory of `memory` bytes, the window at `window` on a bus, and a timer at PPI `ppi`.
pub(crate) fn device_tree(memory: u64, window: u32, ppi: u32) -> Vec<u8> {
    let node = |name: &str, properties: &[(&str, &[u32])]| {
        let mut node = DeviceTreeNode::new(name).unwrap();
        for (name, cells) in properties {
            node.add_property(DeviceTreeProperty::new(*name, cells.to_vec()).unwrap());
        }
        node
    };
    let said = |mut node: DeviceTreeNode, name: &str, text: &str| {
        node.add_property(DeviceTreeProperty::new(name, text).unwrap());
        node
    };
    let size = [0, u32::try_from(memory).unwrap()];
    let mut root = node(
        "",
        &[
            ("#address-cells", &[2]),
            ("#size-cells", &[2]),
            ("interrupt-parent", &[9]),
        ],
    );
    let ram = node("memory@40000000", &[("reg", &[0, 0x4000_0000, size[0], size[1]])]);
    root.add_child(said(ram, "device_type", "memory"));
    let mut cpus = node("cpus", &[("#address-cells", &[1]), ("#size-cells", &[0])]);
    cpus.add_child(said(node("cpu@0", &[("reg", &[0])]), "device_type", "cpu"));
    root.add_child(cpus);
    let gic = node(
        "gic",
        &[
            ("reg", &[0, 0x0800_0000, 0, 0x1_0000, 0, 0x080a_0000, 0, 0x2_0000]),
            ("#interrupt-cells", &[3]),
            ("phandle", &[9]),
        ],
    );
    root.add_child(said(gic, "compatible", "arm,gic-v3"));
    let mut bus = node(
        "bus",
        &[
            ("#address-cells", &[1]),
            ("#size-cells", &[1]),
            ("ranges", &[0, 0, 0x0b00_0000, 0x1_0000]),
        ],
    );
    bus.add_child(said(
        node("window@0", &[("reg", &[window, 0x8000])]),
        "compatible",
        "bulkhead,window-1",
    ));
    root.add_child(bus);
    root.add_child(node("timer", &[("interrupts", &[1, ppi, 4])]));
    let mut tree = DeviceTree::new();
    tree.root = root;
    tree.to_dtb()
}

/// The one partition, given a device tree.
fn compiled(tree: &[u8]) -> Result<Compiled, BuildError> {
    let workshop = Workshop::new();
    fs::write(workshop.path("images/own-tree"), tree).unwrap();
    let text = ONE.replace(
        "console: text\n",
        "console: text\n    args: \"mode=1\"\n    device_tree: own-tree\n",
    );
    compile(&workshop.load(&text), &hypervisor_bin())
}

/// Puts there what the invalid spec of a foreign tree names: a tree of more memory than the partition has.
pub(crate) fn put_foreign_tree(workshop: &Workshop) {
    fs::write(workshop.path("images/foreign-tree"), device_tree(4 << 20, 0, 11)).unwrap();
}

/// Verifies: BH-CFG-148.
#[test]
fn a_tree_of_its_own_is_completed_and_loaded() {
    let built = compiled(&device_tree(2 << 20, 0, 11)).unwrap();
    let dtb = &built.trees[0].dtb;
    let fdt = Fdt::new(dtb).unwrap();
    assert!(fdt.find_node("/bus/window@0").is_some() && fdt.find_node("/psci").is_none());
    let chosen = fdt.find_node("/chosen").unwrap();
    assert_eq!(chosen.property("bootargs").unwrap().value(), b"mode=1\0");
    assert_eq!(built.trees[0].seeds.len(), 2);
    for seed in &built.trees[0].seeds {
        let at = usize::try_from(seed.offset).unwrap();
        let end = at + usize::try_from(seed.size).unwrap();
        assert!(dtb[at..end].iter().all(|byte| *byte == 0), "an empty slot");
    }
    let carried = built.areas[0]
        .payload
        .windows(dtb.len())
        .any(|part| part == dtb.as_slice());
    assert!(carried, "the payload has it");
}

/// What the spec says replaces what the tree says; what else it says stays.
#[test]
fn chosen_is_joined() {
    let mut tree = DeviceTree::from_fdt(&Fdt::new(&device_tree(2 << 20, 0, 11)).unwrap());
    let mut chosen = DeviceTreeNode::new("chosen").unwrap();
    for (name, value) in [
        ("bootargs", "other"),
        ("stdout-path", "/bus/window@0"),
        ("rng-seed", "known"),
    ] {
        chosen.add_property(DeviceTreeProperty::new(name, value).unwrap());
    }
    tree.root.add_child(chosen);
    let built = compiled(&tree.to_dtb()).unwrap();
    let fdt = Fdt::new(&built.trees[0].dtb).unwrap();
    let chosen = fdt.find_node("/chosen").unwrap();
    let value = |name: &str| chosen.property(name).unwrap().value().to_vec();
    assert_eq!(value("bootargs"), b"mode=1\0");
    assert_eq!(value("stdout-path"), b"/bus/window@0\0");
    assert_eq!(value("rng-seed"), [0; 64]);
}

/// Why a tree is refused: the node, or nothing for the whole tree.
fn refused(tree: &[u8]) -> Option<String> {
    match compiled(tree).map(|_| ()) {
        Err(BuildError::OwnTree { error, .. }) => match error {
            OwnTreeError::Unusable(_) => None,
            OwnTreeError::Foreign { node, .. } => Some(node),
        },
        other => panic!("{other:?}"),
    }
}

/// Verifies: BH-CFG-147.
#[test]
fn what_is_not_the_partitions_is_refused_with_its_node() {
    assert_eq!(refused(&device_tree(4 << 20, 0, 11)).unwrap(), "/memory@40000000");
    assert_eq!(refused(&device_tree(2 << 20, 0, 7)).unwrap(), "/timer");
    assert_eq!(
        refused(&device_tree(2 << 20, 0x1000, 11)).unwrap(),
        "/bus/window@0"
    );
    assert_eq!(
        refused(&device_tree(2 << 20, 0xf000, 11)).unwrap(),
        "/bus/window@0",
        "off the bus"
    );
    let plain = device_tree(2 << 20, 0, 11);
    let with = |parent: &str, name: &str, properties: &[(&str, Vec<u8>)]| {
        let mut tree = DeviceTree::from_fdt(&Fdt::new(&plain).unwrap());
        let mut node = DeviceTreeNode::new(name).unwrap();
        for (name, value) in properties {
            node.add_property(DeviceTreeProperty::new(*name, value.as_slice()).unwrap());
        }
        tree.find_node_mut(parent).unwrap().add_child(node);
        refused(&tree.to_dtb()).unwrap()
    };
    let cells = |cells: &[u32]| -> Vec<u8> { cells.iter().flat_map(|cell| cell.to_be_bytes()).collect() };
    // Another core, somebody else's registers, an SPI, one by `interrupts-extended`, a bus master's SMMU, PCI.
    let cpu = [("device_type", b"cpu\0".to_vec()), ("reg", cells(&[1]))];
    assert_eq!(with("/cpus", "cpu@1", &cpu), "/cpus/cpu@1");
    assert_eq!(
        with("/", "uart", &[("reg", cells(&[0, 0x0900_0000, 0, 0x1000]))]),
        "/uart"
    );
    assert_eq!(with("/", "uart", &[("interrupts", cells(&[0, 1, 4]))]), "/uart");
    assert_eq!(
        with("/", "x", &[("interrupts-extended", cells(&[9, 0, 3, 4]))]),
        "/x"
    );
    assert_eq!(
        with("/", "x", &[("interrupts-extended", cells(&[8, 0, 3, 4]))]),
        "/x"
    );
    assert_eq!(with("/", "x", &[("iommus", cells(&[9, 0]))]), "/x");
    assert_eq!(with("/", "pci", &[("device_type", b"pci\0".to_vec())]), "/pci");
    assert_eq!(
        with("/", "x", &[("reg", cells(&[0, 0x4000_0000, 0]))]),
        "/x",
        "half a `reg`"
    );
}

/// Verifies: BH-CFG-146.
#[test]
fn what_is_no_tree_is_refused() {
    let plain = device_tree(2 << 20, 0, 11);
    assert_eq!(refused(b"no tree"), None);
    assert_eq!(refused(&plain[..40]), None);
    for missing in ["memory", "cpus"] {
        let mut tree = DeviceTree::from_fdt(&Fdt::new(&plain).unwrap());
        let name = if missing == "memory" {
            "memory@40000000"
        } else {
            missing
        };
        tree.root.remove_child(name).unwrap();
        assert_eq!(refused(&tree.to_dtb()), None, "{missing}");
    }
}

/// Every generated tree is one that its partition could have brought. Verifies: BH-CFG-147.
#[test]
fn generated_trees_are_their_own() {
    let workshop = Workshop::new();
    let built = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    for tree in &built.trees {
        adopt(&tree.dtb, &tree.tree).unwrap();
    }
}
