// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses of a partition on dedicated cores to the distributor of its GICv2: the physical one, as far as it owns it.
//!
//! Its CPU interface is the physical one, mapped in its stage 2; EL2 has no interrupt of its own on these cores, so
//! priorities are the physical ones. Otherwise as [`crate::vgic::direct`].
//!
//! # References
//! Arm IHI 0048B, "Distributor register descriptions".

use super::access::{PERIPHERAL_2, byte, bytes, distributor_type};
use super::decode::{Register, decode};
use super::sgi;
use crate::vgic::decode::BitRegister;
use crate::vgic::direct::icc::SgiRequest;
use crate::vgic::direct::{DIRECT_SPI_WORDS, Direct, DirectAction, OWNED_SGIS};
use crate::vgic::direct::{PhysicalBank, PhysicalRegister};
use crate::vgic::state::ENABLE_GROUP1;
use crate::vgic::types::{Access, AccessSize, VcpuSet};
use crate::vgic::words::{low, spread};

/// What EL2 does for an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// As with a GICv3.
    Common(DirectAction),
    /// Write `GICD_SGIR`: the SGI, to the cores of these vCPUs.
    Sgi(SgiRequest),
    /// Read `GICD_ITARGETSR` of `count` SPIs; bytes of those in `owned` (bit *n*: INTID `first` + *n*), their cores
    /// as vCPUs, are the answer, the others zero.
    ReadTargets {
        /// INTID of the lowest byte.
        first: u32,
        /// Owned interrupts.
        owned: u32,
    },
    /// Write `GICD_ITARGETSR` of each SPI in `owned` with the cores of the vCPUs in its byte.
    WriteTargets {
        /// INTID of the lowest byte.
        first: u32,
        /// Owned interrupts.
        owned: u32,
        /// Sets of vCPUs.
        vcpus: [VcpuSet; 4],
    },
}

impl Direct {
    /// As [`Self::configure`]; the SGIs of a GIC-400 are permanently enabled.
    pub fn configure_v2(&mut self, owner: &crate::vgic::direct::Owner) {
        self.configure(owner);
        self.enable_private(OWNED_SGIS);
    }

    /// An access of the guest on `vcpu` to the distributor of its GICv2. Implements: BH-GIC-036.
    pub fn access_v2(&mut self, vcpu: usize, offset: u32, size: AccessSize, access: Access) -> Action {
        let nothing = Action::Common(match access {
            Access::Read => DirectAction::Value(0),
            Access::Write(_) => DirectAction::Ignore,
        });
        if !self.vcpus().contains(vcpu) {
            return nothing;
        }
        // The registers of SGIs and PPIs are the core's own, at the same offsets as in a redistributor.
        let register = |private: bool| PhysicalRegister {
            bank: if private {
                PhysicalBank::OwnSgi
            } else {
                PhysicalBank::Distributor
            },
            offset: offset & !3,
        };
        let alone = self.owner().vcpu_count <= 1;
        Action::Common(match (decode(offset, size), access) {
            (Register::Control, Access::Read) => DirectAction::Value(u64::from(self.control() >> 1 & 1)),
            (Register::Control, Access::Write(value)) => {
                self.set_control(if value & 1 == 0 { 0 } else { ENABLE_GROUP1 })
            }
            (Register::Type, Access::Read) => {
                let words = usize::try_from(self.owner().spi_lines >> 5).unwrap_or(0);
                let (words, vcpus) = (words.min(DIRECT_SPI_WORDS), self.owner().vcpu_count);
                DirectAction::Value(distributor_type(words, vcpus))
            }
            (Register::Peripheral2, Access::Read) => DirectAction::Value(PERIPHERAL_2),
            (Register::Bits { kind, word }, _) => {
                let access = match (kind, word, access) {
                    (
                        BitRegister::SetEnable
                        | BitRegister::ClearEnable
                        | BitRegister::SetPending
                        | BitRegister::ClearPending,
                        0,
                        Access::Write(value),
                    ) => Access::Write(value & !u64::from(super::SGIS)),
                    _ => access,
                };
                self.bits(vcpu, register(word == 0), kind, word, access)
            }
            (Register::Priority { first }, _) => {
                self.physical_bytes(register(first < 32), first, size, access)
            }
            (Register::Configuration { first }, Access::Read) => {
                let word = usize::try_from(first >> 5).unwrap_or(0);
                let mask = spread(self.owner().owned(word) >> (first & 16));
                DirectAction::plain_read(register(first < 32), mask)
            }
            (Register::ClearSources { first } | Register::SetSources { first }, _) => {
                self.physical_bytes(register(true), first, size, access)
            }
            (Register::SoftwareInterrupt, Access::Write(value)) => {
                let vcpus = VcpuSet::first(self.owner().vcpu_count);
                let (intid, targets) = sgi::targets(vcpus, vcpu, low(value));
                if OWNED_SGIS >> intid & 1 == 0 || targets.is_empty() {
                    return nothing;
                }
                return Action::Sgi(SgiRequest { intid, targets });
            }
            // In a GICv2 for one processor they read as zero and ignore writes.
            (Register::Targets { .. }, _) if alone => return nothing,
            (Register::Targets { first: 0..=31 }, Access::Read) => {
                let own = u64::from(VcpuSet::only(vcpu).bits());
                let all = bytes(0, size).fold(0, |all, (_, shift)| all | own << (shift & 31));
                DirectAction::Value(all)
            }
            (Register::Targets { first: 0..=31 }, Access::Write(_)) => return nothing,
            (Register::Targets { first }, Access::Read) => {
                let owned = self.owned_bytes(first, size);
                return Action::ReadTargets { first, owned };
            }
            (Register::Targets { first }, Access::Write(value)) => {
                let owned = self.owned_bytes(first, size);
                let set = |shift| VcpuSet::from_bits(byte(value, shift)).intersection(self.vcpus());
                let vcpus = [set(0), set(8), set(16), set(24)];
                return Action::WriteTargets { first, owned, vcpus };
            }
            (
                Register::Reserved
                | Register::Type
                | Register::Peripheral2
                | Register::Configuration { .. }
                | Register::SoftwareInterrupt,
                Access::Read | Access::Write(_),
            ) => return nothing,
        })
    }

    /// Bit *n*: the partition owns INTID `first` + *n*, and the access covers it.
    fn owned_bytes(&self, first: u32, size: AccessSize) -> u32 {
        let word = usize::try_from(first >> 5).unwrap_or(usize::MAX);
        let all = if size == AccessSize::Word { 0xf } else { 1 };
        self.owner().owned(word) >> (first & 31) & all
    }

    /// A word of bytes, one for each interrupt.
    fn physical_bytes(
        &self,
        register: PhysicalRegister,
        first: u32,
        size: AccessSize,
        access: Access,
    ) -> DirectAction {
        let lane = if size == AccessSize::Word {
            0
        } else {
            (first & 3) << 3
        };
        let owned = self.owned_bytes(first, size);
        let mask = bytes(0, size)
            .filter(|(n, _)| owned >> n & 1 != 0)
            .fold(0, |mask, (_, shift)| mask | 0xff << (shift & 31));
        let mask = mask << lane;
        match access {
            Access::Read if mask == 0 => DirectAction::Value(0),
            Access::Read => DirectAction::byte_read(register, mask, lane),
            Access::Write(_) if mask == 0 => DirectAction::Ignore,
            Access::Write(value) => DirectAction::WriteBytes {
                register,
                value: low(value) << lane & mask,
                mask,
            },
        }
    }
}
