// SPDX-License-Identifier: Apache-2.0 OR MIT
//! List registers: what of the state is in the virtual CPU interface.
//!
//! [`Vgic::fold`] takes all state back, [`Vgic::fill`] chooses what goes in: up to three active
//! interrupts and the most urgent pending ones; when nothing is pending, up to four active ones. While more
//! waits, the next one goes in as soon as no list register is pending, so the order of delivery is that
//! of a GIC without this limit. An interrupt is never in two list registers.
//!
//! # References
//! Arm IHI 0069, "ICH_LR<n>_EL2", "ICH_HCR_EL2", "ICH_MISR_EL2", "Maintenance interrupts".

use super::bank::{LR_EOI, LR_HW};
use super::state::{NOTHING, Vgic};
use super::types::{LIST_REGISTERS, VcpuSet};

/// `ICH_HCR_EL2`: maintenance interrupt while at most one list register is valid.
const HCR_UIE: u64 = 1 << 1;
/// `ICH_HCR_EL2`: maintenance interrupt while EOIcount is not 0.
const HCR_LRENPIE: u64 = 1 << 2;
/// `ICH_HCR_EL2`: maintenance interrupt while no list register is pending.
const HCR_NPIE: u64 = 1 << 3;
/// `ICH_HCR_EL2`: trap writes to `ICC_DIR_EL1`.
const HCR_TDIR: u64 = 1 << 14;

/// What a [`Vgic::fill`] asks of `ICH_HCR_EL2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// Those of the bits UIE, LRENPIE, NPIE, TDIR that are wanted; the others of them, and EOIcount, are
    /// to be cleared.
    pub hcr: u64,
}

impl Fill {
    /// The bits that [`Self::hcr`] decides, and EOIcount.
    pub const MASK: u64 = HCR_UIE | HCR_LRENPIE | HCR_NPIE | HCR_TDIR | 0x1f << 27;
}

/// An interrupt that could go into a list register: the lower, the sooner. Bit 24: only pending; bits
/// 23:16: priority; bits 15:0: INTID.
type Key = u32;
const NO_KEY: Key = Key::MAX;
const ONLY_PENDING: Key = 1 << 24;

impl Vgic {
    /// What vCPU `vcpu` has to handle in word `word` (0: its SGIs and PPIs) that is in no list register:
    /// active interrupts, and deliverable ones that are not active.
    fn candidates(&self, vcpu: usize, word: usize) -> (u32, u32) {
        let (bank, home, routed) = match word.checked_sub(1) {
            None => (self.private.get(vcpu), u32::MAX, u32::MAX),
            Some(word) => {
                let shared = self.shared.get(word);
                let of = |words: &[u32]| words.get(vcpu).map_or(0, |w| *w);
                let home = shared.map_or(0, |s| of(&s.home));
                (shared.map(|s| &s.bank), home, shared.map_or(0, |s| of(&s.routed)))
            }
        };
        bank.map_or((0, 0), |b| {
            let free = !b.resident;
            let active = b.active & free & home;
            (active, b.deliverable() & self.gate() & !b.active & free & routed)
        })
    }

    fn key(&self, vcpu: usize, intid: u32, class: Key) -> Key {
        class | u32::from(self.priority(vcpu, intid)) << 16 | intid
    }

    /// Takes back the state of the list registers of `vcpu`: `lrs` is what `ICH_LR<n>_EL2` hold now.
    /// Afterwards they are to be considered empty; [`Self::fill`] gives their new values. Returns other
    /// vCPUs to refresh: an SPI that was rerouted while it was in a list register goes on to them.
    /// Implements: BH-GIC-006.
    #[must_use]
    pub fn fold(&mut self, vcpu: usize, lrs: &[u64; LIST_REGISTERS]) -> VcpuSet {
        let gate = self.gate();
        let mut moved = VcpuSet::EMPTY;
        let Some(lists) = self.lists.get_mut(vcpu) else {
            return moved;
        };
        let intids = core::mem::replace(&mut lists.intids, [NOTHING; LIST_REGISTERS]);
        lists.maintained = 0;
        lists.linked = 0;
        for (intid, lr) in intids.into_iter().zip(lrs) {
            if intid == NOTHING {
                continue;
            }
            let intid = u32::from(intid);
            let bit = 1 << (intid & 31);
            let Some(bank) = self.bank_mut(vcpu, intid) else {
                continue;
            };
            bank.fold(bit, *lr);
            let waits = bank.deliverable() & !bank.active & gate & bit != 0;
            if intid >= 32 {
                self.clear_home(intid);
                if waits {
                    moved = moved.union(self.targets(vcpu, intid, bit));
                }
            }
        }
        moved.without(vcpu)
    }

