// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the board's watchdog is petted, and by whom.

use bulkhead_policy::watchdog::{Watched, may_pet, predecessors};
use bulkhead_types::tables::NONE;
use proptest::prelude::*;

fn core(begun: u64, seen: u64, parked: bool) -> Watched {
    Watched { begun, seen, parked }
}

/// Verifies: BH-HEALTH-041.
#[test]
fn one_core_that_stands_still_is_enough() {
    let good = [core(4, 3, false), core(9, 7, false), core(2, 2, true)];
    assert!(may_pet(good.into_iter()));
    for (still, _) in good.iter().enumerate().filter(|(_, c)| !c.parked) {
        let mut cores = good;
        cores[still].begun = cores[still].seen;
        assert!(!may_pet(cores.into_iter()), "core {still}");
    }
}

proptest! {
    /// At any time exactly one core pets that has not parked, if there is one. Verifies: BH-HEALTH-042.
    #[test]
    fn there_is_one_who_pets(watched in 1u32..=u32::MAX, pick in 0usize..32, second in 0usize..33, parked in any::<u32>()) {
        let cores: Vec<u32> = (0..32).filter(|core| watched & (1 << core) != 0).collect();
        let system = cores[pick % cores.len()];
        let standby = cores.get(second).copied().filter(|core| *core != system).unwrap_or(NONE);
        let pets = |core: &&u32| {
            let before = predecessors(**core, system, standby, watched);
            parked & (1 << **core) == 0 && before & !parked == 0
        };
        let expected = usize::from(watched & !parked != 0);
        prop_assert_eq!(cores.iter().filter(pets).count(), expected);
        if parked & (1 << system) == 0 {
            prop_assert!(cores.iter().filter(pets).eq([&system]));
        } else if parked.checked_shr(standby).is_some_and(|bits| bits & 1 == 0) {
            prop_assert!(cores.iter().filter(pets).eq([&standby]));
        }
    }
}
