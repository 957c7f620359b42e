// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A GICv2 without list registers: one plain structure an interrupt and vCPU.
//!
//! Written from Arm IHI 0048B, "Interrupt handling state machine", "Software-generated interrupts", "GICD_ITARGETSRn"; it
//! shares no code with the model under test.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Irq {
    pub(crate) enabled: bool,
    pub(crate) latch: bool,
    pub(crate) line: bool,
    /// SGIs: vCPUs from which it is pending.
    pub(crate) sources: u8,
    pub(crate) active: bool,
    pub(crate) priority: u32,
    /// vCPUs; of several the first takes it, which the architecture leaves to the GIC.
    pub(crate) targets: u8,
}

impl Irq {
    pub(crate) fn pending(&self) -> bool {
        self.latch || self.line || self.sources != 0
    }
}

#[derive(Default)]
pub(crate) struct Gic {
    pub(crate) enabled: bool,
    pub(crate) irqs: BTreeMap<(usize, u32), Irq>,
}

impl Gic {
    pub(crate) fn new(vcpus: usize, spis: &[u32]) -> Self {
        let mut gic = Self::default();
        for vcpu in 0..vcpus {
            for intid in 0..32 {
                let enabled = intid < 16;
                let targets = 1 << vcpu;
                let irq = Irq {
                    enabled,
                    targets,
                    ..Irq::default()
                };
                gic.irqs.insert((vcpu, intid), irq);
            }
        }
        for intid in spis {
            gic.irqs.insert(
                (0, *intid),
                Irq {
                    targets: 1,
                    ..Irq::default()
                },
            );
        }
        gic
    }

    pub(crate) fn irq(&mut self, vcpu: usize, intid: u32) -> &mut Irq {
        let vcpu = if intid < 32 { vcpu } else { 0 };
        self.irqs.get_mut(&(vcpu, intid)).unwrap()
    }

    /// INTIDs, with their priority, that may be signalled to a vCPU.
    pub(crate) fn deliverable(&self, vcpu: usize) -> Vec<(u32, u32)> {
        let here = self.irqs.iter().filter(|((of, intid), irq)| {
            (*intid >= 32 || *of == vcpu) && irq.targets.trailing_zeros() == vcpu as u32
        });
        let ready = here.filter(|(_, irq)| self.enabled && irq.enabled && irq.pending() && !irq.active);
        ready.map(|((_, intid), irq)| (irq.priority, *intid)).collect()
    }
}
