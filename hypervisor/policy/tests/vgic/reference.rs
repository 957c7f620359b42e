// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A GIC without list registers: one plain structure an interrupt.
//!
//! Written from Arm IHI 0069, "Interrupt handling state machine", "Interrupt prioritization" and the
//! descriptions of the registers; it shares no code with the model under test.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Irq {
    pub(crate) enabled: bool,
    pub(crate) group1: bool,
    pub(crate) latch: bool,
    pub(crate) line: bool,
    pub(crate) edge: bool,
    pub(crate) active: bool,
    pub(crate) priority: u8,
    pub(crate) target: usize,
}

impl Irq {
    pub(crate) fn pending(&self) -> bool {
        self.latch || (self.line && !self.edge)
    }

    pub(crate) fn set_line(&mut self, high: bool) {
        if self.edge && high && !self.line {
            self.latch = true;
        }
        self.line = high;
    }
}

/// INTID and, for SGIs and PPIs, the vCPU.
pub(crate) type Id = (usize, u32);

#[derive(Debug, Default)]
pub(crate) struct Gic {
    pub(crate) group1: bool,
    pub(crate) irqs: BTreeMap<Id, Irq>,
    /// Priorities of interrupts that were acknowledged and not yet dropped, by vCPU, with their INTID.
    pub(crate) running: Vec<Vec<(u8, u32)>>,
    pub(crate) mask: Vec<u8>,
}

impl Gic {
    pub(crate) fn new(vcpus: usize, spis: u32) -> Self {
        let mut gic = Self::default();
        for vcpu in 0..vcpus {
            gic.running.push(Vec::new());
            gic.mask.push(0xff);
            for intid in 0..32 {
                let edge = intid < 16;
                gic.irqs.insert(
                    (vcpu, intid),
                    Irq {
                        edge,
                        target: vcpu,
                        ..Irq::default()
                    },
                );
            }
        }
        for intid in 32..32 + spis {
            gic.irqs.insert((0, intid), Irq::default());
        }
        gic
    }

    pub(crate) fn id(vcpu: usize, intid: u32) -> Id {
        if intid < 32 { (vcpu, intid) } else { (0, intid) }
    }

    pub(crate) fn irq(&mut self, vcpu: usize, intid: u32) -> &mut Irq {
        self.irqs.get_mut(&Self::id(vcpu, intid)).unwrap()
    }

    /// Pending interrupts that are forwarded to a vCPU, whatever its CPU interface masks.
    pub(crate) fn deliverable(&self, vcpu: usize) -> Vec<(u8, u32)> {
        let forwarded = self.irqs.iter().filter(|(_, i)| {
            self.group1 && i.target == vcpu && i.enabled && i.group1 && i.pending() && !i.active
        });
        forwarded.map(|((_, intid), i)| (i.priority, *intid)).collect()
    }

    /// How many interrupts the vCPU has to handle, with the active SPIs of others.
    pub(crate) fn to_handle(&self, vcpu: usize) -> usize {
        let active = self
            .irqs
            .iter()
            .filter(|((owner, intid), i)| i.active && (*owner == vcpu || *intid >= 32));
        active.count() + self.deliverable(vcpu).len()
    }

    /// INTIDs that the vCPU may acknowledge now: those of the highest priority that is signalled.
    pub(crate) fn signalled(&self, vcpu: usize) -> Vec<u32> {
        let running = self.running[vcpu].iter().map(|(p, _)| *p).min().unwrap_or(0xff);
        let threshold = running.min(self.mask[vcpu]);
        let all = self.deliverable(vcpu);
        let Some(best) = all.iter().map(|(p, _)| *p).min().filter(|p| *p < threshold) else {
            return Vec::new();
        };
        all.iter()
            .filter(|(p, _)| *p == best)
            .map(|(_, intid)| *intid)
            .collect()
    }

    pub(crate) fn acknowledge(&mut self, vcpu: usize, intid: u32) {
        let irq = self.irq(vcpu, intid);
        irq.latch = false;
        irq.active = true;
        let priority = irq.priority;
        self.running[vcpu].push((priority, intid));
    }

    /// Drops the priority of the interrupt that was acknowledged last.
    pub(crate) fn drop_priority(&mut self, vcpu: usize) -> Option<u32> {
        self.running[vcpu].pop().map(|(_, intid)| intid)
    }

    pub(crate) fn deactivate(&mut self, vcpu: usize, intid: u32) {
        self.irq(vcpu, intid).active = false;
    }
}
