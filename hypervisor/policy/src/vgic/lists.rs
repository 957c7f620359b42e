// SPDX-License-Identifier: Apache-2.0 OR MIT
//! List registers: what of the state is in the virtual CPU interface.
//!
//! [`Vgic::fold`] takes all state back, [`Vgic::fill`] chooses what goes in: up to three active
//! interrupts and the most urgent pending ones; when nothing is pending, up to four active ones. While more
//! waits, the next one goes in as soon as no list register is pending, so the order of delivery is that
//! of a GIC without this limit. An interrupt is never in two list registers.
//!
//! # References
//! Arm IHI 0069, "`ICH_LR<n>_EL2`", "ICH_HCR_EL2", "ICH_MISR_EL2", "Maintenance interrupts".

use super::bank::{Bank, LR_EOI, LR_HW};
use super::state::{Lists, NOTHING, Vgic, Words};
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

/// The most urgent interrupts found so far.
struct Choice {
    /// Ascending.
    keys: [Key; LIST_REGISTERS],
    most_urgent_pending: Key,
    actives: u32,
    pendings: u32,
}

impl Choice {
    const NONE: Self = Self {
        keys: [NO_KEY; LIST_REGISTERS],
        most_urgent_pending: NO_KEY,
        actives: 0,
        pendings: 0,
    };

    /// Takes the interrupts from INTID `first` that are in no list register and that the vCPU has to
    /// handle: active ones of `home`, deliverable ones of `routed`.
    fn scan(&mut self, bank: &Bank, first: u32, home: u32, routed: u32) {
        let free = !bank.resident;
        let active = bank.active & free & home;
        let pending = bank.deliverable() & !bank.active & free & routed;
        if active | pending == 0 {
            return;
        }
        self.actives = self.actives.wrapping_add(active.count_ones());
        self.pendings = self.pendings.wrapping_add(pending.count_ones());
        self.take(bank, first, active, 0);
        if pending != 0 {
            let key = bank.key(bank.most_urgent(pending).trailing_zeros(), first) | ONLY_PENDING;
            self.most_urgent_pending = self.most_urgent_pending.min(key);
            self.take(bank, first, pending, ONLY_PENDING);
        }
    }

    /// Keeps the most urgent of a set, as many as are among the lowest keys: at most four, however large the set is.
    fn take(&mut self, bank: &Bank, first: u32, mut rest: u32, flag: Key) {
        for _ in 0..LIST_REGISTERS {
            if rest == 0 {
                return;
            }
            let bit = bank.most_urgent(rest);
            rest &= !bit;
            let key = bank.key(bit.trailing_zeros(), first) | flag;
            if self.keys.last().is_none_or(|last| key >= *last) {
                return;
            }
            self.insert(key);
        }
    }

    /// Puts a key among the lowest.
    #[inline]
    fn insert(&mut self, mut key: Key) {
        for slot in &mut self.keys {
            if key < *slot {
                core::mem::swap(slot, &mut key);
            }
        }
    }

    /// Bits of `ICH_HCR_EL2` that are wanted because not all fit.
    fn wanted(&self) -> u64 {
        if self.actives.saturating_add(self.pendings) <= 4 {
            return 0;
        }
        let reserved = u32::from(self.pendings != 0);
        let listed_pending = 4_u32
            .saturating_sub(self.actives)
            .max(reserved)
            .min(self.pendings);
        let listed_active = 4_u32.saturating_sub(listed_pending);
        let mut hcr = HCR_UIE;
        if self.pendings > listed_pending {
            hcr |= HCR_NPIE;
        }
        if self.actives > listed_active {
            hcr |= HCR_LRENPIE | HCR_TDIR;
        }
        hcr
    }
}

impl Bank {
    fn key(&self, shift: u32, first: u32) -> Key {
        u32::from(self.priority(shift)) << 16 | first | shift
    }

    /// Whether nothing happens in this bank.
    fn is_quiet(&self) -> bool {
        self.latch | self.line | self.active | self.hardware == 0
    }
}

