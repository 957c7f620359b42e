// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The device tree of the board that a blob is for: what boot takes.

use bulkhead_types::system::System;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

fn node(name: &str, properties: &[(&str, &[u8])]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).expect("a name");
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new(*name, *value).expect("a property"));
    }
    node
}

fn cells(rows: &[(u64, u64)]) -> Vec<u8> {
    let words = rows.iter().flat_map(|(base, size)| [*base, *size]);
    words.flat_map(u64::to_be_bytes).collect()
}

/// The tree, with an interrupt controller of this kind.
pub(super) fn of_board(system: &System<'_>, compatible: &str) -> Vec<u8> {
    let two: &[u8] = &2u32.to_be_bytes();
    let mut root = node("", &[("#address-cells", two), ("#size-cells", two)]);
    for bank in system.ram {
        let reg = cells(&[(bank.base, bank.size)]);
        root.add_child(node(&format!("memory@{:x}", bank.base), &[("reg", &reg)]));
    }
    let mut cpus = node("cpus", &[("#address-cells", two), ("#size-cells", &[0; 4])]);
    for core in system.cores {
        let name = format!("cpu@{:x}", core.mpidr);
        cpus.add_child(node(
            &name,
            &[("reg", &core.mpidr.to_be_bytes()), ("status", b"okay\0")],
        ));
    }
    root.add_child(cpus);
    let mut reg = vec![(system.board.gicd, 0x1_0000)];
    if compatible == "arm,gic-v3" {
        reg.extend(system.cores.iter().map(|core| (core.redistributor, 0x2_0000)));
    } else {
        reg.extend([(0x0801_0000, 0x2000), (0x0803_0000, 0x1000)]);
    }
    let compatible = format!("{compatible}\0");
    let properties = [("compatible", compatible.as_bytes()), ("reg", &cells(&reg))];
    root.add_child(node("intc", &properties));
    root.add_child(node(
        "psci",
        &[("compatible", b"arm,psci-1.0\0"), ("method", b"smc\0")],
    ));
    root.add_child(node("chosen", &[("rng-seed", &[5; 32]), ("kaslr-seed", &[7; 8])]));
    let mut tree = DeviceTree::new();
    tree.root = root;
    tree.to_dtb()
}
