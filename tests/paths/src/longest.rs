// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The longest path through EL2 by reason, from the linked run-time part.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bulkhead_stack::{Graph, Graphs, Program};

use crate::annotations::{Annotations, Seen};
use crate::flow::{Loop, Part};
use crate::lengths::{Analysis, Lengths};
use crate::{Error, Places};

/// Offset of the vectors of lower levels: synchronous, IRQ, FIQ, `SError`.
const VECTORS: [(&str, u64); 4] = [("sync", 0x400), ("irq", 0x480), ("fiq", 0x500), ("serror", 0x580)];

/// A loop with its annotations.
struct Found {
    seen: Seen,
    /// That of the function it lies in.
    own: Option<usize>,
    /// The largest by its function and by those that its first instruction comes from, which may be functions that it
    /// only calls.
    bound: Option<u64>,
    /// All of these annotations.
    used: Vec<usize>,
}

/// The run-time part with its loops.
pub struct Paths {
    graphs: Graphs,
    /// Without the start.
    trapped: Graphs,
    places: Places,
    loops: BTreeMap<u64, Found>,
    annotations: Annotations,
    vectors: BTreeMap<&'static str, u64>,
    entries: Vec<u64>,
}

impl Paths {
    /// Reads a run-time part.
    ///
    /// # Errors
    /// Its code is not understood, or its debug information is damaged.
    pub fn read(bytes: &[u8], annotations: Annotations) -> Result<Self, Error> {
        let program = Program::read(bytes)?;
        let table = program.symbol("bulkhead_vectors")?;
        let vectors: BTreeMap<_, _> = VECTORS.iter().map(|(name, at)| (*name, table + at)).collect();
        let entries: Vec<u64> = vectors
            .values()
            .copied()
            .chain([program.symbol("runtime_entry")?])
            .collect();
        let graphs = Graphs::of(&program, &entries)?;
        let trapped: Vec<u64> = vectors.values().copied().collect();
        let trapped = Graphs::of(&program, &trapped)?;
        let all = graphs.order().iter().filter_map(|e| graphs.get(*e));
        let places = Places::read(bytes, all.flat_map(addresses))?;
        let mut paths = Self {
            graphs,
            trapped,
            places,
            loops: BTreeMap::new(),
            annotations,
            vectors,
            entries,
        };
        paths.loops = paths.find(&program);
        Ok(paths)
    }

    fn find(&self, program: &Program) -> BTreeMap<u64, Found> {
        let analysis = Analysis::of(&self.graphs);
        let mut all = BTreeMap::new();
        for entry in self.graphs.order() {
            let Some(graph) = self.graphs.get(*entry) else {
                continue;
            };
            let mut loops = Vec::new();
            collect(analysis.parts(*entry), &mut Vec::new(), &mut loops);
            let first = |node: usize| graph.blocks.get(node).and_then(|b| b.addresses.first()).copied();
            let mut headers: Vec<u64> = loops
                .iter()
                .filter_map(|(inner, _)| first(inner.header))
                .collect();
            headers.sort_unstable();
            // Those around others come first.
            for (inner, around) in loops {
                let Some(at) = first(inner.header) else { continue };
                let blocks = inner.body.iter().filter_map(|n| graph.blocks.get(*n));
                let body: Vec<u64> = blocks.flat_map(|b| b.addresses.iter().copied()).collect();
                let nth = headers.partition_point(|h| *h < at);
                let around = around.iter().filter_map(|outer| all.get(&first(*outer)?));
                let around: Vec<Option<usize>> = around.map(|f: &Found| f.own).collect();
                all.insert(at, self.annotated(at, &body, nth, program.name(at), &around));
            }
        }
        all
    }

    /// A loop with its header's address, its instructions, and the annotations of those around it.
    fn annotated(
        &self,
        at: u64,
        body: &[u64],
        nth: usize,
        symbol: String,
        around: &[Option<usize>],
    ) -> Found {
        let mut functions = self.places.common(at, body.iter().copied());
        let chain = self.places.of(at);
        let inside = chain.iter().take(chain.len().saturating_sub(functions.len()));
        functions.push(symbol);
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let seen = Seen {
            functions,
            nth,
            length,
        };
        let own = self.annotations.of(&seen);
        let of = |function: &String| {
            let functions = vec![function.clone()];
            self.annotations.of(&Seen {
                functions,
                ..seen.clone()
            })
        };
        let used: Vec<usize> = inside
            .filter_map(|place| of(&place.function))
            .chain(own)
            .collect();
        let bound = |k: &usize| {
            let depth = around.iter().filter(|own| **own == Some(*k)).count();
            let bounds = &self.annotations.bounds.get(*k)?.bound;
            self.annotations.number(bounds.get(depth).or(bounds.last())?)
        };
        let bound = own.and_then(|_| used.iter().filter_map(bound).max());
        Found {
            seen,
            own,
            bound,
            used,
        }
    }

