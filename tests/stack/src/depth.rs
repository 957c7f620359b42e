// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The deepest stack, in bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::code::Stack;
use crate::graph::{Block, End, Graph, Graphs};

/// What a function and all that it calls do to the stack, in bytes below where the stack pointer was at its first
/// instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// The deepest.
    pub deepest: i64,
    /// Where it is at exception returns.
    pub at_exception_return: BTreeSet<i64>,
    /// Where it is when the function returns to its caller, if it does.
    pub at_return: Option<i64>,
}

/// What each function does, by its address.
///
/// In a function of `restarts` the stack pointer is set from registers: to the top of the stack, where it is at the
/// function's first instruction as far as this analysis knows.
///
/// # Errors
/// The depth depends on a register elsewhere, or on the way; or a call comes back with another stack pointer.
pub fn depths(graphs: &Graphs, restarts: &[&str]) -> Result<BTreeMap<u64, Depth>, Error> {
    let mut depths = BTreeMap::new();
    for entry in graphs.order() {
        let Some(graph) = graphs.get(*entry) else { continue };
        let depth = of(graph, &depths, restarts.contains(&&*graph.name))?;
        depths.insert(*entry, depth);
    }
    Ok(depths)
}

fn of(graph: &Graph, known: &BTreeMap<u64, Depth>, restarts: bool) -> Result<Depth, Error> {
    let uneven = |block: &Block| Error::Uneven {
        address: block.addresses.first().copied().unwrap_or(0),
        function: graph.name.clone(),
    };
    let mut found = Depth::default();
    let mut at: BTreeMap<usize, i64> = BTreeMap::from([(0, 0)]);
    let mut rest = vec![0];
    while let Some(block_index) = rest.pop() {
        let (Some(block), Some(depth)) = (graph.blocks.get(block_index), at.get(&block_index)) else {
            continue;
        };
        let mut depth = *depth;
        for (address, stack) in block.addresses.iter().zip(&block.stack) {
            depth = match stack {
                Stack::Add(bytes) => depth - bytes,
                Stack::Set if restarts => 0,
                Stack::Set => {
                    return Err(Error::Instruction {
                        address: *address,
                        function: graph.name.clone(),
                        what: "the stack pointer comes from a register",
                    });
                }
            };
            found.deepest = found.deepest.max(depth);
        }
        let mut ended = None;
        match block.end {
            End::Call(callee) | End::Tail(callee) => {
                let below = known.get(&callee).cloned().unwrap_or_default();
                found.deepest = found.deepest.max(depth + below.deepest);
                let returns = below.at_exception_return.iter().map(|at| depth + at);
                found.at_exception_return.extend(returns);
                if block.end == End::Tail(callee) {
                    ended = below.at_return.map(|at| depth + at);
                } else if below.at_return.is_some_and(|at| at != 0) {
                    return Err(uneven(block));
                }
            }
            End::Return => ended = Some(depth),
            End::ExceptionReturn => {
                found.at_exception_return.insert(depth);
            }
            End::Goes | End::Sleep | End::Stop => {}
        }
        if ended.is_some() && found.at_return.is_some_and(|other| ended != Some(other)) {
            return Err(uneven(block));
        }
        found.at_return = ended.or(found.at_return);
        for next in &block.next {
            match at.insert(*next, depth) {
                None => rest.push(*next),
                Some(same) if same == depth => {}
                Some(_) => return Err(graph.blocks.get(*next).map_or_else(|| uneven(block), uneven)),
            }
        }
    }
    Ok(found)
}
