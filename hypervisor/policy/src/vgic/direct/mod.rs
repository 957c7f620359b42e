// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses of a partition on dedicated cores to its GIC: the physical one, as far as it owns it.
//!
//! The physical state is the state. What the partition does not own reads as zero and ignores writes; SGI
//! 15 and the other PPIs of its cores are EL2's. The enables are kept here as well, so that the guest's
//! `GICD_CTLR.EnableGrp1` can act on its own interrupts alone: while it is 0, its physical enables are 0.
//! Trigger modes are read-only, as the system configuration has set them; all interrupts are in Group 1.
//!
//! # References
//! Arm IHI 0069, "Distributor register descriptions", "Redistributor register descriptions".

mod action;
pub mod icc;

use action::Conversion;
pub use action::{DirectAction, PhysicalBank, PhysicalRead, PhysicalRegister, route_value};

use super::decode::{BitRegister, Register, decode};
use super::state::ENABLE_GROUP1;
use super::types::{Access, AccessSize, Frame, MAX_VCPUS, VcpuSet};
use super::words::{
    CONTROL_FIXED, CONTROL_GROUPS, PERIPHERAL_2, distributor_type, low, redistributor_type, spread,
};

/// Words of 32 SPIs that a distributor may have (INTIDs 32 to 1023).
pub const DIRECT_SPI_WORDS: usize = 31;
/// SGIs of a partition; 15 is EL2's.
pub const OWNED_SGIS: u32 = 0x7fff;

/// What a partition on dedicated cores owns of the GIC.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// SPIs: INTID 32 + *n* is bit *n* mod 32 of word *n* / 32.
    pub spis: [u32; DIRECT_SPI_WORDS],
    /// PPIs of its cores: INTID *n* is bit *n*, 16 to 31.
    pub ppis: u32,
    /// vCPUs, 1 to [`MAX_VCPUS`].
    pub vcpu_count: usize,
    /// SPIs that its distributor shows, counted from INTID 32, a multiple of 32.
    pub spi_lines: u32,
}

impl Owner {
    /// Interrupts of word `word` (0: SGIs and PPIs) that the partition owns.
    #[inline]
    pub fn owned(&self, word: usize) -> u32 {
        match word.checked_sub(1) {
            None => self.ppis & 0xffff_0000 | OWNED_SGIS,
            Some(word) => self.spis.get(word).map_or(0, |w| *w),
        }
    }

    /// Whether the partition owns `intid`.
    #[inline]
    pub fn owns(&self, intid: u32) -> bool {
        let word = usize::try_from(intid >> 5).unwrap_or(usize::MAX);
        intid < 1020 && self.owned(word) >> (intid & 31) & 1 != 0
    }
}

/// The mediated GIC of a partition on dedicated cores. Implements: BH-GIC-010.
#[derive(Clone, Debug)]
pub struct Direct {
    owner: Owner,
    vcpus: VcpuSet,
    /// `GICD_CTLR`, bits EnableGrp0 and EnableGrp1.
    control: u32,
    /// What the guest enabled: SPIs, SGIs and PPIs.
    spi_enabled: [u32; DIRECT_SPI_WORDS],
    private_enabled: [u32; MAX_VCPUS],
}

impl Default for Direct {
    fn default() -> Self {
        Self::new()
    }
}

impl Direct {
    /// A GIC that owns nothing.
    pub const fn new() -> Self {
        Self {
            owner: Owner {
                spis: [0; DIRECT_SPI_WORDS],
                ppis: 0,
                vcpu_count: 0,
                spi_lines: 0,
            },
            vcpus: VcpuSet::EMPTY,
            control: 0,
            spi_enabled: [0; DIRECT_SPI_WORDS],
            private_enabled: [0; MAX_VCPUS],
        }
    }

    /// Takes what the partition owns and resets. INTIDs above 1019 are special and never owned.
    pub fn configure(&mut self, owner: &Owner) {
        self.owner = *owner;
        if let Some(last) = self.owner.spis.last_mut() {
            *last &= 0x0fff_ffff;
        }
        self.owner.vcpu_count = owner.vcpu_count.min(MAX_VCPUS);
        self.vcpus = VcpuSet::first(self.owner.vcpu_count);
        self.reset();
    }

    /// The state after a reset; EL2 then does as for [`DirectAction::ReloadEnables`].
    pub fn reset(&mut self) {
        self.control = 0;
        self.spi_enabled = [0; DIRECT_SPI_WORDS];
        self.private_enabled = [0; MAX_VCPUS];
    }

