// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The order of a FIFO ticket lock (design decision D7, kind (a)), and its end when a core fails.
//!
//! A core says that it claims the lock before it takes a ticket, and until it has given the lock back. One that fails
//! with a claim leaves a ticket that nobody ever ends, wherever it was: so whoever waits beside such a claim gets
//! [`Poisoned`]. Implements: BH-CORE-004.

use bulkhead_abi::lock::atomic::{AtomicU32, Ordering};

/// A core failed while it held the lock or waited for it: what the lock protects may be inconsistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned;

/// A place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// How many were taken before it, modulo 2^32.
    pub number: u32,
    /// Whether somebody had the lock when it was taken.
    pub waited: bool,
}

/// Who is next.
#[derive(Debug)]
pub struct Tickets {
    next: AtomicU32,
    serving: AtomicU32,
    /// Bit *k*: core *k* has the lock, waits for it, or is about to.
    claims: AtomicU32,
}

impl Tickets {
    /// Nobody has it.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            claims: AtomicU32::new(0),
        }
    }

    /// Nobody has it.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            claims: AtomicU32::new(0),
        }
    }

    /// Says that core `core`, 0 to 31, claims the lock; [`Self::take`] follows.
    #[inline]
    pub fn claim(&self, core: u32) {
        self.claims.fetch_or(bit(core), Ordering::Relaxed);
    }

    /// Takes a ticket, and returns when it is served. `failed` has bit *k* while core *k* failed; `wait` gets the word of the
    /// ticket that is served and its value, and returns when that changes or a core fails, or earlier.
    ///
    /// # Errors
    /// [`Poisoned`] when a core failed with a claim; the ticket is given up, as is the lock.
    ///
    /// # Timing
    /// Waits for at most one section of each other core that uses this lock.
    #[inline]
    pub fn take(
        &self,
        failed: &AtomicU32,
        mut wait: impl FnMut(&AtomicU32, u32),
    ) -> Result<Ticket, Poisoned> {
        // Who takes a later ticket finds the claim, too.
        let number = self.next.fetch_add(1, Ordering::AcqRel);
        let mut waited = false;
        loop {
            let serving = self.serving.load(Ordering::Acquire);
            if serving == number {
                return Ok(Ticket { number, waited });
            }
            waited = true;
            if self.claims.load(Ordering::Relaxed) & failed.load(Ordering::Relaxed) != 0 {
                return Err(Poisoned);
            }
            wait(&self.serving, serving);
        }
    }

    /// Gives the lock to the next ticket; [`Self::withdraw`] follows.
    #[inline]
    pub fn give(&self, ticket: Ticket) {
        self.serving
            .store(ticket.number.wrapping_add(1), Ordering::Release);
    }

    /// Ends the claim of core `core`.
    #[inline]
    pub fn withdraw(&self, core: u32) {
        self.claims.fetch_and(!bit(core), Ordering::Relaxed);
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn bit(core: u32) -> u32 {
    1 << (core & 31)
}
