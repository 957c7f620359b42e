// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boot says of a board whose device tree does not fit the blob.

use crate::common::{parts, seal};
use bulkhead_board::Gic;
use bulkhead_boot::evidence::{self, Board};
use bulkhead_types::system::System;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use zerocopy::IntoBytes;

/// The parts of a board's tree that a test changes.
struct Tree {
    memory: Vec<[u32; 4]>,
    cpus: Vec<(u32, &'static str)>,
    gic: Vec<[u32; 4]>,
    /// `compatible` of the GIC, with its terminator.
    version: &'static [u8],
    method: &'static str,
    seed: Option<Vec<u8>>,
}

fn sound() -> Tree {
    Tree {
        memory: vec![[0, 0x4000_0000, 0, 0x4000_0000]],
        cpus: vec![(0, "okay"), (1, "okay")],
        gic: vec![[0, 0x0800_0000, 0, 0x1_0000], [0, 0x080A_0000, 0, 0x4_0000]],
        version: b"arm,gic-v3\0",
        method: "smc",
        seed: Some(vec![5; 32]),
    }
}

fn node(name: &str, properties: &[(&str, &[u8])]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).expect("a name");
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new(*name, *value).expect("a property"));
    }
    node
}

fn cells(rows: &[[u32; 4]]) -> Vec<u8> {
    rows.iter()
        .flatten()
        .flat_map(|cell| cell.to_be_bytes())
        .collect()
}

fn flatten(tree: &Tree) -> Vec<u8> {
    let two: &[u8] = &2u32.to_be_bytes();
    let mut root = node(
        "",
        &[
            ("#address-cells", two),
            ("#size-cells", two),
            ("compatible", b"test\0"),
            ("model", b"t\0"),
        ],
    );
    for (number, row) in tree.memory.iter().enumerate() {
        let name = format!(
            "memory@{:x}{:08x}",
            row[0],
            row[1] + u32::try_from(number).expect("small")
        );
        root.add_child(node(
            &name,
            &[("device_type", b"memory\0"), ("reg", &cells(&[*row]))],
        ));
    }
    let mut cpus = node(
        "cpus",
        &[
            ("#address-cells", &1u32.to_be_bytes()),
            ("#size-cells", &0u32.to_be_bytes()),
        ],
    );
    for (number, status) in &tree.cpus {
        let status = format!("{status}\0");
        let properties = [("reg", &number.to_be_bytes()[..]), ("status", status.as_bytes())];
        cpus.add_child(node(&format!("cpu@{number}"), &properties));
    }
    root.add_child(cpus);
    root.add_child(node(
        "intc@8000000",
        &[("compatible", tree.version), ("reg", &cells(&tree.gic))],
    ));
    let method = format!("{}\0", tree.method);
    let psci = [
        ("compatible", &b"arm,psci-1.0\0arm,psci-0.2\0"[..]),
        ("method", method.as_bytes()),
    ];
    root.add_child(node("psci", &psci));
    let mut chosen = node("chosen", &[]);
    if let Some(seed) = &tree.seed {
        chosen.add_property(DeviceTreeProperty::new("rng-seed", seed.as_slice()).expect("a property"));
    }
    root.add_child(chosen);
    let mut all = DeviceTree::new();
    all.root = root;
    all.to_dtb()
}

/// What boot says of a board; empty when it takes it.
fn verdict(change: impl Fn(&mut Tree)) -> String {
    verdict_on(Gic::V3, change)
}

/// What boot says of a board whose crate names this GIC.
fn verdict_on(gic: Gic, change: impl Fn(&mut Tree)) -> String {
    let mut tree = sound();
    change(&mut tree);
    let bytes = flatten(&tree);
    assert_eq!(evidence::total_size(&bytes), Ok(bytes.len()));
    let words = seal(&parts());
    let system = System::parse(words.as_bytes()).expect("a sound blob");
    let board = Board::new(&bytes).expect("a sound tree");
    board
        .check(&system, gic)
        .err()
        .map_or_else(String::new, |refusal| refusal.to_string())
}

/// Verifies: BH-BOOT-010.
#[test]
fn a_board_that_has_what_is_needed_or_more_is_taken() {
    assert_eq!(verdict(|_| ()), "");
    assert_eq!(verdict(|t| t.memory[0] = [0, 0, 1, 0]), "");
    assert_eq!(verdict(|t| t.memory.insert(0, [0, 0, 0, 0x1000])), "");
    assert_eq!(verdict(|t| t.cpus.push((0x100, "okay"))), "");
}

