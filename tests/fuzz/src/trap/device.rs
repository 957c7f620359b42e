// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The interrupt controllers of a guest under raw accesses: GICv3 and GICv2 with list registers, and the physical one of
//! a partition on dedicated cores. What a guest does not own is never touched.

use std::collections::BTreeSet;

use bulkhead_policy::vgic::direct::icc::{
    ctlr_to_physical, may_deactivate, pmr_to_guest, pmr_to_physical, sgi,
};
use bulkhead_policy::vgic::direct::{Direct, DirectAction, Owner, PhysicalBank, PhysicalRegister};
use bulkhead_policy::vgic::v2::{Extras, VgicV2};
use bulkhead_policy::vgic::{
    Access, AccessSize, Frame, Outcome, PHYSICAL_PPIS, VcpuSet, Vgic, VgicConfig, observes_state,
};

use super::vgic::cpu::{Core, HW, STATE, intid_of, priority_of};
use crate::bytes::Bytes;

const VCPUS: usize = 3;
const LINES: u32 = 64;
/// SPIs 40 and 41.
const PHYSICAL_SPIS: [u32; 8] = [3 << 8, 0, 0, 0, 0, 0, 0, 0];
/// Physical interrupts that may come.
const SOURCES: [u32; 4] = [27, 30, 40, 41];
/// Rounds of kicks until all vCPUs have looked.
const ROUNDS: usize = 64;

/// All of them.
pub(super) struct Gics {
    vgic: Vgic,
    cores: [Core; VCPUS],
    /// Physical interrupts that are active on behalf of the guest.
    active: BTreeSet<(usize, u32)>,
    v2: (Vgic, Extras),
    direct: Direct,
    owner: Owner,
}

impl Gics {
    pub(super) fn new() -> Self {
        let config = VgicConfig {
            vcpu_count: VCPUS,
            spi_lines: LINES,
            physical_spis: PHYSICAL_SPIS,
        };
        let mut vgic = Vgic::new();
        vgic.configure(&config);
        let mut v2 = (Vgic::new(), Extras::new());
        VgicV2::new(&mut v2.0, &mut v2.1).configure(&config);
        let mut spis = [0; 31];
        spis[0] = PHYSICAL_SPIS[0];
        spis[3] = 0x8000_0001;
        let owner = Owner {
            spis,
            ppis: PHYSICAL_PPIS,
            vcpu_count: VCPUS,
            spi_lines: 160,
        };
        let mut direct = Direct::new();
        direct.configure(&owner);
        Self {
            vgic,
            cores: Default::default(),
            active: BTreeSet::new(),
            v2,
            direct,
            owner,
        }
    }

    /// An access, to each of the three.
    pub(super) fn access(
        &mut self,
        vcpu: usize,
        frame: Frame,
        offset: u32,
        size: AccessSize,
        access: Access,
    ) -> u64 {
        let action = self.direct.access(vcpu, frame, offset, size, access);
        self.owned_only(action);
        let outcome = VgicV2::new(&mut self.v2.0, &mut self.v2.1).access(vcpu, offset & 0xfff, size, access);
        plausible(&outcome, size, access);
        let folds = observes_state(frame, offset);
        if folds {
            self.fold(vcpu);
        }
        let outcome = self.vgic.access(vcpu, frame, offset, size, access);
        plausible(&outcome, size, access);
        if folds {
            self.fill(vcpu);
        }
        self.refresh(outcome.refresh);
        self.drain(vcpu);
        outcome.value
    }

    /// `ICC_SGI1R_EL1`.
    pub(super) fn sgi(&mut self, vcpu: usize, value: u64) {
        if let Some(request) = sgi(&self.owner, vcpu, value) {
            assert!(request.intid < 15 && !request.targets.is_empty());
            assert!(
                request.targets.bits() >> VCPUS == 0,
                "an SGI to another partition"
            );
        }
        let set = self.vgic.sgi(vcpu, value);
        self.refresh(set);
    }

    /// What a value becomes in the physical CPU interface.
    pub(super) fn interface(value: u64) {
        let mask = pmr_to_physical(value);
        assert!((0x80..=0xf8).contains(&mask), "a guest masks EL2: {mask:#x}");
        assert_eq!(pmr_to_guest(mask), value & 0xf0);
        assert_eq!(ctlr_to_physical(value) & !2, 0);
    }

