// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's watchdog: when it is petted, and by which core.
//!
//! It is petted as long as the slots of every watched core go on. A core that EL2 found to have failed and parked is
//! no longer watched: that error is known and answered by the health table, which lets the other cores go on (design
//! decision D4); the watchdog is for those that nobody noticed. The system core pets; when it has parked, the core that takes
//! its housekeeping over, then the first of the others. When the last watched core has parked nobody does, and the board is reset.

/// A watched core as the petting one sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Slots that it has begun.
    pub begun: u64,
    /// Slots that it had begun at the last pet.
    pub seen: u64,
    /// Whether EL2 failed there, which was noticed.
    pub parked: bool,
}

/// Whether every watched core that has not parked began a slot since the last pet.
/// Implements: BH-HEALTH-041.
pub fn may_pet(mut cores: impl Iterator<Item = Watched>) -> bool {
    cores.all(|core| core.parked || core.begun != core.seen)
}

/// Cores, a bit each, that must have parked before core `index` pets: the system core, then the `standby` core that takes
/// its housekeeping over, if there is one, then the watched ones in their order. Implements: BH-HEALTH-042.
pub fn predecessors(index: u32, system: u32, standby: u32, watched: u32) -> u32 {
    let bit = |core: u32| 1u32.checked_shl(core).unwrap_or(0);
    if index == system {
        0
    } else if index == standby {
        bit(system)
    } else {
        bit(system) | bit(standby) | watched & bit(index).wrapping_sub(1)
    }
}
