// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The FIFO ticket lock for sections of a few dozen instructions (design decision D7, kind (a)): data behind the order that
//! [`Tickets`] keeps.
//!
//! A core that fails says so in [`FAILED_CORES`]; who waits for a lock that it claims gets [`Poisoned`] instead of
//! waiting for ever. Implements: BH-CORE-004.

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU32;

use bulkhead_policy::lock::ticket::Tickets;

pub use bulkhead_policy::lock::ticket::Poisoned;

use crate::barrier::{keep_event, wait_for_change};

/// Bit *k*: core *k* failed at EL2. Who sets a bit sends an event, for those that wait.
pub static FAILED_CORES: AtomicU32 = AtomicU32::new(0);

/// Data that at most one core uses at a time.
pub struct TicketLock<T> {
    tickets: Tickets,
    data: UnsafeCell<T>,
}

// SAFETY: the tickets give `&mut T` to one core at a time, with acquire and release order between them.
unsafe impl<T: Send> Sync for TicketLock<T> {}

impl<T> TicketLock<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self {
            tickets: Tickets::new(),
            data: UnsafeCell::new(data),
        }
    }

    /// Runs `section` with exclusive use of the data. `core` is the index of the calling core.
    ///
    /// # Errors
    /// [`Poisoned`] when a core that has the lock, or waits for it, has failed.
    ///
    /// # Timing
    /// Waits for at most one section of each other core that uses this lock.
    pub fn with<R>(&self, core: u32, section: impl FnOnce(&mut T) -> R) -> Result<R, Poisoned> {
        self.tickets.claim(core);
        let ticket = self.tickets.take(&FAILED_CORES, wait_for_change)?;
        if ticket.waited {
            // The event that ended the wait may have been a call to a core that sleeps until events.
            keep_event();
        }
        // SAFETY: (1) this ticket is served, and no other is until it is given below; (2) acquire in `take` and
        // release in `give` order the accesses of successive holders.
        let result = section(unsafe { &mut *self.data.get() });
        self.tickets.give(ticket);
        self.tickets.withdraw(core);
        Ok(result)
    }
}