    /// An interrupt, its acknowledgement or its end.
    pub(super) fn event(&mut self, vcpu: usize, bytes: &mut Bytes<'_>) {
        let source = SOURCES[bytes.below(SOURCES.len())];
        match bytes.u8() % 7 {
            0 => self.hardware(vcpu, source),
            1 => {
                let set = self.vgic.set_line(33, bytes.flag());
                self.refresh(set);
            }
            2 => {
                let set = self.vgic.pulse(34);
                self.refresh(set);
            }
            3 => drop(self.cores[vcpu].acknowledge(0xff)),
            4 => self.end(vcpu, u32::from(bytes.u8())),
            5 => {
                self.fold(vcpu);
                self.fill(vcpu);
            }
            _ => {
                let value = bytes.u64();
                let allowed = may_deactivate(&self.owner, value);
                assert!(allowed.is_none_or(|value| self.owner.owns(u32::try_from(value).unwrap())));
                let set = self
                    .vgic
                    .deactivate(vcpu, u32::try_from(value & 0xff_ffff).unwrap());
                self.refresh(set);
                self.drain(vcpu);
            }
        }
    }

    /// A physical interrupt that is not active, and that the guest let through, comes.
    fn hardware(&mut self, vcpu: usize, intid: u32) {
        let owner = if intid < 32 { vcpu } else { 0 };
        let enabled = match intid.checked_sub(32) {
            None => self.vgic.ppi_enables(vcpu) >> intid & 1 != 0,
            Some(spi) => self.vgic.physical_spi_enables()[0] >> spi & 1 != 0,
        };
        if !enabled || !self.active.insert((owner, intid)) {
            return;
        }
        if intid & 1 != 0 {
            let core = &mut self.cores[vcpu];
            if let Some((index, value)) = self.vgic.inject_now(vcpu, intid, core.empty()) {
                assert_eq!(core.lrs[index] & STATE, 0, "a list register is overwritten");
                core.lrs[index] = value;
                return;
            }
        }
        let set = self.vgic.hardware(vcpu, intid);
        self.drain(vcpu);
        self.refresh(set);
    }

    /// The guest deactivates what is in one of its list registers, or something else.
    fn end(&mut self, vcpu: usize, which: u32) {
        let core = &mut self.cores[vcpu];
        core.running.pop();
        let held = core.lrs.get(usize::try_from(which & 7).unwrap());
        let intid = held.map_or(which, |lr| intid_of(*lr));
        if let Some(physical) = core.deactivate(intid) {
            let owner = if physical < 32 { vcpu } else { 0 };
            assert!(
                self.active.remove(&(owner, physical)),
                "{physical} is ended twice"
            );
        }
        if self.cores[vcpu].maintenance() {
            self.vgic.end_unlisted(vcpu, self.cores[vcpu].eoi_count);
            self.fold(vcpu);
            self.fill(vcpu);
        }
    }

    fn fold(&mut self, vcpu: usize) {
        let moved = self.vgic.fold(vcpu, &self.cores[vcpu].lrs);
        self.cores[vcpu].lrs = [0; 4];
        let others = moved.without(vcpu);
        self.refresh(others);
    }

    fn fill(&mut self, vcpu: usize) {
        let core = &mut self.cores[vcpu];
        core.hcr = self.vgic.fill(vcpu, &mut core.lrs).hcr;
        core.eoi_count = 0;
        self.drain(vcpu);
    }

    /// The kicks of a set arrive, and those that follow from them.
    fn refresh(&mut self, set: VcpuSet) {
        let mut waiting = set;
        for _ in 0..ROUNDS {
            let Some(vcpu) = waiting.next() else { return };
            assert!(vcpu < VCPUS, "a kick for a vCPU that is not there");
            let moved = self.vgic.fold(vcpu, &self.cores[vcpu].lrs);
            self.fill(vcpu);
            waiting = waiting.union(moved.without(vcpu));
        }
        panic!("vCPUs kick each other for ever");
    }

    fn drain(&mut self, vcpu: usize) {
        while let Some(intid) = self.vgic.next_deactivation(vcpu) {
            let owner = if intid < 32 { vcpu } else { 0 };
            assert!(
                self.active.remove(&(owner, intid)),
                "EL2 ends {intid}, which is not active"
            );
        }
    }

