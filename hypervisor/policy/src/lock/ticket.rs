// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The order of a FIFO ticket lock (design decision D7, kind (a)), and its end when a core fails.
//!
//! A core says that it claims the lock before it takes a ticket, and until it has given the lock back. One that fails
//! with a claim leaves a ticket that nobody ever ends, wherever it was: so whoever waits beside such a claim gets
//! [`Poisoned`]. Implements: BH-CORE-004.

use bulkhead_abi::lock::atomic::{AtomicU8, AtomicU32, Ordering};

/// Cores for which there is room; fewer where every order is explored.
const CORES: usize = if cfg!(loom) { 4 } else { 32 };

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
    /// Of core *k*, 1 while it has the lock, waits for it, or is about to.
    claims: [AtomicU8; CORES],
}

impl Tickets {
    /// Nobody has it.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            claims: [const { AtomicU8::new(0) }; CORES],
        }
    }

    /// Nobody has it.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            claims: core::array::from_fn(|_| AtomicU8::new(0)),
        }
    }

    /// Says that core `core`, 0 to 31, claims the lock; [`Self::take`] follows.
    #[inline]
    pub fn claim(&self, core: u32) {
        self.set_claim(core, 1);
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
            let failed = failed.load(Ordering::Relaxed);
            if failed != 0 && self.is_claimed_by(failed) {
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
        self.set_claim(core, 0);
    }

    #[inline]
    fn set_claim(&self, core: u32, claim: u8) {
        let index = usize::try_from(core).unwrap_or(0) % CORES;
        if let Some(own) = self.claims.get(index) {
            own.store(claim, Ordering::Relaxed);
        }
    }

    /// Whether one of these cores claims the lock.
    #[inline(never)]
    fn is_claimed_by(&self, cores: u32) -> bool {
        let mut claims = self.claims.iter().enumerate();
        claims.any(|(core, claim)| cores >> core & 1 != 0 && claim.load(Ordering::Relaxed) != 0)
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}
