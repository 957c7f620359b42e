// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The budget of memory traffic of a core: so many events of its performance counter in each period.
//!
//! Periods are counted from the begin of each major frame, which is a whole number of them. A core that has
//! spent its budget stands still until the next period begins. Times are counter ticks since the epoch.
//! Implements: BH-BW-001.

use bulkhead_types::tables::Core;

use crate::schedule::{Position, nanoseconds, ticks};

/// How much a core may do in a period, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regulator {
    budget: u32,
    period_ns: u64,
    /// Periods in a frame.
    periods: u64,
    frequency: u64,
    /// Begin of the frame from which the periods are counted.
    anchor: u64,
    /// First tick of the next period in this frame; at the begin of a frame a period begins in any case.
    next: u64,
    spent: bool,
}

impl Regulator {
    /// The regulator of a core whose counter has the given frequency in Hz, as its first frame begins at the epoch;
    /// nothing when the core is not regulated.
    pub fn new(core: &Core, frequency: u64) -> Option<Self> {
        if core.budget == 0 || ticks(core.budget_period_ns, frequency) == 0 {
            return None;
        }
        Some(Self {
            budget: core.budget,
            period_ns: core.budget_period_ns,
            periods: core.major_frame_ns.checked_div(core.budget_period_ns)?,
            frequency,
            anchor: 0,
            next: 0,
            spent: false,
        })
    }

    /// Events that the core may make in a period.
    pub const fn budget(&self) -> u32 {
        self.budget
    }

    /// Whether the core stands still until the period ends.
    #[inline]
    pub const fn spent(&self) -> bool {
        self.spent
    }

    /// The counter overflowed: the budget of this period is used.
    pub const fn exhaust(&mut self) {
        self.spent = true;
    }

    /// When EL2 has to look again, at `position`: at the end of the slot, or of the period if that is earlier.
    #[inline]
    pub const fn look_at(&self, position: &Position) -> u64 {
        if self.next < position.end() {
            self.next
        } else {
            position.end()
        }
    }

    /// Whether a new period has begun by `now`, in the frame of `position`: the core then has its whole budget again.
    /// A period that was passed over gives nothing.
    ///
    /// # Timing
    /// Two compares, and up to five divisions when a period has begun.
    pub fn renew(&mut self, position: &Position, now: u64) -> bool {
        let begin = position.frame_begin();
        if now < self.next && begin == self.anchor {
            return false;
        }
        self.anchor = begin;
        let at = |k: u64| begin.wrapping_add(ticks(k.wrapping_mul(self.period_ns), self.frequency));
        // A tick is rounded down from the begin of its period, so the quotient may be one too low, never too high.
        let into = nanoseconds(now.saturating_sub(begin), self.frequency);
        let passed = into.checked_div(self.period_ns).unwrap_or(0);
        let following = if at(passed.wrapping_add(1)) > now {
            passed.wrapping_add(1)
        } else {
            passed.wrapping_add(2)
        };
        self.next = if following < self.periods {
            at(following)
        } else {
            u64::MAX
        };
        self.spent = false;
        true
    }
}
