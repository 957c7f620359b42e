// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices at fixed addresses with several register blocks and interrupts: grants, interrupts, device tree, resets.

use std::fs;

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_model::board::{Block, Region, Registers};
use bulkhead_model::system::System;
use bulkhead_types::load::step::{POLL32, WRITE32};
use bulkhead_types::system;

use crate::support::walker::{Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin, repository};

const CLOCK: u64 = 0x0901_0000;
const PINS: u64 = 0x0903_0000;
const UART: u64 = 0x0904_0000;
const PAGE: u64 = 4096;

/// The system that also runs, with small payloads.
fn devices(workshop: &Workshop) -> System {
    let read = |path: &str| fs::read_to_string(repository().join("tests/systems").join(path)).unwrap();
    fs::create_dir(workshop.path("boards")).unwrap();
    let board = read("boards/virt-devices.yaml");
    fs::write(workshop.path("boards/virt-devices.yaml"), board).unwrap();
    workshop.load(&read("devices.yaml").replace("elf: prober", "elf: adas"))
}

fn compiled(change: impl Fn(&mut System)) -> Compiled {
    let workshop = Workshop::new();
    let mut system = devices(&workshop);
    change(&mut system);
    compile(&system, &hypervisor_bin()).unwrap()
}

/// Pages of a device that a partition reaches by the tables.
fn reached(compiled: &Compiled, partition: usize) -> Vec<u64> {
    let base = compiled.plan.blob.start;
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let read = reader(&compiled.blob, base);
    let walk = leaves(
        &read,
        base + parsed.partitions[partition].pristine_root,
        Stage::Two,
    );
    let devices = walk
        .iter()
        .filter(|leaf| (0x0900_0000..0x0b00_0000).contains(&leaf.input));
    devices
        .map(|leaf| {
            assert_eq!((leaf.input, leaf.size), (leaf.output, PAGE));
            leaf.input
        })
        .collect()
}

/// Verifies: BH-CFG-254.
#[test]
fn each_block_and_each_interrupt_is_its_owners() {
    let compiled = compiled(|_| {});
    assert_eq!(reached(&compiled, 0), [CLOCK, PINS, UART]);
    assert_eq!(reached(&compiled, 1), [0; 0]);
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let spis: Vec<_> = parsed
        .spis
        .iter()
        .map(|s| (s.intid, s.partition, s.core))
        .collect();
    assert_eq!(spis, [(34, 0, 1), (39, 0, 1), (40, 0, 1)]);
    for line in [
        "\nspi 34 owner 1 level\n",
        "\nspi 39 owner 1 level\n",
        "\nspi 40 owner 1 level\n",
        " 0x9010000-0x9011000           rw- device-ngnre 0x9010000\n",
        " 0x9030000-0x9031000           rw- device-ngnre 0x9030000\n",
        "\nmemory 0x9030000-0x9031000           partition:owner          clockpins\n",
    ] {
        assert!(compiled.text.contains(line), "{line}: {}", compiled.text);
    }
}

/// Names, properties and the clock are what a driver looks for. Verifies: BH-CFG-254.
#[test]
fn a_driver_finds_blocks_interrupts_and_clock() {
    let compiled = compiled(|_| {});
    let dts = &compiled.trees[0].dts;
    let node = |name: &str| {
        let start = dts.find(name).unwrap_or_else(|| panic!("{name}: {dts}"));
        let end = dts[start..].find('}').unwrap();
        dts[start..start + end].to_owned()
    };
    let device = node("device@9010000");
    for property in [
        "compatible = \"bulkhead,clock-and-pins\";",
        "reg = <0x00 0x9010000 0x00 0x1000 0x00 0x9030000 0x00 0x1000>;",
        "reg-names = \"clock\", \"pins\";",
        "interrupts = <0x00 0x02 0x04 0x00 0x07 0x04>;",
        "interrupt-names = \"clock\", \"pins\";",
        "label = \"clockpins\";",
        "lines = <0x08>;",
        "gpio-controller;",
    ] {
        assert!(device.contains(property), "{property}: {device}");
    }
    let uart = node("serial@9040000");
    assert!(uart.contains("\"arm,pl011\", \"arm,primecell\""), "{uart}");
    assert!(
        uart.contains("clock-names = \"uartclk\", \"apb_pclk\";"),
        "{uart}"
    );
    let clock = node("clock-uart1");
    assert!(clock.contains("clock-frequency = <0x16e3600>;"), "{clock}");
    let phandle = |text: &str, key: &str| {
        let value = text.split(key).nth(1).unwrap();
        value.split(['<', ' ', '>']).nth(1).unwrap().to_owned()
    };
    assert_eq!(phandle(&clock, "phandle = "), phandle(&uart, "clocks = "));
    assert!(
        !compiled.trees[1].dts.contains("serial@"),
        "{}",
        compiled.trees[1].dts
    );
}

