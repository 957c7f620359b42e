// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A board with a GICv2: who reaches which interface, and what guests are told.

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::blob::BlobHeader;
use bulkhead_types::system;
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use zerocopy::FromBytes;

use crate::support::walker::{Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin, repository};

/// The reference system on QEMU's virt machine with a GICv2.
fn compiled() -> Compiled {
    let workshop = Workshop::new();
    let board = repository().join("tests/invalid/boards/gicv2.yaml");
    let spec = std::fs::read_to_string(repository().join("config/systems/adas-infotainment.yaml")).unwrap();
    let spec = spec.replace("board: qemu-virt", &format!("board: {}", board.display()));
    let spec = spec.replace("watchdog: { timeout: 2s }\n", "");
    compile(&workshop.load(&spec), &hypervisor_bin()).unwrap()
}

/// What a partition reaches of the GIC: input address, physical address, bytes.
fn interfaces(compiled: &Compiled, partition: usize) -> Vec<(u64, u64, u64)> {
    let blob = &compiled.blob;
    let base = BlobHeader::read_from_prefix(blob).unwrap().0.base;
    let root = system::System::parse(blob).unwrap().partitions[partition].pristine_root;
    let walk = leaves(&reader(blob, base), base + root, Stage::Two);
    let gic = walk
        .iter()
        .filter(|leaf| (0x0800_0000..0x0900_0000).contains(&leaf.output));
    gic.map(|leaf| (leaf.input, leaf.output, leaf.size)).collect()
}

/// Verifies: BH-BRD-022.
#[test]
fn each_partition_reaches_its_own_kind_of_interface() {
    let compiled = compiled();
    // adas and vehicle have cores of their own; no deactivation register in the second page.
    for partition in [0, 1] {
        let page = (0x0801_0000, 0x0801_0000, 0x1000);
        assert_eq!(interfaces(&compiled, partition), [page]);
    }
    for partition in [2, 3] {
        let pages = [
            (0x0801_0000, 0x0804_0000, 0x1000),
            (0x0801_1000, 0x0804_1000, 0x1000),
        ];
        assert_eq!(interfaces(&compiled, partition), pages);
    }
    let parsed = system::System::parse(&compiled.blob).unwrap();
    assert!(parsed.cores.iter().all(|core| core.redistributor == 0));
}

/// Verifies: BH-BRD-022.
#[test]
fn guests_find_a_gicv2() {
    let compiled = compiled();
    for (partition, size) in [(0, 0x1000), (2, 0x2000)] {
        let fdt = Fdt::new(&compiled.trees[partition].dtb).unwrap();
        let node = fdt.find_node("/intc@8000000").unwrap();
        let text = |name: &str| node.property(name).unwrap().value().to_vec();
        assert_eq!(text("compatible"), b"arm,gic-400\0arm,cortex-a15-gic\0");
        let reg: [u32; 8] = [0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, size];
        let reg: Vec<u8> = reg.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        assert_eq!(text("reg"), reg);
    }
}
