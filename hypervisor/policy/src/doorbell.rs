// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often a doorbell rings: at most once in its interval, whoever rings.

/// What becomes of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// It is delivered; the next one is not before this time.
    Deliver {
        /// Counter value.
        not_before: u64,
    },
    /// It comes too early and is refused.
    TooEarly,
}

/// Judges a ring at `now` that must not be delivered before `not_before`. Times are counter values, which do not wrap
/// in a system's life; 0 is the time before the first ring. Implements: BH-BELL-002.
#[inline]
pub const fn ring(not_before: u64, now: u64, interval: u64) -> Ring {
    if now < not_before {
        Ring::TooEarly
    } else {
        Ring::Deliver {
            not_before: now.saturating_add(interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However a ringer hammers: between two rings that are delivered lies the interval, and none that waits for
        /// it is refused. Verifies: BH-BELL-002.
        #[test]
        fn delivered_rings_are_an_interval_apart(
            interval in 1u64..1000,
            steps in prop::collection::vec(0u64..400, 1..300),
        ) {
            let (mut not_before, mut now, mut last) = (0, 1, None::<u64>);
            for step in steps {
                now += step;
                let waited = last.is_none_or(|last| now - last >= interval);
                match ring(not_before, now, interval) {
                    Ring::Deliver { not_before: next } => {
                        prop_assert!(waited);
                        (not_before, last) = (next, Some(now));
                    }
                    Ring::TooEarly => prop_assert!(!waited),
                }
            }
        }
    }
}
