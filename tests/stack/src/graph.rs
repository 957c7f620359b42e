// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions as blocks, and who calls whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{Flow, Stack, decode};
use crate::{Error, Program, table};

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on to other blocks.
    Goes,
    /// It calls the function at an address, and goes on if that comes back.
    Call(u64),
    /// It ends in the function at an address.
    Tail(u64),
    /// It returns to the caller.
    Return,
    /// It returns to a lower exception level.
    ExceptionReturn,
    /// It sleeps, and goes on after that.
    Sleep,
    /// Nothing comes after it.
    Stop,
}

/// Instructions that are executed one after the other.
#[derive(Clone, Debug)]
pub struct Block {
    /// Addresses; none when only a branch leads into another function.
    pub addresses: Vec<u64>,
    /// How it ends.
    pub end: End,
    /// Indices of the blocks behind it.
    pub next: Vec<usize>,
    pub(crate) stack: Vec<Stack>,
}

/// A function. Its first block is its beginning.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Name of the symbol.
    pub name: String,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Whether it can return.
    pub returns: bool,
}

/// All functions that some entries reach.
#[derive(Clone, Debug, Default)]
pub struct Graphs {
    all: BTreeMap<u64, Graph>,
    order: Vec<u64>,
}

impl Graphs {
    /// Follows every way from the entries.
    ///
    /// # Errors
    /// An instruction is not known, goes where only a register knows, or a function calls itself.
    pub fn of(program: &Program, entries: &[u64]) -> Result<Self, Error> {
        let mut graphs = Self::default();
        for entry in entries {
            graphs.follow(program, *entry, &mut Vec::new())?;
        }
        Ok(graphs)
    }

    /// The function that begins at an address.
    pub fn get(&self, entry: u64) -> Option<&Graph> {
        self.all.get(&entry)
    }

    /// Beginnings of all functions, those that are called before those that call them.
    pub fn order(&self) -> &[u64] {
        &self.order
    }

    /// Follows a function; gives whether it returns.
    fn follow(&mut self, program: &Program, entry: u64, callers: &mut Vec<u64>) -> Result<bool, Error> {
        if let Some(known) = self.all.get(&entry) {
            return Ok(known.returns);
        }
        if let Some(first) = callers.iter().position(|c| *c == entry) {
            let ring = callers.iter().skip(first).chain([&entry]);
            let names: Vec<String> = ring.map(|a| program.name(*a)).collect();
            return Err(Error::Recursion(names.join(" -> ")));
        }
        callers.push(entry);
        let graph = self.build(program, entry, callers)?;
        callers.pop();
        let returns = graph.returns;
        self.all.insert(entry, graph);
        self.order.push(entry);
        Ok(returns)
    }