/// Verifies: BH-BOOT-010.
#[test]
fn too_little_memory_is_refused() {
    let says = verdict(|t| t.memory[0][3] = 0x2000_0000);
    let wanted =
        "refused: RAM bank 0 (blob: 0x40000000 bytes at 0x40000000, board: 0x20000000 bytes at 0x40000000)";
    assert_eq!(says, wanted);
    assert!(verdict(|t| t.memory.clear()).ends_with("board: none)"));
}

/// Verifies: BH-BOOT-010.
#[test]
fn missing_and_disabled_cores_are_refused() {
    let says = verdict(|t| t.cpus.truncate(1));
    assert_eq!(says, "refused: number of cores (blob: 2, board: 1)");
    assert_eq!(verdict(|t| t.cpus[1].1 = "disabled"), says);
    let says = verdict(|t| t.cpus[1].0 = 0x100);
    assert_eq!(says, "refused: core 1 (blob: 0x1, board: not there)");
}

/// Verifies: BH-BOOT-010.
#[test]
fn another_gic_is_refused() {
    let says = verdict(|t| t.gic[0][1] = 0x0900_0000);
    assert_eq!(
        says,
        "refused: GIC distributor (blob: 0x8000000, board: 0x9000000)"
    );
    let says = verdict(|t| t.gic[1][3] = 0x2_0000);
    let wanted = "refused: GIC redistributor of core 1 (blob: 0x80c0000, board: 0x20000 bytes at 0x80a0000)";
    assert_eq!(says, wanted);
}

/// Verifies: BH-BOOT-010.
#[test]
fn psci_by_another_call_is_refused() {
    assert_eq!(
        verdict(|t| t.method = "hvc"),
        "refused: PSCI method (blob: smc, board: hvc)"
    );
    assert_eq!(
        verdict(|t| t.method = "spin"),
        "refused: PSCI method (blob: smc, board: none)"
    );
}

/// Verifies: BH-BOOT-010.
#[test]
fn what_is_no_device_tree_is_refused() {
    assert!(evidence::total_size(&[]).is_err());
    assert!(evidence::total_size(&[0; 40]).is_err());
    let mut bytes = flatten(&sound());
    bytes[4..8].copy_from_slice(&0x40_0000u32.to_be_bytes());
    let says = evidence::total_size(&bytes).expect_err("too large").to_string();
    assert_eq!(
        says,
        "refused: device tree size (blob: 40 bytes to 2 MiB, board: 0x400000)"
    );
}

/// Verifies: BH-BOOT-012.
#[test]
fn entropy_is_what_the_board_gives() {
    let bytes = flatten(&sound());
    let board = Board::new(&bytes).expect("a sound tree");
    assert_eq!(board.entropy(), [&[5; 32][..], &[]]);
}

/// Verifies: BH-BOOT-024.
#[test]
fn the_interfaces_of_a_gicv2_lie_in_the_regions_of_its_node() {
    let gic = Gic::V2 {
        cpu: 0xf902_f000,
        control: 0xf904_0000,
    };
    let sound = |t: &mut Tree| {
        t.version = b"arm,gic-400\0";
        t.gic = vec![
            [0, 0x0800_0000, 0, 0x1_0000],
            [0, 0xf902_0000, 0, 0x2_0000],
            [0, 0xf904_0000, 0, 0x2_0000],
        ];
    };
    assert_eq!(verdict_on(gic, sound), "");
    let says = |change: &dyn Fn(&mut Tree)| {
        verdict_on(gic, |t| {
            sound(t);
            change(t);
        })
    };
    let wanted = "refused: GICv2 (blob: 0x8000000, board: not there)";
    assert_eq!(says(&|t| t.version = b"arm,gic-v3\0"), wanted);
    let wanted = "refused: GIC distributor (blob: 0x8000000, board: 0xf9010000)";
    assert_eq!(says(&|t| t.gic[0][1] = 0xf901_0000), wanted);
    let wanted = "refused: GIC CPU interface (blob: 0xf902f000, board: 0x10000 bytes at 0xf9020000)";
    assert_eq!(says(&|t| t.gic[1][3] = 0x1_0000), wanted);
    let wanted =
        "refused: GIC virtual interface control (blob: 0xf9040000, board: 0x20000 bytes at 0xf9050000)";
    assert_eq!(says(&|t| t.gic[2][1] = 0xf905_0000), wanted);
    let wanted = "refused: GIC virtual interface control (blob: 0xf9040000, board: 0x0 bytes at 0x0)";
    assert_eq!(says(&|t| t.gic.truncate(2)), wanted);
}