    /// Chooses what goes into the list registers of `vcpu`; all four are written. Call [`Self::fold`]
    /// before. Implements: BH-GIC-007.
    pub fn fill(&mut self, vcpu: usize, lrs: &mut [u64; LIST_REGISTERS]) -> Fill {
        let gate = self.gate();
        let mut chosen = [NO_KEY; LIST_REGISTERS];
        let mut most_urgent_pending = NO_KEY;
        let (mut actives, mut pendings) = (0_u32, 0_u32);
        if let Some(bank) = self.private.get_mut(vcpu) {
            bank.give_back(bank.open() & gate);
        }
        for shared in self.shared.iter_mut().take(self.spi_words) {
            shared.bank.give_back(shared.bank.open() & gate);
        }
        let mut first = 0;
        for word in 0..=self.spi_words {
            let (active, pending) = self.candidates(vcpu, word);
            let mut rest = active | pending;
            actives = actives.wrapping_add(active.count_ones());
            pendings = pendings.wrapping_add(pending.count_ones());
            while rest != 0 {
                let bit = rest & rest.wrapping_neg();
                rest &= !bit;
                let intid = first | bit.trailing_zeros();
                let class = if pending & bit == 0 { 0 } else { ONLY_PENDING };
                let mut key = self.key(vcpu, intid, class);
                if class != 0 {
                    most_urgent_pending = most_urgent_pending.min(key);
                }
                for slot in &mut chosen {
                    if key < *slot {
                        core::mem::swap(slot, &mut key);
                    }
                }
            }
            first += 32;
        }
        if let Some(last) = chosen.last_mut()
            && *last < ONLY_PENDING
            && most_urgent_pending != NO_KEY
        {
            *last = most_urgent_pending;
        }
        let hcr = Self::wanted(actives, pendings);
        for (index, (key, lr)) in chosen.into_iter().zip(lrs.iter_mut()).enumerate() {
            *lr = if key == NO_KEY {
                0
            } else {
                self.put(vcpu, key & 0xffff, index, hcr == 0)
            };
        }
        self.overflow = self.overflow.without(vcpu);
        if hcr != 0 {
            self.overflow = self.overflow.union(VcpuSet::only(vcpu));
        }
        Fill { hcr }
    }

    /// Bits of `ICH_HCR_EL2` for as many active and only pending interrupts.
    fn wanted(actives: u32, pendings: u32) -> u64 {
        if actives.saturating_add(pendings) <= 4 {
            return 0;
        }
        let listed_pending = 4_u32
            .saturating_sub(actives)
            .max(u32::from(pendings != 0))
            .min(pendings);
        let listed_active = 4_u32.saturating_sub(listed_pending);
        let mut hcr = HCR_UIE;
        if pendings > listed_pending {
            hcr |= HCR_NPIE;
        }
        if actives > listed_active {
            hcr |= HCR_LRENPIE | HCR_TDIR;
        }
        hcr
    }

    /// Lists one interrupt in list register `index`; see [`Bank::list`](super::bank::Bank::list).
    fn put(&mut self, vcpu: usize, intid: u32, index: usize, joined: bool) -> u64 {
        let bit = 1 << (intid & 31);
        let gate = self.gate();
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(home) = self.shared.get_mut(word).and_then(|s| s.home.get_mut(vcpu)) {
            *home |= bit;
        }
        let Some(bank) = self.bank_mut(vcpu, intid) else {
            return 0;
        };
        let lr = bank.list(bit, intid, bank.open() & gate, joined);
        if let Some(lists) = self.lists.get_mut(vcpu) {
            let flag = 1 << (index & 3);
            lists.maintained &= !flag;
            lists.linked &= !flag;
            if lr & LR_HW != 0 {
                lists.linked |= flag;
            } else if lr & LR_EOI != 0 {
                lists.maintained |= flag;
            }
            if let Some(entry) = lists.intids.get_mut(index) {
                *entry = u16::try_from(intid).unwrap_or(NOTHING);
            }
        }
        lr
    }

