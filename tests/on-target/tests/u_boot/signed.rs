// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A board whose U-Boot has a public key: what is not signed by it, or is older than it must be, is not started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_on_target::succeeded;
use dtoolkit::Node;
use dtoolkit::fdt::Fdt;
use dtoolkit::model::DeviceTree;

use crate::bench::{Bench, SMALL, boot_image, find};

/// Words of the script after a refusal.
const SCRIPT: &str = "the boot loader refused: U-Boot did not start bulkhead.itb; its reason is above";

/// A key pair of this test alone.
fn new_key(folder: &Path) {
    fs::create_dir_all(folder).expect("folder");
    let (key, certificate) = (folder.join("dev.key"), folder.join("dev.crt"));
    let made = Command::new("openssl")
        .args([
            "req", "-batch", "-newkey", "rsa:2048", "-nodes", "-x509", "-subj", "/CN=test", "-keyout",
        ])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output();
    succeeded(&made.expect("openssl starts"));
}

/// The board's device tree as the emulator gives it to U-Boot, which keeps its key there.
fn board_tree(bench: &Bench) -> PathBuf {
    let qemu = bench.manifest.qemu.as_ref().expect("modelled");
    let path = bench.path("control.dtb");
    let machine = format!("{},dumpdtb={}", qemu.machine, path.display());
    let program = std::env::var_os("BULKHEAD_QEMU").unwrap_or_else(|| "qemu-system-aarch64".into());
    let dumped = Command::new(program)
        .args([
            "-M",
            &machine,
            "-cpu",
            qemu.cpu.as_deref().expect("a core"),
            "-smp",
            &qemu.cores.to_string(),
        ])
        .args([
            "-m",
            &format!("{}M", qemu.memory >> 20),
            "-nic",
            "none",
            "-display",
            "none",
        ])
        .output();
    succeeded(&dumped.expect("QEMU starts"));
    let tree = fs::read(&path).expect("device tree");
    let mut tree = DeviceTree::from_fdt(&Fdt::new(&tree).expect("device tree"));
    // QEMU writes NOPs over these in a tree that it is given, and adds its own.
    let memory: Vec<String> = tree
        .root
        .children()
        .map(|n| n.name().to_owned())
        .filter(|n| n.starts_with("memory") || n == "psci")
        .collect();
    for node in memory {
        tree.root.remove_child(&node);
    }
    fs::write(&path, tree.to_dtb()).expect("device tree");
    path
}

/// Verifies: BH-FLSH-008.
#[test]
fn only_what_is_signed_and_new_enough_starts() {
    let bench = Bench::new(SMALL);
    let (keys, others, tree) = (bench.path("keys"), bench.path("others"), board_tree(&bench));
    new_key(&keys);
    new_key(&others);
    let text = |path: &Path| path.to_str().expect("path").to_owned();
    let (keys, others, tree) = (text(&keys), text(&others), text(&tree));
    let boot = ["--qemu-arg=-dtb".to_owned(), format!("--qemu-arg={tree}")];
    let boot = boot.each_ref().map(String::as_str);
    let trusting = ["--sign", &keys, "--rollback-index", "3", "--trust", &tree];
    let good = bench.flash("good.img", &trusting);
    let run = bench.run(&good, &boot);
    assert_eq!(run.status, 0, "{}", run.said);
    assert!(run.said.contains("sha256,rsa2048:dev+"), "{}", run.said);

    let refused = |name: &str, arguments: &[&str], words: &[&str]| {
        let medium = bench.flash(name, arguments);
        let run = bench.run(&medium, &boot);
        assert_eq!(run.status, 1, "{name}: {}", run.said);
        for words in words {
            assert!(run.said.contains(words), "{name}: no `{words}` in: {}", run.said);
        }
        assert!(!run.said.contains("Bulkhead 0."), "{name}: {}", run.said);
    };
    let unsigned = "Failed to verify required signature 'key-dev'";
    refused("unsigned.img", &["--rollback-index", "3"], &[unsigned, SCRIPT]);
    let wrong = ["--sign", &others, "--rollback-index", "3"];
    refused("wrong.img", &wrong, &[unsigned, SCRIPT]);
    let old = "the boot loader refused: bulkhead.itb has rollback index 0x00000002, this board starts none below 0x3";
    refused("old.img", &["--sign", &keys, "--rollback-index", "2"], &[old]);

    // An old release whose number was changed afterwards.
    let medium = bench.path("old.img");
    let mut bytes = fs::read(&medium).expect("medium");
    let range = boot_image(&bytes);
    let configuration = range.start + find(&bytes[range.clone()], b"linux,dummy-virt");
    // The property that follows: its token, its length of 4, the offset of its name, its value.
    let index = configuration + find(&bytes[configuration..], &[0, 0, 0, 3, 0, 0, 0, 4]) + 12;
    assert_eq!(bytes[index..index + 4], [0, 0, 0, 2]);
    bytes[index + 3] = 3;
    fs::write(&medium, bytes).expect("medium");
    let run = bench.run(&medium, &boot);
    assert_eq!(run.status, 1, "{}", run.said);
    assert!(
        run.said.contains(unsigned) && !run.said.contains("Bulkhead 0."),
        "{}",
        run.said
    );
}
