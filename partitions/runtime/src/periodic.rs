// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Periodic activations at absolute times, and the ns of a counter.
//!
//! Release *k* is first + *k* × period whatever happened before, so nothing drifts. Releases whose deadline
//! passed before they could run are skipped and counted as missed. Implements: BH-PART-001.

/// The releases of one periodic task; all times in ns.
#[derive(Clone, Copy, Debug)]
pub struct Periodic {
    period: u64,
    deadline: u64,
    release: u64,
}

impl Periodic {
    /// A task released at `first` and then every `period`, each activation due `deadline` after its release.
    ///
    /// A period of 0 counts as 1.
    #[must_use]
    pub const fn new(first: u64, period: u64, deadline: u64) -> Self {
        Self {
            period: if period == 0 { 1 } else { period },
            deadline,
            release: first,
        }
    }

    /// Time of the next activation.
    #[must_use]
    pub const fn release(&self) -> u64 {
        self.release
    }

    /// Ends an activation at `now` and returns how many deadlines were missed: its own, if it is late, and
    /// those of the releases that can no longer be served in time.
    pub fn finish(&mut self, now: u64) -> u64 {
        let own = u64::from(now > self.release.saturating_add(self.deadline));
        let next = self.release.saturating_add(self.period);
        let hopeless = now
            .checked_sub(next.saturating_add(self.deadline))
            .map_or(0, |late| late / self.period + 1);
        self.release = next.saturating_add(hopeless.saturating_mul(self.period));
        own + hopeless
    }
}

/// Converts counter ticks to ns without overflow in between.
///
/// A frequency of 0 counts as 1 Hz.
#[must_use]
pub const fn ticks_to_ns(ticks: u64, frequency: u64) -> u64 {
    let frequency = if frequency == 0 { 1 } else { frequency };
    let whole = (ticks / frequency).saturating_mul(1_000_000_000);
    whole.saturating_add((ticks % frequency).saturating_mul(1_000_000_000) / frequency)
}

/// First counter value whose time in ns is not before `ns`.
#[must_use]
pub const fn ns_to_ticks(ns: u64, frequency: u64) -> u64 {
    let whole = (ns / 1_000_000_000).saturating_mul(frequency);
    whole.saturating_add(
        (ns % 1_000_000_000)
            .saturating_mul(frequency)
            .div_ceil(1_000_000_000),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn lateness_neither_drifts_nor_hides() {
        let mut task = Periodic::new(100 * MS, 10 * MS, 10 * MS);
        assert_eq!((task.finish(102 * MS), task.release()), (0, 110 * MS));
        // Exactly at the deadline is in time; one ns later is not.
        assert_eq!((task.finish(120 * MS), task.release()), (0, 120 * MS));
        assert_eq!((task.finish(130 * MS + 1), task.release()), (1, 130 * MS));
        assert_eq!((task.finish(131 * MS), task.release()), (0, 140 * MS));
        // Held for half a second: its own and the 49 that passed meanwhile.
        assert_eq!((task.finish(640 * MS), task.release()), (50, 640 * MS));
    }

    proptest! {
        /// Verifies: BH-PART-001. Every release is served in time or counted, and none is served twice.
        #[test]
        fn every_release_is_accounted_for(
            period in 1_u64..50, deadline in 1_u64..100, work in prop::collection::vec(0_u64..500, 1..100),
        ) {
            let mut task = Periodic::new(0, period, deadline);
            let (mut now, mut releases, mut in_time, mut missed) = (0_u64, 0, 0, 0);
            for cost in work {
                let release = task.release();
                prop_assert_eq!(release % period, 0);
                now = now.max(release) + cost;
                in_time += u64::from(now <= release + deadline);
                missed += task.finish(now);
                releases += (task.release() - release) / period;
                prop_assert!(task.release() > release);
            }
            prop_assert_eq!(in_time + missed, releases);
        }

        #[test]
        fn ticks_and_ns_agree(ns in 0_u64..1 << 60, frequency in prop_oneof![Just(62_500_000_u64), Just(1_000_000_000), 1_u64..2_000_000_000]) {
            let ticks = ns_to_ticks(ns, frequency);
            prop_assert!(ticks_to_ns(ticks, frequency) + 1 >= ns);
            prop_assert!(ticks == 0 || ticks_to_ns(ticks - 1, frequency) < ns);
        }
    }
}