impl Vgic {
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
        let intids = lists.intids;
        if intids == Lists::EMPTY.intids {
            return moved;
        }
        lists.intids = Lists::EMPTY.intids;
        lists.maintained = 0;
        lists.linked = 0;
        lists.repeated = NOTHING;
        for (intid, lr) in intids.iter().zip(lrs) {
            let intid = u32::from(*intid);
            let bit = 1 << (intid & 31);
            if intid < 32 {
                if let Some(bank) = self.private.get_mut(vcpu) {
                    bank.fold(bit, *lr);
                }
                continue;
            }
            // An empty list register has an INTID that no SPI has.
            let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).wrapping_sub(1);
            let Some(shared) = self.shared.get_mut(word) else {
                continue;
            };
            self.busy |= 1 << (word & 31);
            let bank = &mut shared.bank;
            bank.fold(bit, *lr);
            let waits = bank.deliverable() & !bank.active & gate & bit;
            if let Some(home) = shared.home.get_mut(vcpu) {
                *home &= !bit | bank.active;
            }
            if waits & !shared.routed.get(vcpu).map_or(0, |w| *w) != 0 {
                moved = moved.union(shared.targets(waits));
            }
        }
        moved.without(vcpu)
    }

    /// The most urgent active and deliverable interrupts of `vcpu` which are in no list register.
    fn choose(&mut self, vcpu: usize, choice: &mut Choice) {
        let gate = self.gate();
        let mut released = 0;
        if let Some(bank) = self.private.get_mut(vcpu)
            && !bank.is_quiet()
        {
            released |= bank.give_back(bank.open() & gate);
            choice.scan(bank, 0, u32::MAX, gate);
        }
        for word in Words(self.busy) {
            let Some(shared) = self.shared.get_mut(word) else {
                continue;
            };
            if !shared.bank.is_quiet() {
                released |= shared.bank.give_back(shared.bank.open() & gate);
                let home = shared.home.get(vcpu).map_or(0, |w| *w);
                let routed = shared.routed.get(vcpu).map_or(0, |w| *w);
                let first = u32::try_from(word << 5).unwrap_or(0).wrapping_add(32);
                choice.scan(&shared.bank, first, home, routed & gate);
            } else if shared.bank.resident == 0 {
                self.busy &= !(1 << (word & 31));
            }
        }
        self.releases |= released != 0;
    }

    /// Chooses what goes into the list registers of `vcpu`; all four are written. Call [`Self::fold`]
    /// before. Implements: BH-GIC-007.
    pub fn fill(&mut self, vcpu: usize, lrs: &mut [u64; LIST_REGISTERS]) -> Fill {
        let mut choice = Choice::NONE;
        self.choose(vcpu, &mut choice);
        if choice.actives | choice.pendings == 0 {
            *lrs = [0; LIST_REGISTERS];
            self.overflow = self.overflow.without(vcpu);
            return Fill { hcr: 0 };
        }
        if let Some(last) = choice.keys.last_mut()
            && *last < ONLY_PENDING
            && choice.most_urgent_pending != NO_KEY
        {
            *last = choice.most_urgent_pending;
        }
        let hcr = choice.wanted();
        for (index, (key, lr)) in choice.keys.into_iter().zip(lrs.iter_mut()).enumerate() {
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

    /// Lists one interrupt in list register `index`; see [`Bank::list`](super::bank::Bank::list). Implements: BH-GIC-037.
    fn put(&mut self, vcpu: usize, intid: u32, index: usize, joined: bool) -> u64 {
        let bit = 1 << (intid & 31);
        let gate = self.gate();
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX).wrapping_sub(1);
        let mut joined = joined;
        if let Some(shared) = self.shared.get_mut(word) {
            if let Some(home) = shared.home.get_mut(vcpu) {
                *home |= bit;
            }
            // Once it is ended, an SPI that is pending again goes where it is routed then.
            joined &= shared.routed.get(vcpu).is_some_and(|routed| routed & bit != 0);
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

    /// The guest ended `count` active interrupts of `vcpu` that were in no list register
    /// (`ICH_HCR_EL2.EOIcount`): they are the most urgent of those. Call it before [`Self::fold`].
    pub fn end_unlisted(&mut self, vcpu: usize, count: u32) {
        for _ in 0..count.min(31) {
            let mut choice = Choice::NONE;
            self.choose(vcpu, &mut choice);
            if let [ended, ..] = choice.keys
                && ended < ONLY_PENDING
            {
                self.deactivate(vcpu, ended & 0xffff);
            }
        }
    }
}
