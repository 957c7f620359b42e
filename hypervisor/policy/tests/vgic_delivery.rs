// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual GIC delivers what a GIC without list registers delivers, in an admissible order, whatever
//! the guest, the devices and the other vCPUs do. Verifies: BH-GIC-002, BH-GIC-003, BH-GIC-004,
//! BH-GIC-005, BH-GIC-006, BH-GIC-007, BH-GIC-008.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "vgic/cpu.rs"]
mod cpu;
#[path = "vgic/machine.rs"]
mod machine;
#[path = "vgic/reference.rs"]
mod reference;
#[path = "vgic/run.rs"]
mod run;
#[path = "vgic/steps.rs"]
mod steps;

use proptest::prelude::*;
use run::Run;
use steps::{Step, step};

fn run(steps: &[Step], touches_active: bool, split: bool) -> Run {
    let mut run = Run::new(touches_active, split);
    run.enable_all();
    for step in steps {
        run.step(step);
    }
    run.finish();
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delivers_as_a_gic_without_list_registers(steps in prop::collection::vec(step(), 1..200)) {
        run(&steps, false, false);
    }

    #[test]
    fn delivers_when_deactivation_is_split(steps in prop::collection::vec(step(), 1..200)) {
        run(&steps, false, true);
    }

    #[test]
    fn delivers_when_software_changes_active_states(steps in prop::collection::vec(step(), 1..120)) {
        run(&steps, true, false);
    }
}

/// The sequences above reach what they are for: overflow of the list registers and both fast paths.
#[test]
fn sequences_reach_overflow_and_the_fast_paths() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut overflows, mut fast, mut delivered) = (0, 0, 0);
    for _ in 0..50 {
        let steps = prop::collection::vec(step(), 200)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let run = run(&steps, false, true);
        overflows += run.m.overflows;
        fast += run.m.fast_paths;
        delivered += run.delivered;
    }
    assert!(
        overflows > 100 && fast > 50 && delivered > 1000,
        "{overflows} {fast} {delivered}"
    );
}