/// A step names the block that its register is in. Verifies: BH-CFG-221.
#[test]
fn a_reset_reaches_each_block() {
    let compiled = compiled(|_| {});
    let steps = compiled.areas[0].steps.iter();
    let found: Vec<_> = steps
        .filter(|s| (CLOCK..PINS + PAGE).contains(&s.target))
        .map(|s| (s.kind, s.target, s.source))
        .collect();
    let wanted = [
        (WRITE32, CLOCK + 0x10, 0),
        (WRITE32, PINS + 0x410, 0),
        (WRITE32, PINS + 0x400, 0),
        (POLL32, PINS + 0xfe0, 0xff | 0x61 << 32),
    ];
    assert_eq!(found, wanted);
}

/// Devices of one partition on one line are one record for EL2. Verifies: BH-CFG-254.
#[test]
fn devices_of_a_partition_may_share_an_interrupt() {
    let compiled = compiled(|system| {
        let device = |name: &str| {
            system
                .board
                .devices
                .iter()
                .position(|d| d.name.value == name)
                .unwrap()
        };
        let (uart, other) = (device("uart1"), device("clockpins"));
        system.board.devices[uart].interrupts = system.board.devices[other].interrupts[1..].to_vec();
    });
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let spis: Vec<_> = parsed.spis.iter().map(|s| s.intid).collect();
    assert_eq!(spis, [34, 39]);
}

/// What is compatible with a device, and what it is reset by, follow from its kind. Verifies: BH-CFG-254.
#[test]
fn each_uart_is_reset_and_named_after_its_kind() {
    use bulkhead_model::board::DeviceKind;
    for (kind, steps, compatible) in [
        (DeviceKind::Pl011, 3, "arm,pl011"),
        (DeviceKind::ImxUart, 3, "fsl,imx6q-uart"),
        (DeviceKind::Uart8250, 4, "ns16550a"),
        (DeviceKind::CadenceUart, 3, "cdns,uart-r1p12"),
    ] {
        let compiled = compiled(|system| {
            let mut devices = system.board.devices.iter_mut();
            devices.find(|d| d.name.value == "uart1").unwrap().kind = kind;
        });
        let on_uart = |target: u64| (UART..UART + PAGE).contains(&target);
        let found = compiled.areas[0]
            .steps
            .iter()
            .filter(|s| on_uart(s.target))
            .count();
        assert_eq!(found, steps, "{kind:?}");
        assert!(compiled.trees[0].dts.contains(compatible), "{kind:?}");
    }
}

/// Registers are seen at their own addresses: a partition with a window there, of eight pages, can have none. Verifies: BH-CFG-255.
#[test]
fn nothing_else_is_where_a_block_is() {
    const WINDOW: u64 = 0x0b00_0000;
    let hypervisor = hypervisor_bin();
    let workshop = Workshop::new();
    let mut system = devices(&workshop);
    let span = system.board.name.span;
    for (base, fits) in [
        (WINDOW - PAGE, true),
        (WINDOW, false),
        (WINDOW + 7 * PAGE, false),
        (WINDOW + 8 * PAGE, true),
    ] {
        let block = |base| Block {
            name: None,
            region: Region { base, size: PAGE },
            span,
        };
        let mut devices = system.board.devices.iter_mut();
        let other = devices.find(|d| d.name.value == "clockpins").unwrap();
        other.registers = Registers::At(vec![block(CLOCK), block(base)]);
        let error = compile(&system, &hypervisor).err().map(|e| e.to_string());
        let message = format!(
            "block 1 of device `clockpins`: its partition sees its `window` at its addresses {base:#x}-{:#x}",
            base + PAGE
        );
        assert_eq!(error, (!fits).then_some(message));
    }
}
