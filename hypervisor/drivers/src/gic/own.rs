// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which interrupts are EL2's own, by the security states that it finds.

use super::{EL2_TIMER_PPI, KICK_SGI};

/// SGI that EL2 keeps for itself on sliced cores with two security states: firmware often keeps SGIs 8 to 15.
pub const GROUP1_KICK_SGI: u32 = 7;

/// Security states of an interrupt controller as EL2 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityStates {
    /// One: all groups are EL2's.
    One,
    /// Two: EL2 is non-secure, Group 1 alone is its.
    Two,
}

/// The two interrupts that EL2 has for itself on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnInterrupts {
    /// In Group 0.
    Group0,
    /// In Group 1.
    Group1,
    /// None: with two security states on a core whose interrupts are the guest's.
    None,
}

impl OwnInterrupts {
    /// Bits of SGIs and PPIs.
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Group0 => (1 << KICK_SGI) | (1 << EL2_TIMER_PPI),
            Self::Group1 => (1 << GROUP1_KICK_SGI) | (1 << EL2_TIMER_PPI),
            Self::None => 0,
        }
    }

    /// Bits of SGIs and PPIs, with those in the set `more` where EL2 has any.
    pub(super) const fn bits_with(self, more: u32) -> u32 {
        match self {
            Self::Group0 | Self::Group1 => self.bits() | more,
            Self::None => 0,
        }
    }
}
