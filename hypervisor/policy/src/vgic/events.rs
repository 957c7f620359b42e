// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What makes interrupts pending: SGIs, lines of emulated devices, physical interrupts; and the
//! deactivations that EL2 sees.
//!
//! Each returns the vCPUs to refresh: for the own vCPU [`Vgic::list_now`] or fold and fill, for others a
//! kick of their core, which does it.

use super::state::{NOTHING, PHYSICAL_PPIS, Vgic};
use super::types::{MAX_VCPUS, VcpuSet};

/// Targets and INTID of a write to `ICC_SGI1R_EL1` in a partition whose vCPU *k* has affinity 0.0.0.*k*.
///
/// # References
/// Arm IHI 0069, "ICC_SGI1R_EL1, Interrupt Controller Software Generated Interrupt Group 1 Register".
#[inline]
pub(super) fn sgi_targets(vcpus: VcpuSet, from: usize, sgi1r: u64) -> (u32, VcpuSet) {
    /// Aff3, RS, Aff2, Aff1.
    const NOT_HERE: u64 = 0xff << 48 | 0xf << 44 | 0xff << 32 | 0xff << 16;
    const ALL_BUT_SELF: u64 = 1 << 40;
    let intid = u32::try_from(sgi1r >> 24 & 0xf).unwrap_or(0);
    let targets = if sgi1r & ALL_BUT_SELF != 0 {
        vcpus.without(from)
    } else if sgi1r & NOT_HERE != 0 {
        VcpuSet::EMPTY
    } else {
        VcpuSet::from_bits(u8::try_from(sgi1r & 0xff).unwrap_or(0)).intersection(vcpus)
    };
    (intid, targets)
}

impl Vgic {
    /// A write of `sgi1r` to `ICC_SGI1R_EL1` by vCPU `from`. An SGI that its target has in Group 0 is not
    /// generated. Implements: BH-GIC-003.
    pub fn sgi(&mut self, from: usize, sgi1r: u64) -> VcpuSet {
        let (intid, targets) = sgi_targets(self.vcpus, from, sgi1r);
        let bit = 1 << (intid & 31);
        let mut refresh = 0;
        for target in targets {
            if let Some(bank) = self.private.get_mut(target) {
                bank.latch |= bit & bank.group1;
                if bank.deliverable() & bit != 0 {
                    refresh |= VcpuSet::only(target).bits();
                }
            }
        }
        self.forwarded(VcpuSet::from_bits(refresh))
    }

    /// The set, or nothing while Group 1 is not forwarded.
    #[inline]
    fn forwarded(&self, vcpus: VcpuSet) -> VcpuSet {
        if self.gate() == 0 { VcpuSet::EMPTY } else { vcpus }
    }

    /// The output of an emulated device that drives SPI `intid` is now high or low. An SPI that is
    /// configured as edge-triggered becomes pending when it rises.
    pub fn set_line(&mut self, intid: u32, asserted: bool) -> VcpuSet {
        let Some(word) = usize::try_from(intid >> 5).ok().and_then(|w| w.checked_sub(1)) else {
            return VcpuSet::EMPTY;
        };
        let bit = 1 << (intid & 31);
        let Some(shared) = self.shared_mut(word) else {
            return VcpuSet::EMPTY;
        };
        let bank = &mut shared.bank;
        if bank.line & bit == u32::from(asserted) << (intid & 31) {
            return VcpuSet::EMPTY;
        }
        bank.line ^= bit;
        let concerns = if asserted {
            bank.latch |= bit & bank.edge;
            bank.deliverable() & bit
        } else {
            bank.resident & !bank.edge & bit
        };
        let targets = if concerns == 0 {
            VcpuSet::EMPTY
        } else {
            shared.targets(concerns)
        };
        self.forwarded(targets)
    }

    /// An edge on SPI `intid`.
    pub fn pulse(&mut self, intid: u32) -> VcpuSet {
        let Some(word) = usize::try_from(intid >> 5).ok().and_then(|w| w.checked_sub(1)) else {
            return VcpuSet::EMPTY;
        };
        let bit = 1 << (intid & 31);
        let Some(shared) = self.shared_mut(word) else {
            return VcpuSet::EMPTY;
        };
        shared.bank.latch |= bit;
        let targets = if shared.bank.deliverable() & bit == 0 {
            VcpuSet::EMPTY
        } else {
            shared.targets(bit)
        };
        self.forwarded(targets)
    }

