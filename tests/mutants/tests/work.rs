// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What compiler and checker do for each page does not depend on how many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the other test programs use the rest")]
mod systems;

use std::fs;
use std::path::Path;

use bulkhead_compiler::compile::compile;
use systems::support::{Workshop, hypervisor_bin, repository};

/// The board of QEMU with more RAM, of which a large blob gets the first half gibibyte.
fn board() -> String {
    let mut board = fs::read_to_string(repository().join("config/boards/qemu-virt.yaml")).unwrap();
    for (old, new) in [
        ("size: 1GiB", "size: 80GiB"),
        ("base: 0x4800_0000", "base: 0x6000_0000"),
        ("base: 0x4a00_0000", "base: 0x6200_0000"),
    ] {
        assert_eq!(board.matches(old).count(), 1, "{old}");
        board = board.replace(old, new);
    }
    board
}

/// Steps of the compiler and of the checker for each page that is mapped, and how many there are, when each of four
/// partitions has so much memory.
fn work(memory: &str) -> ([f64; 2], u64) {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    fs::write(workshop.path("pages-board.yaml"), board()).unwrap();
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("systems/pages.yaml");
    let spec = fs::read_to_string(spec).unwrap();
    let system = workshop.load(&spec.replace("size: 16GiB", &format!("size: {memory}")));
    let compiled = compile(&system, &hypervisor).unwrap();
    let proof = systems::prove(&systems::files(&compiled, &hypervisor)).unwrap();
    let rate = |steps: u64| steps as f64 / proof.pages as f64;
    ([rate(compiled.steps), rate(proof.steps)], proof.pages)
}

/// Steps are counted where they are done, so that whoever looks at a page again counts again: 4, 16 and 64 GiB in
/// coloured pages. Each size is judged before the next: what is quadratic would take hours for the largest.
///
/// Verifies: BH-MEM-006, BH-CHK-085.
#[test]
fn work_for_each_page_is_constant() {
    let (least, pages) = work("1GiB");
    println!("{pages} pages: {least:.3?} steps for each");
    assert!(pages >= 4 << 18);
    for (memory, gibibytes) in [("4GiB", 16), ("16GiB", 64)] {
        let (steps, pages) = work(memory);
        println!("{pages} pages: {steps:.3?} steps for each");
        assert!(pages >= gibibytes << 18);
        for (steps, least) in steps.iter().zip(least) {
            let ratio = steps / least;
            assert!(
                (0.9..=1.1).contains(&ratio),
                "{memory}: {ratio:.3} times the steps of 1GiB for each page"
            );
        }
    }
}
