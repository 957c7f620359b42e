// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From an offset and a size to a register of the distributor of a GICv2; total: what is not a register is
//! [`Register::Reserved`], which reads as zero and ignores writes. Implements: BH-GIC-034.
//!
//! # References
//! Arm IHI 0048B, "Distributor register map", "GIC register access" (widths).

use crate::vgic::decode::{BitRegister, bit_register};
use crate::vgic::types::AccessSize;

/// A register of the distributor. Registers of SGIs and PPIs are those of the vCPU that makes the access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Reads as zero, ignores writes.
    Reserved,
    /// `GICD_CTLR`.
    Control,
    /// `GICD_TYPER`.
    Type,
    /// `ICPIDR2`.
    Peripheral2,
    /// A bit for each of the INTIDs from 32 × `word`.
    Bits {
        /// Which; never [`BitRegister::Group`].
        kind: BitRegister,
        /// 0 to 31.
        word: usize,
    },
    /// `GICD_IPRIORITYR`: one byte or four from INTID `first`.
    Priority {
        /// INTID of the lowest byte.
        first: u32,
    },
    /// `GICD_ITARGETSR`: one byte or four from INTID `first`.
    Targets {
        /// INTID of the lowest byte.
        first: u32,
    },
    /// `GICD_ICFGR`: two bits for each of 16 INTIDs from `first`.
    Configuration {
        /// INTID of the lowest bits.
        first: u32,
    },
    /// `GICD_SGIR`.
    SoftwareInterrupt,
    /// `GICD_CPENDSGIR`: one byte or four from SGI `first`.
    ClearSources {
        /// INTID of the lowest byte.
        first: u32,
    },
    /// `GICD_SPENDSGIR`: one byte or four from SGI `first`.
    SetSources {
        /// INTID of the lowest byte.
        first: u32,
    },
}

fn bits(offset: u32) -> Register {
    let word = usize::try_from((offset & 0x7f) >> 2).unwrap_or(0);
    match bit_register(offset) {
        Some(BitRegister::Group) | None => Register::Reserved,
        Some(kind) => Register::Bits { kind, word },
    }
}

/// The register that an access of `size` at `offset` of the distributor reaches.
pub fn decode(offset: u32, size: AccessSize) -> Register {
    let word = match size {
        AccessSize::Word => true,
        AccessSize::Byte => false,
        AccessSize::Half | AccessSize::Double => return Register::Reserved,
    };
    if word && offset & 3 != 0 {
        return Register::Reserved;
    }
    match offset {
        0x000 if word => Register::Control,
        0x004 if word => Register::Type,
        0x080..=0x3ff if word => bits(offset),
        0x400..=0x7fb => Register::Priority {
            first: offset & 0x3ff,
        },
        0x800..=0xbfb => Register::Targets {
            first: offset & 0x3ff,
        },
        0xc00..=0xcff if word => Register::Configuration {
            first: (offset & 0xff) << 2,
        },
        0xf00 if word => Register::SoftwareInterrupt,
        0xf10..=0xf1f => Register::ClearSources { first: offset & 0xf },
        0xf20..=0xf2f => Register::SetSources { first: offset & 0xf },
        0xfe8 if word => Register::Peripheral2,
        _ => Register::Reserved,
    }
}

/// Whether a register shows or changes pending or active state, which for the own vCPU is exact only when its
/// list registers were folded before.
pub fn observes_state(offset: u32) -> bool {
    matches!(offset, 0x200..0x400 | 0xf10..0xf30)
}
