// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's device tree for an emulated machine that makes none: cores and interrupt controller.
//!
//! It stands for what a boot loader hands over. The emulator adds RAM and PSCI, which so remain evidence;
//! cores and interrupt controller are compared by boot with the hardware's own registers as well.
//!
//! # References
//! Devicetree Specification 0.4, "Device Node Requirements"; Linux bindings "arm,gic-v3".

use bulkhead_model::board::{Board, GicV2, GicVersion, TreeMaker};
use dtoolkit::error::ModelError;
use dtoolkit::model::DeviceTree as Tree;

use crate::devicetree::{Builder, DeviceTreeError, cpu_compatible};
use crate::machine::{GICD_SIZE, GICR_SIZE};

/// The flattened tree, where the compiler makes it. Implements: BH-BRD-002.
///
/// # Errors
/// See [`DeviceTreeError`].
pub fn of(board: &Board) -> Result<Option<Vec<u8>>, DeviceTreeError> {
    match board.qemu.as_ref().map(|qemu| qemu.device_tree) {
        Some(TreeMaker::Compiler) => Ok(Some(make(board)?)),
        Some(TreeMaker::Machine) | None => Ok(None),
    }
}

fn make(board: &Board) -> Result<Vec<u8>, ModelError> {
    let mut cpus = Builder::new("cpus")?
        .with("#address-cells", 2u32)?
        .with("#size-cells", 0u32)?;
    for core in &board.cores {
        cpus = cpus.child(
            Builder::new(&format!("cpu@{:x}", core.mpidr))?
                .with("device_type", "cpu")?
                .with("compatible", cpu_compatible(core.midr))?
                .with("reg", core.mpidr)?
                .with("enable-method", "psci")?,
        );
    }
    let mut regions = vec![(board.gic.distributor, GICD_SIZE)];
    let compatible = match board.gic.version {
        GicVersion::V3 { redistributors } => {
            regions.push((redistributors, board.cores.len() as u64 * GICR_SIZE));
            "arm,gic-v3"
        }
        GicVersion::V2(own) => {
            regions.push((own.cpu, GicV2::INTERFACE));
            regions.push((own.control, GicV2::CONTROL));
            regions.push((own.virtual_cpu, GicV2::INTERFACE));
            "arm,gic-400"
        }
    };
    let gic = Builder::new(&format!("interrupt-controller@{:x}", board.gic.distributor))?
        .with("compatible", compatible)?
        .flag("interrupt-controller")?
        .with("#interrupt-cells", 3u32)?
        .reg(&regions)?;
    let root = Builder::new("")?
        .with("#address-cells", 2u32)?
        .with("#size-cells", 2u32)?
        .with("model", board.title.as_str())?
        .with("compatible", board.name.value.as_str())?
        .child(Builder::new("chosen")?)
        .child(cpus)
        .child(gic);
    let mut tree = Tree::new();
    tree.root = root.0;
    Ok(tree.to_dtb())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use dtoolkit::fdt::Fdt;
    use dtoolkit::{Node, Property};

    use super::*;

    /// Verifies: BH-BRD-002.
    #[test]
    fn the_tree_has_the_cores_and_the_interrupt_controller_of_the_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/qemu-virt-32.yaml");
        let mut board = bulkhead_model::load_board(&root).unwrap();
        assert_eq!(of(&board).unwrap(), None, "QEMU makes one for this board");
        board.qemu.as_mut().unwrap().device_tree = TreeMaker::Compiler;
        let bytes = of(&board).unwrap().unwrap();
        let tree = Fdt::new(&bytes).unwrap();
        assert!(tree.find_node("/memory").is_none(), "the emulator's evidence");
        for core in &board.cores {
            let cpu = tree.find_node(&format!("/cpus/cpu@{:x}", core.mpidr)).unwrap();
            assert_eq!(cpu.property("reg").unwrap().value(), core.mpidr.to_be_bytes());
        }
        let gic = tree.find_node("/interrupt-controller@8000000").unwrap();
        let wanted: Vec<u8> = [0x800_0000u64, 0x1_0000, 0x80a_0000, 0x40_0000]
            .iter()
            .flat_map(|cell| cell.to_be_bytes())
            .collect();
        assert_eq!(gic.property("reg").unwrap().value(), wanted);
    }
}