    /// What the partition owns.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Owned interrupts from INTID 32 × `word` that the physical distributor shall have enabled.
    pub fn spi_enables(&self, word: usize) -> u32 {
        if word == 0 {
            0
        } else {
            self.enabled(0, word) & self.gate()
        }
    }

    /// Owned SGIs and PPIs that the redistributor of the core of `vcpu` shall have enabled.
    pub fn private_enables(&self, vcpu: usize) -> u32 {
        self.enabled(vcpu, 0) & self.gate()
    }

    /// All ones while the guest has Group 1 on, else 0.
    fn gate(&self) -> u32 {
        if self.control & ENABLE_GROUP1 == 0 {
            0
        } else {
            u32::MAX
        }
    }

    fn enabled(&self, vcpu: usize, word: usize) -> u32 {
        let words = match word.checked_sub(1) {
            None => self.private_enabled.get(vcpu),
            Some(word) => self.spi_enabled.get(word),
        };
        words.map_or(0, |w| *w)
    }

    fn set_enabled(&mut self, vcpu: usize, word: usize, enabled: u32) {
        let words = match word.checked_sub(1) {
            None => self.private_enabled.get_mut(vcpu),
            Some(word) => self.spi_enabled.get_mut(word),
        };
        if let Some(word) = words {
            *word = enabled;
        }
    }

    /// An access of the guest on `vcpu`. Redistributors of other vCPUs show what they are and nothing
    /// else.
    pub fn access(
        &mut self,
        vcpu: usize,
        frame: Frame,
        offset: u32,
        size: AccessSize,
        access: Access,
    ) -> DirectAction {
        let (of, physical) = match frame {
            Frame::Distributor => (vcpu, PhysicalBank::Distributor),
            Frame::Redistributor(k) | Frame::RedistributorSgi(k) => (k, PhysicalBank::OwnSgi),
        };
        let nothing = match access {
            Access::Read => DirectAction::Value(0),
            Access::Write(_) => DirectAction::Ignore,
        };
        let hidden = matches!(frame, Frame::RedistributorSgi(_)) && of != vcpu;
        if !self.vcpus.contains(vcpu) || !self.vcpus.contains(of) || hidden {
            return nothing;
        }
        let register = PhysicalRegister {
            bank: physical,
            offset: offset & !3,
        };
        match (decode(frame, offset, size), access) {
            (Register::DistributorControl, Access::Read) => {
                DirectAction::Value(u64::from(self.control | CONTROL_FIXED))
            }
            (Register::DistributorControl, Access::Write(value)) => {
                self.set_control(low(value) & CONTROL_GROUPS)
            }
            (Register::DistributorType, Access::Read) => {
                let words = usize::try_from(self.owner.spi_lines >> 5)
                    .unwrap_or(0)
                    .min(DIRECT_SPI_WORDS);
                DirectAction::Value(distributor_type(words))
            }
            (Register::Peripheral2, Access::Read) => DirectAction::Value(PERIPHERAL_2),
            (Register::RedistributorType { high }, Access::Read) => {
                let value = redistributor_type(of, self.owner.vcpu_count);
                let shifted = if high { value >> 32 } else { value };
                let word = size == AccessSize::Word;
                DirectAction::Value(if word { u64::from(low(shifted)) } else { shifted })
            }
            (Register::Bits { kind, word }, _) => self.bits(vcpu, register, kind, word, access),
            (Register::Priority { first }, _) => self.priority(register, first, size, access),
            (Register::Configuration { first }, Access::Read) => {
                let word = usize::try_from(first >> 5).unwrap_or(0);
                let mask = spread(self.owner.owned(word) >> (first & 16));
                DirectAction::plain_read(register, mask)
            }
            (Register::Route { intid, high: false }, _) if self.owner.owns(intid) => match access {
                Access::Read => DirectAction::ReadRoute { intid },
                Access::Write(value) => match usize::try_from(low(value) & 0xff_ffff) {
                    Ok(target) if self.vcpus.contains(target) => DirectAction::Route { intid, vcpu: target },
                    Ok(_) | Err(_) => DirectAction::Ignore,
                },
            },
            (
                // A redistributor of the partition is always awake: GICR_WAKER reads 0.
                Register::Reserved
                | Register::Waker
                | Register::DistributorType
                | Register::Peripheral2
                | Register::RedistributorType { .. }
                | Register::Configuration { .. }
                | Register::Route { .. },
                Access::Read | Access::Write(_),
            ) => nothing,
        }
    }

