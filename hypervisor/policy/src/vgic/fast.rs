// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fast paths: one interrupt straight into a free list register.
//!
//! # References
//! Arm IHI 0069, "`ICH_LR<n>_EL2`", "ICH_ELRSR_EL2".

use super::bank::{Bank, LR_EOI, LR_GROUP1, LR_HW, LR_PENDING};
use super::state::{ENABLE_GROUP1, NOTHING, Vgic};
use super::types::{LIST_REGISTERS, PRIORITY_MASK};

/// `ICH_ELRSR_EL2` while no list register is valid.
const ALL_EMPTY: u32 = (1 << LIST_REGISTERS) - 1;

impl Vgic {
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

    /// Whether `vcpu` surely has no interrupt to wait for, told without a fold; `empty` is `ICH_ELRSR_EL2`. `false` tells
    /// nothing: fold, then ask [`Self::has_deliverable`]. Implements: BH-GIC-039.
    ///
    /// Nothing has changed since an injection that found everything else listed, all that was listed has been
    /// deactivated, and no list register waits for maintenance: such a one is not empty there.
    #[inline]
    pub fn rests(&self, vcpu: usize, empty: u32) -> bool {
        let lists = self.lists.get(vcpu);
        lists.is_some_and(|lists| lists.repeated != NOTHING && empty & ALL_EMPTY == ALL_EMPTY)
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
                self.busy |= 1 << (word & 31);
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
}
