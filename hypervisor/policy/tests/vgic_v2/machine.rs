// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Virtual CPU interfaces in software, driven as EL2 drives the real ones, with the reference GIC beside them.

use std::collections::BTreeSet;

use bulkhead_policy::vgic::v2::{Extras, VgicV2, list_register, observes_state, state_of};
use bulkhead_policy::vgic::{Access, AccessSize, VcpuSet, Vgic, VgicConfig};

use super::interface::{Acknowledged, Interface};
use super::reference::Gic;

pub(crate) const VCPUS: usize = 3;
/// SPIs of the sequences; 33 is a line, the others are pended by software.
pub(crate) const SPIS: [u32; 5] = [33, 40, 41, 50, 70];
/// The virtual timer's interrupt, which is physical.
pub(crate) const TIMER: u32 = 27;

pub(crate) struct Machine {
    vgic: Vgic,
    sources: Extras,
    pub(crate) reference: Gic,
    pub(crate) interfaces: Vec<Interface>,
    /// Of each core: the timer's input, and whether its interrupt is active.
    timers: [(bool, bool); VCPUS],
    kicked: BTreeSet<usize>,
    taken: Vec<Vec<Acknowledged>>,
    pub(crate) delivered: usize,
    pub(crate) overflows: usize,
    pub(crate) second_sources: usize,
    turn: usize,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let (mut vgic, mut sources) = (Vgic::new(), Extras::new());
        VgicV2::new(&mut vgic, &mut sources).configure(&VgicConfig {
            vcpu_count: VCPUS,
            spi_lines: 64,
            physical_spis: [0; 8],
        });
        Self {
            vgic,
            sources,
            reference: Gic::new(VCPUS, &SPIS),
            interfaces: (0..VCPUS).map(|_| Interface::default()).collect(),
            timers: [(false, false); VCPUS],
            kicked: BTreeSet::new(),
            taken: vec![Vec::new(); VCPUS],
            delivered: 0,
            overflows: 0,
            second_sources: 0,
            turn: 0,
        }
    }

    fn v2(&mut self) -> VgicV2<'_> {
        VgicV2::new(&mut self.vgic, &mut self.sources)
    }

    // What EL2 does.

    fn fold(&mut self, vcpu: usize) {
        let lrs = self.interfaces[vcpu].lrs.map(state_of);
        let moved = self.v2().fold(vcpu, &lrs);
        self.kicked.extend(moved);
        // For the comparison with the saved registers: their values survive the state machine's format.
        assert_eq!(
            lrs.map(list_register),
            self.interfaces[vcpu].lrs.map(|lr| lr & !(1 << 30))
        );
    }

    fn fill(&mut self, vcpu: usize) {
        let mut lrs = [0; 4];
        let hcr = self.v2().fill(vcpu, &mut lrs).hcr;
        let interface = &mut self.interfaces[vcpu];
        interface.lrs = lrs.map(list_register);
        interface.hcr = hcr;
        interface.eoi_count = 0;
        self.overflows += usize::from(hcr != 0);
        interface.check();
        assert!(
            !interface.maintenance(),
            "a maintenance interrupt right after a fill never ends"
        );
        while let Some(intid) = self.vgic.next_deactivation(vcpu) {
            self.deactivate(vcpu, intid);
        }
    }

    fn deactivate(&mut self, vcpu: usize, intid: u32) {
        assert_eq!(intid, TIMER);
        assert!(self.timers[vcpu].1, "deactivation of what is not active");
        self.timers[vcpu].1 = false;
    }

    fn refresh(&mut self, vcpu: usize, set: VcpuSet) {
        self.kicked.extend(set.without(vcpu));
        if set.contains(vcpu) {
            self.fold(vcpu);
            self.fill(vcpu);
        }
    }

    /// All kicks arrive, and every maintenance and physical interrupt.
    pub(crate) fn settle(&mut self) {
        for _ in 0..64 {
            if let Some(vcpu) = self.kicked.pop_first() {
                self.fold(vcpu);
                self.fill(vcpu);
                continue;
            }
            let due = (0..VCPUS).find(|v| self.interfaces[*v].maintenance());
            if let Some(vcpu) = due {
                let ended = self.interfaces[vcpu].eoi_count;
                self.vgic.end_unlisted(vcpu, ended);
                self.fold(vcpu);
                self.fill(vcpu);
                continue;
            }
            let fires = (0..VCPUS).find(|v| {
                let (line, active) = self.timers[*v];
                line && !active && self.vgic.ppi_enables(*v) >> TIMER & 1 != 0
            });
            let Some(vcpu) = fires else { return };
            self.timers[vcpu].1 = true;
            self.turn += 1;
            let empty = self.interfaces[vcpu].empty();
            if !self.turn.is_multiple_of(3)
                && let Some((index, state)) = self.vgic.inject_now(vcpu, TIMER, empty)
            {
                self.interfaces[vcpu].lrs[index] = list_register(state);
                self.interfaces[vcpu].check();
                continue;
            }
            let set = self.vgic.hardware(vcpu, TIMER);
            self.refresh(vcpu, set);
        }
        unreachable!("an interrupt storm");
    }

    pub(crate) fn access(&mut self, vcpu: usize, offset: u32, size: AccessSize, access: Access) -> u64 {
        let folds = observes_state(offset);
        if folds {
            self.fold(vcpu);
        }
        let outcome = self.v2().access(vcpu, offset, size, access);
        if folds {
            self.fill(vcpu);
        }
        let mine = if folds {
            outcome.refresh.without(vcpu)
        } else {
            outcome.refresh
        };
        self.refresh(vcpu, mine);
        while let Some(intid) = self.vgic.next_deactivation(vcpu) {
            self.deactivate(vcpu, intid);
        }
        outcome.value
    }

    pub(crate) fn write(&mut self, vcpu: usize, offset: u32, size: AccessSize, value: u64) {
        assert_eq!(self.access(vcpu, offset, size, Access::Write(value)), 0);
    }

    /// A switch to another vCPU and back.
    pub(crate) fn switch(&mut self, vcpu: usize) {
        let ended = self.interfaces[vcpu].eoi_count;
        self.vgic.end_unlisted(vcpu, ended);
        self.fold(vcpu);
        let timer = self.vgic.ppi_active(vcpu, &[0; 4]) >> TIMER & 1 != 0;
        assert!(!timer || self.timers[vcpu].1, "a timer that is not active");
        self.fill(vcpu);
    }

    pub(crate) fn line(&mut self, high: bool) {
        self.reference.irq(0, 33).line = high;
        let set = self.vgic.set_line(33, high);
        self.refresh(0, set);
    }

    /// A timer's input falls only while nobody waits for its acknowledgement: what EL2 does then has tests of its own.
    pub(crate) fn timer(&mut self, vcpu: usize, high: bool) {
        self.settle();
        if !high && self.timers[vcpu].1 && !self.reference.irq(vcpu, TIMER).active {
            return;
        }
        self.timers[vcpu].0 = high;
        self.reference.irq(vcpu, TIMER).line = high;
    }

    // What the guest does.

    pub(crate) fn sgi(&mut self, from: usize, sgir: u32) {
        self.write(from, 0xf00, AccessSize::Word, sgir.into());
        let targets = match sgir >> 24 & 3 {
            0 => sgir >> 16 & 7,
            1 => 7 & !(1 << from),
            2 => 1 << from,
            _ => 0,
        };
        for target in (0..VCPUS).filter(|t| targets >> t & 1 != 0) {
            self.reference.irq(target, sgir & 0xf).sources |= 1 << from;
        }
    }

    pub(crate) fn acknowledge(&mut self, at: usize) {
        self.settle();
        let ready = self.reference.deliverable(at);
        let threshold = self.interfaces[at].running_priority();
        let best = ready.iter().map(|(p, _)| *p).min().filter(|p| *p < threshold);
        let Some((intid, source)) = self.interfaces[at].acknowledge() else {
            return assert_eq!(best, None, "vCPU {at} gets nothing of {ready:?}");
        };
        let priority = self.reference.irq(at, intid).priority;
        assert!(
            ready.contains(&(priority, intid)),
            "vCPU {at} gets {intid} instead of {ready:?}"
        );
        assert_eq!(
            Some(priority),
            best,
            "vCPU {at} gets {intid}, which is not the most urgent"
        );
        let irq = self.reference.irq(at, intid);
        if intid < 16 {
            assert!(
                irq.sources >> source & 1 != 0,
                "SGI {intid} from {source}, which did not send it"
            );
            irq.sources &= !(1 << source);
            self.second_sources += usize::from(irq.sources != 0);
        }
        irq.latch = false;
        irq.active = true;
        self.taken[at].push((intid, source));
        self.delivered += 1;
    }

    pub(crate) fn end(&mut self, at: usize) {
        self.settle();
        let Some(what) = self.taken[at].pop() else { return };
        self.reference.irq(at, what.0).active = false;
        if let Some(physical) = self.interfaces[at].end(what) {
            self.deactivate(at, physical);
        }
    }

    /// Lets the guest handle everything; then nothing may be left.
    pub(crate) fn finish(&mut self) {
        self.line(false);
        for _ in 0..200 {
            (0..VCPUS).for_each(|at| self.timer(at, false));
            (0..VCPUS).for_each(|at| self.end(at));
            (0..VCPUS).for_each(|at| self.acknowledge(at));
        }
        for at in 0..VCPUS {
            assert!(self.taken[at].is_empty(), "the guest never comes to rest");
            assert_eq!(self.reference.deliverable(at), Vec::new());
        }
        assert!(
            self.timers.iter().all(|(_, active)| !active),
            "a timer is held in vain"
        );
    }
}