    /// Loops on paths that no annotation names, with the functions that they are in, and annotations that name no loop.
    ///
    /// # Errors
    /// As [`Self::longest`].
    pub fn unmatched(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        let asked = RefCell::new(BTreeSet::new());
        let bound = |header: u64| {
            asked.borrow_mut().insert(header);
            Some(1)
        };
        Analysis::of(&self.trapped).lengths(&bound, &|_| false, &|_| None)?;
        let asked = asked.into_inner();
        let none = self
            .loops
            .iter()
            .filter(|(at, f)| f.own.is_none() && asked.contains(at));
        let loops = none
            .map(|(at, f)| format!("{at:#x}: {}", f.seen.functions.join(" < ")))
            .collect();
        let used: BTreeSet<usize> = self.loops.values().flat_map(|f| f.used.iter().copied()).collect();
        let unused = self
            .annotations
            .bounds
            .iter()
            .enumerate()
            .filter(|(k, _)| !used.contains(k));
        Ok((loops, unused.map(|(_, b)| b.function.clone()).collect()))
    }

    fn times(&self, function: &str) -> Option<u64> {
        self.annotations
            .rare
            .iter()
            .find(|r| r.function == function)
            .map(|r| r.times)
    }

    fn bound(&self, header: u64) -> Option<u64> {
        self.loops.get(&header)?.bound
    }

    /// The lengths of all functions on paths of a reason.
    fn lengths(&self, base: &str) -> Result<BTreeMap<u64, (Lengths, u64)>, Error> {
        let concerned = self
            .annotations
            .excluded
            .iter()
            .filter(|e| e.reasons.iter().any(|r| r == base || r == "all"));
        let never: Vec<&str> = concerned
            .flat_map(|e| e.never.iter().map(String::as_str))
            .collect();
        let out = |at: u64| {
            let mut functions = self.places.of(at).iter();
            functions.any(|place| never.contains(&place.function.as_str()))
        };
        let bound = |header: u64| Some(self.bound(header).unwrap_or(u64::MAX));
        let analysis = Analysis::of(&self.graphs);
        let (found, apart) = analysis.lengths(&bound, &out, &|name| self.times(name))?;
        let with = |entry: &u64| {
            let reached = analysis.reached(&[*entry], &out);
            let rare = apart
                .iter()
                .filter(|(rare, _)| reached.contains(rare))
                .map(|(_, length)| *length);
            let lengths = found.get(entry).copied().unwrap_or_default();
            (*entry, (lengths, rare.fold(0, u64::saturating_add)))
        };
        Ok(self.entries.iter().map(with).collect())
    }

    /// The longest path of a reason, as `bounds.toml` names it, in instructions; none when no path ends so.
    ///
    /// # Errors
    /// [`Error::Unbounded`]: a loop on it has no bound.
    pub fn longest(&self, reason: &str) -> Result<Option<u64>, Error> {
        let (base, sleeps) = match reason.strip_suffix("_sleep") {
            Some(base) => (base, true),
            None => {
                let switched = reason.strip_suffix("_switch").or(reason.strip_suffix("_start"));
                (switched.unwrap_or(reason), false)
            }
        };
        let lengths = self.lengths(base)?;
        let ways = |entry: &u64, woken: bool| {
            let (lengths, rare) = lengths.get(entry).copied().unwrap_or_default();
            let ways = if woken { lengths.woken } else { lengths.entered };
            let way = if sleeps { ways.sleep } else { ways.eret };
            way.map(|length| length.saturating_add(rare))
        };
        let longest = match base {
            "wake" => self.entries.iter().filter_map(|e| ways(e, true)).max(),
            "irq" | "fiq" | "serror" => self.vectors.get(base).and_then(|e| ways(e, false)),
            _ => self.vectors.get("sync").and_then(|e| ways(e, false)),
        };
        match longest {
            Some(u64::MAX) => Err(Error::Unbounded(format!(
                "{reason}: {}",
                self.unmatched()?.0.join("\n")
            ))),
            length => Ok(length),
        }
    }
}

fn addresses(graph: &Graph) -> impl Iterator<Item = u64> {
    graph.blocks.iter().flat_map(|b| b.addresses.iter().copied())
}

/// All loops with the headers of those around them, these first.
fn collect<'a>(parts: &'a [Part], around: &mut Vec<usize>, found: &mut Vec<(&'a Loop, Vec<usize>)>) {
    for part in parts {
        if let Part::Loop(inner) = part {
            found.push((inner, around.clone()));
            around.push(inner.header);
            collect(&inner.parts, around, found);
            around.pop();
        }
    }
}
