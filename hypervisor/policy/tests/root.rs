// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Root pages withdrawn and restored.

use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_policy::root::{restore, withdraw};
use proptest::prelude::*;

const ENTRIES: usize = 512;

fn page(words: &[u64]) -> Vec<AtomicU64> {
    words.iter().copied().map(AtomicU64::new).collect()
}

fn words(page: &[AtomicU64]) -> Vec<u64> {
    page.iter().map(|entry| entry.load(Ordering::Relaxed)).collect()
}

proptest! {
    /// Verifies: BH-LIFE-003, BH-LIFE-004.
    #[test]
    fn a_withdrawn_page_maps_nothing_and_a_restored_one_what_it_did(
        pristine in prop::collection::vec(any::<u64>(), ENTRIES)
    ) {
        let live = page(&pristine);
        withdraw(&live);
        prop_assert_eq!(words(&live), vec![0; ENTRIES]);
        restore(&live, &pristine);
        prop_assert_eq!(words(&live), pristine);
    }

    /// Verifies: BH-LIFE-004.
    #[test]
    fn nothing_of_the_old_content_outlives_a_short_copy(
        old in prop::collection::vec(any::<u64>(), ENTRIES), length in 0..=ENTRIES
    ) {
        let live = page(&old);
        let pristine = vec![7; length];
        restore(&live, &pristine);
        let mut wanted = pristine;
        wanted.resize(ENTRIES, 0);
        prop_assert_eq!(words(&live), wanted);
    }
}
