// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loops of a flow graph, and its longest path.
//!
//! A loop is a part whose nodes reach each other, cut open at an entry, its header; what still is such a part then is a
//! loop in it. Several loops with one header count as one. Of several entries, which optimisers make, that one is the
//! header that leaves the fewest loops in each other; a path that enters at another one begins in the middle of a round.

use std::collections::{BTreeMap, BTreeSet};

/// Lengths at nodes.
pub type Lengths = BTreeMap<usize, u64>;

/// Instructions that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Length of the node itself.
    pub weight: u64,
    /// What is added when a path goes on to the next nodes; none: no path does, but it may have begun behind.
    pub passes: Option<u64>,
    /// Nodes behind.
    pub next: Vec<usize>,
}

/// A loop, or a node in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A node.
    Node(usize),
    /// A loop.
    Loop(Loop),
}

/// A loop with the loops in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Where it is entered.
    pub header: usize,
    /// All nodes.
    pub body: BTreeSet<usize>,
    /// Its parts, those before others first; the header is the first.
    pub parts: Vec<Part>,
}

/// Why a graph has no longest path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The loop with this header has no bound.
    Unbounded(usize),
}

/// The parts of what node 0 reaches, in an order in which paths go through them.
pub fn parts(nodes: &[Node]) -> Vec<Part> {
    let mut reached = BTreeSet::from([0]);
    let mut rest = vec![0];
    while let Some(node) = rest.pop() {
        let next = nodes.get(node).map_or(&[][..], |n| &n.next);
        rest.extend(next.iter().filter(|n| reached.insert(**n)));
    }
    within(nodes, &reached, 0, None)
}

/// The parts of some nodes, entered at `entry`, without the ways back to `header`.
fn within(nodes: &[Node], members: &BTreeSet<usize>, entry: usize, header: Option<usize>) -> Vec<Part> {
    let next = |node: usize| {
        let all = nodes.get(node).map_or(&[][..], |n| &n.next);
        let inside = all.iter().copied();
        inside.filter(|n| members.contains(n) && Some(*n) != header)
    };
    let mut found = Vec::new();
    for component in components(members, &next) {
        let first = component.first().copied().unwrap_or(entry);
        if component.len() == 1 && next(first).all(|n| n != first) {
            found.push(Part::Node(first));
            continue;
        }
        let outside = members.iter().filter(|n| !component.contains(n));
        let mut entries: BTreeSet<usize> = outside
            .flat_map(|n| next(*n))
            .filter(|n| component.contains(n))
            .collect();
        if component.contains(&entry) {
            entries.insert(entry);
        }
        let split = |header| (header, within(nodes, &component, header, Some(header)));
        let best = entries
            .into_iter()
            .map(split)
            .min_by_key(|(_, parts)| depth(parts));
        let Some((only, parts)) = best else { continue };
        found.push(Part::Loop(Loop {
            header: only,
            body: component,
            parts,
        }));
    }
    found
}

/// Loops in each other.
fn depth(parts: &[Part]) -> usize {
    let of = |part: &Part| match part {
        Part::Node(_) => 0,
        Part::Loop(inner) => 1 + depth(&inner.parts),
    };
    parts.iter().map(of).max().unwrap_or(0)
}

/// Strongly connected components, those before others first.
///
/// # References
/// Kosaraju's algorithm.
fn components<I: Iterator<Item = usize>>(
    members: &BTreeSet<usize>,
    next: &impl Fn(usize) -> I,
) -> Vec<BTreeSet<usize>> {
    let mut finished = Vec::new();
    let mut seen = BTreeSet::new();
    for start in members {
        let mut stack = vec![(*start, false)];
        while let Some((node, done)) = stack.pop() {
            if done {
                finished.push(node);
            } else if seen.insert(node) {
                stack.push((node, true));
                stack.extend(next(node).map(|n| (n, false)));
            }
        }
    }
    let mut before: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for node in members {
        for behind in next(*node) {
            before.entry(behind).or_default().push(*node);
        }
    }
    let mut found = Vec::new();
    let mut left = members.clone();
    for node in finished.into_iter().rev() {
        let mut component = BTreeSet::new();
        let mut rest = vec![node];
        while let Some(node) = rest.pop() {
            if left.remove(&node) {
                component.insert(node);
                rest.extend(before.get(&node).into_iter().flatten());
            }
        }
        if !component.is_empty() {
            found.push(component);
        }
    }
    found
}

