// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the health monitor watches by itself: signs of life, and counts that must not grow.
//!
//! Words, codes and tables of reactions are [`bulkhead_abi::health`]; here is what turns the claims of partitions
//! into errors. Times are counter ticks.

/// What is expected of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Longest time between two signs of life; 0: none is expected.
    pub every: u64,
    /// Time after a start in which none is expected.
    pub grace: u64,
}

/// What is seen of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its counter of activations, which it writes: only a change counts.
    pub beat: u64,
    /// Its starts.
    pub starts: u32,
    /// Its count of missed deadlines, which it writes: only growth counts.
    pub misses: u64,
}

/// The watch over one partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    beat: u64,
    starts: u32,
    misses: u64,
    /// Until when no sign of life is missed.
    until: u64,
}

/// What a watch found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How long the sign of life is overdue.
    pub overdue: Option<u64>,
    /// Deadlines missed since the last look.
    pub missed: Option<u64>,
}

impl Watch {
    /// A watch that has seen nothing.
    pub const fn new() -> Self {
        Self {
            beat: 0,
            starts: 0,
            misses: 0,
            until: 0,
        }
    }

    /// The watch as words, for who keeps it between two looks.
    pub fn words(&self) -> [u64; 4] {
        [self.beat, u64::from(self.starts), self.misses, self.until]
    }

    /// The watch of words that [`Watch::words`] gave.
    pub fn from_words([beat, starts, misses, until]: [u64; 4]) -> Self {
        Self {
            beat,
            starts: crate::bits::low32(starts),
            misses,
            until,
        }
    }

    /// Looks at a partition that runs. A sign of life that stays away is found once, and again after as long
    /// as for another one. Implements: BH-HEALTH-006, BH-HEALTH-007.
    pub fn look(&mut self, now: u64, seen: Seen, expected: Expected) -> Found {
        let starts = self.starts != seen.starts;
        let beats = self.beat != seen.beat;
        let missed = match seen.misses.checked_sub(self.misses) {
            Some(0) | None => None,
            Some(_) if starts => None,
            Some(more) => Some(more),
        };
        (self.beat, self.starts, self.misses) = (seen.beat, seen.starts, seen.misses);
        if starts {
            self.until = now.saturating_add(expected.grace).saturating_add(expected.every);
        } else if beats {
            self.until = self.until.max(now.saturating_add(expected.every));
        }
        let overdue = match now.checked_sub(self.until) {
            Some(late) if late > 0 && expected.every > 0 => Some(late),
            Some(_) | None => None,
        };
        if overdue.is_some() {
            self.until = now.saturating_add(expected.every);
        }
        Found { overdue, missed }
    }
}
