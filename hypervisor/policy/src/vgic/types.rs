// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Words that both models of the GIC share: vCPU sets, frames, accesses, outcomes.

/// vCPUs that a partition may have.
pub const MAX_VCPUS: usize = 8;
/// Words of 32 SPIs that the virtual model holds (INTIDs 32 to 287).
pub const SPI_WORDS: usize = 8;
/// List registers that the virtual model uses (`ICH_LR0_EL2` to `ICH_LR3_EL2`).
pub const LIST_REGISTERS: usize = 4;
/// Bits of a priority that exist: 32 levels, the fewest that a virtual CPU interface may have.
pub const PRIORITY_MASK: u8 = 0xf8;
/// How many these are.
pub(super) const PRIORITY_BITS: usize = 5;

/// A set of vCPUs of one partition; bit *k* is vCPU *k*.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VcpuSet(u8);

impl VcpuSet {
    /// No vCPU.
    pub const EMPTY: Self = Self(0);

    /// The set with one vCPU; empty when there can be no such vCPU.
    #[inline]
    pub const fn only(vcpu: usize) -> Self {
        if vcpu < MAX_VCPUS {
            Self(1 << (vcpu & 7))
        } else {
            Self(0)
        }
    }

    /// vCPUs 0 to `count` - 1.
    #[inline]
    pub const fn first(count: usize) -> Self {
        if count >= MAX_VCPUS {
            Self(0xff)
        } else {
            Self((1 << (count & 7)) - 1)
        }
    }

    /// The vCPUs whose bits are set.
    #[inline]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// One bit a vCPU.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether no vCPU is in the set.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `vcpu` is in the set.
    #[inline]
    pub const fn contains(self, vcpu: usize) -> bool {
        self.0 & Self::only(vcpu).0 != 0
    }

    /// vCPUs in either set.
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// vCPUs in both sets.
    #[inline]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The set without `vcpu`.
    #[inline]
    pub const fn without(self, vcpu: usize) -> Self {
        Self(self.0 & !Self::only(vcpu).0)
    }
}

impl Iterator for VcpuSet {
    type Item = usize;

    /// Takes the lowest vCPU out of the set.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lowest = (0..MAX_VCPUS).find(|k| self.contains(*k));
        self.0 &= self.0.wrapping_sub(1);
        lowest
    }
}

/// A 64 KiB frame of the GIC's memory map. The number is the vCPU whose redistributor it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// GICD.
    Distributor,
    /// `RD_base` of a redistributor.
    Redistributor(usize),
    /// `SGI_base` of a redistributor.
    RedistributorSgi(usize),
}

impl Frame {
    /// The frame of a redistributor and the offset in it, from an offset in the redistributor region
    /// (128 KiB a vCPU: `RD_base`, then `SGI_base`).
    #[inline]
    pub fn of_redistributor(offset: u64) -> (Self, u32) {
        let vcpu = usize::try_from(offset >> 17).unwrap_or(usize::MAX);
        let low = u32::try_from(offset & 0xffff).unwrap_or(0);
        if offset & 0x1_0000 == 0 {
            (Self::Redistributor(vcpu), low)
        } else {
            (Self::RedistributorSgi(vcpu), low)
        }
    }
}

/// Width of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessSize {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

/// What the guest does; a value has the access's width, zero-extended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store of this value.
    Write(u64),
}

/// What EL2 does to the physical GIC after an access, beside
/// [`next_deactivation`](crate::vgic::Vgic::next_deactivation).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhysicalOperation {
    /// Nothing.
    None,
    /// Write the bits to `ISENABLER`.
    SetEnable,
    /// Write the bits to `ICENABLER`.
    ClearEnable,
    /// Write the bits to `ICPENDR`.
    ClearPending,
    /// Read `ISPENDR` and OR the bits that are set there and here into the value that the guest reads.
    ReadPending,
    /// Load the enables again, as at a world switch: the group enable or a group changed.
    ReloadEnables,
}

/// A change of the physical GIC that an access implies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysicalChange {
    /// What to do.
    pub operation: PhysicalOperation,
    /// Register number: 0 is the redistributor of the vCPU that made the access (PPIs), *n* the
    /// distributor's word of INTIDs 32 × *n* and up.
    pub word: u8,
    /// INTIDs of the word: PPIs 27 and 30 at most, or SPIs that the partition owns.
    pub bits: u32,
}

impl PhysicalChange {
    /// Nothing to do.
    pub const NONE: Self = Self {
        operation: PhysicalOperation::None,
        word: 0,
        bits: 0,
    };
}

/// Answer to a guest's access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What a load returns; 0 for a store.
    pub value: u64,
    /// vCPUs whose list registers are to be folded and filled.
    pub refresh: VcpuSet,
    /// What EL2 does to the physical GIC.
    pub physical: PhysicalChange,
}
