// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters on the real boards: refused without an SMMU unless accepted by name with a reason, guarded with one.
//! Verifies: BH-LANG-016, BH-LANG-021.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use bulkhead_model::loss::losses;
use bulkhead_model::{LoadError, load, load_board};
use common::{Fixture, root};

/// A PCI function that masters the bus, and the host bridge above it.
const BRIDGE: &str =
    "pcie: { ecam: 0x40_1000_0000, buses: 1, window: { base: 0xc000_0000, size: 256MiB } }\n";
const FUNCTION: &str = "  dma:\n    kind: edu\n    pci: { slot: 1, id: \"1234:11e8\", bars: { 0: 1MiB } }\n    registers: { bar: 0 }\n    bus_master: true\n";
/// The same without PCI.
const PLATFORM: &str =
    "  dma:\n    kind: edu\n    registers: { base: 0x10_0000_0000, size: 1MiB }\n    bus_master: true\n";
/// The device for a partition, and why it may go without an SMMU.
const OWNED: &str = "partitions.cluster.devices=[dma]";
const ACCEPTED: &str =
    "partitions.cluster.unguarded_dma={ dma: the bridge in front of it reaches its buffers only }";

/// Memory of the same partition in the RAM of a board.
fn pinned(board: &str) -> String {
    let at = match board {
        "imx8mp-evk" => "0xa000_0000",
        "ti-j721e" => "0xc000_0000",
        _ => "0x2000_0000",
    };
    format!("partitions.cluster.memory={{ size: 2MiB, at: {at} }}")
}

/// A board file with one more device.
fn with(board: &str, device: &str) -> String {
    let text = fs::read_to_string(root().join(format!("config/boards/{board}.yaml"))).unwrap();
    match text.split_once("\ndevices:\n") {
        Some((before, after)) => format!("{before}\ndevices:\n{device}{after}"),
        None => format!("{text}devices:\n{device}"),
    }
}

