// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's device tree, as boot reads it: evidence against the blob.
//!
//! An input is a tree behind a byte that chooses the interrupt controller. The oracle: no panic of our own code (the
//! parser's own are refusals, with the parser's words); a tree that boot takes says what the blob says, by a second
//! reading of its bytes: magic, size, and that PSCI is called by SMC.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use bulkhead_board::Gic;
use bulkhead_boot::evidence::{Board, HEADER_SIZE, MAX_SIZE, total_size};
use bulkhead_boot::seeds;
use bulkhead_types::system::System;

use crate::scene;

thread_local! {
    /// Whether the last panic was in the parser of device trees.
    static OF_PARSER: Cell<bool> = const { Cell::new(false) };
}
static HOOK: Once = Once::new();

/// Panics of the parser pass; all others go to the hook that was there, which ends an engine's process.
fn watch() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let in_parser = info.location().is_some_and(|at| at.file().contains("/fdt-0."));
            OF_PARSER.set(in_parser);
            if !in_parser {
                before(info);
            }
        }));
    });
}

/// Reads an input as boot does. Verifies: BH-FUZZ-005.
pub fn check(input: &[u8]) {
    watch();
    let Some((kind, tree)) = input.split_first() else {
        return;
    };
    let system = System::parse(&scene::BUILT.blob).expect("the scene's blob");
    let gic = match kind % 3 {
        0 => Gic::V3,
        1 => Gic::V3NonSecure,
        _ => Gic::V2 {
            cpu: 0x0801_0000,
            control: 0x0803_0000,
        },
    };
    let header = &tree[..tree.len().min(HEADER_SIZE)];
    let Ok(size) = total_size(header) else {
        return;
    };
    assert!(header.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) && (HEADER_SIZE..=MAX_SIZE).contains(&size));
    let Some(tree) = tree.get(..size) else {
        return;
    };
    let reading = panic::catch_unwind(AssertUnwindSafe(|| {
        let board = Board::new(tree).ok()?;
        let entropy = board.entropy();
        let accepted = board.check(&system, gic).is_ok();
        Some((accepted, entropy))
    }));
    match reading {
        Ok(None) => {}
        Ok(Some((accepted, entropy))) => {
            for seed in entropy {
                assert!(seed.len() <= tree.len());
            }
            assert!(!accepted || holds(tree, b"smc\0") && holds(tree, b"arm,psci-"));
            // Too little entropy is refused in words.
            let _ = seeds::derive(system.partitions, &entropy);
        }
        Err(payload) if OF_PARSER.get() => drop(payload),
        Err(payload) => panic::resume_unwind(payload),
    }
}

fn holds(tree: &[u8], word: &[u8]) -> bool {
    tree.windows(word.len()).any(|part| part == word)
}
