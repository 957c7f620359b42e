// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The state of 32 interrupts: a bit an interrupt in each word, a byte for its priority.
//!
//! An interrupt that is *resident* has its state in a list register: what of it was pending by latch and
//! active has moved there, and [`Bank::fold`] brings it back. What happens meanwhile is kept here and is
//! joined at that time.
//!
//! # References
//! Arm IHI 0069, "Interrupt handling state machine", "`ICH_LR<n>_EL2`, Interrupt Controller List Registers".

use super::types::{PRIORITY_BITS, PRIORITY_MASK};

pub(super) const LR_PENDING: u64 = 1 << 62;
pub(super) const LR_ACTIVE: u64 = 1 << 63;
/// Linked to the physical interrupt in bits 44:32.
pub(super) const LR_HW: u64 = 1 << 61;
pub(super) const LR_GROUP1: u64 = 1 << 60;
/// Maintenance interrupt on deactivation; only without [`LR_HW`].
pub(super) const LR_EOI: u64 = 1 << 41;

/// 32 interrupts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bank {
    /// Forwarding is enabled (`ISENABLER`).
    pub(super) enabled: u32,
    /// In Group 1 (`IGROUPR`); others are never forwarded.
    pub(super) group1: u32,
    /// Pending until acknowledged or cleared: an edge, an SGI, a write to `ISPENDR`.
    pub(super) latch: u32,
    /// Active.
    pub(super) active: u32,
    /// The input is high.
    pub(super) line: u32,
    /// Edge-triggered (`ICFGR`).
    pub(super) edge: u32,
    /// The physical interrupt with this INTID is active on behalf of the guest; the guest's deactivation
    /// or EL2 must deactivate it. A level-sensitive one holds `line` until it is acknowledged.
    pub(super) hardware: u32,
    /// In a list register.
    pub(super) resident: u32,
    /// Went into the list register with `latch` set, and was not cleared since.
    pub(super) listed_latch: u32,
    /// Went into the list register active.
    pub(super) listed_active: u32,
    /// The guest cleared the active state while the interrupt was resident.
    pub(super) drop_active: u32,
    /// The physical interrupt is to be deactivated by EL2.
    pub(super) released: u32,
    /// Priorities.
    pub(super) priority: [u8; 32],
    /// The same, a word for each bit that exists, the highest first: the most urgent of a set is found without a look
    /// at each.
    pub(super) planes: [u32; PRIORITY_BITS],
}

impl Bank {
    pub(super) const fn new(edge: u32) -> Self {
        Self {
            enabled: 0,
            group1: 0,
            latch: 0,
            active: 0,
            line: 0,
            edge,
            hardware: 0,
            resident: 0,
            listed_latch: 0,
            listed_active: 0,
            drop_active: 0,
            released: 0,
            priority: [0; 32],
            planes: [0; PRIORITY_BITS],
        }
    }

    /// Pending here. The line of an active hardware interrupt is the physical distributor's to watch.
    #[inline]
    pub(super) fn pending(&self) -> u32 {
        self.latch | (self.line & !self.edge & !(self.hardware & self.active))
    }

    /// Enabled and in Group 1.
    #[inline]
    pub(super) fn open(&self) -> u32 {
        self.enabled & self.group1
    }

    /// Interrupts that may be signalled as far as this bank decides.
    #[inline]
    pub(super) fn deliverable(&self) -> u32 {
        self.pending() & self.open()
    }

    /// What `ISPENDR` shows, but for the bits of `physical`, whose line the physical register shows.
    #[inline]
    pub(super) fn pending_seen(&self, physical: u32) -> u32 {
        self.latch | self.listed_latch | (self.line & !self.edge & !(self.hardware & physical))
    }

    /// What `ISACTIVER` shows.
    #[inline]
    pub(super) fn active_seen(&self) -> u32 {
        self.active | (self.listed_active & !self.drop_active)
    }

    /// Priority of an interrupt of this bank.
    #[inline]
    pub(super) fn priority(&self, bit: u32) -> u8 {
        usize::try_from(bit & 31)
            .ok()
            .and_then(|i| self.priority.get(i))
            .map_or(0, |p| *p)
    }

