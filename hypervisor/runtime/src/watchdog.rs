// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board's watchdog at work: petted once a system slot, if the slots of every watched core go on; by its first successor
//! that is left, once a frame, when the system core has parked. What it means is [`bulkhead_policy::watchdog`]'s.

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_arch::lock::FAILED_CORES;
use bulkhead_drivers::i6300esb::Watchdog;
use bulkhead_policy::watchdog::{Watched, may_pet, predecessors};
use bulkhead_types::system::System;
use bulkhead_types::tables::Core;

use crate::core_state::Running;
use crate::shared::MAX_CORES;
use crate::{core_field, entry, view};

/// Slots that each core had begun at the last pet. Only the core that pets uses it.
static SEEN: [AtomicU64; MAX_CORES] = [const { AtomicU64::new(0) }; MAX_CORES];

/// A core's part in keeping the watchdog quiet.
pub struct Keeper {
    watchdog: Watchdog,
    /// Cores that must have parked before this one pets.
    before: u32,
}

/// The watched cores with their numbers.
fn watched<'a>(system: &'a System<'_>) -> impl Iterator<Item = (u32, &'a Core)> {
    let cores = (0u32..).zip(system.cores);
    cores.filter(|(index, core)| system.is_watched(*index, core))
}

impl Keeper {
    /// That of core `index`; `None` without a watchdog, and on a core that is not watched.
    pub fn of(system: &System<'_>, index: u32) -> Option<Self> {
        let watchdog = entry::watchdog(system)?;
        let set = watched(system).fold(0, |set, (core, _)| set | 1u32.checked_shl(core).unwrap_or(0));
        watched(system).find(|(core, _)| *core == index).map(|_| Self {
            watchdog,
            before: predecessors(index, system.board.system_core, system.standby_core(), set),
        })
    }

    /// Whether this core pets before all others: the system core, in its slots.
    pub fn is_first(&self) -> bool {
        self.before == 0
    }

    /// Whether this core pets in the stead of the system core, which has parked.
    pub fn succeeds(&self) -> bool {
        self.before != 0 && self.before & !FAILED_CORES.load(Ordering::Relaxed) == 0
    }

    /// Pets, if it may. Implements: BH-HEALTH-041.
    ///
    /// # Timing
    /// Two looks at each core and three accesses to the watchdog.
    pub fn look(&self, running: &Running) {
        let failed = FAILED_CORES.load(Ordering::Relaxed);
        let begun = |core: u32| view::core_stats(core).read64(core_field!(slots));
        let cores = || watched(&running.system).map(|(core, _)| core).zip(&SEEN);
        let states = cores().map(|(core, seen)| Watched {
            begun: begun(core),
            seen: seen.load(Ordering::Relaxed),
            parked: failed.checked_shr(core).unwrap_or(0) & 1 != 0,
        });
        if may_pet(states) {
            cores().for_each(|(core, seen)| seen.store(begun(core), Ordering::Relaxed));
            running.stats.add64(core_field!(pets), 1);
            self.watchdog.pet();
        }
    }
}
