// SPDX-License-Identifier: Apache-2.0 OR MIT
//! List registers and a virtual CPU interface in software.
//!
//! From Arm IHI 0069, "`ICH_LR<n>_EL2`", "ICH_MISR_EL2", "ICH_ELRSR_EL2" and "ICH_HCR_EL2".

use bulkhead_policy::vgic::LIST_REGISTERS;

pub(crate) const STATE: u64 = 3 << 62;
pub(crate) const PENDING: u64 = 1 << 62;
pub(crate) const ACTIVE: u64 = 2 << 62;
pub(crate) const HW: u64 = 1 << 61;
pub(crate) const EOI: u64 = 1 << 41;
pub(crate) const UIE: u64 = 1 << 1;
pub(crate) const LRENPIE: u64 = 1 << 2;
pub(crate) const NPIE: u64 = 1 << 3;
pub(crate) const TDIR: u64 = 1 << 14;

#[derive(Default)]
pub(crate) struct Core {
    pub(crate) lrs: [u64; LIST_REGISTERS],
    pub(crate) hcr: u64,
    pub(crate) eoi_count: u32,
    pub(crate) running: Vec<u8>,
}

pub(crate) fn intid_of(lr: u64) -> u32 {
    (lr & 0xffff_ffff) as u32
}

pub(crate) fn priority_of(lr: u64) -> u8 {
    (lr >> 48) as u8
}

impl Core {
    /// `ICH_ELRSR_EL2`.
    pub(crate) fn empty(&self) -> u32 {
        self.lrs.iter().enumerate().fold(0, |sum, (i, lr)| {
            let busy = lr & STATE != 0 || (lr & HW == 0 && lr & EOI != 0);
            sum | u32::from(!busy) << i
        })
    }

    /// Whether the maintenance interrupt is asserted.
    pub(crate) fn maintenance(&self) -> bool {
        let valid = self.lrs.iter().filter(|lr| *lr & STATE != 0).count();
        let pending = self.lrs.iter().any(|lr| lr & STATE == PENDING);
        let ended = self
            .lrs
            .iter()
            .any(|lr| lr & STATE == 0 && lr & HW == 0 && lr & EOI != 0);
        (self.hcr & UIE != 0 && valid <= 1)
            || (self.hcr & NPIE != 0 && !pending)
            || (self.hcr & LRENPIE != 0 && self.eoi_count != 0)
            || ended
    }

    /// `ICC_IAR1_EL1` with the given priority mask.
    pub(crate) fn acknowledge(&mut self, mask: u8) -> Option<u32> {
        let threshold = self.running.iter().copied().min().unwrap_or(0xff).min(mask);
        let pending = self.lrs.iter_mut().filter(|lr| **lr & STATE == PENDING);
        let lr = pending
            .min_by_key(|lr| priority_of(**lr))
            .filter(|lr| priority_of(**lr) < threshold)?;
        *lr = *lr & !STATE | ACTIVE;
        self.running.push(priority_of(*lr));
        Some(intid_of(*lr))
    }

    /// Deactivates; returns the physical interrupt that is deactivated with it.
    pub(crate) fn deactivate(&mut self, intid: u32) -> Option<u32> {
        let Some(lr) = self
            .lrs
            .iter_mut()
            .find(|lr| **lr & ACTIVE != 0 && intid_of(**lr) == intid)
        else {
            self.eoi_count = (self.eoi_count + 1).min(31);
            return None;
        };
        *lr &= !ACTIVE;
        (*lr & HW != 0).then_some((*lr >> 32 & 0x1fff) as u32)
    }
}
