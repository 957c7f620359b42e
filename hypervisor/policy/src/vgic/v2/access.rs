// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest's access to the distributor of its GICv2.
//!
//! # References
//! Arm IHI 0048B, "Distributor register descriptions".

use super::decode::{Register, decode};
use super::{SGIS, VgicV2};
use crate::vgic::decode::BitRegister;
use crate::vgic::state::ENABLE_GROUP1;
use crate::vgic::types::{Access, AccessSize, Outcome, PhysicalChange, VcpuSet};
use crate::vgic::words::{low, spread};

/// `ICPIDR2`: architecture GICv2.
pub(super) const PERIPHERAL_2: u64 = 2 << 4;

/// `GICD_TYPER`: ITLinesNumber, CPUNumber.
pub(super) fn distributor_type(spi_words: usize, vcpu_count: usize) -> u64 {
    let lines = u64::try_from(spi_words).unwrap_or(0) & 0x1f;
    let others = u64::try_from(vcpu_count.saturating_sub(1)).unwrap_or(0) & 7;
    lines | others << 5
}

/// INTIDs of the bytes of an access from INTID `first`, each with its shift in the value.
pub(super) fn bytes(first: u32, size: AccessSize) -> impl Iterator<Item = (u32, u32)> {
    let count = if size == AccessSize::Word { 4 } else { 1 };
    (0..count).map(move |lane| (first | lane, lane << 3))
}

/// The byte of a written value at `shift`.
pub(super) fn byte(value: u64, shift: u32) -> u8 {
    u8::try_from(value >> (shift & 31) & 0xff).unwrap_or(0)
}

impl VgicV2<'_> {
    /// An access of the guest on `vcpu` to its distributor. Registers that are not implemented and widths that a
    /// register does not have read as zero and ignore writes. Implements: BH-GIC-035.
    pub fn access(&mut self, vcpu: usize, offset: u32, size: AccessSize, access: Access) -> Outcome {
        let mut outcome = Outcome {
            value: 0,
            refresh: VcpuSet::EMPTY,
            physical: PhysicalChange::NONE,
        };
        if !self.vgic.vcpus.contains(vcpu) {
            return outcome;
        }
        if access != Access::Read {
            self.vgic.forget_repeated();
        }
        match (decode(offset, size), access) {
            (Register::Control, Access::Read) => outcome.value = u64::from(self.vgic.control >> 1 & 1),
            (Register::Control, Access::Write(value)) => {
                let control = if value & 1 == 0 { 0 } else { ENABLE_GROUP1 };
                self.vgic.write_control(control, &mut outcome);
            }
            (Register::Type, Access::Read) => {
                outcome.value = distributor_type(self.vgic.spi_words, self.vgic.vcpu_count);
            }
            (Register::Peripheral2, Access::Read) => outcome.value = PERIPHERAL_2,
            (Register::Bits { kind, word }, _) => {
                let access = writable(kind, word, access);
                return self.vgic.bits(vcpu, vcpu, kind, word, access);
            }
            (Register::Priority { first }, _) => {
                let Some(bank) = self.vgic.bank_mut(vcpu, first) else {
                    return outcome;
                };
                match access {
                    Access::Read => outcome.value = bank.read_priority(first, size),
                    Access::Write(value) => {
                        let concerns = bank.write_priority(first, size, value);
                        outcome.refresh = self.vgic.targets(vcpu, first, concerns);
                    }
                }
            }
            // In a GICv2 for one processor they read as zero and ignore writes.
            (Register::Targets { .. }, _) if self.vgic.vcpu_count <= 1 => {}
            (Register::Targets { first }, Access::Read) => {
                for (intid, shift) in bytes(first, size) {
                    outcome.value |= u64::from(self.targets_of(vcpu, intid)) << (shift & 31);
                }
            }
            (Register::Targets { first }, Access::Write(value)) => {
                for (intid, shift) in bytes(first, size) {
                    let targets = VcpuSet::from_bits(byte(value, shift));
                    let concerned = self.set_targets(intid, targets);
                    outcome.refresh = outcome.refresh.union(concerned);
                }
            }
            (Register::Configuration { first }, _) => {
                let Some(bank) = self.vgic.bank_mut(vcpu, first) else {
                    return outcome;
                };
                match access {
                    Access::Read => outcome.value = u64::from(spread(bank.edge >> (first & 16))),
                    // GICD_ICFGR0 is fixed: SGIs are edges.
                    Access::Write(_) if first == 0 => {}
                    Access::Write(value) => {
                        let concerns = bank.write_configuration(first, value);
                        outcome.refresh = self.vgic.targets(vcpu, first, concerns);
                    }
                }
            }
            (Register::SoftwareInterrupt, Access::Write(value)) => {
                outcome.refresh = self.sgi(vcpu, low(value));
            }
            (Register::ClearSources { first } | Register::SetSources { first }, Access::Read) => {
                for (intid, shift) in bytes(first, size) {
                    outcome.value |= u64::from(self.extras.pending(vcpu, intid)) << (shift & 31);
                }
            }
            (Register::ClearSources { first }, Access::Write(value)) => {
                for (intid, shift) in bytes(first, size) {
                    self.clear(vcpu, intid, byte(value, shift));
                }
            }
            (Register::SetSources { first }, Access::Write(value)) => {
                for (intid, shift) in bytes(first, size) {
                    let concerned = self.pend(vcpu, intid, byte(value, shift));
                    outcome.refresh = outcome.refresh.union(concerned);
                }
            }
            (Register::Reserved, Access::Read | Access::Write(_))
            | (Register::Type | Register::Peripheral2, Access::Write(_))
            | (Register::SoftwareInterrupt, Access::Read) => {}
        }
        outcome
    }
}