/// The rules that a board's example breaks, changed by `overrides`, on a board of this text.
fn broken(fixture: &Fixture, folder: &Path, board: &str, text: &str, overrides: &[&str]) -> Vec<String> {
    let file = folder.join(format!("{board}.yaml"));
    fs::write(&file, text).unwrap();
    let mut all = vec![format!("board={}", file.display())];
    all.extend(overrides.iter().map(|o| (*o).to_owned()));
    match load(&fixture.paths(&format!("config/systems/{board}.yaml")), &all) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => {
            let records = diagnostics.records();
            records.iter().map(|r| r.rule.to_string()).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn without_an_smmu_each_bus_master_is_accepted_by_name() {
    let (fixture, folder) = (Fixture::new(), tempfile::tempdir().unwrap());
    for board in ["xlnx-versal-virt", "xlnx-zcu102", "imx8mp-evk"] {
        let path = root().join(format!("config/boards/{board}.yaml"));
        assert!(load_board(&path).unwrap().smmu.is_none());
        let text = with(board, FUNCTION) + BRIDGE;
        let broken = |overrides: &[&str]| broken(&fixture, folder.path(), board, &text, overrides);
        assert_eq!(broken(&[]), [""; 0], "{board}: nobody owns it");
        assert_eq!(broken(&[OWNED]), ["devices/unguarded"], "{board}");
        assert_eq!(broken(&[OWNED, ACCEPTED]), ["dma/unpinned"], "{board}");
        assert_eq!(broken(&[OWNED, ACCEPTED, &pinned(board)]), [""; 0], "{board}");
        let empty = "partitions.cluster.unguarded_dma={ dma: \"-\" }";
        assert_eq!(
            broken(&[OWNED, empty, &pinned(board)]),
            ["devices/not-unguarded"],
            "{board}"
        );
    }
}

#[test]
fn with_an_smmu_it_needs_no_exception_and_gets_none() {
    let (fixture, folder) = (Fixture::new(), tempfile::tempdir().unwrap());
    let text = with("ti-j721e", FUNCTION) + &BRIDGE.replace("0xc000_0000", "0x1000_0000");
    let broken = |overrides: &[&str]| broken(&fixture, folder.path(), "ti-j721e", &text, overrides);
    assert_eq!(broken(&[OWNED]), [""; 0]);
    let pinned = pinned("ti-j721e");
    assert_eq!(broken(&[OWNED, ACCEPTED, &pinned]), ["devices/not-unguarded"]);
}

/// What has StreamIDs that the board file knows is guarded by the SMMU, and can be kept to ranges; a board without one knows
/// none. Verifies: BH-LANG-016, BH-LANG-021, BH-CFG-231.
#[test]
fn a_bus_master_with_streams_is_guarded() {
    let (fixture, folder) = (Fixture::new(), tempfile::tempdir().unwrap());
    let device = format!("{PLATFORM}    streams: [0x80, 0x81]\n");
    let text = with("ti-j721e", &device);
    let broken = |overrides: &[&str]| broken(&fixture, folder.path(), "ti-j721e", &text, overrides);
    assert_eq!(
        broken(&[OWNED]),
        [""; 0],
        "it needs no exception, and no place for its memory"
    );
    let ranges = "partitions.cluster.dma={ dma: [{ offset: 0, size: 4KiB }] }";
    assert_eq!(broken(&[OWNED, ranges]), [""; 0]);
    let pinned = pinned("ti-j721e");
    assert_eq!(broken(&[OWNED, ACCEPTED, &pinned]), ["devices/not-unguarded"]);
    let file = folder.path().join("ti-j721e.yaml");
    let given = [format!("board={}", file.display()), OWNED.to_owned()];
    let system = load(&fixture.paths("config/systems/ti-j721e.yaml"), &given).unwrap();
    assert_eq!(losses(&system), []);
    let text = with("imx8mp-evk", &device);
    let bare = self::broken(&fixture, folder.path(), "imx8mp-evk", &text, &[]);
    assert_eq!(bare, ["board/streams"; 1]);
}

/// The number is by what an image knows its board: no two have the same. Verifies: BH-BRD-005.
#[test]
fn each_board_has_a_number_of_its_own() {
    let mut numbers = std::collections::BTreeMap::new();
    for entry in fs::read_dir(root().join("config/boards")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let board = load_board(&path).unwrap();
            let other = numbers.insert(board.id.value, board.name.value.clone());
            assert_eq!(
                other, None,
                "{} has number {}, too",
                board.name.value, board.id.value
            );
        }
    }
    assert!(numbers.len() >= 6);
}

/// What has no StreamID that the board file knows is guarded by no SMMU. Verifies: BH-LANG-016, BH-LANG-021.
#[test]
fn a_bus_master_without_a_stream_is_accepted_by_name_on_every_board() {
    let (fixture, folder) = (Fixture::new(), tempfile::tempdir().unwrap());
    for board in ["xlnx-versal-virt", "xlnx-zcu102", "imx8mp-evk", "ti-j721e"] {
        let text = with(board, PLATFORM);
        let broken = |overrides: &[&str]| broken(&fixture, folder.path(), board, &text, overrides);
        assert_eq!(broken(&[]), [""; 0], "{board}: nobody owns it");
        assert_eq!(broken(&[OWNED]), ["devices/unguarded"], "{board}");
        assert_eq!(broken(&[OWNED, ACCEPTED]), ["dma/unpinned"], "{board}");
        let pinned = pinned(board);
        assert_eq!(broken(&[OWNED, ACCEPTED, &pinned]), [""; 0], "{board}");
        let ranges = "partitions.cluster.dma={ dma: [{ offset: 0, size: 4KiB }] }";
        let all = [OWNED, ACCEPTED, &pinned, ranges];
        assert_eq!(
            broken(&all),
            ["dma/not-guarded"],
            "{board}: nothing keeps it to ranges"
        );
    }
}

/// The boards of QEMU's models without a driven SMMU have bus masters that their device trees name.
#[test]
fn boards_without_an_smmu_name_their_bus_masters() {
    for (board, names) in [
        ("xlnx-zcu102", &["gdma0", "gem3", "sd1"][..]),
        ("imx8mp-evk", &["usdhc3", "sdma1"]),
    ] {
        let board = load_board(&root().join(format!("config/boards/{board}.yaml"))).unwrap();
        let masters = board.devices.iter().filter(|d| d.bus_master);
        assert_eq!(masters.map(|d| d.name.value.as_str()).collect::<Vec<_>>(), names);
    }
}

/// What is lost is listed with its owner and reason; nothing where the SMMU guards each. Verifies: BH-CFG-173.
#[test]
fn lost_isolation_is_listed() {
    let fixture = Fixture::new();
    let lost = |system: &str, overrides: &[String]| {
        let system = load(
            &fixture.paths(&format!("config/systems/{system}.yaml")),
            overrides,
        )
        .unwrap();
        losses(&system)
    };
    assert_eq!(lost("adas-infotainment", &[]), []);
    assert_eq!(lost("ti-j721e", &[]), []);
    let versal = lost("xlnx-versal-virt", &[]);
    let [board] = versal.as_slice() else {
        panic!("{versal:?}")
    };
    assert!(board.text.contains("its MMU-500 is not driven"), "{}", board.text);
    let given = [
        "devices=[gem3]",
        "unguarded_dma={ gem3: why }",
        "memory={ size: 2MiB, at: 0x2000_0000 }",
    ];
    let given = given.map(|value| format!("partitions.cluster.{value}"));
    let all = lost("xlnx-zcu102", &given);
    let named: Vec<_> = all
        .iter()
        .map(|l| (l.device.as_deref(), l.partition.as_deref(), l.reason.as_deref()))
        .collect();
    let expected = [
        (None, None, None),
        (Some("gdma0"), None, None),
        (Some("gem3"), Some("cluster"), Some("why")),
        (Some("sd1"), None, None),
    ];
    assert_eq!(named, expected);
    assert!(
        all[2]
            .text
            .contains("all of memory, EL2's too, and goes on while the partition is stopped")
    );
    assert!(all[2].show().ends_with("(accepted: why)"));
}
