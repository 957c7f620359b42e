// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a translation root reaches: sorted runs of addresses, and how two sets of them differ.

use std::fmt;

use crate::range::Range;
use crate::work::step;

/// Memory type of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryType {
    /// Normal, Inner and Outer Write-Back, Inner Shareable.
    NormalWb,
    /// Normal, Non-cacheable.
    NormalNc,
    /// Device-nGnRE.
    Device,
}

/// Rights and type of a mapping. Everything that is mapped is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Memory type.
    pub memory: MemoryType,
}

impl Access {
    /// All that exist.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let types = [MemoryType::NormalWb, MemoryType::NormalNc, MemoryType::Device];
        types.into_iter().flat_map(|memory| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(write, execute)| Self {
                write,
                execute,
                memory,
            })
        })
    }

    /// Normal write-back memory that is only read.
    pub(crate) const READ: Self = Self {
        write: false,
        execute: false,
        memory: MemoryType::NormalWb,
    };
    /// Normal write-back memory that is read and written.
    pub(crate) const WRITE: Self = Self {
        write: true,
        ..Self::READ
    };
    /// Normal write-back memory that is read and executed.
    pub(crate) const EXECUTE: Self = Self {
        execute: true,
        ..Self::READ
    };
    /// Normal non-cacheable memory that is read and written.
    pub(crate) const CHANNEL: Self = Self {
        memory: MemoryType::NormalNc,
        ..Self::WRITE
    };
    /// Registers of a device.
    pub(crate) const DEVICE: Self = Self {
        write: true,
        execute: false,
        memory: MemoryType::Device,
    };

    /// Its rights as the text form writes them.
    pub(crate) fn rights(self) -> String {
        let write = if self.write { 'w' } else { '-' };
        let execute = if self.execute { 'x' } else { '-' };
        format!("r{write}{execute}")
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = match self.memory {
            MemoryType::NormalWb => "normal-wb",
            MemoryType::NormalNc => "normal-nc",
            MemoryType::Device => "device-ngnre",
        };
        write!(f, "{} {memory}", self.rights())
    }
}

/// Consecutive input addresses that translate to consecutive physical addresses with one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Input addresses.
    pub input: Range,
    /// Physical address of the first.
    pub output: u64,
    /// Rights and type.
    pub access: Access,
}

impl Run {
    /// A run of an identity mapping.
    pub(crate) fn identity(range: Range, access: Access) -> Self {
        Self {
            input: range,
            output: range.start,
            access,
        }
    }

    /// Its physical addresses.
    pub(crate) fn physical(&self) -> Range {
        Range::sized(self.output, self.input.size())
    }

    /// Physical address that input address `input` of this run translates to.
    pub(crate) fn translate(&self, input: u64) -> u64 {
        self.output.wrapping_add(input.wrapping_sub(self.input.start))
    }

    fn continues_with(&self, next: &Self) -> bool {
        self.input.end == next.input.start && self.physical().end == next.output && self.access == next.access
    }
}

/// Adds `run` after the runs that precede it, as part of the last one where it continues that.
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.continues_with(&run) => last.input.end = run.input.end,
        Some(_) | None => runs.push(run),
    }
}

/// Sorts runs by input address and joins them; `Err` names two that overlap.
pub(crate) fn sorted(mut runs: Vec<Run>) -> Result<Vec<Run>, (Range, Range)> {
    runs.retain(|r| !r.input.is_empty());
    runs.sort_by_key(|r| {
        step();
        r.input
    });
    let mut joined = Vec::with_capacity(runs.len());
    let mut before: Option<Run> = None;
    for run in runs {
        if let Some(last) = before.filter(|last| last.input.end > run.input.start) {
            return Err((last.input, run.input));
        }
        before = Some(run);
        push(&mut joined, run);
    }
    Ok(joined)
}

/// Input addresses at which two sets of runs disagree, and what each says of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    /// The addresses.
    pub input: Range,
    /// What the tables say of them: physical address of the first and access, or unmapped.
    pub found: Option<(u64, Access)>,
    /// What was expected.
    pub expected: Option<(u64, Access)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<(u64, Access)>| match side {
            None => "nothing".to_owned(),
            Some((output, access)) => format!("{output:#x} {access}"),
        };
        write!(
            f,
            "{} reaches {}, expected {}",
            self.input,
            side(self.found),
            side(self.expected)
        )
    }
}

/// What a run says of an input address.
fn at(run: Option<&Run>, input: u64) -> Option<(u64, Access)> {
    run.filter(|r| r.input.start <= input)
        .map(|r| (r.translate(input), r.access))
}

/// Compares two sorted sets of runs in one pass; an empty answer means that they are the same function.
pub(crate) fn differences(found: &[Run], expected: &[Run]) -> Vec<Difference> {
    let (mut left, mut right) = (found.iter().peekable(), expected.iter().peekable());
    let mut all: Vec<Difference> = Vec::new();
    let mut start = 0;
    while let Some(first) = [left.peek(), right.peek()]
        .into_iter()
        .flatten()
        .map(|r| r.input.start)
        .min()
    {
        step();
        start = first.max(start);
        let bound = |run: Option<&&Run>| {
            run.map(|r| {
                if r.input.start > start {
                    r.input.start
                } else {
                    r.input.end
                }
            })
        };
        let end = [bound(left.peek()), bound(right.peek())]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(start);
        let (found, expected) = (at(left.peek().copied(), start), at(right.peek().copied(), start));
        if found != expected {
            let next = Difference {
                input: Range { start, end },
                found,
                expected,
            };
            match all.last_mut() {
                Some(last) if last.input.end == start && both_continue(last, &next) => last.input.end = end,
                Some(_) | None => all.push(next),
            }
        }
        left.next_if(|r| r.input.end <= end);
        right.next_if(|r| r.input.end <= end);
        start = end;
    }
    all
}

fn both_continue(last: &Difference, next: &Difference) -> bool {
    let continues = |a: Option<(u64, Access)>, b: Option<(u64, Access)>| match (a, b) {
        (None, None) => true,
        (Some((pa, x)), Some((pb, y))) => x == y && pa.wrapping_add(last.input.size()) == pb,
        (Some(_), None) | (None, Some(_)) => false,
    };
    continues(last.found, next.found) && continues(last.expected, next.expected)
}
