// SPDX-License-Identifier: Apache-2.0 OR MIT
//! List registers of 32 bits, and what the state machine calls a list register.
//!
//! The state machine speaks the format of `ICH_LR<n>_EL2`; the source of an SGI lies in bits 34:32 there, which
//! it does not look at without HW. Implements: BH-GIC-032.
//!
//! # References
//! Arm IHI 0048B, "List Registers, GICH_LRn"; Arm IHI 0069, "`ICH_LR<n>_EL2`".

use crate::vgic::bank::{LR_EOI, LR_GROUP1, LR_HW};
use crate::vgic::words::low;

/// `GICH_LR`: maintenance interrupt on deactivation; only without [`HW`].
const EOI: u32 = 1 << 19;
/// `GICH_LR`: linked to the physical interrupt in bits 19:10.
const HW: u32 = 1 << 31;
/// INTIDs of 10 bits.
const INTID: u32 = 0x3ff;
/// Numbers of CPU interfaces.
const SOURCE: u32 = 7;

/// The value for `GICH_LR<n>`.
#[inline]
pub fn list_register(state: u64) -> u32 {
    let fields = low(state >> 32);
    let link = if state & LR_HW != 0 {
        HW | (fields & INTID) << 10
    } else if state & LR_EOI != 0 {
        EOI | (fields & SOURCE) << 10
    } else {
        (fields & SOURCE) << 10
    };
    let priority = fields >> 19 & 0x1f;
    low(state) & INTID | link | priority << 23 | (fields >> 30) << 28
}

/// What the state machine takes back from the value of `GICH_LR<n>`.
#[inline]
pub fn state_of(register: u32) -> u64 {
    let field = |shift: u32, mask: u32| u64::from(register >> shift & mask);
    let link = if register & HW != 0 {
        LR_HW | field(10, INTID) << 32
    } else if register & EOI != 0 {
        LR_EOI | field(10, SOURCE) << 32
    } else {
        field(10, SOURCE) << 32
    };
    field(0, INTID) | LR_GROUP1 | link | field(23, 0x1f) << 51 | field(28, 3) << 62
}