    /// The list register that can take `intid` now without looking at what else `vcpu` has: one that the
    /// guest has finished with, according to `empty`, and that nobody waits to hear of.
    #[inline]
    fn free_for(&self, vcpu: usize, intid: u32, empty: u32) -> Option<usize> {
        let bit = 1 << (intid & 31);
        let lists = self.lists.get(vcpu)?;
        let free = empty & !lists.maintained & 0xf;
        let bank = self.bank_of(vcpu, intid)?;
        if free == 0 || self.overflow.contains(vcpu) || bank.active & bit != 0 {
            return None;
        }
        if let Some(word) = usize::try_from(intid >> 5).ok()?.checked_sub(1)
            && self.shared.get(word)?.routed.get(vcpu)? & bit == 0
        {
            return None;
        }
        if bank.resident & bit == 0 {
            return usize::try_from(free.trailing_zeros()).ok();
        }
        // It was in a list register of this vCPU, or may be in one of another's.
        lists.find(intid).filter(|index| free >> (index & 3) & 1 != 0)
    }

    /// Ends the residence of what was in list register `index`, which is invalid now.
    #[inline]
    fn vacate(&mut self, vcpu: usize, index: usize) {
        let Some(lists) = self.lists.get(vcpu) else {
            return;
        };
        let linked = lists.linked >> (index & 3) & 1;
        let previous = lists.intids.get(index).map_or(NOTHING, |i| *i);
        if previous != NOTHING {
            let previous = u32::from(previous);
            let shift = previous & 31;
            if let Some(bank) = self.bank_mut(vcpu, previous) {
                bank.retire(1 << shift, linked << shift);
            }
            self.clear_home(previous);
        }
    }

    /// The fast path of [`Self::hardware`]: the physical interrupt goes straight into a free list register.
    /// `empty` is `ICH_ELRSR_EL2`. Returns the list register to write and its value; with none, nothing
    /// has changed and [`Self::hardware`] is to be called. Implements: BH-GIC-008.
    #[inline]
    pub fn inject_now(&mut self, vcpu: usize, intid: u32, empty: u32) -> Option<(usize, u64)> {
        let bit = 1 << (intid & 31);
        let bank = self.bank_of(vcpu, intid)?;
        // While it is in a list register as a software interrupt, both have to be joined.
        let joined = bank.resident & !bank.hardware;
        if self.physical(intid) & bank.open() & self.gate() & !joined & bit == 0 {
            return None;
        }
        let index = self.free_for(vcpu, intid, empty)?;
        self.vacate(vcpu, index);
        self.bank_mut(vcpu, intid)?.take_physical(bit);
        Some((index, self.put(vcpu, intid, index, true)))
    }

    /// The fast path after [`Self::sgi`], [`Self::pulse`] or [`Self::set_line`] named `vcpu`: `intid` goes
    /// straight into a free list register. `empty` is `ICH_ELRSR_EL2`. With none, fold and fill.
    #[inline]
    pub fn list_now(&mut self, vcpu: usize, intid: u32, empty: u32) -> Option<(usize, u64)> {
        let bank = self.bank_of(vcpu, intid)?;
        if bank.deliverable() & self.gate() & 1 << (intid & 31) == 0 {
            return None;
        }
        let index = self.free_for(vcpu, intid, empty)?;
        self.vacate(vcpu, index);
        Some((index, self.put(vcpu, intid, index, true)))
    }

    /// The guest ended `count` active interrupts of `vcpu` that were in no list register
    /// (`ICH_HCR_EL2.EOIcount`): they are the most urgent of those. Call it before [`Self::fold`].
    pub fn end_unlisted(&mut self, vcpu: usize, count: u32) {
        for _ in 0..count.min(31) {
            let mut ended = NO_KEY;
            let mut first = 0;
            for word in 0..=self.spi_words {
                let (mut rest, _) = self.candidates(vcpu, word);
                while rest != 0 {
                    ended = ended.min(self.key(vcpu, first | rest.trailing_zeros(), 0));
                    rest &= rest.wrapping_sub(1);
                }
                first += 32;
            }
            if ended != NO_KEY {
                self.deactivate(vcpu, ended & 0xffff);
            }
        }
    }
}
