// SPDX-License-Identifier: Apache-2.0 OR MIT
//! List registers and the virtual CPU interface of a GICv2 in software.
//!
//! From Arm IHI 0048B, "GICH_LRn", "GICH_HCR", "GICH_MISR", "GICH_ELRSRn", "GICV_IAR", "GICV_EOIR"; it shares no code with
//! the model under test.

const PENDING: u32 = 1 << 28;
const ACTIVE: u32 = 2 << 28;
const STATE: u32 = 3 << 28;
const HW: u32 = 1 << 31;
const EOI: u32 = 1 << 19;

#[derive(Default)]
pub(crate) struct Interface {
    pub(crate) lrs: [u32; 4],
    pub(crate) hcr: u64,
    pub(crate) eoi_count: u32,
    /// Priority of each active interrupt, as `GICH_APR` knows it.
    running: Vec<u32>,
}

/// What an acknowledgement reads: INTID and, for an SGI, the vCPU that sent it.
pub(crate) type Acknowledged = (u32, u32);

fn intid(lr: u32) -> u32 {
    lr & 0x3ff
}

fn priority(lr: u32) -> u32 {
    (lr >> 23 & 0x1f) << 3
}

fn source(lr: u32) -> u32 {
    if intid(lr) < 16 { lr >> 10 & 7 } else { 0 }
}

impl Interface {
    /// INTIDs in the list registers, pending or active.
    pub(crate) fn listed(&self) -> impl Iterator<Item = u32> {
        self.lrs
            .iter()
            .filter(|lr| **lr & STATE != 0)
            .map(|lr| intid(*lr))
    }

    pub(crate) fn empty(&self) -> u32 {
        self.lrs.iter().enumerate().fold(0, |sum, (i, lr)| {
            let busy = lr & STATE != 0 || lr & (HW | EOI) == EOI;
            sum | u32::from(!busy) << i
        })
    }

    pub(crate) fn maintenance(&self) -> bool {
        let valid = self.lrs.iter().filter(|lr| **lr & STATE != 0).count();
        let pending = self.lrs.iter().any(|lr| lr & STATE == PENDING);
        let ended = self
            .lrs
            .iter()
            .any(|lr| lr & STATE == 0 && lr & (HW | EOI) == EOI);
        (self.hcr & 2 != 0 && valid <= 1)
            || (self.hcr & 8 != 0 && !pending)
            || (self.hcr & 4 != 0 && self.eoi_count != 0)
            || ended
    }

    /// What the architecture demands of any contents.
    pub(crate) fn check(&self) {
        for lr in self.lrs.iter().filter(|lr| **lr & STATE != 0) {
            assert_eq!(lr & 1 << 30, 0, "not in Group 0");
            assert!(
                lr & HW == 0 || lr & STATE != STATE,
                "pending and active with HW = 1"
            );
            let twice = self.listed().filter(|other| *other == intid(*lr)).count();
            assert_eq!(twice, 1, "{} in two list registers", intid(*lr));
        }
    }

    pub(crate) fn running_priority(&self) -> u32 {
        self.running.iter().copied().min().unwrap_or(0x100)
    }

    pub(crate) fn acknowledge(&mut self) -> Option<Acknowledged> {
        let threshold = self.running_priority();
        let pending = self.lrs.iter_mut().filter(|lr| **lr & STATE == PENDING);
        let lr = pending
            .min_by_key(|lr| priority(**lr))
            .filter(|lr| priority(**lr) < threshold)?;
        *lr = *lr & !STATE | ACTIVE;
        self.running.push(priority(*lr));
        Some((intid(*lr), source(*lr)))
    }

    /// Ends the interrupt that was acknowledged last; returns the physical interrupt that ends with it.
    pub(crate) fn end(&mut self, what: Acknowledged) -> Option<u32> {
        self.running.pop();
        let same = |lr: &&mut u32| **lr & ACTIVE != 0 && (intid(**lr), source(**lr)) == what;
        let Some(lr) = self.lrs.iter_mut().find(same) else {
            self.eoi_count += 1;
            return None;
        };
        *lr &= !ACTIVE;
        (*lr & HW != 0).then_some(*lr >> 10 & 0x3ff)
    }
}
