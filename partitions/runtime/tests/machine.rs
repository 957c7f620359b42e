// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading a partition's device tree. Verifies: BH-PART-003.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use bulkhead_partition::machine::{
    Can, CanKind, Channel, ChannelKind, Encoding, Gic, Hypercalls, Machine, Missing, Range, Role,
};
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

fn cells(cells: &[u32]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

fn node(name: &str, properties: &[(&str, Vec<u8>)]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).unwrap();
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new(*name, value.as_slice()).unwrap());
    }
    node
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The tree of a partition with everything, from which `without` is left out.
fn tree(without: &str) -> Vec<u8> {
    let reg = |base, size| ("reg", cells(&[0, base, 0, size]));
    let nodes = [
        node(
            "memory@40000000",
            &[("device_type", text("memory")), reg(0x4000_0000, 0x20_0000)],
        ),
        node("chosen", &[("bootargs", text("seed=1 crc=broken"))]),
        node(
            "intc@8000000",
            &[
                ("compatible", text("arm,gic-v3")),
                (
                    "reg",
                    cells(&[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0x2_0000]),
                ),
            ],
        ),
        node("hypervisor", &[("compatible", text("bulkhead,hypervisor-1"))]),
        node(
            "window@b000000",
            &[
                ("compatible", text("bulkhead,window-1")),
                reg(0xb00_0000, 0x8000),
                ("bulkhead,console", text("defmt")),
            ],
        ),
        node(
            "channel@b100000",
            &[
                ("compatible", text("bulkhead,sampling-1")),
                reg(0xb10_0000, 0x1000),
                ("label", text("vehicle-state")),
                ("bulkhead,role", text("writer")),
                ("bulkhead,message-size", cells(&[40])),
            ],
        ),
        node(
            "channel@c000000",
            &[
                ("compatible", text("bulkhead,queuing-1")),
                (
                    "reg",
                    cells(&[0, 0xc00_0000, 0, 0x2000, 0, 0xc01_0000, 0, 0x1000]),
                ),
                ("label", text("commands")),
                ("bulkhead,role", text("reader")),
                ("bulkhead,message-size", cells(&[16])),
                ("bulkhead,depth", cells(&[8])),
            ],
        ),
        node(
            "channel@c020000",
            &[
                ("compatible", text("bulkhead,shared-1")),
                reg(0xc02_0000, 0x4000),
                ("label", text("frame")),
                ("bulkhead,role", text("writer")),
            ],
        ),
        node(
            "can@10010000",
            &[
                (
                    "compatible",
                    [text("vendor,board-can"), text("ctu,ctucanfd")].concat(),
                ),
                reg(0x1001_0000, 0x1_0000),
                ("interrupts", cells(&[0, 4, 4])),
                ("label", text("can0")),
            ],
        ),
    ];
    let mut tree = DeviceTree::new();
    for name in ["#address-cells", "#size-cells"] {
        tree.root
            .add_property(DeviceTreeProperty::new(name, 2_u32).unwrap());
    }
    for mut node in nodes {
        if !node_name(&node).starts_with(without) || without.is_empty() {
            node.remove_property(without);
            tree.root.add_child(node);
        }
    }
    tree.to_dtb()
}

fn node_name(node: &DeviceTreeNode) -> &str {
    dtoolkit::Node::name(&node)
}

#[test]
fn everything_is_found() {
    let bytes = tree("");
    let machine = Machine::parse(&fdt::Fdt::new(&bytes).unwrap()).unwrap();
    let range = |start, size| Range { start, size };
    assert_eq!(machine.ram, range(0x4000_0000, 0x20_0000));
    let redistributors = range(0x80a_0000, 0x2_0000);
    assert_eq!(machine.gic, Gic::V3 { redistributors });
    assert_eq!(machine.window, Some((range(0xb00_0000, 0x8000), Encoding::Defmt)));
    let channel = Channel {
        label: "vehicle-state",
        range: range(0xb10_0000, 0x1000),
        role: Role::Writer,
        kind: ChannelKind::Sampling { message_size: 40 },
    };
    let queue = Channel {
        label: "commands",
        range: range(0xc00_0000, 0x2000),
        role: Role::Reader,
        kind: ChannelKind::Queuing {
            message_size: 16,
            depth: 8,
            reader: Some(range(0xc01_0000, 0x1000)),
        },
    };
    let frame = Channel {
        label: "frame",
        range: range(0xc02_0000, 0x4000),
        role: Role::Writer,
        kind: ChannelKind::Shared,
    };
    assert_eq!(machine.channels.as_slice(), [channel, queue, frame]);
    let can = Can {
        label: "can0",
        range: range(0x1001_0000, 0x1_0000),
        intid: 36,
        kind: CanKind::CtuCanFd,
        clock: None,
    };
    assert_eq!(machine.cans.as_slice(), [can]);
    assert_eq!(
        (machine.arguments, machine.hypercalls),
        ("seed=1 crc=broken", Hypercalls::Present)
    );
}

#[test]
fn what_may_be_absent_may_be_absent() {
    for without in ["window", "hypervisor", "channel", "can@", "chosen", "bootargs"] {
        let bytes = tree(without);
        let machine = Machine::parse(&fdt::Fdt::new(&bytes).unwrap()).unwrap();
        match without {
            "window" => assert_eq!(machine.window, None),
            "hypervisor" => assert_eq!(machine.hypercalls, Hypercalls::Absent),
            "channel" => assert!(machine.channels.is_empty()),
            "can@" => assert!(machine.cans.is_empty()),
            _ => assert_eq!(machine.arguments, ""),
        }
    }
}

#[test]
fn what_must_be_there_is_named() {
    let cases = [
        ("memory", "memory"),
        ("intc", "arm,gic-v3 or arm,gic-400"),
        ("bulkhead,console", "bulkhead,window-1"),
        ("bulkhead,role", "bulkhead,sampling-1"),
        ("interrupts", "ctu,ctucanfd"),
    ];
    for (without, missing) in cases {
        let bytes = tree(without);
        assert_eq!(
            Machine::parse(&fdt::Fdt::new(&bytes).unwrap()).err(),
            Some(Missing(missing)),
            "{without}"
        );
    }
}
