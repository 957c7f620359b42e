// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 does to the physical GIC for an access of a partition on dedicated cores.

use super::icc;
use crate::vgic::types::{AccessSize, MAX_VCPUS};

/// A frame of the physical GIC that a direct partition can reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhysicalBank {
    /// GICD.
    Distributor,
    /// `SGI_base` of the redistributor of the core that makes the access.
    OwnSgi,
}

/// A 32-bit register of the physical GIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysicalRegister {
    /// Frame.
    pub bank: PhysicalBank,
    /// Offset of the word in the frame.
    pub offset: u32,
}

/// How the raw word becomes what the guest reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conversion {
    /// As it is, moved down by this many bits.
    Plain { shift: u32 },
    /// Priorities; the wanted byte moves down by this many bits, and only it is kept when not 32-bit.
    Priorities { shift: u32, size: AccessSize },
}

/// A load from the physical GIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysicalRead {
    /// The word to load.
    pub register: PhysicalRegister,
    pub(super) mask: u32,
    pub(super) conversion: Conversion,
}

impl PhysicalRead {
    /// What the guest reads when the register holds `raw`.
    pub fn value(self, raw: u32) -> u64 {
        let raw = raw & self.mask;
        u64::from(match self.conversion {
            Conversion::Plain { shift } => raw >> (shift & 31),
            Conversion::Priorities { shift, size } => {
                let guest = icc::priorities_to_guest(raw) & self.mask;
                if size == AccessSize::Byte {
                    guest >> (shift & 31) & 0xff
                } else {
                    guest
                }
            }
        })
    }
}

/// What EL2 does for an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirectAction {
    /// A load is answered without hardware.
    Value(u64),
    /// A store has no effect.
    Ignore,
    /// Load the register, answer with [`PhysicalRead::value`].
    Read(PhysicalRead),
    /// Store the word; 0 bits have no effect on the register.
    Write32 {
        /// A register of which each bit set acts on an interrupt.
        register: PhysicalRegister,
        /// Bits of owned interrupts.
        value: u32,
    },
    /// Store each byte of `value` whose byte in `mask` is 0xff, with one 8-bit store each.
    WriteBytes {
        /// A word of four priorities.
        register: PhysicalRegister,
        /// Physical priorities.
        value: u32,
        /// Owned interrupts.
        mask: u32,
    },
    /// Write `GICD_IROUTER` of the SPI with the affinity of the core of that vCPU.
    Route {
        /// An owned SPI.
        intid: u32,
        /// vCPU of the partition.
        vcpu: usize,
    },
    /// Read `GICD_IROUTER` of the SPI; answer with [`route_value`] of the vCPU on the core that it names.
    ReadRoute {
        /// An owned SPI.
        intid: u32,
    },
    /// Write the owned bits of all enables, here and on the partition's other cores, from
    /// [`spi_enables`](super::Direct::spi_enables) and
    /// [`private_enables`](super::Direct::private_enables): those set to `ISENABLER`, the other owned ones to `ICENABLER`.
    ReloadEnables,
}

impl DirectAction {
    /// Answers with the bits of a mask as they are.
    pub(in crate::vgic) fn plain_read(register: PhysicalRegister, mask: u32) -> Self {
        Self::byte_read(register, mask, 0)
    }

    /// Answers with the bits of a mask, moved down by `shift`.
    pub(in crate::vgic) fn byte_read(register: PhysicalRegister, mask: u32, shift: u32) -> Self {
        Self::Read(PhysicalRead {
            register,
            mask,
            conversion: Conversion::Plain { shift },
        })
    }
}

/// What the guest reads from `GICD_IROUTER` for an SPI that is routed to `vcpu`.
pub fn route_value(vcpu: usize) -> u64 {
    u64::try_from(vcpu & (MAX_VCPUS - 1)).unwrap_or(0)
}
