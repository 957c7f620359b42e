// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2's run-time part can never do, on any board, as its disassembly shows: overflow its stack, or panic.
//!
//! # References
//! Arm DDI 0487, "Exception vectors".
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;

use bulkhead_on_target::images;
use bulkhead_stack::{Depth, Graphs, Program, depths};

/// Boards.
const BOARDS: [&str; 6] = [
    "qemu-virt",
    "qemu-virt-32",
    "xlnx-zcu102",
    "xlnx-versal-virt",
    "imx8mp-evk",
    "ti-j721e",
];
/// Bytes of a core's block below its stack that are never mapped.
const GUARD: i64 = 4096;
/// Bytes of the stack on which EL2's own errors are handled.
const EMERGENCY: i64 = 2048;
/// Functions that set the stack pointer to the top of a stack, and what may never return.
const RESTARTS: [&str; 2] = ["bulkhead_fatal", "runtime_entry"];
/// Beginnings of names of functions that a panic needs.
const PANICS: [&str; 6] = [
    "core::panicking",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "core::slice::index::slice",
    "core::str::slice_error_fail",
];

fn run_time_part(board: &str) -> Program {
    let bytes = fs::read(images().join(board).join("runtime.elf")).expect(board);
    Program::read(&bytes).expect(board)
}

/// The first entry leaves the frames of the core's start on the stack, for ever; each later one begins below them and
/// leaves no more. An exception of EL2 itself begins at the top again and does not return, but for an error in its
/// window, whose handler uses no stack.
///
/// Verifies: BH-BENCH-006.
#[test]
fn no_stack_overflows() {
    for board in BOARDS {
        let program = run_time_part(board);
        let table = program.symbol("bulkhead_vectors").expect("vectors");
        let start = program.symbol("runtime_entry").expect("start");
        let own: Vec<u64> = (0..8).map(|n| table + 0x80 * n).collect();
        let lower: Vec<u64> = (8..16).map(|n| table + 0x80 * n).collect();
        let entries: Vec<u64> = own.iter().chain(&lower).copied().chain([start]).collect();
        let graphs = Graphs::of(&program, &entries).unwrap_or_else(|e| panic!("{board}: {e}"));
        let all = depths(&graphs, &RESTARTS).unwrap_or_else(|e| panic!("{board}: {e}"));
        let of = |at: &u64| all.get(at).cloned().expect("an entry");
        for vector in own.iter().chain(&lower) {
            let Depth {
                at_exception_return, ..
            } = of(vector);
            assert!(
                at_exception_return.iter().all(|left| *left == 0),
                "{board}, vector {:#x} leaves bytes: {at_exception_return:?}",
                vector - table
            );
        }
        let started = of(&start);
        let base = *started
            .at_exception_return
            .last()
            .expect("the start enters a guest");
        let deepest = |entries: &[u64]| entries.iter().map(|at| of(at).deepest).max().expect("entries");
        let needed = started.deepest.max(base + deepest(&lower)).max(deepest(&own));
        let top = program.symbol("bulkhead_stack_top").expect("top");
        let top = program.constant(top, 8).and_then(|top| i64::try_from(top).ok());
        let room = top.expect("a constant") - GUARD;
        println!(
            "{board}: {needed} of {room} bytes: {} at the start, which leaves {base}; {} in a trap, {} when EL2 fails",
            started.deepest,
            deepest(&lower),
            deepest(&own)
        );
        assert!(needed > 512, "{board}: {needed} bytes cannot be all");
        assert!(
            deepest(&own) <= EMERGENCY,
            "{board}: {} bytes when EL2 fails",
            deepest(&own)
        );
        assert!(needed <= room, "{board}: {needed} of {room} bytes");
    }
}

/// Verifies: BH-BENCH-007.
#[test]
fn no_panic_is_linked() {
    for board in BOARDS {
        let program = run_time_part(board);
        let names = program.functions().iter().map(|f| f.name.as_str());
        let found: Vec<&str> = names
            .filter(|name| PANICS.iter().any(|panic| name.starts_with(panic)))
            .collect();
        assert!(found.is_empty(), "{board}: {found:#?}");
        assert!(program.functions().len() > 100, "{board} has symbols");
    }
    // The boot part may panic: what is looked for is found there.
    let boot = fs::read(images().join("qemu-virt/boot.elf")).expect("boot part");
    let boot = Program::read(&boot).expect("boot part");
    assert!(
        boot.functions()
            .iter()
            .any(|f| f.name.starts_with("core::panicking")),
        "the names of functions that a panic needs have changed"
    );
}
