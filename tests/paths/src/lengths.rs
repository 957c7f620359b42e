// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The longest paths of functions, callees before callers.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_stack::{Block, End, Graph, Graphs};

use crate::Error;
use crate::flow::{self, Longest, Node, Part, Refused, parts};

/// Longest ways, in instructions; none where there is no such way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// To the return to the caller, without a sleep.
    pub back: Option<u64>,
    /// To an exception return.
    pub eret: Option<u64>,
    /// To a sleep.
    pub sleep: Option<u64>,
}

impl Ways {
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            back: self.back.max(other.back),
            eret: self.eret.max(other.eret),
            sleep: self.sleep.max(other.sleep),
        }
    }

    fn after(self, length: u64) -> Self {
        let add = |way: Option<u64>| way.map(|w| w.saturating_add(length));
        Self {
            back: add(self.back),
            eret: add(self.eret),
            sleep: add(self.sleep),
        }
    }
}

/// The ways through a function and all that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// From its first instruction.
    pub entered: Ways,
    /// From behind a sleep in it.
    pub woken: Ways,
}

/// Something of each function, by its address.
pub type ByFunction<T> = BTreeMap<u64, T>;

/// Functions with their loops.
pub struct Analysis<'a> {
    graphs: &'a Graphs,
    parts: BTreeMap<u64, Vec<Part>>,
}

/// Whether a block has only instructions that no path executes.
fn is_out(block: &Block, excluded: &impl Fn(u64) -> bool) -> bool {
    !block.addresses.is_empty() && block.addresses.iter().all(|at| excluded(*at))
}

/// Nodes of a function; `of` says what its callees take.
fn nodes(graph: &Graph, of: &impl Fn(u64) -> Lengths, excluded: &impl Fn(u64) -> bool) -> Vec<Node> {
    let node = |block: &Block| Node {
        weight: u64::try_from(block.addresses.len()).unwrap_or(u64::MAX),
        passes: match block.end {
            _ if is_out(block, excluded) => None,
            End::Goes => Some(0),
            End::Call(callee) => of(callee).entered.back,
            End::Tail(_) | End::Return | End::ExceptionReturn | End::Sleep | End::Stop => None,
        },
        next: block.next.clone(),
    };
    graph.blocks.iter().map(node).collect()
}

impl<'a> Analysis<'a> {
    /// Finds the loops.
    pub fn of(graphs: &'a Graphs) -> Self {
        let mut found = BTreeMap::new();
        for entry in graphs.order() {
            let Some(graph) = graphs.get(*entry) else { continue };
            let whole = nodes(graph, &|_| Lengths::default(), &|_| false);
            found.insert(*entry, parts(&whole));
        }
        Self { graphs, parts: found }
    }

    /// The parts of a function.
    pub fn parts(&self, entry: u64) -> &[Part] {
        self.parts.get(&entry).map_or(&[], Vec::as_slice)
    }

    /// What some functions reach through blocks that are not excluded, themselves included.
    pub fn reached(&self, entries: &[u64], excluded: &impl Fn(u64) -> bool) -> BTreeSet<u64> {
        let mut found: BTreeSet<u64> = entries.iter().copied().collect();
        let mut rest = entries.to_vec();
        while let Some(graph) = rest.pop().map(|entry| self.graphs.get(entry)) {
            for block in graph
                .iter()
                .flat_map(|g| &g.blocks)
                .filter(|b| !is_out(b, excluded))
            {
                if let End::Call(callee) | End::Tail(callee) = block.end
                    && found.insert(callee)
                {
                    rest.push(callee);
                }
            }
        }
        found
    }

