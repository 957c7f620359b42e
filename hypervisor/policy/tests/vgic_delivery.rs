// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual GIC delivers what a GIC without list registers delivers, in an admissible order, whatever
//! the guest, the devices and the other vCPUs do. Verifies: BH-GIC-002, BH-GIC-003, BH-GIC-004,
//! BH-GIC-005, BH-GIC-006, BH-GIC-007, BH-GIC-008.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "vgic/machine.rs"]
mod machine;
#[path = "vgic/reference.rs"]
mod reference;

use bulkhead_policy::vgic::{AccessSize, Frame};
use machine::{Machine, VCPUS};
use proptest::prelude::*;

/// INTIDs that the sequences use: SGIs, software PPIs, timers, an emulated level, an edge, physical SPIs,
/// and a few more SPIs that software pends.
const INTIDS: [u32; 18] = [0, 1, 2, 3, 4, 5, 20, 27, 30, 33, 34, 40, 41, 45, 46, 47, 70, 95];
const PHYSICAL: [u32; 4] = [27, 30, 40, 41];

#[derive(Clone, Debug)]
enum Step {
    Enable {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Pend {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Activate {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Group {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Priority {
        by: usize,
        of: usize,
        which: usize,
        level: u8,
    },
    Route {
        by: usize,
        which: usize,
        to: usize,
    },
    Control {
        by: usize,
        on: bool,
    },
    Sgi {
        from: usize,
        intid: u32,
        list: u8,
        others: bool,
    },
    Line {
        high: bool,
    },
    Pulse,
    Device {
        of: usize,
        which: usize,
        high: bool,
    },
    Acknowledge {
        at: usize,
    },
    End {
        at: usize,
        later: bool,
    },
    EndLater {
        at: usize,
        which: usize,
    },
    Mask {
        at: usize,
        level: u8,
    },
    Read {
        by: usize,
        of: usize,
        which: usize,
        active: bool,
    },
    Switch {
        at: usize,
    },
    Arrive {
        at: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let v = || 0..VCPUS;
    let i = || 0..INTIDS.len();
    prop_oneof![
        4 => (v(), v(), i(), any::<bool>()).prop_map(|(by, of, which, on)| Step::Enable { by, of, which, on }),
        6 => (v(), v(), i(), prop::bool::weighted(0.7))
            .prop_map(|(by, of, which, on)| Step::Pend { by, of, which, on }),
        2 => (v(), v(), i(), prop::bool::weighted(0.3))
            .prop_map(|(by, of, which, on)| Step::Activate { by, of, which, on }),
        1 => (v(), v(), i(), any::<bool>()).prop_map(|(by, of, which, on)| Step::Group { by, of, which, on }),
        2 => (v(), v(), i(), 0..31_u8)
            .prop_map(|(by, of, which, l)| Step::Priority { by, of, which, level: l << 3 }),
        2 => (v(), i(), v()).prop_map(|(by, which, to)| Step::Route { by, which, to }),
        1 => (v(), prop::bool::weighted(0.8)).prop_map(|(by, on)| Step::Control { by, on }),
        6 => (v(), 0..6_u32, any::<u8>(), any::<bool>())
            .prop_map(|(from, intid, list, others)| Step::Sgi { from, intid, list, others }),
        3 => any::<bool>().prop_map(|high| Step::Line { high }),
        2 => Just(Step::Pulse),
        6 => (v(), 0..PHYSICAL.len(), any::<bool>())
            .prop_map(|(of, which, high)| Step::Device { of, which, high }),
        12 => v().prop_map(|at| Step::Acknowledge { at }),
        8 => (v(), any::<bool>()).prop_map(|(at, later)| Step::End { at, later }),
        4 => (v(), any::<usize>()).prop_map(|(at, which)| Step::EndLater { at, which }),
        2 => (v(), 1..33_u8).prop_map(|(at, l)| Step::Mask { at, level: (u16::from(l) * 8).min(0xff) as u8 }),
        3 => (v(), v(), i(), any::<bool>())
            .prop_map(|(by, of, which, active)| Step::Read { by, of, which, active }),
        2 => v().prop_map(|at| Step::Switch { at }),
        3 => v().prop_map(|at| Step::Arrive { at }),
    ]
}

/// A machine, and what its guest remembers.
struct Run {
    m: Machine,
    /// The guest clears and sets active states; then never more are active at a vCPU than fit.
    touches_active: bool,
    /// The guest splits EOI: INTIDs whose priority was dropped, by vCPU.
    split: bool,
    dropped: Vec<Vec<u32>>,
    delivered: usize,
}

fn frame(of: usize, intid: u32) -> Frame {
    if intid < 32 {
        Frame::RedistributorSgi(of)
    } else {
        Frame::Distributor
    }
}

impl Run {
    fn new(touches_active: bool, split: bool) -> Self {
        let dropped = vec![Vec::new(); VCPUS];
        Self {
            m: Machine::new(),
            touches_active,
            split,
            dropped,
            delivered: 0,
        }
    }

    /// INTIDs of this run: four when the guest touches active states, so that they fit.
    fn intid(&self, which: usize) -> u32 {
        let few = [1, 27, 33, 41];
        if self.touches_active {
            few[which % few.len()]
        } else {
            INTIDS[which]
        }
    }

    /// A write of the bit of `intid` to the register whose word 0 is at `block`.
    fn bit(&mut self, by: usize, of: usize, intid: u32, block: u32) {
        let offset = block + (intid >> 5) * 4;
        self.m
            .write(by, frame(of, intid), offset, AccessSize::Word, 1 << (intid & 31));
    }

    fn enable_all(&mut self) {
        for of in 0..VCPUS {
            self.m.write(
                of,
                Frame::RedistributorSgi(of),
                0x080,
                AccessSize::Word,
                0xffff_ffff,
            );
            for which in 0..INTIDS.len() {
                self.step(&Step::Enable {
                    by: of,
                    of,
                    which,
                    on: true,
                });
            }
        }
        for offset in [0x084, 0x088] {
            self.m
                .write(0, Frame::Distributor, offset, AccessSize::Word, 0xffff_ffff);
        }
        for irq in self.m.reference.irqs.values_mut() {
            irq.group1 = true;
        }
        self.step(&Step::Control { by: 0, on: true });
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Enable { by, of, which, on } => {
                let intid = self.intid(which);
                self.bit(by, of, intid, if on { 0x100 } else { 0x180 });
                self.m.reference.irq(of, intid).enabled = on;
            }
            Step::Pend { by, of, which, on } => {
                let intid = self.intid(which);
                if on && intid == 41 && self.m.reference.irq(0, 41).latch {
                    // As for an edge that finds the last one pending.
                    return;
                }
                self.bit(by, of, intid, if on { 0x200 } else { 0x280 });
                self.m.reference.irq(of, intid).latch = on;
            }
            Step::Activate { by, of, which, on } if self.touches_active => {
                let intid = self.intid(which);
                // Whether an interrupt of another vCPU is still active is known at its last fold only.
                (0..VCPUS).for_each(|at| self.m.switch(at));
                self.bit(by, of, intid, if on { 0x300 } else { 0x380 });
                self.m.reference.irq(of, intid).active = on;
            }
            Step::Activate { .. } => {}
            Step::Group { by, of, which, on } => {
                let intid = self.intid(which);
                let bit = 1 << (intid & 31);
                let offset = 0x080 + (intid >> 5) * 4;
                let old = self.m.read(by, frame(of, intid), offset, AccessSize::Word);
                let new = if on { old | bit } else { old & !bit };
                self.m.write(by, frame(of, intid), offset, AccessSize::Word, new);
                self.m.reference.irq(of, intid).group1 = on;
            }
            Step::Priority { by, of, which, level } => {
                let intid = self.intid(which);
                let value = u64::from(level);
                self.m
                    .write(by, frame(of, intid), 0x400 + intid, AccessSize::Byte, value);
                self.m.reference.irq(of, intid).priority = level;
            }
            Step::Route { by, which, to } => {
                let intid = self.intid(which);
                // Where a pending interrupt goes that is rerouted while it is active is not tested.
                if intid >= 32 && !self.m.reference.irq(0, intid).active {
                    let offset = 0x6000 + intid * 8;
                    self.m
                        .write(by, Frame::Distributor, offset, AccessSize::Double, to as u64);
                    self.m.reference.irq(0, intid).target = to;
                    // It leaves the old target when the kick arrives there.
                    self.m.arrive_all();
                }
            }
            Step::Control { by, on } => {
                let value = if on { 0x12 } else { 0x10 };
                self.m.write(by, Frame::Distributor, 0, AccessSize::Word, value);
                self.m.reference.group1 = on;
            }
            Step::Sgi {
                from,
                intid,
                list,
                others,
            } => {
                let intid = if self.touches_active { 1 } else { intid };
                let value = u64::from(intid) << 24 | u64::from(list) | u64::from(others) << 40;
                self.m.sgi(from, value);
                for of in 0..VCPUS {
                    let hit = if others { of != from } else { list >> of & 1 != 0 };
                    let irq = self.m.reference.irq(of, intid);
                    irq.latch |= hit && irq.group1;
                }
            }
            Step::Line { high } => {
                self.m.set_line(33, high);
                self.m.reference.irq(0, 33).set_line(high);
            }
            Step::Pulse => {
                self.m.pulse(34);
                self.m.reference.irq(0, 34).latch = true;
            }
            Step::Device { of, which, high } => self.device(of, PHYSICAL[which], high),
            Step::Acknowledge { at } => self.acknowledge(at),
            Step::End { at, later } => {
                if let Some(intid) = self.m.reference.drop_priority(at) {
                    self.m.drop_priority(at);
                    if self.split && later {
                        self.dropped[at].push(intid);
                    } else {
                        self.deactivate(at, intid);
                    }
                }
            }
            Step::EndLater { at, which } => {
                if !self.dropped[at].is_empty() {
                    let which = which % self.dropped[at].len();
                    let intid = self.dropped[at].remove(which);
                    self.deactivate(at, intid);
                }
            }
            Step::Mask { at, level } => self.m.reference.mask[at] = level,
            Step::Read {
                by,
                of,
                which,
                active,
            } => self.read(by, of, self.intid(which), active),
            Step::Switch { at } => self.m.switch(at),
            Step::Arrive { at } => self.m.arrive(at),
        }
        self.m.settle();
    }

    fn deactivate(&mut self, at: usize, intid: u32) {
        // With EOImode = 0 the same write drops the priority and deactivates.
        self.m.deactivate(at, intid, self.split);
        self.m.reference.deactivate(at, intid);
    }

    /// A physical input changes. A level that falls while it is pending at the guest is seen too late by
    /// any hypervisor that does not trap the device; it falls in the handler or while it is masked.
    fn device(&mut self, of: usize, intid: u32, high: bool) {
        if !high {
            self.m.arrive_all();
        }
        let group1 = self.m.reference.group1;
        let irq = self.m.reference.irq(of, intid);
        let masked = irq.active || !irq.enabled || !irq.group1 || !group1;
        if !irq.edge && !high && irq.line && !masked {
            return;
        }
        // An edge that finds the last one still pending at the guest is remembered physically and
        // delivered after it, where a native GIC has one interrupt for both.
        if irq.edge && high && irq.latch {
            return;
        }
        irq.set_line(high);
        self.m.physical_line(of, intid, high);
    }

    fn acknowledge(&mut self, at: usize) {
        let taken = self.m.acknowledge(at);
        let allowed = self.m.reference.signalled(at);
        match taken {
            None => assert!(
                allowed.is_empty(),
                "vCPU {at} gets nothing instead of one of {allowed:?}"
            ),
            Some(intid) => {
                assert!(
                    allowed.contains(&intid),
                    "vCPU {at} gets {intid} instead of one of {allowed:?}"
                );
                self.m.reference.acknowledge(at, intid);
                self.delivered += 1;
            }
        }
    }

    fn read(&mut self, by: usize, of: usize, intid: u32, active: bool) {
        let block = if active { 0x300 } else { 0x200 };
        let offset = block + (intid >> 5) * 4;
        // The physical state of another vCPU's timers is on another core.
        if by != of && intid < 32 {
            return;
        }
        let value = self.m.read(by, frame(of, intid), offset, AccessSize::Word);
        let irq = *self.m.reference.irq(of, intid);
        let expected = if active { irq.active } else { irq.pending() };
        assert_eq!(
            value >> (intid & 31) & 1 != 0,
            expected,
            "{intid} active {active}"
        );
    }

    /// Lets the guest handle everything; then nothing may be left.
    fn finish(&mut self) {
        for at in 0..VCPUS {
            self.m.reference.mask[at] = 0xff;
            self.step(&Step::Arrive { at });
        }
        for _ in 0..600 {
            for at in 0..VCPUS {
                self.step(&Step::End { at, later: false });
                self.step(&Step::EndLater { at, which: 0 });
                self.acknowledge(at);
                for (of, which) in [(at, 0), (at, 1), (0, 2), (0, 3)] {
                    self.step(&Step::Device {
                        of,
                        which,
                        high: false,
                    });
                }
                self.step(&Step::Line { high: false });
            }
            let idle = (0..VCPUS).all(|at| {
                self.m.reference.running[at].is_empty()
                    && self.dropped[at].is_empty()
                    && self.m.reference.signalled(at).is_empty()
            });
            if idle {
                return (0..VCPUS).for_each(|at| assert_eq!(self.m.acknowledge(at), None));
            }
        }
        panic!("the guest never comes to rest");
    }
}

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
