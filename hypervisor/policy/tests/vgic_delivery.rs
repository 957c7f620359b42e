// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual GIC delivers what a GIC without list registers delivers, in an admissible order, whatever
//! the guest, the devices and the other vCPUs do. Verifies: BH-GIC-002, BH-GIC-003, BH-GIC-004,
//! BH-GIC-005, BH-GIC-006, BH-GIC-007, BH-GIC-008, BH-GIC-039.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "vgic/cpu.rs"]
mod cpu;
#[path = "vgic/machine.rs"]
mod machine;
#[path = "vgic/reference.rs"]
mod reference;
#[path = "vgic/run.rs"]
mod run;
#[path = "vgic/sequences.rs"]
mod sequences;
#[path = "vgic/steps.rs"]
mod steps;

use proptest::prelude::*;
use run::Run;
use sequences::step;
use steps::Step;

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
    let (mut overflows, mut fast, mut delivered, mut rests) = (0, 0, 0, 0);
    for _ in 0..50 {
        let steps = prop::collection::vec(step(), 200)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let run = run(&steps, false, true);
        overflows += run.m.overflows;
        fast += run.m.fast_paths;
        rests += run.m.rests;
        delivered += run.delivered;
    }
    assert!(
        overflows > 100 && fast > 50 && delivered > 1000 && rests > 50,
        "{overflows} {fast} {delivered} {rests}"
    );
}

/// A guest clears the active state of an SPI that vCPU 0 handles, gives it to vCPU 2, which takes it again,
/// and only then writes vCPU 0's end of interrupt. No list register of vCPU 0 holds it any more, and the
/// interface tells EL2 no INTID: the interrupt stays active until vCPU 2 ends it, and is not lost.
#[test]
fn the_end_of_a_handling_that_software_cut_short_does_not_end_the_next() {
    const SPI_33: usize = 2;
    let (by, of, which) = (0, 0, SPI_33);
    let mut run = Run::new(true, false);
    run.enable_all();
    let on = true;
    for step in [
        Step::Pend { by, of, which, on },
        Step::Acknowledge { at: 0 },
        Step::Activate {
            by,
            of,
            which,
            on: false,
        },
    ] {
        run.step(&step);
    }
    run.reroute(0, 33, 2);
    run.step(&Step::Pend { by, of, which, on });
    run.step(&Step::Acknowledge { at: 2 });
    run.m.drop_priority(0);
    run.m.deactivate(0, 33, false);
    run.m.reference.drop_priority(0);
    let active = true;
    run.step(&Step::Read {
        by,
        of,
        which,
        active,
    });
    run.step(&Step::End { at: 2, later: false });
    run.step(&Step::Read {
        by,
        of,
        which,
        active,
    });
    run.step(&Step::Pend { by, of, which, on });
    run.step(&Step::Acknowledge { at: 2 });
    run.finish();
    assert_eq!(run.delivered, 3);
}

/// An SPI that becomes pending again while vCPU 0 handles it goes where it is routed meanwhile, and only once it is
/// ended. Verifies: BH-GIC-037.
#[test]
fn what_becomes_pending_while_it_is_active_follows_its_route() {
    const SPI_33: usize = 2;
    let (by, of, which, on) = (0, 0, SPI_33, true);
    let mut run = Run::new(true, false);
    run.enable_all();
    run.step(&Step::Pend { by, of, which, on });
    run.step(&Step::Acknowledge { at: 0 });
    run.reroute(1, 33, 2);
    run.step(&Step::Pend { by: 1, of, which, on });
    run.step(&Step::Arrive { at: 0 });
    run.step(&Step::Acknowledge { at: 2 });
    run.step(&Step::End { at: 0, later: false });
    run.step(&Step::Acknowledge { at: 0 });
    run.step(&Step::Acknowledge { at: 2 });
    run.finish();
    assert_eq!(run.delivered, 2);
}

/// More wait than fit into list registers; one that is in none becomes the most urgent, and is acknowledged next.
#[test]
fn what_waits_for_a_list_register_becomes_the_most_urgent() {
    let mut run = Run::new(false, false);
    run.enable_all();
    let (by, of) = (0, 0);
    let priority = |which, level| Step::Priority { by, of, which, level };
    for which in 0..6 {
        run.step(&priority(which, 0x80));
        run.step(&Step::Pend {
            by,
            of,
            which,
            on: true,
        });
    }
    run.step(&priority(5, 0x10));
    run.step(&Step::Acknowledge { at: 0 });
    run.finish();
}
