// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Virtual CPU interfaces and a physical GIC in software, driven as EL2 drives the real ones, with the
//! reference GIC beside them.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_policy::vgic::{
    Access, AccessSize, Frame, LIST_REGISTERS, PHYSICAL_PPIS, PhysicalChange, PhysicalOperation, VcpuSet,
    Vgic, VgicConfig, observes_state,
};

use super::cpu::{Core, HW, STATE, TDIR, intid_of};
use super::reference::{Gic, Id};

pub(crate) const VCPUS: usize = 3;
/// Physical SPIs: 40 is level-sensitive, 41 edge-triggered.
pub(crate) const PHYSICAL_SPIS: [u32; 8] = [3 << 8, 0, 0, 0, 0, 0, 0, 0];

#[derive(Default, Clone, Copy, Debug)]
struct Physical {
    enabled: bool,
    latch: bool,
    line: bool,
    edge: bool,
    active: bool,
}

pub(crate) struct Machine {
    pub(crate) vgic: Vgic,
    pub(crate) reference: Gic,
    cores: Vec<Core>,
    physical: BTreeMap<Id, Physical>,
    /// vCPUs whose kick has not arrived.
    kicked: BTreeSet<usize>,
    /// Alternates between the fast and the slow path.
    pub(crate) turn: u32,
    pub(crate) fast_paths: u32,
    pub(crate) overflows: u32,
    /// vCPUs that got a maintenance interrupt for no more than four, as the reference has it before the step under way.
    doubted: BTreeSet<usize>,
    /// How often a vCPU was known to rest without a fold.
    pub(crate) rests: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let mut vgic = Vgic::new();
        vgic.configure(&VgicConfig {
            vcpu_count: VCPUS,
            spi_lines: 64,
            physical_spis: PHYSICAL_SPIS,
        });
        let mut physical = BTreeMap::new();
        for vcpu in 0..VCPUS {
            for intid in [27, 30] {
                physical.insert((vcpu, intid), Physical::default());
            }
        }
        physical.insert((0, 40), Physical::default());
        physical.insert(
            (0, 41),
            Physical {
                edge: true,
                ..Physical::default()
            },
        );
        let cores = (0..VCPUS).map(|_| Core::default()).collect();
        let mut machine = Self {
            vgic,
            reference: Gic::new(VCPUS, 64),
            cores,
            physical,
            kicked: BTreeSet::new(),
            turn: 0,
            fast_paths: 0,
            overflows: 0,
            doubted: BTreeSet::new(),
            rests: 0,
        };
        // SPIs 34 and 41 are edges: two bits each in ICFGR2.
        let edges = 1 << 5 | 1 << 19;
        machine.write(0, Frame::Distributor, 0xc08, AccessSize::Word, edges);
        for intid in [34, 41] {
            machine.reference.irq(0, intid).edge = true;
        }
        machine
    }

    // What EL2 does.

    fn refill(&mut self, vcpu: usize) {
        self.fold(vcpu);
        self.fill(vcpu);
    }

    fn fold(&mut self, vcpu: usize) {
        let moved = self.vgic.fold(vcpu, &self.cores[vcpu].lrs);
        self.kicked.extend(moved);
    }

    fn fill(&mut self, vcpu: usize) {
        let core = &mut self.cores[vcpu];
        core.hcr = self.vgic.fill(vcpu, &mut core.lrs).hcr;
        core.eoi_count = 0;
        if core.hcr != 0 {
            self.overflows += 1;
            if self.reference.to_handle(vcpu) <= LIST_REGISTERS {
                self.doubted.insert(vcpu);
            }
        }
        self.drain(vcpu);
        assert!(
            !self.cores[vcpu].maintenance(),
            "a maintenance interrupt right after a fill would never end"
        );
    }

    fn drain(&mut self, vcpu: usize) {
        while let Some(intid) = self.vgic.next_deactivation(vcpu) {
            self.deactivate_physical(vcpu, intid);
        }
    }

    fn refresh(&mut self, vcpu: usize, set: VcpuSet) {
        self.kicked.extend(set.without(vcpu));
        if set.contains(vcpu) {
            self.refill(vcpu);
        }
    }

    fn load_enables(&mut self, vcpu: usize) {
        let spis = *self.vgic.physical_spi_enables();
        let ppis = self.vgic.ppi_enables(vcpu);
        for ((owner, intid), physical) in &mut self.physical {
            if *intid >= 32 {
                physical.enabled = spis[(*intid as usize >> 5) - 1] >> (intid & 31) & 1 != 0;
            } else if *owner == vcpu {
                physical.enabled = ppis >> intid & 1 != 0;
            }
        }
    }

    pub(crate) fn arrive(&mut self, vcpu: usize) {
        if self.kicked.remove(&vcpu) {
            self.load_enables(vcpu);
            self.refill(vcpu);
        }
    }

    /// All kicks arrive.
    pub(crate) fn arrive_all(&mut self) {
        while let Some(vcpu) = self.kicked.first().copied() {
            self.arrive(vcpu);
        }
    }

    fn change(&mut self, vcpu: usize, change: PhysicalChange) -> u64 {
        let mut value = 0;
        assert!(change.word != 0 || change.bits & !PHYSICAL_PPIS == 0);
        for ((owner, intid), physical) in &mut self.physical {
            let here = *intid >> 5 == u32::from(change.word) && (*intid >= 32 || *owner == vcpu);
            if !here || change.bits >> (intid & 31) & 1 == 0 {
                continue;
            }
            match change.operation {
                PhysicalOperation::SetEnable => physical.enabled = true,
                PhysicalOperation::ClearEnable => physical.enabled = false,
                PhysicalOperation::ClearPending => physical.latch = false,
                PhysicalOperation::ReadPending => {
                    let pending = physical.latch || (physical.line && !physical.edge);
                    value |= u64::from(pending) << (intid & 31);
                }
                PhysicalOperation::None | PhysicalOperation::ReloadEnables => {}
            }
        }
        if change.operation == PhysicalOperation::ReloadEnables {
            self.load_enables(vcpu);
        }
        value
    }

    fn access(&mut self, vcpu: usize, frame: Frame, offset: u32, size: AccessSize, access: Access) -> u64 {
        let folds = observes_state(frame, offset);
        if folds {
            self.fold(vcpu);
        }
        let outcome = self.vgic.access(vcpu, frame, offset, size, access);
        if folds {
            self.fill(vcpu);
        }
        self.refresh(
            vcpu,
            if folds {
                outcome.refresh.without(vcpu)
            } else {
                outcome.refresh
            },
        );
        let value = outcome.value | self.change(vcpu, outcome.physical);
        self.drain(vcpu);
        value
    }

    pub(crate) fn write(&mut self, vcpu: usize, frame: Frame, offset: u32, size: AccessSize, value: u64) {
        assert_eq!(self.access(vcpu, frame, offset, size, Access::Write(value)), 0);
    }

    pub(crate) fn read(&mut self, vcpu: usize, frame: Frame, offset: u32, size: AccessSize) -> u64 {
        self.arrive_all();
        let first = self.access(vcpu, frame, offset, size, Access::Read);
        let kicks = self.kicked.clone();
        for other in &kicks {
            self.arrive(*other);
        }
        // What other vCPUs hold is exact once their kick arrived.
        if kicks.is_empty() {
            first
        } else {
            self.access(vcpu, frame, offset, size, Access::Read)
        }
    }

    pub(crate) fn sgi(&mut self, from: usize, value: u64) {
        let set = self.vgic.sgi(from, value);
        self.turn += 1;
        if set.contains(from) && self.turn & 1 == 0 {
            let intid = (value >> 24 & 0xf) as u32;
            if self.listed(from, intid, false) {
                return self.refresh(from, set.without(from));
            }
        }
        self.refresh(from, set);
    }

    /// Tries a fast path.
    fn listed(&mut self, vcpu: usize, intid: u32, physical: bool) -> bool {
        let core = &mut self.cores[vcpu];
        let empty = core.empty();
        let found = match physical {
            true => self.vgic.inject_now(vcpu, intid, empty),
            false => self.vgic.list_now(vcpu, intid, empty),
        };
        if let Some((index, value)) = found {
            assert_eq!(core.lrs[index] & STATE, 0);
            core.lrs[index] = value;
            self.fast_paths += 1;
        }
        found.is_some()
    }

    pub(crate) fn set_line(&mut self, intid: u32, high: bool) {
        let set = self.vgic.set_line(intid, high);
        self.refresh(0, set);
    }

    pub(crate) fn pulse(&mut self, intid: u32) {
        let set = self.vgic.pulse(intid);
        self.refresh(0, set);
    }

    // The physical GIC.

    fn deactivate_physical(&mut self, vcpu: usize, intid: u32) {
        let physical = self
            .physical
            .get_mut(&Gic::id(vcpu, intid))
            .expect("not a physical interrupt");
        assert!(physical.active, "deactivation of {intid}, which is not active");
        physical.active = false;
    }

    /// Changes a physical input.
    pub(crate) fn physical_line(&mut self, vcpu: usize, intid: u32, high: bool) {
        let physical = self.physical.get_mut(&Gic::id(vcpu, intid)).unwrap();
        physical.latch |= physical.edge && high && !physical.line;
        physical.line = high;
    }

    /// Delivers what the physical GIC and the virtual CPU interfaces signal, until nothing is left.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 64, "an interrupt storm");
            let before = (0..VCPUS).any(|v| self.maintain(v));
            let fires = self
                .physical
                .iter()
                .find(|(_, p)| p.enabled && !p.active && (p.latch || (p.line && !p.edge)));
            let Some((&(owner, intid), _)) = fires else {
                if before {
                    continue;
                }
                return self.check();
            };
            // An SPI may be routed to any core of the partition.
            self.turn += 1;
            let core = if intid < 32 {
                owner
            } else {
                self.turn as usize % VCPUS
            };
            self.arrive(core);
            let physical = self.physical.get_mut(&(owner, intid)).unwrap();
            if !physical.enabled {
                continue;
            }
            physical.active = true;
            physical.latch = false;
            if !self.turn.is_multiple_of(3) && self.listed(core, intid, true) {
                continue;
            }
            let set = self.vgic.hardware(core, intid);
            self.drain(core);
            self.refresh(core, set);
        }
    }

    // The virtual CPU interface.

    fn maintain(&mut self, vcpu: usize) -> bool {
        let due = self.cores[vcpu].maintenance();
        if due {
            self.vgic.end_unlisted(vcpu, self.cores[vcpu].eoi_count);
            self.refill(vcpu);
        }
        due
    }

    /// `ICC_IAR1_EL1`.
    pub(crate) fn acknowledge(&mut self, vcpu: usize) -> Option<u32> {
        self.arrive(vcpu);
        self.settle();
        self.arrive(vcpu);
        let mask = self.reference.mask[vcpu];
        self.cores[vcpu].acknowledge(mask)
    }

    pub(crate) fn drop_priority(&mut self, vcpu: usize) {
        self.cores[vcpu].running.pop();
    }

    /// `ICC_DIR_EL1`, or the second half of `ICC_EOIR1_EL1` with EOImode = 0.
    pub(crate) fn deactivate(&mut self, vcpu: usize, intid: u32, by_dir: bool) {
        if by_dir && self.cores[vcpu].hcr & TDIR != 0 {
            let set = self.vgic.deactivate(vcpu, intid);
            self.refresh(vcpu, set);
            return self.drain(vcpu);
        }
        if let Some(pintid) = self.cores[vcpu].deactivate(intid) {
            self.deactivate_physical(vcpu, pintid);
        }
    }

    /// A switch to another vCPU and back: of one that keeps its list registers, then of one that does not.
    pub(crate) fn switch(&mut self, vcpu: usize) {
        let lrs = self.cores[vcpu].lrs;
        if !self.vgic.is_crowded(vcpu) {
            self.swap_active(vcpu, &lrs);
        }
        self.fold(vcpu);
        self.drain(vcpu);
        self.swap_active(vcpu, &[0; LIST_REGISTERS]);
        let wakes = !self.reference.deliverable(vcpu).is_empty();
        if self.kicked.is_empty() && self.physical.values().all(|p| p.active || !p.latch && !p.line) {
            assert_eq!(self.vgic.has_deliverable(vcpu), wakes);
        }
        self.fill(vcpu);
    }

    /// The PPIs that are set active again are those that were.
    fn swap_active(&self, vcpu: usize, lrs: &[u64; LIST_REGISTERS]) {
        let active = self.vgic.ppi_active(vcpu, lrs);
        for ((owner, intid), physical) in &self.physical {
            if *intid < 32 && *owner == vcpu {
                assert_eq!(active >> intid & 1 != 0, physical.active, "{intid} of {vcpu}");
            }
        }
    }

    /// What must hold whenever the guest runs.
    fn check(&mut self) {
        for vcpu in std::mem::take(&mut self.doubted) {
            let count = self.reference.to_handle(vcpu);
            assert!(
                count > LIST_REGISTERS,
                "maintenance for {count} interrupts at vCPU {vcpu}"
            );
        }
        for (vcpu, core) in self.cores.iter().enumerate() {
            if !self.kicked.contains(&vcpu) && self.vgic.rests(vcpu, core.empty()) {
                self.rests += 1;
                assert_eq!(self.reference.deliverable(vcpu), [], "rests beside an interrupt");
            }
        }
        let mut spis = BTreeSet::new();
        for (vcpu, core) in self.cores.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for lr in core.lrs.iter().filter(|lr| *lr & STATE != 0) {
                let intid = intid_of(*lr);
                assert!(seen.insert(intid), "{intid} in two list registers");
                assert!(intid < 32 || spis.insert(intid), "{intid} at two vCPUs");
                assert!(*lr >> 60 & 1 != 0, "not in Group 1");
                if *lr & HW != 0 {
                    assert_eq!(*lr >> 32 & 0x1fff, u64::from(intid), "another physical interrupt");
                    assert_ne!(*lr & STATE, STATE, "pending and active with HW = 1");
                    assert!(
                        self.physical[&Gic::id(vcpu, intid)].active,
                        "{intid} is not active physically"
                    );
                }
            }
        }
        // A physical interrupt is held only for an interrupt that the guest has or will get.
        for ((owner, intid), physical) in &self.physical {
            let irq = self.reference.irqs[&Gic::id(*owner, *intid)];
            let concerned = !self.kicked.is_empty() || irq.active || irq.pending();
            assert!(!physical.active || concerned, "{intid} is held in vain");
        }
    }
}
