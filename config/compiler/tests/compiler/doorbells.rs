// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Doorbells: the interrupts that stand for them, and what the device trees of both ends say.

use std::fs;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::system;
use bulkhead_types::tables::{NONE, Spi};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};

use crate::support::{Workshop, hypervisor_bin, partition_elf, repository};

/// The partitions `ringer`, `alone`, `shared`, `flood` of `tests/systems/doorbells.yaml`.
fn compiled() -> Compiled {
    let workshop = Workshop::new();
    fs::write(workshop.path("images/channels.elf"), partition_elf(7)).unwrap();
    let spec = fs::read_to_string(repository().join("tests/systems/doorbells.yaml")).unwrap();
    compile(&workshop.load(&spec), &hypervisor_bin()).unwrap()
}

/// Verifies: BH-BELL-001, BH-CFG-150.
#[test]
fn each_doorbell_has_an_interrupt_of_its_reader() {
    let compiled = compiled();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let table: Vec<_> = parsed.spis.iter().collect();
    let of = |spi: &Spi| {
        (
            spi.intid,
            spi.partition,
            spi.core,
            spi.edge,
            spi.ringer,
            spi.interval_ns,
        )
    };
    assert_eq!(
        table.iter().map(|spi| of(spi)).collect::<Vec<_>>(),
        [
            (232, 1, 3, 1, 0, 500_000),
            (233, 2, 0, 1, 0, 500_000),
            (234, 1, 3, 1, 3, 2_000_000),
        ]
    );
    assert!(table.iter().all(|spi| spi.ringer != NONE));
    for line in ["doorbell 232 ringer 0 500000", "doorbell 234 flood 2 2000000"] {
        assert!(compiled.text.lines().any(|l| l == line), "{line}");
    }
}

/// Who rings is told a number, who hears an interrupt. Verifies: BH-BELL-001.
#[test]
fn each_end_is_told_its_part() {
    let compiled = compiled();
    let bells = |partition: usize| -> Vec<String> {
        let fdt = Fdt::new(&compiled.trees[partition].dtb).unwrap();
        let root = fdt.find_node("/").unwrap();
        let nodes = root.children().filter(|n| n.name().starts_with("doorbell"));
        let describe = |node: &dtoolkit::fdt::FdtNode<'_>| {
            let text = |name| {
                node.property(name)
                    .unwrap()
                    .value_as::<&str>()
                    .unwrap()
                    .to_owned()
            };
            let cells = |name| {
                let bytes = node
                    .property(name)
                    .map(|p| p.value().to_vec())
                    .unwrap_or_default();
                let words = bytes.chunks(4).map(|w| u32::from_be_bytes(w.try_into().unwrap()));
                words.map(|w| format!(" {w}")).collect::<String>()
            };
            let (rings, hears) = (cells("bulkhead,doorbell"), cells("interrupts"));
            format!(
                "{} {} rings{rings} hears{hears}",
                text("label"),
                text("bulkhead,role")
            )
        };
        nodes.map(|n| describe(&n)).collect()
    };
    assert_eq!(
        bells(0),
        ["to-alone writer rings 0 hears", "to-shared writer rings 1 hears"]
    );
    // SPI number and rising edge.
    assert_eq!(
        bells(1),
        [
            "to-alone reader rings hears 0 200 1",
            "noise reader rings hears 0 202 1"
        ]
    );
    assert_eq!(bells(3), ["noise writer rings 2 hears"]);
}