    fn build(&mut self, program: &Program, entry: u64, callers: &mut Vec<u64>) -> Result<Graph, Error> {
        let name = program.name(entry);
        let range = program.function(entry).map_or(entry..entry, |f| f.start..f.end);
        let mut code = BTreeMap::new();
        let mut leaders = BTreeSet::from([entry]);
        let mut rest = vec![entry];
        // Other functions that this one goes on in.
        let mut tails = BTreeSet::new();
        let mut tables = BTreeMap::new();
        while let Some(at) = rest.pop() {
            if !range.contains(&at) && !is_moved(program, at) {
                tails.insert(at);
                self.follow(program, at, callers)?;
                continue;
            }
            if code.contains_key(&at) {
                continue;
            }
            let wrong = |what| Error::Instruction {
                address: at,
                function: name.clone(),
                what,
            };
            let (flow, stack) =
                decode(program.word(at)?, at).ok_or_else(|| wrong("an instruction that is not known"))?;
            code.insert(at, (flow, stack));
            let behind = at + 4;
            match flow {
                Flow::Next => rest.push(behind),
                Flow::Jump(target) => {
                    leaders.insert(target);
                    rest.push(target);
                }
                Flow::Branch(target) => {
                    leaders.extend([target, behind]);
                    rest.extend([target, behind]);
                }
                Flow::Call(callee) => {
                    leaders.insert(behind);
                    if self.follow(program, callee, callers)? {
                        rest.push(behind);
                    }
                }
                Flow::Sleep => {
                    leaders.insert(behind);
                    rest.push(behind);
                }
                Flow::Return | Flow::ExceptionReturn | Flow::Stop => {}
                Flow::Indirect => {
                    let targets = table::targets(program, &range, at)
                        .ok_or_else(|| wrong("a branch to an address in a register"))?;
                    leaders.extend(&targets);
                    rest.extend(&targets);
                    tables.insert(at, targets);
                }
                Flow::IndirectCall => return Err(wrong("a call of a function in a register")),
            }
        }
        let mut blocks = blocks(&code, &leaders, entry, &tails);
        for (_, block, targets) in &mut blocks {
            if let Some(found) = block.addresses.last().and_then(|at| tables.remove(at)) {
                *targets = found;
                targets.sort_unstable();
                targets.dedup();
            }
        }
        let index: BTreeMap<u64, usize> = blocks.iter().enumerate().map(|(k, b)| (b.0, k)).collect();
        let blocks: Vec<Block> = blocks
            .drain(..)
            .map(|(_, mut block, targets)| {
                block.next = targets.iter().filter_map(|t| index.get(t).copied()).collect();
                block
            })
            .collect();
        let comes_back = |end: End| match end {
            End::Return => true,
            End::Tail(callee) => self.all.get(&callee).is_some_and(|g| g.returns),
            End::Goes | End::Call(_) | End::ExceptionReturn | End::Sleep | End::Stop => false,
        };
        Ok(Graph {
            name,
            returns: blocks.iter().any(|b| comes_back(b.end)),
            blocks,
        })
    }
}

/// Whether an instruction is one that the linker moved out of a function because a Cortex-A53 would execute it wrongly
/// where it was (erratum 843419): the way goes there and comes back into the middle of the function.
fn is_moved(program: &Program, at: u64) -> bool {
    let function = program.function(at);
    function.is_some_and(|f| f.name.starts_with("__CortexA53843419_"))
}

type Code = BTreeMap<u64, (Flow, Stack)>;

/// Blocks with their first address and the addresses behind them; the one at `entry` is the first.
fn blocks(
    code: &Code,
    leaders: &BTreeSet<u64>,
    entry: u64,
    tails: &BTreeSet<u64>,
) -> Vec<(u64, Block, Vec<u64>)> {
    let empty = |end| Block {
        addresses: Vec::new(),
        end,
        next: Vec::new(),
        stack: Vec::new(),
    };
    let mut blocks: Vec<(u64, Block, Vec<u64>)> = Vec::new();
    for (at, (flow, stack)) in code {
        let goes_on = blocks.last().is_some_and(|(_, block, _)| {
            block.addresses.last().is_some_and(|last| last + 4 == *at) && !leaders.contains(at)
        });
        if !goes_on {
            blocks.push((*at, empty(End::Goes), Vec::new()));
        }
        let Some((_, block, targets)) = blocks.last_mut() else {
            continue;
        };
        block.addresses.push(*at);
        block.stack.push(*stack);
        let behind = at + 4;
        (block.end, *targets) = match *flow {
            Flow::Next => (End::Goes, vec![behind]),
            Flow::Jump(target) => (End::Goes, vec![target]),
            Flow::Branch(target) => (End::Goes, vec![target, behind]),
            Flow::Call(callee) => (End::Call(callee), vec![behind]),
            Flow::Return => (End::Return, Vec::new()),
            Flow::ExceptionReturn => (End::ExceptionReturn, Vec::new()),
            Flow::Sleep => (End::Sleep, vec![behind]),
            Flow::Indirect => (End::Goes, Vec::new()),
            Flow::Stop | Flow::IndirectCall => (End::Stop, Vec::new()),
        };
    }
    blocks.extend(
        tails
            .iter()
            .map(|tail| (*tail, empty(End::Tail(*tail)), Vec::new())),
    );
    blocks.sort_by_key(|(start, _, _)| (*start != entry, *start));
    blocks
}
