// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SGIs of a GICv2: pending once for each source.
//!
//! In the state machine an SGI is pending while any source has it pending. A list register takes one source; with
//! more, it asks for a maintenance interrupt at its end, at which the next source follows. A pending SGI is not
//! joined with an active one in a list register, since each may have a source of its own.
//!
//! # References
//! Arm IHI 0048B, "GICD_SGIR", "GICD_CPENDSGIRn", "GICD_SPENDSGIRn", "List Registers, GICH_LRn".

use super::VgicV2;
use crate::vgic::bank::{LR_ACTIVE, LR_EOI, LR_PENDING};
use crate::vgic::state::Vgic;
use crate::vgic::types::{LIST_REGISTERS, MAX_VCPUS, SPI_WORDS, VcpuSet};
use crate::vgic::words::low;

/// SGIs.
const COUNT: usize = 16;

/// What a partition's GICv2 has beside the state machine: the sources of SGIs, the target lists of SPIs.
#[derive(Clone, Debug)]
pub struct Extras {
    /// Bit *k*: pending from vCPU *k*, by target and INTID.
    pending: [[u8; COUNT]; MAX_VCPUS],
    /// Source of the active one, by target and INTID.
    active: [[u8; COUNT]; MAX_VCPUS],
    /// `GICD_ITARGETSR`: bit *k* is vCPU *k*, by SPI.
    pub(super) targets: [[u8; 32]; SPI_WORDS],
}

impl Default for Extras {
    fn default() -> Self {
        Self::new()
    }
}

/// INTID of the SGI that a list register holds, if it holds one that is pending or active.
fn sgi_in(lr: u64) -> Option<usize> {
    let intid = usize::try_from(low(lr)).ok()?;
    (intid < COUNT && lr & (LR_PENDING | LR_ACTIVE) != 0).then_some(intid)
}

/// The list register with its source.
fn with_source(lr: u64, source: u8) -> u64 {
    lr & !(7 << 32) | u64::from(source & 7) << 32
}

impl Extras {
    /// Nothing pending, nothing active, every SPI sent to vCPU 0.
    pub const fn new() -> Self {
        Self {
            pending: [[0; COUNT]; MAX_VCPUS],
            active: [[0; COUNT]; MAX_VCPUS],
            targets: [[1; 32]; SPI_WORDS],
        }
    }

    /// vCPUs from which an SGI is pending at `vcpu`. Exact while its list registers are folded.
    pub fn pending(&self, vcpu: usize, intid: u32) -> u8 {
        let at = usize::try_from(intid).unwrap_or(COUNT);
        let of = self.pending.get(vcpu).and_then(|of| of.get(at));
        of.map_or(0, |sources| *sources)
    }

    fn of(&mut self, vcpu: usize, intid: u32) -> Option<&mut u8> {
        let at = usize::try_from(intid).ok()?;
        self.pending.get_mut(vcpu)?.get_mut(at)
    }

    /// The sources of what is in the list registers of `vcpu`.
    pub(super) fn take_back(&mut self, vcpu: usize, lrs: &[u64; LIST_REGISTERS]) {
        let (Some(pending), Some(active)) = (self.pending.get_mut(vcpu), self.active.get_mut(vcpu)) else {
            return;
        };
        for lr in lrs {
            let source = low(lr >> 32) & 7;
            if let Some(intid) = sgi_in(*lr)
                && let (Some(pending), Some(active)) = (pending.get_mut(intid), active.get_mut(intid))
            {
                if lr & LR_PENDING != 0 {
                    *pending |= 1 << source;
                }
                if lr & LR_ACTIVE != 0 {
                    *active = u8::try_from(source).unwrap_or(0);
                }
            }
        }
    }

    /// Gives each SGI in a list register its source.
    pub(super) fn hand_out(&mut self, vgic: &mut Vgic, vcpu: usize, lrs: &mut [u64; LIST_REGISTERS]) {
        let parts = (
            self.pending.get_mut(vcpu),
            self.active.get(vcpu),
            vgic.private.get_mut(vcpu),
            vgic.lists.get_mut(vcpu),
        );
        let (Some(pending), Some(active), Some(bank), Some(lists)) = parts else {
            return;
        };
        for (index, lr) in lrs.iter_mut().enumerate() {
            let Some(intid) = sgi_in(*lr) else { continue };
            let (Some(pending), Some(active)) = (pending.get_mut(intid), active.get(intid)) else {
                continue;
            };
            let bit = 1 << (intid & 15);
            let follows = if *lr & LR_ACTIVE != 0 {
                let joined = *lr & LR_PENDING != 0;
                *lr = with_source(*lr & !LR_PENDING, *active);
                joined
            } else {
                let source = pending.trailing_zeros() & 7;
                *pending &= pending.wrapping_sub(1);
                *lr = with_source(*lr, u8::try_from(source).unwrap_or(0));
                *pending != 0
            };
            if *lr & LR_ACTIVE != 0 && follows {
                bank.listed_latch &= !bit;
            }
            if follows {
                bank.latch |= bit;
                *lr |= LR_EOI;
                lists.maintained |= 1 << (index & 3);
            }
        }
    }
}

/// Targets and INTID of a write to `GICD_SGIR` by vCPU `from`.
pub(super) fn targets(vcpus: VcpuSet, from: usize, sgir: u32) -> (u32, VcpuSet) {
    let listed = VcpuSet::from_bits(u8::try_from(sgir >> 16 & 0xff).unwrap_or(0));
    let targets = match sgir >> 24 & 3 {
        0 => listed.intersection(vcpus),
        1 => vcpus.without(from),
        2 => VcpuSet::only(from).intersection(vcpus),
        // Reserved.
        _ => VcpuSet::EMPTY,
    };
    (sgir & 0xf, targets)
}

impl VgicV2<'_> {
    /// A write to `GICD_SGIR` by vCPU `from`; returns the vCPUs to refresh. Implements: BH-GIC-033.
    pub(super) fn sgi(&mut self, from: usize, sgir: u32) -> VcpuSet {
        let (intid, targets) = targets(self.vgic.vcpus, from, sgir);
        let source = VcpuSet::only(from).bits();
        targets.fold(VcpuSet::EMPTY, |refresh, target| {
            refresh.union(self.pend(target, intid, source))
        })
    }

    /// An SGI becomes pending at `vcpu` from more sources.
    pub(super) fn pend(&mut self, vcpu: usize, intid: u32, sources: u8) -> VcpuSet {
        let sources = sources & self.vgic.vcpus.bits();
        let gate = self.vgic.gate();
        let (Some(pending), Some(bank)) = (self.extras.of(vcpu, intid), self.vgic.private.get_mut(vcpu))
        else {
            return VcpuSet::EMPTY;
        };
        if sources == 0 {
            return VcpuSet::EMPTY;
        }
        *pending |= sources;
        let bit = 1 << (intid & 15);
        bank.latch |= bit;
        if bank.deliverable() & gate & bit == 0 {
            VcpuSet::EMPTY
        } else {
            VcpuSet::only(vcpu)
        }
    }

    /// An SGI is pending at `vcpu` no more from some sources; its list registers are folded.
    pub(super) fn clear(&mut self, vcpu: usize, intid: u32, sources: u8) {
        let (Some(pending), Some(bank)) = (self.extras.of(vcpu, intid), self.vgic.private.get_mut(vcpu))
        else {
            return;
        };
        *pending &= !sources;
        if *pending == 0 {
            bank.latch &= !(1 << (intid & 15));
        }
    }
}
