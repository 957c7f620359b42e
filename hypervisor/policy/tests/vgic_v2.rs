// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual GICv2 delivers what a GICv2 without list registers delivers, each SGI once for each source, in an admissible
//! order. Verifies: BH-GIC-030, BH-GIC-031, BH-GIC-032, BH-GIC-033.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "vgic_v2/interface.rs"]
mod interface;
#[path = "vgic_v2/machine.rs"]
mod machine;
#[path = "vgic_v2/reference.rs"]
mod reference;

use bulkhead_policy::vgic::AccessSize;
use bulkhead_policy::vgic::v2::{list_register, state_of};
use machine::{Machine, SPIS, TIMER, VCPUS};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Sgi {
        from: usize,
        sgir: u32,
    },
    Sources {
        of: usize,
        intid: u32,
        set: bool,
        bits: u8,
    },
    Pend {
        by: usize,
        which: usize,
    },
    Enable {
        by: usize,
        which: usize,
        on: bool,
    },
    Priority {
        by: usize,
        which: usize,
        level: u8,
    },
    Target {
        by: usize,
        which: usize,
        list: u8,
    },
    Control {
        by: usize,
        on: bool,
    },
    Line {
        high: bool,
    },
    Timer {
        of: usize,
        high: bool,
    },
    Acknowledge {
        at: usize,
    },
    End {
        at: usize,
    },
    Switch {
        at: usize,
    },
}

/// INTIDs that can be enabled: SPIs, a software PPI, the timer.
const MASKABLE: [u32; 7] = [33, 40, 41, 50, 70, 20, TIMER];

fn step() -> impl Strategy<Value = Step> {
    let v = || 0..VCPUS;
    prop_oneof![
        8 => (v(), 0..4_u32, 0..8_u32, 0..4_u32)
            .prop_map(|(from, intid, list, filter)| Step::Sgi { from, sgir: filter << 24 | list << 16 | intid }),
        2 => (v(), 0..4_u32, any::<bool>(), 0..8_u8)
            .prop_map(|(of, intid, set, bits)| Step::Sources { of, intid, set, bits }),
        5 => (v(), 1..SPIS.len()).prop_map(|(by, which)| Step::Pend { by, which }),
        2 => (v(), 0..MASKABLE.len(), prop::bool::weighted(0.7))
            .prop_map(|(by, which, on)| Step::Enable { by, which, on }),
        3 => (v(), 0..12_usize, 0..31_u8).prop_map(|(by, which, l)| Step::Priority { by, which, level: l << 3 }),
        2 => (v(), 0..SPIS.len(), 1..8_u8).prop_map(|(by, which, list)| Step::Target { by, which, list }),
        1 => (v(), prop::bool::weighted(0.8)).prop_map(|(by, on)| Step::Control { by, on }),
        2 => any::<bool>().prop_map(|high| Step::Line { high }),
        3 => (v(), any::<bool>()).prop_map(|(of, high)| Step::Timer { of, high }),
        14 => v().prop_map(|at| Step::Acknowledge { at }),
        9 => v().prop_map(|at| Step::End { at }),
        2 => v().prop_map(|at| Step::Switch { at }),
    ]
}

fn bit(m: &mut Machine, by: usize, block: u32, intid: u32) {
    m.write(by, block + (intid >> 5) * 4, AccessSize::Word, 1 << (intid & 31));
}

fn apply(m: &mut Machine, step: &Step) {
    m.settle();
    match *step {
        Step::Sgi { from, sgir } => m.sgi(from, sgir),
        Step::Sources { of, intid, set, bits } => {
            let block = if set { 0xf20 } else { 0xf10 };
            m.write(of, block + intid, AccessSize::Byte, bits.into());
            let irq = m.reference.irq(of, intid);
            irq.sources = if set {
                irq.sources | bits
            } else {
                irq.sources & !bits
            };
            let shown = m.access(
                of,
                0xf20 + intid,
                AccessSize::Byte,
                bulkhead_policy::vgic::Access::Read,
            );
            assert_eq!(shown, u64::from(m.reference.irq(of, intid).sources));
        }
        Step::Pend { by, which } => {
            bit(m, by, 0x200, SPIS[which]);
            m.reference.irq(by, SPIS[which]).latch = true;
        }
        Step::Enable { by, which, on } => {
            bit(m, by, if on { 0x100 } else { 0x180 }, MASKABLE[which]);
            m.reference.irq(by, MASKABLE[which]).enabled = on;
        }
        Step::Priority { by, which, level } => {
            let intid = if which < 5 { SPIS[which] } else { which as u32 - 5 };
            m.write(by, 0x400 + intid, AccessSize::Byte, level.into());
            m.reference.irq(by, intid).priority = level.into();
        }
        // What becomes of an active interrupt that is rerouted is the state machine's, whose tests have it.
        Step::Target { by, which, .. } if m.reference.irq(by, SPIS[which]).active => {}
        Step::Target { by, which, list } => {
            m.write(by, 0x800 + SPIS[which], AccessSize::Byte, list.into());
            m.reference.irq(by, SPIS[which]).targets = list;
        }
        Step::Control { by, on } => {
            m.write(by, 0, AccessSize::Word, on.into());
            m.reference.enabled = on;
        }
        Step::Line { high } => m.line(high),
        Step::Timer { of, high } => m.timer(of, high),
        Step::Acknowledge { at } => m.acknowledge(at),
        Step::End { at } => m.end(at),
        Step::Switch { at } => m.switch(at),
    }
}

fn run(steps: &[Step]) -> Machine {
    let mut m = Machine::new();
    apply(&mut m, &Step::Control { by: 0, on: true });
    for by in 0..VCPUS {
        for which in 0..MASKABLE.len() {
            apply(&mut m, &Step::Enable { by, which, on: true });
        }
    }
    for step in steps {
        apply(&mut m, step);
    }
    apply(&mut m, &Step::Control { by: 0, on: true });
    for by in 0..VCPUS {
        for which in 0..MASKABLE.len() {
            apply(&mut m, &Step::Enable { by, which, on: true });
        }
    }
    m.finish();
    m
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delivers_as_a_gicv2_without_list_registers(steps in prop::collection::vec(step(), 1..200)) {
        run(&steps);
    }

    /// Verifies: BH-GIC-032.
    #[test]
    fn a_list_register_survives_the_format_of_the_state_machine(lr in any::<u32>()) {
        // Group 0, as all are; bits 22:20 and, without HW, 18:13 do not exist.
        let exists = if lr >> 31 == 1 { 0xbf8f_ffff } else { 0xbf88_1fff };
        prop_assert_eq!(list_register(state_of(lr & exists)), lr & exists);
    }
}

/// The sequences above reach what they are for: overflow of the list registers, and SGIs from two vCPUs at once.
#[test]
fn sequences_reach_overflow_and_second_sources() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut overflows, mut delivered, mut second) = (0, 0, 0);
    for _ in 0..50 {
        let steps = prop::collection::vec(step(), 200)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let m = run(&steps);
        overflows += m.overflows;
        delivered += m.delivered;
        second += m.second_sources;
    }
    assert!(
        overflows > 50 && delivered > 1000 && second > 100,
        "{overflows} {delivered} {second}"
    );
}
