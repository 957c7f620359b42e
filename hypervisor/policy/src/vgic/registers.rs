// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest's access to its distributor or one of its redistributors.
//!
//! The GIC that a partition sees has one security state (`GICD_CTLR.DS` = 1), affinity routing always on,
//! no LPIs, no message-based SPIs, 5 bits of priority. Interrupts are in Group 0 until the guest puts them
//! in Group 1, as the architecture has it; Group 0 is never forwarded, since the partition has no Group 0
//! CPU interface.
//!
//! # References
//! Arm IHI 0069, "Distributor register descriptions", "Redistributor register descriptions".

use super::decode::{BitRegister, Register, bits_of, decode};
use super::state::{PHYSICAL_PPIS, Vgic};
use super::types::{
    Access, AccessSize, Frame, MAX_VCPUS, Outcome, PhysicalChange, PhysicalOperation, VcpuSet,
};
use super::words::{
    CONTROL_FIXED, CONTROL_GROUPS, PERIPHERAL_2, distributor_type, low, redistributor_type, spread,
};

/// `GICR_WAKER`: ProcessorSleep, ChildrenAsleep.
const PROCESSOR_SLEEP: u32 = 2;
const WAKER_ASLEEP: u64 = 6;
/// What `GICD_IROUTER` shows for an affinity that no vCPU has.
const ROUTE_NOWHERE: u64 = 0xff;

impl Vgic {
    /// An access of the guest on `vcpu`. Registers that are not implemented, redistributors of vCPUs that
    /// do not exist, and widths that a register does not have read as zero and ignore writes.
    /// Implements: BH-GIC-005.
    ///
    /// For a frame of another vCPU no physical operation is returned; that vCPU is in `refresh`, and its
    /// core loads [`Self::ppi_enables`] again at the refresh.
    pub fn access(
        &mut self,
        vcpu: usize,
        frame: Frame,
        offset: u32,
        size: AccessSize,
        access: Access,
    ) -> Outcome {
        let owner = match frame {
            Frame::Distributor => vcpu,
            Frame::Redistributor(k) | Frame::RedistributorSgi(k) => k,
        };
        let mut outcome = Outcome {
            value: 0,
            refresh: VcpuSet::EMPTY,
            physical: PhysicalChange::NONE,
        };
        if !self.vcpus.contains(owner) {
            return outcome;
        }
        if access != Access::Read {
            self.forget_repeated();
        }
        if size == AccessSize::Word
            && let Some((kind, word)) = bits_of(frame, offset)
        {
            return self.bits(vcpu, owner, kind, word, access);
        }
        match decode(frame, offset, size) {
            Register::Reserved | Register::Bits { .. } => {}
            Register::DistributorControl => match access {
                Access::Read => outcome.value = u64::from(self.control | CONTROL_FIXED),
                Access::Write(value) => self.write_control(low(value) & CONTROL_GROUPS, &mut outcome),
            },
            Register::DistributorType => {
                outcome.value = if access == Access::Read {
                    distributor_type(self.spi_words)
                } else {
                    0
                };
            }
            Register::Peripheral2 => {
                outcome.value = if access == Access::Read { PERIPHERAL_2 } else { 0 };
            }
            Register::RedistributorType { high } => {
                if access == Access::Read {
                    let value = redistributor_type(owner, self.vcpu_count);
                    outcome.value = if high {
                        value >> 32
                    } else if size == AccessSize::Word {
                        u64::from(low(value))
                    } else {
                        value
                    };
                }
            }
            Register::Waker => match access {
                Access::Read if self.asleep.contains(owner) => outcome.value = WAKER_ASLEEP,
                Access::Read => {}
                Access::Write(value) if low(value) & PROCESSOR_SLEEP != 0 => {
                    self.asleep = self.asleep.union(VcpuSet::only(owner));
                }
                Access::Write(_) => self.asleep = self.asleep.without(owner),
            },
            Register::Priority { first } => {
                if let Some(bank) = self.bank_mut(owner, first) {
                    match access {
                        Access::Read => outcome.value = bank.read_priority(first, size),
                        Access::Write(value) => {
                            let concerns = bank.write_priority(first, size, value);
                            outcome.refresh = self.targets(owner, first, concerns);
                        }
                    }
                }
            }
            Register::Configuration { first } => {
                if let Some(bank) = self.bank_mut(owner, first) {
                    match access {
                        Access::Read => {
                            outcome.value = u64::from(spread(bank.edge >> (first & 16)));
                        }
                        // GICR_ICFGR0 is fixed: SGIs are edges.
                        Access::Write(_) if first == 0 => {}
                        Access::Write(value) => {
                            let concerns = bank.write_configuration(first, value);
                            outcome.refresh = self.targets(owner, first, concerns);
                        }
                    }
                }
            }
            Register::Route { high: true, .. } => {}
            Register::Route { intid, high: false } => match access {
                Access::Read => outcome.value = self.route(intid),
                Access::Write(value) => outcome.refresh = self.set_route(intid, low(value)),
            },
        }
        outcome
    }

    /// A change of `GICD_CTLR` concerns everything.
    pub(super) fn write_control(&mut self, control: u32, outcome: &mut Outcome) {
        if self.control != control {
            self.control = control;
            self.recompute_enables();
            outcome.refresh = self.vcpus;
            outcome.physical.operation = PhysicalOperation::ReloadEnables;
        }
    }

