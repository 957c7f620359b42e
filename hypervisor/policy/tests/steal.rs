// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stolen time against a list of what a vCPU did in each tick.

use bulkhead_policy::steal::{Stolen, Timer, woken_at};
use proptest::prelude::*;

const OFF: Timer = Timer {
    control: 0,
    due: 0,
    enabled: false,
};

fn armed(due: u64) -> Timer {
    Timer {
        control: 1,
        due,
        enabled: true,
    }
}

/// What a vCPU does while it is off its core.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// It was in the middle of its work.
    Ready,
    /// It waits; its timer is due after so many ticks.
    Waits(u64),
    /// It waits for something else.
    WaitsForever,
}

fn away() -> impl Strategy<Value = Away> {
    prop_oneof![
        Just(Away::Ready),
        (0u64..5000).prop_map(Away::Waits),
        Just(Away::WaitsForever)
    ]
}

proptest! {
    /// Verifies: BH-STEAL-001.
    #[test]
    fn is_every_tick_in_which_it_could_have_executed(
        history in prop::collection::vec((1u64..3000, 1u64..3000, away()), 1..40),
        begin in 0u64..1 << 40,
    ) {
        let mut stolen = Stolen::new(1_000_000_000);
        let (mut now, mut expected) = (begin, 0u64);
        for (executes, gone, away) in history {
            now += executes;
            let from = match away {
                Away::Ready => now,
                Away::Waits(after) => woken_at(now, [OFF, armed(now + after)]),
                Away::WaitsForever => woken_at(now, [OFF, OFF]),
            };
            stolen.leaves(from);
            let lost: u64 = (0..gone).map(|tick| u64::from(match away {
                Away::Ready => true,
                Away::Waits(after) => tick >= after,
                Away::WaitsForever => false,
            })).sum();
            now += gone;
            prop_assert_eq!(stolen.returns(now), lost);
            expected += lost;
            prop_assert_eq!(stolen.nanoseconds(), expected);
        }
        stolen.reset();
        prop_assert_eq!(stolen.returns(now), 0);
        prop_assert_eq!(stolen.nanoseconds(), 0);
    }

    /// Verifies: BH-STEAL-001.
    #[test]
    fn is_in_nanoseconds_at_any_frequency(ticks in 0u64..1 << 50, frequency in 1_000_000u64..=1_000_000_000) {
        let mut stolen = Stolen::new(frequency);
        stolen.leaves(5);
        stolen.returns(5 + ticks);
        let exact = u128::from(ticks) * 1_000_000_000 / u128::from(frequency);
        let shown = u128::from(stolen.nanoseconds());
        // Within a part of 2^32, and never more than there is.
        prop_assert!(shown <= exact && exact - shown <= (exact >> 31) + 1, "{} of {}", shown, exact);
    }
}

/// Verifies: BH-STEAL-001.
#[test]
fn only_a_timer_that_can_interrupt_ends_a_wait() {
    let timer = |control, enabled| Timer {
        control,
        due: 150,
        enabled,
    };
    assert_eq!(woken_at(100, [timer(1, true), OFF]), 150);
    assert_eq!(woken_at(100, [OFF, timer(5, true)]), 150);
    assert_eq!(woken_at(100, [timer(1, true), armed(120)]), 120);
    assert_eq!(woken_at(200, [timer(5, true), OFF]), 200);
    for silent in [timer(0, true), timer(3, true), timer(1, false), timer(4, true)] {
        assert_eq!(woken_at(100, [silent, OFF]), u64::MAX);
    }
}
