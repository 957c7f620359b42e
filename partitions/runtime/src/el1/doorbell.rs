// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Doorbells: rung by a hypercall, heard as an interrupt. Implements: BH-PART-011.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bulkhead_abi::hypercall::{DOORBELL_EARLY, SUCCESS};

use super::hypercall;
use crate::machine::{Doorbell, End, MOST};

/// For each doorbell of the device tree its INTID, if this partition hears it, and how often it was heard.
static HEARD: [(AtomicU32, AtomicU64); MOST] = [const { (AtomicU32::new(0), AtomicU64::new(0)) }; MOST];

/// Why a ring was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// It came sooner after the last one than the spec allows.
    TooEarly,
    /// EL2 knows no such doorbell of this partition.
    Denied,
}

/// The end of a doorbell that rings.
#[derive(Clone, Copy, Debug)]
pub struct Bell(u32);

impl Bell {
    pub(super) fn of(bell: &Doorbell<'_>) -> Option<Self> {
        match bell.end {
            End::Rings(number) => Some(Self(number)),
            End::Hears(_) => None,
        }
    }

    /// Its number for EL2.
    pub const fn number(&self) -> u32 {
        self.0
    }

    /// Rings; what was written before is visible to the other end when it hears.
    ///
    /// # Errors
    /// See [`RingError`].
    pub fn ring(&self) -> Result<(), RingError> {
        match hypercall::ring(self.0) {
            SUCCESS => Ok(()),
            DOORBELL_EARLY => Err(RingError::TooEarly),
            _ => Err(RingError::Denied),
        }
    }
}

/// The doorbells of the device tree that this partition hears.
pub(super) fn heard_by(bells: &[Doorbell<'_>]) -> impl Iterator<Item = u32> {
    for (bell, (intid, _)) in bells.iter().zip(&HEARD) {
        if let End::Hears(number) = bell.end {
            intid.store(number, Ordering::Relaxed);
        }
    }
    let intids = HEARD.iter().map(|(intid, _)| intid.load(Ordering::Relaxed));
    intids.filter(|intid| *intid != 0)
}

/// How often the doorbell at `place` of the device tree was heard; rings that came before one was handled count once.
pub(super) fn count(place: usize) -> u64 {
    HEARD
        .get(place)
        .map_or(0, |(_, heard)| heard.load(Ordering::Acquire))
}

/// Takes an interrupt, if it is a doorbell's.
pub(super) fn on_interrupt(number: u32) -> bool {
    let bell = HEARD
        .iter()
        .find(|(intid, _)| intid.load(Ordering::Relaxed) == number);
    if let Some((_, heard)) = bell {
        heard.fetch_add(1, Ordering::Release);
    }
    bell.is_some()
}
