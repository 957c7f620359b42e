// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Placement: nothing overlaps, and every refusal names what is in the way.

use bulkhead_compiler::layout::{LayoutError, MemoryMap, Zone};
use bulkhead_model::board::Region;
use proptest::prelude::*;

fn zone(regions: &[(u64, u64)]) -> Zone {
    Zone {
        name: "the test's RAM",
        regions: regions
            .iter()
            .map(|(base, size)| Region {
                base: *base,
                size: *size,
            })
            .collect(),
    }
}

/// Verifies: BH-MEM-003.
#[test]
fn an_overlap_names_both() {
    let mut map = MemoryMap::default();
    map.claim("el2", "blob", 0x1000, 0x2000).unwrap();
    let error = map.claim("partition:adas", "ram", 0x2000, 0x1000).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ram of partition:adas (0x2000-0x3000) overlaps blob of el2 (0x1000-0x3000)"
    );
    let error = map.claim("partition:adas", "ram", 0, 0x10_0000).unwrap_err();
    assert!(matches!(error, LayoutError::Overlap { .. }), "{error}");
    map.claim("partition:adas", "ram", 0x3000, 0x1000).unwrap();
    map.claim("partition:adas", "window", 0, 0x1000).unwrap();
}

#[test]
fn a_claim_must_lie_in_one_region() {
    let ram = zone(&[(0x1000, 0x1000), (0x3000, 0x1000)]);
    let mut map = MemoryMap::default();
    map.claim_in(&ram, "el2", "a", 0x1000, 0x1000).unwrap();
    let error = map.claim_in(&ram, "el2", "b", 0x3800, 0x1000).unwrap_err();
    assert_eq!(
        error.to_string(),
        "b of el2 (0x3800-0x4800) does not lie in the test's RAM"
    );
}

#[test]
fn sizes_that_make_no_range_are_refused() {
    let mut map = MemoryMap::default();
    for (start, size) in [(0x1000, 0), (u64::MAX, 2), (8, u64::MAX)] {
        let error = map.claim("el2", "x", start, size).unwrap_err();
        assert!(matches!(error, LayoutError::Empty { .. }), "{error}");
    }
}

#[test]
fn a_full_zone_says_what_found_no_room() {
    let ram = zone(&[(0x1000, 0x3000)]);
    let mut map = MemoryMap::default();
    map.claim("board", "stub", 0x2000, 0x1000).unwrap();
    let error = map
        .place(&ram, "channel:c", "memory", 0x2000, 0x1000)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no room for memory of channel:c: 0x2000 bytes aligned to 0x1000 do not fit into what is left of \
         the test's RAM"
    );
    assert_eq!(map.place(&ram, "el2", "y", 0x1000, 0x1000).unwrap().start, 0x1000);
    assert_eq!(map.place(&ram, "el2", "z", 0x1000, 0x1000).unwrap().start, 0x3000);
}

proptest! {
    /// Whatever is placed is aligned, in the zone, disjoint from all else, and the lowest or highest possible.
    /// Verifies: BH-MEM-003.
    #[test]
    fn placement_is_first_fit_from_either_end(
        fixed in proptest::collection::vec((0u64..64, 1u64..8), 0..6),
        wanted in proptest::collection::vec((1u64..6, 0u32..4, any::<bool>()), 1..12),
    ) {
        let ram = zone(&[(0, 24), (32, 32)]);
        let mut map = MemoryMap::default();
        for (start, size) in fixed {
            let _ = map.claim("board", "fixed", start, size);
        }
        for (size, shift, high) in wanted {
            let align = 1 << shift;
            let free = |at: u64| {
                let inside = (at + size <= 24) || (at >= 32 && at + size <= 64);
                inside && map.areas().iter().all(|a| a.range.end <= at || at + size <= a.range.start)
            };
            let mut candidates = (0..64).step_by(align).filter(|at| free(*at));
            let expected = if high { candidates.last() } else { candidates.next() };
            let place = if high { MemoryMap::place_high } else { MemoryMap::place };
            let placed = place(&mut map, &ram, "el2", "thing", size, align as u64);
            prop_assert_eq!(placed.ok().map(|r| r.start), expected);
        }
        for pair in map.areas().windows(2) {
            prop_assert!(pair[0].range.end <= pair[1].range.start);
        }
    }
}
