// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a frame, an offset and a size to a register; total: what is not a register is
//! [`Register::Reserved`], which reads as zero and ignores writes. Implements: BH-GIC-001.
//!
//! # References
//! Arm IHI 0069, "Distributor register map", "Redistributor register map", "GIC memory-mapped register
//! access".

use super::types::{AccessSize, Frame};

/// Registers with a bit an interrupt, in the order of their blocks of 128 bytes from offset 0x080.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BitRegister {
    /// `IGROUPR`.
    Group,
    /// `ISENABLER`.
    SetEnable,
    /// `ICENABLER`.
    ClearEnable,
    /// `ISPENDR`.
    SetPending,
    /// `ICPENDR`.
    ClearPending,
    /// `ISACTIVER`.
    SetActive,
    /// `ICACTIVER`.
    ClearActive,
}

impl BitRegister {
    /// Whether it shows pending or active state.
    pub(super) const fn observes_state(self) -> bool {
        match self {
            Self::Group | Self::SetEnable | Self::ClearEnable => false,
            Self::SetPending | Self::ClearPending | Self::SetActive | Self::ClearActive => true,
        }
    }
}

/// A register of one of the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Reads as zero, ignores writes.
    Reserved,
    /// `GICD_CTLR`.
    DistributorControl,
    /// `GICD_TYPER`.
    DistributorType,
    /// `GICD_PIDR2` or `GICR_PIDR2`.
    Peripheral2,
    /// Low or high word of `GICR_TYPER`, or both.
    RedistributorType {
        /// The access starts at the high word.
        high: bool,
    },
    /// `GICR_WAKER`.
    Waker,
    /// A bit for each of the INTIDs from 32 × `word`.
    Bits {
        /// Which.
        kind: BitRegister,
        /// 0 in a redistributor, 1 to 31 in the distributor.
        word: usize,
    },
    /// `IPRIORITYR`: one byte or four from INTID `first`.
    Priority {
        /// INTID of the lowest byte.
        first: u32,
    },
    /// `ICFGR`: two bits for each of 16 INTIDs from `first`.
    Configuration {
        /// INTID of the lowest bits.
        first: u32,
    },
    /// `GICD_IROUTER` of an SPI.
    Route {
        /// The SPI, 32 to 1019.
        intid: u32,
        /// The access is the high word (Aff3), alone.
        high: bool,
    },
}

pub(super) fn bit_register(offset: u32) -> Option<BitRegister> {
    match offset >> 7 {
        1 => Some(BitRegister::Group),
        2 => Some(BitRegister::SetEnable),
        3 => Some(BitRegister::ClearEnable),
        4 => Some(BitRegister::SetPending),
        5 => Some(BitRegister::ClearPending),
        6 => Some(BitRegister::SetActive),
        7 => Some(BitRegister::ClearActive),
        _ => None,
    }
}

/// The bit register at `offset`, and its number. SGIs and PPIs are in the redistributors while affinity
/// routing is on.
#[inline]
pub(super) fn bits_of(frame: Frame, offset: u32) -> Option<(BitRegister, usize)> {
    let word = usize::try_from((offset & 0x7f) >> 2).ok()?;
    let there = match frame {
        Frame::Distributor => word != 0,
        Frame::Redistributor(_) => false,
        Frame::RedistributorSgi(_) => word == 0,
    };
    if there && offset & 3 == 0 {
        bit_register(offset).map(|kind| (kind, word))
    } else {
        None
    }
}

/// Registers that both kinds of frame have at the same offset: a byte or two bits an interrupt.
fn by_interrupt(offset: u32, size: AccessSize) -> Register {
    let word = size == AccessSize::Word;
    match offset {
        0x400..=0x7fb if word || size == AccessSize::Byte => Register::Priority {
            first: offset & 0x3ff,
        },
        0xc00..=0xcff if word => Register::Configuration {
            first: (offset & 0xff) << 2,
        },
        _ => Register::Reserved,
    }
}

/// A register of SGIs and PPIs.
fn is_private(register: Register) -> bool {
    matches!(
        register,
        Register::Priority { first: 0..=31 } | Register::Configuration { first: 0..=31 }
    )
}

fn distributor(offset: u32, size: AccessSize) -> Register {
    let word = size == AccessSize::Word;
    match offset {
        0x0000 if word => Register::DistributorControl,
        0x0004 if word => Register::DistributorType,
        0xffe8 if word => Register::Peripheral2,
        0x6100..=0x7fdf if word || size == AccessSize::Double => Register::Route {
            intid: (offset & 0x1fff) >> 3,
            high: offset & 4 != 0,
        },
        _ => {
            let register = by_interrupt(offset, size);
            if is_private(register) {
                Register::Reserved
            } else {
                register
            }
        }
    }
}

fn redistributor(offset: u32, size: AccessSize) -> Register {
    let word = size == AccessSize::Word;
    match offset {
        0x0008 if word || size == AccessSize::Double => Register::RedistributorType { high: false },
        0x000c if word => Register::RedistributorType { high: true },
        0x0014 if word => Register::Waker,
        0xffe8 if word => Register::Peripheral2,
        _ => Register::Reserved,
    }
}

/// The register that an access of `size` at `offset` of `frame` reaches.
pub fn decode(frame: Frame, offset: u32, size: AccessSize) -> Register {
    let alignment = match size {
        AccessSize::Byte => 0,
        AccessSize::Half => 1,
        AccessSize::Word => 3,
        AccessSize::Double => 7,
    };
    if offset & alignment != 0 {
        return Register::Reserved;
    }
    if size == AccessSize::Word
        && let Some((kind, word)) = bits_of(frame, offset)
    {
        return Register::Bits { kind, word };
    }
    match frame {
        Frame::Distributor => distributor(offset, size),
        Frame::Redistributor(_) => redistributor(offset, size),
        Frame::RedistributorSgi(_) => {
            let register = by_interrupt(offset, size);
            if is_private(register) {
                register
            } else {
                Register::Reserved
            }
        }
    }
}

/// Whether a register shows pending or active state, which for the own vCPU is exact only when its list
/// registers were folded before.
pub fn observes_state(frame: Frame, offset: u32) -> bool {
    !matches!(frame, Frame::Redistributor(_)) && (0x200..0x400).contains(&offset)
}