    /// The most urgent interrupt of a set that is not empty, as its bit; of equally urgent ones that with the lowest
    /// number.
    #[inline]
    pub(super) fn most_urgent(&self, mut set: u32) -> u32 {
        for plane in &self.planes {
            let lower = set & !plane;
            if lower != 0 {
                set = lower;
            }
        }
        set & set.wrapping_neg()
    }

    /// Returns hardware interrupts that cannot be delivered to the physical distributor: their physical
    /// active state ends, and it presents a level again when it is enabled. An edge stays latched here.
    #[inline]
    pub(super) fn give_back(&mut self, open: u32) -> u32 {
        let held = self.hardware & !self.resident & !self.active;
        let bits = held & !(self.pending() & open);
        self.hardware &= !bits;
        self.line &= !bits;
        self.released |= bits;
        bits
    }

    /// Ends the residence of an interrupt whose list register is known to be invalid and asked for no
    /// maintenance interrupt. `linked`: the list register had HW = 1.
    #[inline]
    pub(super) fn retire(&mut self, bit: u32, linked: u32) {
        self.line &= !(bit & linked & self.hardware);
        self.hardware &= !(bit & linked);
        self.leave(bit);
    }

    #[inline]
    fn leave(&mut self, bit: u32) {
        self.resident &= !bit;
        self.listed_latch &= !bit;
        self.listed_active &= !bit;
        self.drop_active &= !bit;
    }

    /// The physical interrupt is active now on behalf of the guest.
    #[inline]
    pub(super) fn take_physical(&mut self, bit: u32) {
        self.hardware |= bit;
        self.latch |= bit & self.edge;
        self.line |= bit & !self.edge;
    }

    /// Ends the active state of interrupts, also of those in list registers.
    pub(super) fn clear_active(&mut self, bits: u32) {
        self.drop_active |= bits & self.resident;
        self.line &= !(bits & self.active & self.hardware);
        self.active &= !bits;
    }

    /// Clears the pending latch, also of interrupts in list registers. A level of a physical interrupt is
    /// presented again by the distributor if it is still there.
    pub(super) fn clear_pending(&mut self, bits: u32) {
        self.latch &= !bits;
        self.listed_latch &= !bits;
        self.line &= !(bits & self.hardware);
    }

    /// Takes the state of one interrupt back from its list register.
    pub(super) fn fold(&mut self, bit: u32, lr: u64) {
        if lr & LR_PENDING != 0 {
            self.latch |= bit & self.listed_latch;
        }
        if lr & LR_ACTIVE != 0 {
            self.active |= bit & !self.drop_active;
        }
        if lr & LR_HW != 0 && lr & (LR_PENDING | LR_ACTIVE) != LR_PENDING {
            // Acknowledged: from there on the physical distributor watches the line.
            self.line &= !(bit & self.hardware);
            if lr & LR_ACTIVE == 0 {
                self.hardware &= !bit;
            }
        }
        self.leave(bit);
    }

    /// Moves one interrupt into a list register and returns its value.
    ///
    /// An interrupt that is pending and active is listed as both only when it is to be `joined`: while
    /// others wait for a list register, its pending state waits too, since it may be less urgent. Pending
    /// and active must not be used with HW = 1; then a maintenance interrupt tells the end of the active
    /// state, at which EL2 deactivates the physical interrupt.
    pub(super) fn list(&mut self, bit: u32, intid: u32, open: u32, joined: bool) -> u64 {
        let pending = self.pending() & open & bit != 0;
        let active = self.active & bit != 0;
        let level = self.line & !self.edge & bit != 0;
        let priority = u64::from(self.priority(intid) & PRIORITY_MASK);
        let mut lr = u64::from(intid) | LR_GROUP1 | priority << 48;
        if self.hardware & bit == 0 {
            if level || (pending && active && !joined) {
                lr |= LR_EOI;
            }
        } else if pending && active {
            lr |= LR_EOI;
            self.line &= !bit;
        } else {
            lr |= LR_HW | u64::from(intid) << 32;
        }
        if pending && (joined || !active) {
            lr |= LR_PENDING;
            self.listed_latch |= self.latch & bit;
            self.latch &= !bit;
        }
        if active {
            lr |= LR_ACTIVE;
            self.listed_active |= bit;
            self.active &= !bit;
        }
        self.resident |= bit;
        lr
    }
}
