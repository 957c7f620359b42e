// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guest device trees, read back by other parsers.

use std::fs;
use std::process::Command;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::load::step;
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};

use crate::support::{Workshop, hypervisor_bin, repository};

fn reference() -> (Workshop, Compiled) {
    let workshop = Workshop::new();
    let compiled = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    (workshop, compiled)
}

/// Cells of a property.
fn cells(fdt: &Fdt<'_>, path: &str, name: &str) -> Vec<u32> {
    let node = fdt.find_node(path).unwrap_or_else(|| panic!("no node {path}"));
    let property = node
        .property(name)
        .unwrap_or_else(|| panic!("no property {name} in {path}"));
    let words = property.value().chunks(4);
    words.map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect()
}

fn text(fdt: &Fdt<'_>, path: &str, name: &str) -> String {
    let node = fdt.find_node(path).unwrap_or_else(|| panic!("no node {path}"));
    node.property(name)
        .unwrap()
        .value_as::<&str>()
        .unwrap()
        .to_owned()
}

/// What Linux needs of a machine like QEMU's. Verifies: BH-CFG-012.
#[test]
fn linux_finds_its_machine() {
    let (_workshop, compiled) = reference();
    let fdt = Fdt::new(&compiled.trees[2].dtb).unwrap();
    assert_eq!(
        cells(&fdt, "/memory@40000000", "reg"),
        [0, 0x4000_0000, 0, 256 << 20]
    );
    assert_eq!(text(&fdt, "/psci", "method"), "hvc");
    assert_eq!(text(&fdt, "/chosen", "stdout-path"), "/pl011@9000000");
    assert!(text(&fdt, "/chosen", "bootargs").starts_with("console=ttyAMA0"));
    assert_eq!(cells(&fdt, "/pl011@9000000", "reg"), [0, 0x900_0000, 0, 0x1000]);
    assert_eq!(cells(&fdt, "/pl011@9000000", "interrupts"), [0, 1, 4]);
    let clock = cells(&fdt, "/apb-pclk", "phandle")[0];
    assert_eq!(cells(&fdt, "/pl011@9000000", "clocks"), [clock, clock]);
    let gic = [0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0x4_0000];
    assert_eq!(cells(&fdt, "/intc@8000000", "reg"), gic, "two redistributors");
    assert_eq!(
        cells(&fdt, "/", "interrupt-parent"),
        cells(&fdt, "/intc@8000000", "phandle")
    );
    assert_eq!(
        cells(&fdt, "/timer", "interrupts"),
        [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]
    );
    for (cpu, core) in [("/cpus/cpu@0", "core0"), ("/cpus/cpu@1", "core1")] {
        assert_eq!(text(&fdt, cpu, "enable-method"), "psci");
        assert_eq!(text(&fdt, cpu, "compatible"), "arm,cortex-a72");
        let path = format!("/cpus/cpu-map/cluster0/{core}");
        assert_eq!(cells(&fdt, &path, "cpu"), cells(&fdt, cpu, "phandle"));
    }
    assert!(fdt.find_node("/cpus/cpu@2").is_none());
    assert!(
        fdt.find_node("/window@b000000").is_none(),
        "the window of a uart console is EL2's"
    );
    assert_eq!(text(&fdt, "/channel@b100000", "bulkhead,role"), "reader");
    assert_eq!(
        fdt.find_node("/chosen")
            .unwrap()
            .property("rng-seed")
            .unwrap()
            .value()
            .len(),
        64
    );
}

