// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `board from-dtb`, on trees that QEMU makes and on sources compiled by `dtc`. Verifies: BH-BRD-003, BH-BRD-004, BH-TOOL-010.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_model::board::{Board, ControllerKind, Device, DeviceKind, Trigger};
use bulkhead_model::load_board;
use serde_json::Value;

/// First address and bytes of each register block.
fn regions(device: &Device) -> Vec<(u64, u64)> {
    let blocks = device.blocks().iter();
    blocks.map(|b| (b.region.base, b.region.size)).collect()
}

/// INTID and trigger of each interrupt.
fn lines(device: &Device) -> Vec<(u32, Trigger)> {
    let lines = device.interrupts.iter();
    lines.map(|i| (i.value.intid, i.value.trigger)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn committed(name: &str) -> Board {
    load_board(&root().join(format!("config/boards/{name}.yaml"))).unwrap()
}

/// Drafts a board from a tree; gives its text and what a spec would see of it.
fn draft(tree: &Path) -> (String, Board) {
    let file = tree.with_extension("yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead-tool"))
        .args(["board", "from-dtb", "--json"])
        .arg(tree)
        .args(["--name", "drafted", "-o"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let board = load_board(&file).unwrap_or_else(|error| panic!("{error}"));
    let text = std::fs::read_to_string(&file).unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["name"], &said["text"]), (&"drafted".into(), &Value::Null));
    assert_eq!(said["output"].as_str(), file.to_str());
    let review = said["review"].as_array().unwrap().len();
    assert!(review > 0 && review == text.lines().filter(|l| l.contains("# review")).count());
    (text, board)
}

/// What QEMU says of a machine.
fn dumped(folder: &Path, machine: &str, rest: &[&str]) -> (String, Board) {
    let tree = folder.join("tree.dtb");
    let program = std::env::var_os("BULKHEAD_QEMU").filter(|p| !p.is_empty());
    let status = Command::new(program.unwrap_or_else(|| "qemu-system-aarch64".into()))
        .arg("-M")
        .arg(format!("{machine},dumpdtb={}", tree.display()))
        .args(rest)
        .args(["-display", "none", "-nic", "none"])
        .status()
        .unwrap();
    assert!(status.success());
    draft(&tree)
}

fn compiled(folder: &Path, source: &str) -> (String, Board) {
    let tree = folder.join("tree.dtb");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/boards")
        .join(source);
    let status = Command::new("dtc")
        .args(["-q", "-O", "dtb", "-o"])
        .arg(&tree)
        .arg(&source)
        .status()
        .unwrap();
    assert!(status.success());
    draft(&tree)
}

/// What decides isolation and is the same in every description of a board.
fn compare(draft: &Board, board: &Board) {
    let ram = |b: &Board| b.ram.iter().map(|r| r.value).collect::<Vec<_>>();
    assert_eq!(ram(draft), ram(board));
    let affinities = |b: &Board| b.cores.iter().map(|c| c.mpidr).collect::<Vec<_>>();
    assert_eq!(affinities(draft), affinities(board));
    let parts = |b: &Board| b.cores.iter().map(|c| c.midr >> 4 & 0xfff).collect::<Vec<_>>();
    assert_eq!(parts(draft), parts(board));
    assert_eq!(
        (
            draft.gic.version,
            draft.gic.distributor,
            draft.gic.redistributors()
        ),
        (
            board.gic.version,
            board.gic.distributor,
            board.gic.redistributors()
        )
    );
    assert!(draft.gic.spi_lines <= board.gic.spi_lines);
    let uart = |b: &Board| (b.uart.kind, b.uart.base, b.uart.interrupt);
    assert_eq!(uart(draft), uart(board));
    let smmu = |b: &Board| b.smmu.as_ref().map(|s| s.base);
    assert_eq!(smmu(draft), smmu(board));
}

#[test]
fn the_draft_of_qemu_virt_is_the_board() {
    let folder = tempfile::tempdir().unwrap();
    let rest = ["-cpu", "cortex-a72", "-smp", "4", "-m", "1G"];
    let (text, draft) = dumped(
        folder.path(),
        "virt,virtualization=on,gic-version=3,iommu=smmuv3",
        &rest,
    );
    let board = committed("qemu-virt");
    compare(&draft, &board);
    let (drafted, wanted) = (draft.pcie.as_ref().unwrap(), board.pcie.as_ref().unwrap());
    assert_eq!((drafted.ecam, drafted.window), (wanted.ecam, wanted.window));
    assert!(text.contains("# review"), "{text}");
}

#[test]
fn the_draft_of_the_versal_is_the_board() {
    let folder = tempfile::tempdir().unwrap();
    let (_, draft) = dumped(folder.path(), "xlnx-versal-virt", &["-m", "2G"]);
    let board = committed("xlnx-versal-virt");
    compare(&draft, &board);
    let devices = |b: &Board| {
        let of = b.devices.iter().filter(|d| d.can);
        of.map(|d| (d.name.value.clone(), d.kind, regions(d), d.clock, lines(d)))
            .collect::<Vec<_>>()
    };
    assert_eq!(devices(&draft), devices(&board));
}

#[test]
fn the_board_file_of_the_j721e_is_what_the_public_tree_says() {
    let folder = tempfile::tempdir().unwrap();
    let (text, draft) = compiled(folder.path(), "ti-j721e.dts");
    let board = committed("ti-j721e");
    compare(&draft, &board);
    let interrupts = |b: &Board| b.smmu.as_ref().map(|s| s.interrupts.clone());
    assert_eq!(interrupts(&draft), interrupts(&board));
    let reserved = |b: &Board| b.reserved.iter().any(|r| r.region.value.base == 0x9e80_0000);
    assert!(reserved(&draft) && reserved(&board));
    assert!(draft.devices.is_empty());
    // The tree leaves them to a board's own file, off: so they are comments, as the board file says them.
    let cans: Vec<_> = board.devices.iter().filter(|d| d.can).collect();
    assert_eq!(cans.len(), 2);
    for can in cans {
        let [(base, size)] = regions(can)[..] else {
            panic!("one block")
        };
        assert_eq!((can.kind, size), (DeviceKind::MCan, 0xf000));
        let (intid, _) = lines(can)[0];
        let drafted = format!(
            "kind: m-can\n  #   registers: {{ base: 0x{:x}_{:04x}, size: 60KiB }}\n  #   interrupt: {{ intid: {intid}, trigger: level }}",
            base >> 16,
            base & 0xffff
        );
        assert!(text.contains(&drafted), "{drafted}: {text}");
    }
    assert!(text.contains("the tree says that it is off"), "{text}");
}

#[test]
fn buses_are_followed_and_controllers_named() {
    let folder = tempfile::tempdir().unwrap();
    let (text, draft) = compiled(folder.path(), "controllers.dts");
    let cores: Vec<_> = draft
        .cores
        .iter()
        .map(|c| (c.mpidr, c.cluster, c.capacity))
        .collect();
    assert_eq!(cores, [(0, 0, 512), (0x100, 1, 1024)]);
    assert_eq!(draft.uart.base, 0x3000_0000);
    let [can, ..] = &draft.devices[..] else {
        panic!("{text}")
    };
    assert_eq!(
        (regions(can), can.clock),
        (vec![(0x3002_0000, 0x8000)], Some(80_000_000))
    );
    let [controller] = &draft.controllers[..] else {
        panic!("{text}")
    };
    assert_eq!(
        (
            &controller.kinds[..],
            controller.registers.as_ref().unwrap().base,
            can.controlled_by.len()
        ),
        (&[ControllerKind::Reset][..], 0x3001_0000, 1)
    );
    assert!(!text.contains("oscillator controls"), "{text}");
    // The console is EL2's; everything else with registers and interrupts is a device, with all of them.
    let [_, gpu, serial] = &draft.devices[..] else {
        panic!("{text}")
    };
    assert_eq!((gpu.name.as_str(), gpu.kind), ("gpu-30000", DeviceKind::Other));
    assert_eq!(regions(gpu), [(0x3003_0000, 0x4000), (0x3003_8000, 0x1000)]);
    assert_eq!(lines(gpu), [(82, Trigger::Level), (83, Trigger::Edge)]);
    let named = |names: [Option<&str>; 2]| names.map(|n| n.unwrap_or_default().to_owned());
    let blocks = [0, 1].map(|k| gpu.blocks()[k].name.as_ref().map(|n| n.as_str()));
    let interrupts = [0, 1].map(|k| gpu.interrupts[k].value.name.as_ref().map(|n| n.as_str()));
    assert_eq!(named(blocks), ["core", "hub"]);
    assert_eq!(named(interrupts), ["job", "mmu"]);
    assert!(gpu.bus_master, "the tree does not say that it is none");
    assert_eq!(
        gpu.compatible.iter().map(|c| c.as_str()).collect::<Vec<_>>(),
        ["nowhere,gpu-2", "nowhere,gpu"]
    );
    assert_eq!(
        (serial.name.as_str(), serial.kind),
        ("serial-40000", DeviceKind::Pl011)
    );
    assert!(!serial.bus_master);
    for line in [
        "what its driver needs of nowhere,tiles, for `properties`",
        "# i2c-50800:",
        "its StreamID is 0x21",
        "review: firmware controls it without registers",
        "arm,mmu-500",
        "no bus master can be assigned",
        "the tree has no PSCI",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(draft.smmu.is_none());
}
