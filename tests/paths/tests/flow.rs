// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The longest path of random small graphs against all their paths. Verifies: BH-BENCH-010.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bulkhead_paths::flow::{Lengths, Longest, Node, Part, Refused, parts};
use proptest::prelude::*;

/// Loops by header.
type Loops = BTreeMap<usize, BTreeSet<usize>>;

fn reached(nodes: &[Node], from: usize, without: Option<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut rest = vec![from];
    while let Some(node) = rest.pop() {
        if Some(node) != without && found.insert(node) {
            rest.extend(&nodes[node].next);
        }
    }
    found
}

/// Natural loops by their definition: the way back leads to a node that is on all ways from the entry; none of a graph
/// that has cycles without such a way back.
fn natural(nodes: &[Node]) -> Option<Loops> {
    let all = reached(nodes, 0, None);
    let mut loops = Loops::new();
    let mut forward = nodes.to_vec();
    for node in &all {
        for next in &nodes[*node].next {
            if *next == *node || !reached(nodes, 0, Some(*next)).contains(node) {
                forward[*node].next.retain(|n| n != next);
                let body = all
                    .iter()
                    .filter(|n| *n == next || reached(nodes, **n, Some(*next)).contains(node));
                loops.entry(*next).or_default().extend(body);
            }
        }
    }
    let cyclic = all.iter().any(|n| {
        forward[*n]
            .next
            .iter()
            .any(|m| reached(&forward, *m, None).contains(n))
    });
    (!cyclic).then_some(loops)
}

fn found(parts: &[Part], loops: &mut Loops) {
    for part in parts {
        if let Part::Loop(inner) = part {
            loops.insert(inner.header, inner.body.clone());
            found(&inner.parts, loops);
        }
    }
}

/// The longest of all paths from a node to any, each of which takes the ways back to a header as often as its bound at
/// most before it leaves the loop.
struct All<'a> {
    nodes: &'a [Node],
    loops: &'a Loops,
    bounds: &'a [u64],
    known: HashMap<(usize, BTreeMap<usize, u64>), u64>,
}

impl All<'_> {
    fn longest(&mut self, node: usize, taken: &BTreeMap<usize, u64>) -> u64 {
        if let Some(known) = self.known.get(&(node, taken.clone())) {
            return *known;
        }
        let mut best = 0;
        for next in self.nodes[node].next.clone() {
            let Some(passes) = self.nodes[node].passes else {
                continue;
            };
            let mut behind = taken.clone();
            behind.retain(|header, _| self.loops[header].contains(&next));
            if self.loops.get(&next).is_some_and(|body| body.contains(&node)) {
                let count = behind.entry(next).or_default();
                *count += 1;
                if *count > self.bounds[next] {
                    continue;
                }
                // What is entered anew from the header.
                behind.retain(|header, _| {
                    *header == next
                        || !self.loops[&next].contains(header)
                        || self.loops[header].contains(&next)
                });
            }
            best = best.max(passes + self.longest(next, &behind));
        }
        let best = best + self.nodes[node].weight;
        self.known.insert((node, taken.clone()), best);
        best
    }
}

fn graph() -> impl Strategy<Value = (Vec<Node>, Vec<u64>)> {
    let node = |count: usize| {
        let passes = prop_oneof![5 => (0..9_u64).prop_map(Some), 1 => Just(None)];
        let next = proptest::collection::vec(0..count, 0..3);
        (0..20_u64, passes, next).prop_map(|(weight, passes, mut next)| {
            next.sort_unstable();
            next.dedup();
            Node { weight, passes, next }
        })
    };
    (2..7_usize).prop_flat_map(move |count| {
        let nodes = proptest::collection::vec(node(count), count);
        (nodes, proptest::collection::vec(0..3_u64, count))
    })
}

fn analysed(nodes: &[Node], bounds: &[u64], start: usize) -> u64 {
    let longest = Longest {
        nodes,
        bound: &|header| Some(bounds[header]),
    };
    let starts = Lengths::from([(start, nodes[start].weight)]);
    let lengths = longest.from(&parts(nodes), starts).expect("all have bounds");
    lengths.values().max().copied().expect("a node")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Exact from the entry where each loop has one entry.
    #[test]
    fn the_longest_path_is_that_of_all((nodes, bounds) in graph()) {
        let Some(loops) = natural(&nodes) else { return Ok(()) };
        let mut own = Loops::new();
        found(&parts(&nodes), &mut own);
        prop_assert_eq!(&own, &loops);
        let mut all = All { nodes: &nodes, loops: &loops, bounds: &bounds, known: HashMap::new() };
        prop_assert_eq!(analysed(&nodes, &bounds, 0), all.longest(0, &BTreeMap::new()));
    }

    /// Never too small from anywhere, also where a loop is entered in several places.
    #[test]
    fn no_path_is_longer((nodes, bounds) in graph(), start in 0..7_usize) {
        let start = start % nodes.len();
        if !reached(&nodes, 0, None).contains(&start) {
            return Ok(());
        }
        let mut loops = Loops::new();
        found(&parts(&nodes), &mut loops);
        let mut all = All { nodes: &nodes, loops: &loops, bounds: &bounds, known: HashMap::new() };
        prop_assert!(analysed(&nodes, &bounds, start) >= all.longest(start, &BTreeMap::new()));
    }
}

fn node(weight: u64, next: &[usize]) -> Node {
    Node {
        weight,
        passes: Some(0),
        next: next.to_vec(),
    }
}

#[test]
fn loops_in_each_other_multiply() {
    // 1 is the outer header, 2 the inner one, 4 behind both.
    let nodes = [
        node(1, &[1]),
        node(10, &[2]),
        node(100, &[2, 3]),
        node(1000, &[1, 4]),
        node(5, &[]),
    ];
    let bounds = [0, 2, 3, 0, 0];
    assert_eq!(analysed(&nodes, &bounds, 0), 1 + 3 * (10 + 4 * 100 + 1000) + 5);
}

#[test]
fn two_loops_of_one_header_are_one() {
    let nodes = [
        node(1, &[1]),
        node(10, &[2, 3, 4]),
        node(100, &[1]),
        node(1000, &[1]),
        node(5, &[]),
    ];
    assert_eq!(
        analysed(&nodes, &[0, 2, 0, 0, 0], 0),
        1 + 2 * (10 + 1000) + 10 + 1000
    );
}

#[test]
fn a_loop_without_a_bound_is_refused() {
    let nodes = [node(1, &[1]), node(10, &[1, 2]), node(5, &[])];
    let longest = Longest {
        nodes: &nodes,
        bound: &|_| None,
    };
    let found = longest.from(&parts(&nodes), Lengths::from([(0, 1)]));
    assert_eq!(found, Err(Refused::Unbounded(1)));
    // No path takes it twice: nothing passes its end.
    let mut nodes = nodes;
    nodes[1].passes = None;
    let longest = Longest {
        nodes: &nodes,
        bound: &|_| None,
    };
    assert!(longest.from(&parts(&nodes), Lengths::from([(0, 1)])).is_ok());
}
