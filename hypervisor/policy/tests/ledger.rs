// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition is shown of a core's ledger, read before, between and after the stores of its charges.
#![allow(clippy::expect_used, reason = "tests")]

use bulkhead_policy::ledger::Reading;
use proptest::prelude::*;

/// Accounts in the order of the answer: EL2, sleep, vCPUs.
type Accounts = [u64; 9];

/// All states of a ledger between the stores of its charges, as (elapsed, accounts): EL2's ends its work and publishes.
fn states(charges: &[(usize, u32)]) -> Vec<(u64, Accounts)> {
    let mut now = (0, [0; 9]);
    let mut all = vec![now];
    for &(account, ticks) in charges {
        now.1[account] += u64::from(ticks);
        all.push(now);
        if account == 0 {
            now.0 = now.1.iter().sum();
            all.push(now);
        }
    }
    all
}

proptest! {
    /// Each word is read at its own time, how far the ledger has come first: a torn reading is never shown.
    /// Verifies: BH-STAT-002.
    #[test]
    fn what_is_shown_was_true_at_one_time(
        charges in prop::collection::vec((0usize..9, 1u32..1000), 1..30),
        first in 0usize..60,
        steps in [0usize..3, 0usize..3, 0usize..3, 0usize..3, 0usize..3, 0usize..3, 0usize..3, 0usize..3, 0usize..3],
    ) {
        let all = states(&charges);
        let at = |time: usize| all[time.min(all.len() - 1)];
        let (elapsed, _) = at(first);
        let mut time = first;
        let mut read = [0; 9];
        for (index, step) in steps.into_iter().enumerate() {
            time += step;
            read[index] = at(time).1[index];
        }
        let [el2, idle, run @ ..] = read;
        let whose = [Some((2, 1)), None, None, None, None, None, None];
        let (result, values) = Reading { elapsed, el2, idle, run, whose }.answer();
        if all.contains(&(elapsed, read)) && read.iter().sum::<u64>() == elapsed {
            prop_assert_eq!(result, 0);
            prop_assert_eq!(values[0], elapsed);
            prop_assert_eq!(&values[1..10], &read[..]);
            prop_assert_eq!(values[10], 2 << 32 | 1);
            prop_assert_eq!(&values[11..], &[u64::MAX; 6][..]);
        } else {
            prop_assert_eq!((result, values), (1, [0; 17]));
        }
    }
}