    /// EL2 on the core of `vcpu` acknowledged the physical interrupt `intid` (a PPI of
    /// [`PHYSICAL_PPIS`] that the running vCPU uses, or an SPI that the partition owns) and dropped its
    /// priority with EOImode = 1: it is active, and the guest's deactivation is to deactivate it. When the
    /// guest cannot take it, [`Self::next_deactivation`] returns it. Implements: BH-GIC-004.
    ///
    /// An INTID that is neither is not taken: the caller deactivates what it acknowledged in vain.
    #[inline]
    pub fn hardware(&mut self, vcpu: usize, intid: u32) -> VcpuSet {
        let bit = 1 << (intid & 31);
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1);
        if self.physical(intid) & bit == 0 {
            return VcpuSet::EMPTY;
        }
        let gate = self.gate();
        if self
            .bank_of(vcpu, intid)
            .is_some_and(|b| b.hardware & b.resident & bit != 0)
        {
            self.end_residence(vcpu, intid);
        }
        self.forget_repeated();
        let Some(bank) = self.bank_mut(vcpu, intid) else {
            return VcpuSet::EMPTY;
        };
        bank.take_physical(bit);
        if bank.deliverable() & gate & bit == 0 {
            self.releases |= bank.give_back(bank.open() & gate) != 0;
            return VcpuSet::EMPTY;
        }
        match word {
            None => VcpuSet::only(vcpu),
            Some(word) => self.shared.get(word).map_or(VcpuSet::EMPTY, |s| s.targets(bit)),
        }
    }

    /// Interrupts of the word of `intid` that are physical.
    #[inline]
    pub(super) fn physical(&self, intid: u32) -> u32 {
        match usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1) {
            None => PHYSICAL_PPIS,
            Some(word) => self.physical_spis.get(word).map_or(0, |w| *w),
        }
    }

    /// A hardware-linked interrupt that was acknowledged again physically has been deactivated: its list
    /// register is invalid.
    fn end_residence(&mut self, vcpu: usize, intid: u32) {
        let bit = 1 << (intid & 31);
        let private = intid < 32;
        for (k, lists) in self.lists.iter_mut().enumerate() {
            if private && k != vcpu {
                continue;
            }
            if let Some(i) = lists.find(intid)
                && let Some(entry) = lists.intids.get_mut(i)
            {
                *entry = NOTHING;
            }
        }
        if let Some(bank) = self.bank_mut(vcpu, intid) {
            bank.retire(bit, bit);
        }
        self.clear_home(intid);
    }

    /// An SPI that is neither resident nor active has no home.
    pub(super) fn clear_home(&mut self, intid: u32) {
        let bit = 1 << (intid & 31);
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1);
        if let Some(shared) = word.and_then(|w| self.shared.get_mut(w)) {
            let stays = shared.bank.resident | shared.bank.active;
            for home in &mut shared.home {
                *home &= !bit | stays;
            }
        }
    }

    /// Level-sensitive physical PPIs that wait for the acknowledgement of `vcpu`: their input may fall meanwhile.
    /// Exact while its list registers are folded.
    #[inline]
    pub fn ppis_waiting(&self, vcpu: usize) -> u32 {
        self.private.get(vcpu).map_or(0, |bank| {
            bank.hardware & bank.line & !bank.edge & !bank.active & !bank.resident
        })
    }

    /// The inputs of these waiting PPIs have fallen: without another reason they are pending no more. Call
    /// [`Self::fill`] next. Implements: BH-GIC-022.
    pub fn lower_ppis(&mut self, vcpu: usize, fallen: u32) {
        let fallen = fallen & self.ppis_waiting(vcpu);
        if fallen != 0
            && let Some(bank) = self.private.get_mut(vcpu)
        {
            bank.line &= !fallen;
            self.forget_repeated();
        }
    }

    /// A write of `intid` to `ICC_DIR_EL1` that was trapped (`ICH_HCR_EL2.TDIR`).
    pub fn deactivate(&mut self, vcpu: usize, intid: u32) -> VcpuSet {
        let gate = self.gate();
        let bit = 1 << (intid & 31);
        self.forget_repeated();
        let Some(bank) = self.bank_mut(vcpu, intid) else {
            return VcpuSet::EMPTY;
        };
        let resident = bank.resident & bit != 0;
        bank.clear_active(bit);
        let released = bank.give_back(bank.open() & gate) != 0;
        let refresh = resident || bank.deliverable() & gate & bit != 0;
        self.releases |= released;
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1);
        let targets = match word {
            None => VcpuSet::only(vcpu),
            Some(word) => self.shared.get(word).map_or(VcpuSet::EMPTY, |s| s.targets(bit)),
        };
        self.clear_home(intid);
        if refresh { targets } else { VcpuSet::EMPTY }
    }

    /// A physical interrupt that EL2 deactivates on the core of `vcpu` (a write to the physical
    /// `ICC_DIR_EL1`), or none. Call until none after each access, fold, fill and deactivation.
    #[inline]
    pub fn next_deactivation(&mut self, vcpu: usize) -> Option<u32> {
        if !self.releases {
            return None;
        }
        let vcpu = vcpu & (MAX_VCPUS - 1);
        let private = self.private.iter_mut().skip(vcpu).take(1);
        let shared = self.shared.iter_mut().take(self.spi_words).map(|s| &mut s.bank);
        let mut first = 0;
        for bank in private.chain(shared) {
            let released = bank.released;
            if released != 0 {
                bank.released &= released.wrapping_sub(1);
                return Some(first | released.trailing_zeros());
            }
            first += 32;
        }
        // What another vCPU's private interrupts released stays there until its own core asks.
        self.releases = self.private.iter().any(|bank| bank.released != 0);
        None
    }
}
