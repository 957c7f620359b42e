// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The FIFO ticket lock for sections of a few dozen instructions (design decision D7, kind (a)).
//!
//! A lock records its holder's core. A core that fails says so in [`FAILED_CORES`]; a waiter that sees the
//! holder failed gets [`Poisoned`] instead of waiting for ever. Implements: BH-CORE-004.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::barrier::{keep_event, wait_for_change};

/// Bit *k*: core *k* failed at EL2. Who sets a bit sends an event, for those that wait.
pub static FAILED_CORES: AtomicU32 = AtomicU32::new(0);

/// The holder of a lock failed while it held it: what the lock protects may be inconsistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned;

/// Data that at most one core uses at a time.
pub struct TicketLock<T> {
    next: AtomicU32,
    serving: AtomicU32,
    holder: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: the ticket protocol gives `&mut T` to one core at a time, with acquire and release order between them.
unsafe impl<T: Send> Sync for TicketLock<T> {}

impl<T> TicketLock<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            holder: AtomicU32::new(u32::MAX),
            data: UnsafeCell::new(data),
        }
    }

    /// Runs `section` with exclusive use of the data. `core` is the index of the calling core.
    ///
    /// # Errors
    /// [`Poisoned`] when the core that holds the lock has failed.
    ///
    /// # Timing
    /// Waits for at most one section of each other core that uses this lock.
    pub fn with<R>(&self, core: u32, section: impl FnOnce(&mut T) -> R) -> Result<R, Poisoned> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let mut waited = false;
        loop {
            let serving = self.serving.load(Ordering::Acquire);
            if serving == ticket {
                break;
            }
            waited = true;
            let holder = self.holder.load(Ordering::Relaxed);
            let failed = FAILED_CORES.load(Ordering::Relaxed);
            if holder < 32 && failed & (1 << holder) != 0 {
                return Err(Poisoned);
            }
            wait_for_change(&self.serving, serving);
        }
        if waited {
            // The event that ended the wait may have been a call to a core that sleeps until events.
            keep_event();
        }
        self.holder.store(core, Ordering::Relaxed);
        // SAFETY: (1) `serving` equals our ticket, which no other core has, until we advance it below;
        // (2) acquire above and release below order the accesses of successive holders.
        let result = section(unsafe { &mut *self.data.get() });
        self.holder.store(u32::MAX, Ordering::Relaxed);
        self.serving.store(ticket.wrapping_add(1), Ordering::Release);
        Ok(result)
    }
}