/// Verifies: BH-CFG-012.
#[test]
fn a_bare_metal_partition_finds_its_devices() {
    let (_workshop, compiled) = reference();
    let fdt = Fdt::new(&compiled.trees[0].dtb).unwrap();
    assert_eq!(text(&fdt, "/hypervisor", "compatible"), "bulkhead,hypervisor-1");
    assert_eq!(text(&fdt, "/window@b000000", "bulkhead,console"), "defmt");
    assert_eq!(cells(&fdt, "/window@b000000", "reg"), [0, 0xb00_0000, 0, 0x8000]);
    assert_eq!(text(&fdt, "/channel@b100000", "bulkhead,role"), "writer");
    assert_eq!(text(&fdt, "/channel@b100000", "label"), "vehicle-state");
    assert_eq!(cells(&fdt, "/channel@b100000", "bulkhead,message-size"), [40]);
    assert_eq!(text(&fdt, "/can@10010000", "compatible"), "ctu,ctucanfd");
    assert_eq!(text(&fdt, "/can@10010000", "label"), "can0");
    assert_eq!(cells(&fdt, "/can@10010000", "reg"), [0, 0x1001_0000, 0, 0x1_0000]);
    assert_eq!(cells(&fdt, "/can@10010000", "interrupts"), [0, 4, 4]);
    assert!(
        fdt.find_node("/can@10030000").is_none(),
        "the other partition's controller"
    );
    let vehicle = Fdt::new(&compiled.trees[1].dtb).unwrap();
    assert_eq!(text(&vehicle, "/chosen", "bootargs"), "seed=1");
    assert!(
        vehicle.find_node("/channel@b100000").is_none(),
        "no channel of others"
    );
}

/// A bus master that nothing guards is on a bus of its own, which says by which addresses it reaches RAM; the loader
/// resets it before it fills RAM. Verifies: BH-CFG-171, BH-CFG-172.
#[test]
fn an_unguarded_bus_master_is_told_physical_addresses() {
    let workshop = Workshop::new();
    let invalid = repository().join("tests/invalid");
    fs::create_dir(workshop.path("boards")).unwrap();
    let board = "boards/gicv2.yaml";
    fs::copy(invalid.join(board), workshop.path(board)).unwrap();
    let spec = fs::read_to_string(invalid.join("valid.master.yaml")).unwrap();
    let compiled = compile(&workshop.load(&spec), &hypervisor_bin()).unwrap();
    let fdt = Fdt::new(&compiled.trees[2].dtb).unwrap();
    let node = "/unguarded-bus/dma-controller@d000000";
    assert_eq!(text(&fdt, node, "compatible"), "xlnx,zynqmp-dma-1.0");
    assert_eq!(cells(&fdt, node, "reg"), [0, 0xd00_0000, 0, 0x1000]);
    assert_eq!(
        cells(&fdt, "/unguarded-bus", "dma-ranges"),
        [0, 0x5000_0000, 0, 0x4000_0000, 0, 0x20_0000]
    );
    assert!(
        cells(&fdt, "/unguarded-bus", "ranges").is_empty(),
        "the same addresses"
    );
    assert!(
        fdt.find_node("/can@10030000").is_some(),
        "the controller is no bus master"
    );
    let others = Fdt::new(&compiled.trees[0].dtb).unwrap();
    assert!(others.find_node("/unguarded-bus").is_none());
    let steps = &compiled.areas[2].steps;
    let disabled = steps
        .iter()
        .position(|s| (s.kind, s.target) == (step::WRITE32, 0xd00_0200));
    let filled = steps.iter().position(|s| s.kind == step::ZERO);
    assert!(disabled.is_some() && disabled < filled, "{steps:x?}");
}

#[test]
fn the_compiler_of_device_trees_accepts_them() {
    let (workshop, compiled) = reference();
    for tree in &compiled.trees {
        let path = workshop.path("tree.dtb");
        fs::write(&path, &tree.dtb).unwrap();
        let from_dtb = dtc(&["-I", "dtb", "-O", "dts"], &path);
        fs::write(workshop.path("tree.dts"), &tree.dts).unwrap();
        fs::write(
            &path,
            dtc(&["-q", "-I", "dts", "-O", "dtb"], &workshop.path("tree.dts")),
        )
        .unwrap();
        let from_dts = dtc(&["-I", "dtb", "-O", "dts"], &path);
        assert_eq!(from_dtb, from_dts, "both forms say the same");
    }
}

/// Runs `dtc` and returns its output; a warning is a failure.
fn dtc(arguments: &[&str], path: &std::path::Path) -> Vec<u8> {
    let output = Command::new("dtc").args(arguments).arg(path).output();
    let output = output.expect("dtc (Debian: device-tree-compiler), which `./bulkhead test` installs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    output.stdout
}
