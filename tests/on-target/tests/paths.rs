// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every loop of EL2's run-time part has a bound, and every bound a loop, by the disassembly of the image.
#![allow(clippy::expect_used, reason = "tests")]

use std::fs;

use bulkhead_on_target::{images, in_tree};
use bulkhead_paths::{Annotations, Error, Paths};

fn annotations() -> Annotations {
    let text = fs::read_to_string(in_tree("tests/benches/loops.toml")).expect("loops.toml");
    Annotations::parse(&text).expect("well-formed")
}

fn paths(annotations: Annotations) -> Paths {
    let bytes = fs::read(images().join("qemu-virt/runtime.elf")).expect("the run-time part");
    Paths::read(&bytes, annotations).expect("analysed")
}

/// Verifies: BH-BENCH-010.
#[test]
fn every_loop_has_a_bound_and_every_bound_a_loop() {
    let all = paths(annotations());
    assert_eq!(all.unmatched(), Ok((Vec::new(), Vec::new())));
    let longest = |reason| all.longest(reason).expect("bounded");
    // The vector's own instructions, counted by hand in `hypervisor/arch/src/vectors.rs`.
    assert_eq!(longest("hvc_null"), Some(20));
    for reason in ["hvc", "irq", "fiq", "serror", "wake", "fault_sleep", "wake_sleep"] {
        println!("{reason}: {:?}", longest(reason));
        assert!(longest(reason) > Some(2000), "{reason}");
    }
}

/// Verifies: BH-BENCH-010.
#[test]
fn a_bound_that_is_missing_or_of_no_loop_is_told() {
    let mut less = annotations();
    less.bounds
        .retain(|b| b.function != "bulkhead_runtime::interrupts::");
    let less = paths(less);
    let (loops, _) = less.unmatched().expect("analysed");
    assert!(loops.iter().any(|l| l.contains("take_group1")), "{loops:?}");
    assert!(matches!(less.longest("irq"), Err(Error::Unbounded(_))));
    let mut more = annotations();
    let mut other = more.bounds.first().expect("a bound").clone();
    other.function = "bulkhead_runtime::no_such_function".to_owned();
    more.bounds.push(other);
    let (_, unused) = paths(more).unmatched().expect("analysed");
    assert_eq!(unused, ["bulkhead_runtime::no_such_function"]);
}
