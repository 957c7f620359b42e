// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Root pages withdrawn and restored.

use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_policy::root::{Used, restore, withdraw};
use proptest::prelude::*;

const ENTRIES: usize = 512;

fn page(words: &[u64]) -> Vec<AtomicU64> {
    words.iter().copied().map(AtomicU64::new).collect()
}

fn words(page: &[AtomicU64]) -> Vec<u64> {
    page.iter().map(|entry| entry.load(Ordering::Relaxed)).collect()
}

/// Pages with few entries, as they are, and with many.
fn pristine() -> impl Strategy<Value = Vec<u64>> {
    let entry = prop_oneof![20 => Just(0), 1 => any::<u64>()];
    prop_oneof![
        prop::collection::vec(entry, ENTRIES),
        prop::collection::vec(any::<u64>(), ENTRIES)
    ]
}

proptest! {
    /// Verifies: BH-LIFE-003, BH-LIFE-004.
    #[test]
    fn a_withdrawn_page_maps_nothing_and_a_restored_one_what_it_did(pristine in pristine()) {
        let used = Used::new();
        used.note(&pristine);
        let live = page(&pristine);
        withdraw(&live, &used);
        prop_assert_eq!(words(&live), vec![0; ENTRIES]);
        restore(&live, &pristine, &used);
        prop_assert_eq!(words(&live), pristine);
    }

    /// Verifies: BH-LIFE-004.
    #[test]
    fn nothing_of_the_old_content_outlives_a_short_copy(pristine in pristine(), length in 0..=ENTRIES) {
        let used = Used::new();
        used.note(&pristine);
        let live = page(&pristine);
        let copy = pristine.get(..length).unwrap_or(&[]);
        restore(&live, copy, &used);
        let mut wanted = copy.to_vec();
        wanted.resize(ENTRIES, 0);
        prop_assert_eq!(words(&live), wanted);
    }
}