/// A write without the bits that are read-only: SGIs stay enabled, and their pending state has registers of its own.
fn writable(kind: BitRegister, word: usize, access: Access) -> Access {
    match (kind, word, access) {
        (
            BitRegister::SetEnable
            | BitRegister::ClearEnable
            | BitRegister::SetPending
            | BitRegister::ClearPending,
            0,
            Access::Write(value),
        ) => Access::Write(value & !u64::from(SGIS)),
        _ => access,
    }
}

impl VgicV2<'_> {
    /// `GICD_ITARGETSR` of one interrupt; that of an SGI or PPI names the vCPU that reads it.
    fn targets_of(&self, vcpu: usize, intid: u32) -> u8 {
        let Some(word) = usize::try_from(intid >> 5).ok().and_then(|w| w.checked_sub(1)) else {
            return VcpuSet::only(vcpu).bits();
        };
        let shown = self.extras.targets.iter().take(self.vgic.spi_words);
        let byte = shown.flatten().nth((word << 5) + lane(intid));
        byte.map_or(0, |targets| *targets)
    }

    /// Sends an SPI to the first of some vCPUs (the GIC may choose any); returns the vCPUs to refresh.
    fn set_targets(&mut self, intid: u32, targets: VcpuSet) -> VcpuSet {
        let mut targets = targets.intersection(self.vgic.vcpus);
        let bit = 1 << (intid & 31);
        let word = usize::try_from(intid >> 5).unwrap_or(0).wrapping_sub(1);
        let list = self.extras.targets.get_mut(word);
        let (Some(shared), Some(list)) = (
            self.vgic.shared_mut(word),
            list.and_then(|word| word.get_mut(lane(intid))),
        ) else {
            return VcpuSet::EMPTY;
        };
        *list = targets.bits();
        let first = targets.next();
        let concerns = bit & (shared.bank.resident | shared.bank.pending());
        let before = shared.targets(concerns);
        for (k, routed) in shared.routed.iter_mut().enumerate() {
            *routed &= !bit;
            if first == Some(k) {
                *routed |= bit;
            }
        }
        before.union(shared.targets(concerns))
    }
}

/// Place of an INTID in its word.
fn lane(intid: u32) -> usize {
    usize::try_from(intid & 31).unwrap_or(0)
}
