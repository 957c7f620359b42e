// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which cores have the means that a blob names.

use bulkhead_boot::predictors::Means;
use bulkhead_types::tables::predictors::{FIRMWARE, ISOLATED, NONE, RESTRICTED};

/// No means at all; all other fields of the registers are set.
const BARE: Means = Means {
    pfr0: !(0xf << 56),
    isar1: !(0xf << 40),
    firmware: false,
};

/// Verifies: BH-BOOT-022.
#[test]
fn a_core_needs_the_means_that_the_blob_names() {
    let isolated = Means {
        pfr0: 1 << 56,
        ..BARE
    };
    let restricted = Means {
        isar1: 2 << 40,
        ..BARE
    };
    let firmware = Means {
        firmware: true,
        ..BARE
    };
    for (means, sufficient) in [
        (BARE, NONE),
        (isolated, ISOLATED),
        (restricted, RESTRICTED),
        (firmware, FIRMWARE),
    ] {
        for wanted in [NONE, ISOLATED, RESTRICTED, FIRMWARE, FIRMWARE + 1] {
            assert_eq!(
                means.suffice(wanted),
                wanted == NONE || wanted == sufficient,
                "{means:?}, {wanted}"
            );
        }
    }
}