    /// What holds whenever a guest runs.
    pub(super) fn judge(&self) {
        let enables = self.vgic.physical_spi_enables();
        let foreign = enables
            .iter()
            .zip(PHYSICAL_SPIS)
            .any(|(enabled, owned)| enabled & !owned != 0);
        assert!(!foreign, "an SPI of another partition is enabled");
        let mut spis = BTreeSet::new();
        for (vcpu, core) in self.cores.iter().enumerate() {
            assert_eq!(self.vgic.ppi_enables(vcpu) & !PHYSICAL_PPIS, 0);
            let mut seen = BTreeSet::new();
            for lr in core.lrs.iter().filter(|lr| *lr & STATE != 0) {
                let intid = intid_of(*lr);
                assert!(intid < 32 + LINES && priority_of(*lr) & 7 == 0, "{lr:#x}");
                assert!(seen.insert(intid), "{intid} in two list registers");
                assert!(intid < 32 || spis.insert(intid), "{intid} at two vCPUs");
                assert!(*lr >> 60 & 1 != 0, "{intid} is not in Group 1");
                if *lr & HW != 0 {
                    let owner = if intid < 32 { vcpu } else { 0 };
                    assert_eq!(*lr >> 32 & 0x1fff, u64::from(intid));
                    assert_ne!(*lr & STATE, STATE, "pending and active with HW = 1");
                    assert!(
                        self.active.contains(&(owner, intid)),
                        "{intid} is not active physically"
                    );
                }
            }
        }
        for word in 0..self.owner.spis.len() {
            let owned = self.owner.owned(word + 1);
            assert_eq!(self.direct.spi_enables(word + 1) & !owned, 0);
        }
    }

    /// What EL2 writes to the physical GIC, or shows of it, are bits of interrupts that the guest owns.
    fn owned_only(&self, action: DirectAction) {
        match action {
            DirectAction::Value(_) | DirectAction::Ignore | DirectAction::ReloadEnables => {}
            DirectAction::Read(read) => {
                let shift = match read.register.offset {
                    // Trigger modes and priorities are wider than a bit an interrupt.
                    0x80..0x400 => read.value(u32::MAX) & !u64::from(self.owned(read.register)),
                    _ => 0,
                };
                assert_eq!(shift, 0, "a foreign interrupt is shown: {read:?}");
            }
            DirectAction::Write32 { register, value } => {
                if (0x80..0x400).contains(&register.offset) {
                    assert_eq!(value & !self.owned(register), 0, "{action:?}");
                }
            }
            DirectAction::WriteBytes {
                register,
                value,
                mask,
            } => {
                let first = register.offset - 0x400;
                for byte in 0..4 {
                    if mask >> (8 * byte) & 0xff != 0 {
                        assert!(self.owner.owns(first + byte), "{action:?}");
                        assert!(
                            value >> (8 * byte) & 0xff >= 0x80,
                            "more urgent than EL2: {action:?}"
                        );
                    }
                }
            }
            DirectAction::Route { intid, vcpu } => {
                assert!(
                    intid >= 32 && self.owner.owns(intid) && vcpu < VCPUS,
                    "{action:?}"
                );
            }
            DirectAction::ReadRoute { intid } => assert!(intid >= 32 && self.owner.owns(intid), "{action:?}"),
        }
    }

    /// Owned interrupts of a register with a bit for each.
    fn owned(&self, register: PhysicalRegister) -> u32 {
        let word = usize::try_from(register.offset >> 2 & 0x1f).unwrap();
        assert_eq!(word == 0, register.bank == PhysicalBank::OwnSgi, "{register:?}");
        self.owner.owned(word)
    }
}

/// An outcome concerns vCPUs that are there and physical interrupts that are owned; a store answers nothing, a load no
/// more than its width.
fn plausible(outcome: &Outcome, size: AccessSize, access: Access) {
    let bits = match size {
        AccessSize::Byte => 8,
        AccessSize::Half => 16,
        AccessSize::Word => 32,
        AccessSize::Double => 64,
    };
    let width = u64::MAX >> (64 - bits);
    assert!(matches!(access, Access::Read) || outcome.value == 0);
    assert_eq!(outcome.value & !width, 0, "{outcome:?}");
    assert!(outcome.refresh.bits() >> VCPUS == 0, "{outcome:?}");
    let owned = match usize::from(outcome.physical.word).checked_sub(1) {
        None => PHYSICAL_PPIS,
        Some(word) => PHYSICAL_SPIS.get(word).map_or(0, |owned| *owned),
    };
    assert_eq!(
        outcome.physical.bits & !owned,
        0,
        "a foreign interrupt: {outcome:?}"
    );
}