fn raise(lengths: &mut Lengths, node: usize, length: u64) {
    let entry = lengths.entry(node).or_default();
    *entry = length.max(*entry);
}

/// The longest paths from some beginnings to each node, the node included.
pub struct Longest<'a> {
    /// The graph.
    pub nodes: &'a [Node],
    /// How often at most the way back to a header is taken before its loop is left; none: that is not known.
    pub bound: &'a dyn Fn(usize) -> Option<u64>,
}

impl Longest<'_> {
    /// `starts`: lengths with which paths arrive at nodes, these included.
    ///
    /// # Errors
    /// [`Refused::Unbounded`]: a loop without a bound that a path takes more than once.
    pub fn from(&self, parts: &[Part], starts: Lengths) -> Result<Lengths, Refused> {
        Ok(self.along(parts, None, starts)?.0)
    }

    /// Of the parts of a loop with `header` also the longest way back to it, the header's own length not included.
    fn along(
        &self,
        parts: &[Part],
        header: Option<usize>,
        starts: Lengths,
    ) -> Result<(Lengths, Option<u64>), Refused> {
        let (mut arrived, mut found, mut back) = (starts, Lengths::new(), None);
        for part in parts {
            let inside = match part {
                Part::Node(node) => arrived.get(node).map(|at| (*node, *at)).into_iter().collect(),
                Part::Loop(inner) => self.around(inner, &arrived)?,
            };
            for (node, length) in inside {
                raise(&mut found, node, length);
                let Some(Node {
                    passes: Some(passes),
                    next,
                    ..
                }) = self.nodes.get(node)
                else {
                    continue;
                };
                let behind = length.saturating_add(*passes);
                for next in next {
                    match part {
                        _ if Some(*next) == header => back = back.max(Some(behind)),
                        Part::Loop(inner) if inner.body.contains(next) => {}
                        _ => raise(&mut arrived, *next, behind.saturating_add(self.weight(*next))),
                    }
                }
            }
        }
        Ok((found, back))
    }

    fn weight(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |n| n.weight)
    }

    /// The lengths at the nodes of a loop that is left at them.
    fn around(&self, inner: &Loop, arrived: &Lengths) -> Result<Lengths, Refused> {
        let mut found = Lengths::new();
        let header = inner.header;
        // A path that begins in the loop, behind a sleep, may still go around as often as one that enters it.
        let begun = arrived
            .iter()
            .filter(|(node, _)| **node != header && inner.body.contains(node));
        let begun: Lengths = begun.map(|(node, length)| (*node, *length)).collect();
        let (within, back) = self.along(&inner.parts, Some(header), begun)?;
        within
            .into_iter()
            .for_each(|(node, length)| raise(&mut found, node, length));
        let entered = arrived.get(&header).map(|length| length - self.weight(header));
        let Some(start) = entered.max(back) else {
            return Ok(found);
        };
        let once = Lengths::from([(header, self.weight(header))]);
        let (once, round) = self.along(&inner.parts, Some(header), once)?;
        let rounds = match round {
            Some(round) => (self.bound)(header)
                .ok_or(Refused::Unbounded(header))?
                .saturating_mul(round),
            None => 0,
        };
        for (node, length) in once {
            raise(
                &mut found,
                node,
                start.saturating_add(rounds).saturating_add(length),
            );
        }
        Ok(found)
    }
}