    /// The lengths of all functions.
    ///
    /// `bound` says of a loop with its header at an address how often at most the way back is taken before it is left;
    /// no path has only instructions that are `excluded`. A function that is `rare` takes no instructions where it is
    /// called; what it takes as often as a path executes it at most is told apart, by its address, to be added to the lengths of
    /// all that reach it.
    ///
    /// # Errors
    /// [`Error::Unbounded`].
    pub fn lengths(
        &self,
        bound: &dyn Fn(u64) -> Option<u64>,
        excluded: &impl Fn(u64) -> bool,
        rare: &impl Fn(&str) -> Option<u64>,
    ) -> Result<(ByFunction<Lengths>, ByFunction<u64>), Error> {
        let mut known: BTreeMap<u64, Lengths> = BTreeMap::new();
        let mut apart = BTreeMap::new();
        for entry in self.graphs.order() {
            let (Some(graph), Some(parts)) = (self.graphs.get(*entry), self.parts.get(entry)) else {
                continue;
            };
            let of = |callee: u64| known.get(&callee).copied().unwrap_or_default();
            let mut lengths = function(graph, parts, &of, bound, excluded)?;
            if let (Some(times), Some(length)) = (rare(&graph.name), lengths.entered.back.as_mut()) {
                apart.insert(*entry, times.saturating_mul(*length));
                *length = 0;
            }
            known.insert(*entry, lengths);
        }
        Ok((known, apart))
    }
}

fn function(
    graph: &Graph,
    parts: &[Part],
    of: &impl Fn(u64) -> Lengths,
    bound: &dyn Fn(u64) -> Option<u64>,
    excluded: &impl Fn(u64) -> bool,
) -> Result<Lengths, Error> {
    let nodes = nodes(graph, of, excluded);
    let at = |node: usize| graph.blocks.get(node).and_then(|b| b.addresses.first()).copied();
    let bound = |header: usize| bound(at(header)?);
    let longest = Longest {
        nodes: &nodes,
        bound: &bound,
    };
    let weight = |node: usize| nodes.get(node).map_or(0, |n| n.weight);
    let from = |starts| longest.from(parts, starts).map_err(|e| refused(graph, &e));
    let mut woken = Ways::default();
    let mut behind = flow::Lengths::new();
    for block in &graph.blocks {
        let start = match block.end {
            End::Sleep => Some(0),
            End::Call(callee) | End::Tail(callee) => {
                let below = of(callee).woken;
                let back = if matches!(block.end, End::Tail(_)) {
                    below.back
                } else {
                    None
                };
                woken = woken.or(Ways { back, ..below });
                below.back
            }
            End::Goes | End::Return | End::ExceptionReturn | End::Stop => None,
        };
        for next in &block.next {
            if let Some(start) = start {
                let entry = behind.entry(*next).or_default();
                *entry = (*entry).max(start.saturating_add(weight(*next)));
            }
        }
    }
    let ways = |lengths: flow::Lengths| {
        lengths.into_iter().fold(Ways::default(), |ways, (node, length)| {
            let Some(block) = graph.blocks.get(node) else {
                return ways;
            };
            if is_out(block, excluded) {
                return ways;
            }
            let here = match block.end {
                End::Return => Ways {
                    back: Some(0),
                    ..Ways::default()
                },
                End::ExceptionReturn => Ways {
                    eret: Some(0),
                    ..Ways::default()
                },
                End::Sleep => Ways {
                    sleep: Some(0),
                    ..Ways::default()
                },
                End::Call(callee) => Ways {
                    back: None,
                    ..of(callee).entered
                },
                End::Tail(callee) => of(callee).entered,
                End::Goes | End::Stop => Ways::default(),
            };
            ways.or(here.after(length))
        })
    };
    Ok(Lengths {
        entered: ways(from(flow::Lengths::from([(0, weight(0))]))?),
        woken: woken.or(ways(from(behind)?)),
    })
}

fn refused(graph: &Graph, why: &Refused) -> Error {
    let Refused::Unbounded(header) = why;
    let at = graph.blocks.get(*header).and_then(|b| b.addresses.first());
    Error::Unbounded(format!(
        "{}: the loop at {:#x}",
        graph.name,
        at.copied().unwrap_or(0)
    ))
}
