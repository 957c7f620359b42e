// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Physical memory that more than one party reaches, found in one pass over everything that is mapped.

use crate::range::Range;
use crate::system::{Party, Root};
use crate::work::step;

/// What more than one party reaches, ascending, joined.
///
/// The sort is by address and keeps what is sorted already; a root's mappings mostly are.
pub(crate) fn ranges(roots: &[Root]) -> Vec<Range> {
    let count = roots.iter().map(|root| root.walk.runs.len()).sum();
    let mut all: Vec<(Range, Party)> = Vec::with_capacity(count);
    for root in roots {
        let party = root.party();
        all.extend(root.walk.runs.iter().map(|run| (run.physical(), party)));
    }
    all.sort_by_key(|(range, _)| {
        step();
        range.start
    });
    // The party of the range that reaches furthest so far. A further range of that party meets no other one in what
    // that range has not met already.
    let mut furthest = (0, Party::El2);
    let mut contested = Vec::new();
    for (range, party) in all {
        let (end, other) = furthest;
        if other != party {
            let (start, end) = (range.start, range.end.min(end));
            join(&mut contested, Range { start, end });
        }
        if range.end > end {
            furthest = (range.end, party);
        }
    }
    contested
}

/// Adds a range that begins at or after the begins of those before; an empty one is left out.
fn join(ranges: &mut Vec<Range>, next: Range) {
    if next.is_empty() {
        return;
    }
    match ranges.last_mut() {
        Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
        Some(_) | None => ranges.push(next),
    }
}

/// Sorts ranges and joins those that meet.
pub(crate) fn union(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut joined = Vec::new();
    ranges.into_iter().for_each(|range| join(&mut joined, range));
    joined
}

/// Whether `range` has an address in one of `ranges`, which are ascending and apart.
pub(crate) fn meets(ranges: &[Range], range: Range) -> bool {
    let at = ranges.partition_point(|r| {
        step();
        r.end <= range.start
    });
    ranges.get(at).is_some_and(|r| r.start < range.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::{Access, Run};
    use crate::system::Use;
    use crate::walk::Walk;

    fn root(serves: Use, ranges: &[(u64, u64)]) -> Root {
        let run = |(start, end): &(u64, u64)| {
            Run::identity(
                Range {
                    start: *start,
                    end: *end,
                },
                Access::READ,
            )
        };
        Root {
            name: String::new(),
            serves,
            address: 0,
            stored: 0,
            walk: Walk {
                runs: ranges.iter().map(run).collect(),
                ..Walk::default()
            },
        }
    }

    /// Every page of every party is counted one by one.
    #[test]
    fn what_two_parties_reach_is_found() {
        let mut seed: u64 = 0x5eed;
        let mut random = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let mut roots = Vec::new();
            for index in 0..5 {
                let serves = [
                    Use::Boot,
                    Use::Core(0),
                    Use::Partition(0),
                    Use::Stream(0),
                    Use::Partition(1),
                ];
                let mut ranges = Vec::new();
                for _ in 0..random(4) {
                    let start = random(30);
                    ranges.push((start, start + 1 + random(9)));
                }
                roots.push(root(serves[index], &ranges));
            }
            let reaches = |party: Party, at: u64| {
                let runs = roots
                    .iter()
                    .filter(|r| r.party() == party)
                    .flat_map(|r| &r.walk.runs);
                runs.into_iter()
                    .any(|run| run.input.start <= at && at < run.input.end)
            };
            let found = ranges(&roots);
            for at in 0..50 {
                let parties = [Party::El2, Party::Partition(0), Party::Partition(1)];
                let count = parties.iter().filter(|p| reaches(**p, at)).count();
                let here = Range {
                    start: at,
                    end: at + 1,
                };
                assert_eq!(meets(&found, here), count > 1, "{at} in {found:?}");
            }
            assert!(
                found.windows(2).all(|pair| pair[0].end < pair[1].start),
                "{found:?}"
            );
        }
    }
}