    /// vCPUs of the partition.
    pub(super) fn vcpus(&self) -> VcpuSet {
        self.vcpus
    }

    /// `GICD_CTLR`, bits EnableGrp0 and EnableGrp1.
    pub(super) fn control(&self) -> u32 {
        self.control
    }

    /// Replaces them.
    pub(super) fn set_control(&mut self, control: u32) -> DirectAction {
        let before = core::mem::replace(&mut self.control, control);
        let same = (before ^ control) & ENABLE_GROUP1 == 0;
        if same {
            DirectAction::Ignore
        } else {
            DirectAction::ReloadEnables
        }
    }

    /// SGIs or PPIs are enabled on all its cores.
    pub(super) fn enable_private(&mut self, bits: u32) {
        for enabled in &mut self.private_enabled {
            *enabled |= bits;
        }
    }

    pub(super) fn bits(
        &mut self,
        vcpu: usize,
        register: PhysicalRegister,
        kind: BitRegister,
        word: usize,
        access: Access,
    ) -> DirectAction {
        let owned = self.owner.owned(word);
        let enabled = self.enabled(vcpu, word);
        match (kind, access) {
            (BitRegister::Group, Access::Read) => DirectAction::Value(u64::from(owned)),
            (BitRegister::Group, Access::Write(_)) => DirectAction::Ignore,
            (BitRegister::SetEnable | BitRegister::ClearEnable, Access::Read) => {
                DirectAction::Value(u64::from(enabled))
            }
            (BitRegister::SetEnable, Access::Write(value)) => {
                self.set_enabled(vcpu, word, enabled | low(value) & owned);
                // While its Group 1 is off the guest's enable is only remembered.
                let value = low(value) & owned & self.gate();
                write_bits(register, value)
            }
            (BitRegister::ClearEnable, Access::Write(value)) => {
                self.set_enabled(vcpu, word, enabled & !low(value));
                write_bits(register, low(value) & owned)
            }
            (
                BitRegister::SetPending
                | BitRegister::ClearPending
                | BitRegister::SetActive
                | BitRegister::ClearActive,
                Access::Read,
            ) => {
                if owned == 0 {
                    DirectAction::Value(0)
                } else {
                    DirectAction::plain_read(register, owned)
                }
            }
            (
                BitRegister::SetPending
                | BitRegister::ClearPending
                | BitRegister::SetActive
                | BitRegister::ClearActive,
                Access::Write(value),
            ) => write_bits(register, low(value) & owned),
        }
    }

    fn priority(
        &self,
        register: PhysicalRegister,
        first: u32,
        size: AccessSize,
        access: Access,
    ) -> DirectAction {
        let shift = (first & 3) << 3;
        let word = usize::try_from(first >> 5).unwrap_or(0);
        let owned = self.owner.owned(word) >> (first & 28);
        // Owned bytes of the word; a byte access wants one of them.
        let bytes = [0xff_u32, 0xff00, 0x00ff_0000, 0xff00_0000];
        let mask = bytes
            .iter()
            .enumerate()
            .fold(0, |m, (i, byte)| if owned >> i & 1 == 0 { m } else { m | byte });
        let mask = if size == AccessSize::Byte {
            mask & 0xff << shift
        } else {
            mask
        };
        match access {
            Access::Read if mask == 0 => DirectAction::Value(0),
            Access::Read => {
                let conversion = Conversion::Priorities { shift, size };
                DirectAction::Read(PhysicalRead {
                    register,
                    mask,
                    conversion,
                })
            }
            Access::Write(_) if mask == 0 => DirectAction::Ignore,
            Access::Write(value) => {
                let guest = if size == AccessSize::Byte {
                    low(value & 0xff) << shift
                } else {
                    low(value)
                };
                DirectAction::WriteBytes {
                    register,
                    value: icc::priorities_to_physical(guest) & mask,
                    mask,
                }
            }
        }
    }
}

/// A store to a register in which a 0 bit has no effect.
fn write_bits(register: PhysicalRegister, value: u32) -> DirectAction {
    if value == 0 {
        DirectAction::Ignore
    } else {
        DirectAction::Write32 { register, value }
    }
}
