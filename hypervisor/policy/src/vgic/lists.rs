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

use super::bank::{Bank, LR_EOI, LR_GROUP1, LR_HW, LR_PENDING};
use super::state::{ENABLE_GROUP1, Lists, NOTHING, Vgic};
use super::types::{LIST_REGISTERS, PRIORITY_MASK, VcpuSet};

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
    /// Takes the interrupts from INTID `first` that are in no list register and that the vCPU has to
    /// handle: active ones of `home`, deliverable ones of `routed`.
    fn scan(&mut self, bank: &Bank, first: u32, home: u32, routed: u32) {
        let free = !bank.resident;
        let active = bank.active & free & home;
        let pending = bank.deliverable() & !bank.active & free & routed;
        let mut rest = active | pending;
        while rest != 0 {
            let shift = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            let mut key = bank.key(shift, first);
            if pending >> (shift & 31) & 1 == 0 {
                self.actives = self.actives.wrapping_add(1);
            } else {
                self.pendings = self.pendings.wrapping_add(1);
                key |= ONLY_PENDING;
                self.most_urgent_pending = self.most_urgent_pending.min(key);
            }
            for slot in &mut self.keys {
                if key < *slot {
                    core::mem::swap(slot, &mut key);
                }
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
    fn choose(&mut self, vcpu: usize) -> Choice {
        let gate = self.gate();
        let keys = [NO_KEY; LIST_REGISTERS];
        let mut choice = Choice {
            keys,
            most_urgent_pending: NO_KEY,
            actives: 0,
            pendings: 0,
        };
        if let Some(bank) = self.private.get_mut(vcpu)
            && !bank.is_quiet()
        {
            bank.give_back(bank.open() & gate);
            choice.scan(bank, 0, u32::MAX, gate);
        }
        let mut first = 32;
        for shared in self.shared.iter_mut().take(self.spi_words) {
            if !shared.bank.is_quiet() {
                shared.bank.give_back(shared.bank.open() & gate);
                let home = shared.home.get(vcpu).map_or(0, |w| *w);
                let routed = shared.routed.get(vcpu).map_or(0, |w| *w);
                choice.scan(&shared.bank, first, home, routed & gate);
            }
            first += 32;
        }
        choice
    }

    /// Chooses what goes into the list registers of `vcpu`; all four are written. Call [`Self::fold`]
    /// before. Implements: BH-GIC-007.
    pub fn fill(&mut self, vcpu: usize, lrs: &mut [u64; LIST_REGISTERS]) -> Fill {
        let mut choice = self.choose(vcpu);
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

    /// The fast path of [`Self::hardware`]: the physical interrupt goes straight into a free list register.
    /// `empty` is `ICH_ELRSR_EL2`. Returns the list register to write and its value; with none, nothing
    /// has changed and [`Self::hardware`] is to be called. Implements: BH-GIC-008.
    ///
    /// When the last one was the same interrupt, and its list register is invalid again, the guest has
    /// deactivated it since, and everything here is still as that injection left it.
    #[inline]
    pub fn inject_now(&mut self, vcpu: usize, intid: u32, empty: u32) -> Option<(usize, u64)> {
        let lists = self.lists.get(vcpu)?;
        if u32::from(lists.repeated) == intid && empty >> (lists.repeated_index & 3) & 1 != 0 {
            return Some((usize::from(lists.repeated_index), lists.repeated_value));
        }
        self.inject(vcpu, intid, empty)
    }

    #[inline(never)]
    fn inject(&mut self, vcpu: usize, intid: u32, empty: u32) -> Option<(usize, u64)> {
        let bit = 1 << (intid & 31);
        if self.physical(intid) & bit == 0 {
            return None;
        }
        let (index, value) = self.place(vcpu, intid, empty, |bank| {
            // While it is in a list register as a software interrupt, both have to be joined.
            let joined = bank.resident & !bank.hardware;
            if bank.open() & !joined & bit == 0 {
                return None;
            }
            bank.hardware |= bit;
            bank.line |= bit & !bank.edge;
            bank.listed_latch = bank.listed_latch & !bit | bit & (bank.edge | bank.latch);
            bank.latch &= !bit;
            Some(LR_HW | u64::from(intid) << 32)
        })?;
        let lists = self.lists.get_mut(vcpu)?;
        lists.repeated = u16::try_from(intid).unwrap_or(NOTHING);
        lists.repeated_index = u8::try_from(index & 3).unwrap_or(0);
        lists.repeated_value = value;
        Some((index, value))
    }

    /// The fast path after [`Self::sgi`], [`Self::pulse`] or [`Self::set_line`] named `vcpu`: `intid` goes
    /// straight into a free list register. `empty` is `ICH_ELRSR_EL2`. With none, fold and fill.
    #[inline]
    pub fn list_now(&mut self, vcpu: usize, intid: u32, empty: u32) -> Option<(usize, u64)> {
        let bit = 1 << (intid & 31);
        self.place(vcpu, intid, empty, |bank| {
            if bank.deliverable() & !bank.hardware & bit == 0 {
                return None;
            }
            bank.listed_latch = bank.listed_latch & !bit | bit & bank.latch;
            bank.latch &= !bit;
            Some(if bank.line & !bank.edge & bit == 0 {
                0
            } else {
                LR_EOI
            })
        })
    }

    /// Lists `intid` as pending in a list register that the guest has finished with, according to `empty`,
    /// and that nobody waits to hear of, without looking at what else `vcpu` has. `take` moves the
    /// interrupt's state and says how it is listed, or refuses before it changes anything.
    #[inline]
    fn place(
        &mut self,
        vcpu: usize,
        intid: u32,
        empty: u32,
        take: impl FnOnce(&mut Bank) -> Option<u64>,
    ) -> Option<(usize, u64)> {
        let bit = 1 << (intid & 31);
        let lists = self.lists.get_mut(vcpu)?;
        let free = empty & !lists.maintained & 0xf;
        if free == 0 || self.control & ENABLE_GROUP1 == 0 || self.overflow.contains(vcpu) {
            return None;
        }
        let (bank, mut home) = match usize::try_from(intid >> 5).ok()?.checked_sub(1) {
            None => (self.private.get_mut(vcpu)?, None),
            Some(word) => {
                let shared = self.shared.get_mut(word)?;
                if shared.routed.get(vcpu)? & bit == 0 {
                    return None;
                }
                (&mut shared.bank, shared.home.get_mut(vcpu))
            }
        };
        // If it is resident, only the list register that it had will do; it may be in one of another
        // vCPU's. Else one that is empty or was used last by an interrupt of the same bank.
        let wanted = if bank.resident & bit == 0 {
            u32::from(NOTHING)
        } else {
            intid
        };
        let index = match lists.find(wanted).filter(|i| free >> (i & 3) & 1 != 0) {
            Some(index) => index,
            None if wanted == intid => return None,
            None => lists
                .intids
                .iter()
                .enumerate()
                .position(|(i, last)| u32::from(*last) >> 5 == intid >> 5 && free >> (i & 3) & 1 != 0)?,
        };
        let entry = lists.intids.get_mut(index)?;
        let previous = u32::from(*entry);
        let flag = 1 << (index & 3);
        if bank.active & bit != 0 {
            return None;
        }
        let was_linked = lists.linked & flag != 0;
        let lr = take(bank)?;
        if previous != intid && previous != u32::from(NOTHING) {
            let previous = 1 << (previous & 31);
            bank.retire(previous, if was_linked { previous } else { 0 });
            if let Some(home) = &mut home {
                **home &= !previous | bank.active;
            }
        }
        bank.resident |= bit;
        bank.listed_active &= !bit;
        bank.drop_active &= !bit;
        if let Some(home) = home {
            *home |= bit;
        }
        *entry = u16::try_from(intid & 0x3ff).unwrap_or(NOTHING);
        lists.linked &= !flag;
        if usize::from(lists.repeated_index) == index {
            lists.repeated = NOTHING;
        }
        if lr & LR_HW != 0 {
            lists.linked |= flag;
        } else if lr & LR_EOI != 0 {
            lists.maintained |= flag;
        }
        let priority = u64::from(bank.priority(intid) & PRIORITY_MASK);
        Some((
            index,
            lr | u64::from(intid) | LR_GROUP1 | LR_PENDING | priority << 48,
        ))
    }

    /// The guest ended `count` active interrupts of `vcpu` that were in no list register
    /// (`ICH_HCR_EL2.EOIcount`): they are the most urgent of those. Call it before [`Self::fold`].
    pub fn end_unlisted(&mut self, vcpu: usize, count: u32) {
        for _ in 0..count.min(31) {
            if let [ended, ..] = self.choose(vcpu).keys
                && ended < ONLY_PENDING
            {
                self.deactivate(vcpu, ended & 0xffff);
            }
        }
    }
}
