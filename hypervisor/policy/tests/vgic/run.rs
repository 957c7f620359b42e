// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A run: steps applied to a machine and to its reference, and the comparison of both.

use bulkhead_policy::vgic::{AccessSize, Frame};

use super::machine::{Machine, VCPUS};
use super::steps::{INTIDS, PHYSICAL, Step};

/// A machine, and what its guest remembers.
pub(crate) struct Run {
    pub(crate) m: Machine,
    /// The guest clears and sets active states; then never more are active at a vCPU than fit.
    touches_active: bool,
    /// The guest splits EOI: INTIDs whose priority was dropped, by vCPU.
    split: bool,
    dropped: Vec<Vec<u32>>,
    pub(crate) delivered: usize,
}

fn frame(of: usize, intid: u32) -> Frame {
    if intid < 32 {
        Frame::RedistributorSgi(of)
    } else {
        Frame::Distributor
    }
}

impl Run {
    pub(crate) fn new(touches_active: bool, split: bool) -> Self {
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

    pub(crate) fn enable_all(&mut self) {
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
                // So that a change makes it more urgent as often as less.
                self.step(&Step::Priority {
                    by: of,
                    of,
                    which,
                    level: 0x80,
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

    pub(crate) fn step(&mut self, step: &Step) {
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
                if on && intid >= 32 && self.is_open(intid) {
                    return;
                }
                // Whether an interrupt of another vCPU is still active is known at its last fold only.
                (0..VCPUS).for_each(|at| self.m.switch(at));
                self.bit(by, of, intid, if on { 0x300 } else { 0x380 });
                // The guest ends an active state that another vCPU set once it has arrived.
                self.m.arrive_all();
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
                if intid >= 32 && (self.m.reference.irq(0, intid).active || !self.is_open(intid)) {
                    self.reroute(by, intid, to);
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

    /// Whether an SPI was acknowledged at a vCPU that has not written its end yet, which software may have
    /// made inactive since. An end of interrupt at another vCPU than the one where it is active does not trap.
    fn is_open(&self, intid: u32) -> bool {
        let mut running = self.m.reference.running.iter().flatten();
        running.any(|(_, i)| *i == intid)
    }

    pub(crate) fn reroute(&mut self, by: usize, intid: u32, to: usize) {
        let offset = 0x6000 + intid * 8;
        self.m
            .write(by, Frame::Distributor, offset, AccessSize::Double, to as u64);
        self.m.reference.irq(0, intid).target = to;
        // It leaves the old target when the kick arrives there.
        self.m.arrive_all();
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
    pub(crate) fn finish(&mut self) {
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
        unreachable!("the guest never comes to rest");
    }
}