    /// vCPUs that interrupts of the word of `intid` concern.
    pub(super) fn targets(&self, owner: usize, intid: u32, bits: u32) -> VcpuSet {
        if bits == 0 {
            return VcpuSet::EMPTY;
        }
        match usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1) {
            None => VcpuSet::only(owner),
            Some(word) => self.shared.get(word).map_or(VcpuSet::EMPTY, |s| s.targets(bits)),
        }
    }

    /// A register with a bit an interrupt.
    pub(super) fn bits(
        &mut self,
        vcpu: usize,
        owner: usize,
        kind: BitRegister,
        word: usize,
        access: Access,
    ) -> Outcome {
        let gate = self.gate();
        let mut outcome = Outcome {
            value: 0,
            refresh: VcpuSet::EMPTY,
            physical: PhysicalChange::NONE,
        };
        let first = u32::try_from(word & 31).unwrap_or(0) << 5;
        // Interrupts of this word with a physical counterpart that the accessing core can reach.
        let physical = match word.checked_sub(1) {
            None if vcpu == owner => PHYSICAL_PPIS,
            None => 0,
            Some(spi_word) => self.physical_spis.get(spi_word).map_or(0, |w| *w),
        };
        outcome.physical.word = u8::try_from(word & 31).unwrap_or(0);
        let bits = match access {
            Access::Read => {
                let Some(bank) = self.bank_of(owner, first) else {
                    return outcome;
                };
                outcome.value = u64::from(bank.read_bits(kind, physical));
                if matches!(kind, BitRegister::SetPending | BitRegister::ClearPending) && physical != 0 {
                    outcome.physical.operation = PhysicalOperation::ReadPending;
                    outcome.physical.bits = physical;
                }
                // What other vCPUs have in their list registers may be out of date.
                let remote = bank.resident;
                if kind.observes_state() && remote != 0 {
                    outcome.refresh = self.targets(owner, first, remote).without(vcpu);
                }
                return outcome;
            }
            Access::Write(value) => low(value),
        };
        let Some(bank) = self.bank_mut(owner, first) else {
            return outcome;
        };
        let change = bank.write_bits(kind, bits, gate);
        let releases = bank.released != 0;
        self.releases |= releases;
        if change.bits & physical != 0 {
            outcome.physical.operation = change.operation;
            outcome.physical.bits = change.bits & physical;
        }
        match kind {
            BitRegister::SetActive => self.settle(word, bits),
            BitRegister::Group | BitRegister::SetEnable | BitRegister::ClearEnable => {
                self.note_enables(word);
            }
            BitRegister::SetPending | BitRegister::ClearPending | BitRegister::ClearActive => {}
        }
        outcome.refresh = self.targets(owner, first, change.concerns);
        if vcpu != owner && change.bits & PHYSICAL_PPIS != 0 && word == 0 {
            outcome.refresh = outcome.refresh.union(VcpuSet::only(owner));
        }
        if kind == BitRegister::ClearActive {
            self.unsettle(word);
        }
        outcome
    }

    /// Keeps the physical enables of a word in step.
    fn note_enables(&mut self, word: usize) {
        let gate = self.gate();
        let word = word.wrapping_sub(1);
        let parts = (
            self.physical_enables.get_mut(word),
            self.physical_spis.get(word),
            self.shared.get(word),
        );
        if let (Some(enables), Some(spis), Some(shared)) = parts {
            *enables = spis & shared.bank.open() & gate;
        }
    }

    /// SPIs that the guest made active are active at the vCPU that they are routed to.
    fn settle(&mut self, word: usize, bits: u32) {
        if let Some(shared) = self.shared_mut(word.wrapping_sub(1)) {
            let elsewhere = shared.home.iter().fold(0, |sum, home| sum | home);
            for (home, routed) in shared.home.iter_mut().zip(&shared.routed) {
                *home |= routed & bits & !elsewhere;
            }
        }
    }

    /// SPIs that are neither resident nor active have no home.
    fn unsettle(&mut self, word: usize) {
        if let Some(shared) = self.shared_mut(word.wrapping_sub(1)) {
            let stays = shared.bank.resident | shared.bank.active;
            for home in &mut shared.home {
                *home &= stays;
            }
        }
    }

    /// `GICD_IROUTER`, low word.
    fn route(&self, intid: u32) -> u64 {
        let word = usize::try_from(intid >> 5).unwrap_or(0).wrapping_sub(1);
        let bit = 1 << (intid & 31);
        let Some(shared) = self.shared.iter().take(self.spi_words).nth(word) else {
            return 0;
        };
        let vcpu = shared.routed.iter().position(|routed| routed & bit != 0);
        vcpu.and_then(|k| u64::try_from(k).ok()).unwrap_or(ROUTE_NOWHERE)
    }

    /// Routes an SPI; an affinity that no vCPU has sends it nowhere. Interrupt routing mode is RES0, since
    /// `GICD_TYPER.No1N` = 1.
    fn set_route(&mut self, intid: u32, affinity: u32) -> VcpuSet {
        let word = usize::try_from(intid >> 5).unwrap_or(0).wrapping_sub(1);
        let bit = 1 << (intid & 31);
        let target = usize::try_from(affinity & 0xff_ffff).unwrap_or(MAX_VCPUS);
        let target = VcpuSet::only(target).intersection(self.vcpus);
        let Some(shared) = self.shared_mut(word) else {
            return VcpuSet::EMPTY;
        };
        let concerns = bit & (shared.bank.resident | shared.bank.pending());
        let before = shared.targets(concerns);
        for (k, routed) in shared.routed.iter_mut().enumerate() {
            *routed &= !bit;
            if target.contains(k) {
                *routed |= bit;
            }
        }
        before.union(shared.targets(concerns))
    }
}
