// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 costs on a board: the bounds file beside the board file, `BOARD.bounds.toml`.
//!
//! A time that was measured on the board's hardware can prove something; a number of instructions with an
//! assumed speed only shows what is to be expected. [`Cost::basis`] keeps the two apart. Times are in ns.
//!
//! Where a cost names the paths of the gate that it is made of (`paths`), its instructions are their bounds, as the
//! gate holds them: nobody copies a number.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned as TomlSpanned;

use crate::span::{Span, Spanned};

/// A path through EL2 that takes time from tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostPath {
    /// The slot timer's interrupt to the first instruction of the vCPU that the slot belongs to.
    WorldSwitch,
    /// The end of a slot to the begin of the slot timer's handling: the longest stay in EL2 that the vCPU before
    /// can have begun just then.
    SlotLateness,
    /// The time by which a slot may end early because the timer counts whole ticks.
    TimerTick,
    /// An interrupt on a sliced core: entry, forwarding, wake from WFI, return to the guest.
    Interrupt,
    /// The return from a trapped WFI on a guarded dedicated core.
    GuardedWake,
    /// The longest stay in EL2 that less urgent code of the same vCPU can have begun just before a release.
    LongestStay,
}

impl CostPath {
    /// Every path.
    pub const ALL: [CostPath; 6] = [
        CostPath::WorldSwitch,
        CostPath::SlotLateness,
        CostPath::TimerTick,
        CostPath::Interrupt,
        CostPath::GuardedWake,
        CostPath::LongestStay,
    ];

    /// As bounds files write it.
    pub fn name(self) -> &'static str {
        match self {
            CostPath::WorldSwitch => "world_switch",
            CostPath::SlotLateness => "slot_lateness",
            CostPath::TimerTick => "timer_tick",
            CostPath::Interrupt => "interrupt",
            CostPath::GuardedWake => "guarded_wake",
            CostPath::LongestStay => "longest_stay",
        }
    }
}

/// The gate's file, of the hypervisor that this tool ships with.
const GATE: &str = include_str!("../../../tests/benches/bounds.toml");

/// What is known of the cost of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The path.
    pub path: CostPath,
    /// Largest number of instructions; of paths of the gate, the largest of their bounds.
    pub instructions: Option<u64>,
    /// Longest time in ns.
    pub ns: Option<u64>,
    /// Whether `ns` was measured on the board's hardware, or follows from its specification.
    pub measured: bool,
    /// Where the numbers come from.
    pub source: String,
}

/// The costs of a board. The default knows none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// What is assumed where a path has instructions and no time.
    pub picoseconds_per_instruction: Option<u64>,
    /// One entry a path at most.
    pub entries: Vec<Spanned<Bound>>,
}

/// The time that a path is taken to cost, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The path.
    pub path: CostPath,
    /// Time in ns; 0 when nothing is known.
    pub ns: u64,
    /// What it rests on.
    pub basis: Basis,
}

/// What a cost rests on. Only [`Basis::Measured`] proves anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A time that was measured on hardware.
    Measured,
    /// A time that was not measured, or instructions at an assumed speed.
    Assumed,
    /// Nothing: the cost counts as 0.
    Unknown,
}

impl Bounds {
    /// The cost of a path.
    pub fn cost(&self, path: CostPath) -> Cost {
        let entry = self.entries.iter().find(|e| e.path == path);
        let speed = self.picoseconds_per_instruction;
        let assumed = |e: &Spanned<Bound>| Some(e.instructions?.saturating_mul(speed?).div_ceil(1000));
        let (ns, basis) = match entry {
            Some(e) => match (e.ns, assumed(e)) {
                (Some(ns), _) if e.measured => (ns, Basis::Measured),
                (Some(ns), _) | (None, Some(ns)) => (ns, Basis::Assumed),
                (None, None) => (0, Basis::Unknown),
            },
            None => (0, Basis::Unknown),
        };
        Cost { path, ns, basis }
    }
}

/// A bounds file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bounds: u32,
    picoseconds_per_instruction: Option<u64>,
    #[serde(default)]
    bound: Vec<TomlSpanned<Entry>>,
}

/// An entry of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: CostPath,
    /// Paths of the gate, or [`EVERY`].
    #[serde(default)]
    paths: Vec<String>,
    instructions: Option<u64>,
    ns: Option<u64>,
    measured: bool,
    source: String,
}

/// Stands for all paths of the gate.
const EVERY: &str = "*";

/// What the analysis reads of the gate's file.
#[derive(Deserialize)]
struct Gate {
    path: Vec<GatePath>,
}

/// A path of the gate.
#[derive(Deserialize)]
struct GatePath {
    id: String,
    bound: u64,
}

impl Gate {
    /// The largest bound of the named paths, none of no name; or the name of which there is no path.
    fn largest<'a>(&self, names: &'a [String]) -> Result<Option<u64>, &'a str> {
        let mut largest = None;
        for name in names {
            let paths = self.path.iter().filter(|p| name == EVERY || p.id == *name);
            let bound = paths.map(|p| p.bound).max().ok_or(name.as_str())?;
            largest = largest.max(Some(bound));
        }
        Ok(largest)
    }
}

/// Why a bounds file is refused.
pub(crate) struct Refused {
    pub(crate) span: Span,
    pub(crate) cause: String,
    pub(crate) help: &'static str,
}

/// The bounds file that belongs to a board file. Implements: BH-BRD-006.
pub(crate) fn file_of(board: &Path) -> std::path::PathBuf {
    board.with_extension("bounds.toml")
}

/// Reads the text of a bounds file, which is the source `source`.
pub(crate) fn parse(text: &str, source: usize) -> Result<Bounds, Refused> {
    parse_beside(GATE, text, source)
}

/// The same beside the gate's file `gate`. Implements: BH-TASK-031.
fn parse_beside(gate: &str, text: &str, source: usize) -> Result<Bounds, Refused> {
    let span = |range: std::ops::Range<usize>| Span {
        source,
        start: range.start,
        length: range.end.saturating_sub(range.start),
    };
    let file: File = toml::from_str(text).map_err(|error| Refused {
        span: span(error.span().unwrap_or(0..0)),
        cause: error.message().trim().replace('\n', "; "),
        help: "config/boards/README.md lists the keys",
    })?;
    if file.bounds != 1 {
        return Err(Refused {
            span: span(0..0),
            cause: format!("version {} is not known", file.bounds),
            help: "write `bounds = 1`",
        });
    }
    let gate: Gate = toml::from_str(gate).map_err(|error| Refused {
        span: span(0..0),
        cause: format!("tests/benches/bounds.toml: {}", error.message().trim()),
        help: "correct the gate's file",
    })?;
    let mut entries: Vec<Spanned<Bound>> = Vec::new();
    for entry in file.bound {
        let here = span(entry.span());
        let entry = entry.into_inner();
        let refused = |cause: String, help| {
            Err(Refused {
                span: here,
                cause,
                help,
            })
        };
        let of_paths = match gate.largest(&entry.paths) {
            Ok(bound) => bound,
            Err(name) => {
                return refused(
                    format!("the gate knows no path `{name}`"),
                    "tests/benches/bounds.toml lists the paths",
                );
            }
        };
        let bound = Bound {
            path: entry.path,
            instructions: entry.instructions.max(of_paths),
            ns: entry.ns,
            measured: entry.measured,
            source: entry.source,
        };
        if entries.iter().any(|e| e.path == bound.path) {
            return refused(
                format!("`{}` is there twice", bound.path.name()),
                "keep one of the two",
            );
        }
        if bound.measured && bound.ns.is_none() {
            return refused(
                format!("`{}` is measured and has no `ns`", bound.path.name()),
                "a number of instructions is no time: give `ns`, or write `measured = false`",
            );
        }
        entries.push(Spanned::new(bound, here));
    }
    Ok(Bounds {
        picoseconds_per_instruction: file.picoseconds_per_instruction,
        entries,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ENTRY: &str = r#"
        bounds = 1
        picoseconds_per_instruction = 2000
        [[bound]]
        path = "interrupt"
        measured = false
        source = "here"
    "#;

    fn gate(irq: u64, wake: u64) -> String {
        let path = |id, bound| format!("[[path]]\nid = \"{id}\"\nbound = {bound}\n");
        path("irq", irq) + &path("wake", wake) + &path("other", 9_000)
    }

    fn interrupt(gate: &str, more: &str) -> Result<Cost, String> {
        let bounds = parse_beside(gate, &format!("{ENTRY}{more}"), 0).map_err(|refused| refused.cause)?;
        Ok(bounds.cost(CostPath::Interrupt))
    }

    /// Verifies: BH-TASK-031.
    #[test]
    fn a_bound_of_the_gate_that_rises_is_counted() {
        let paths = r#"paths = ["irq", "wake"]"#;
        let ns = |irq, wake, more: &str| interrupt(&gate(irq, wake), more).unwrap().ns;
        assert_eq!(ns(100, 50, paths), 200);
        assert_eq!(ns(101, 50, paths), 202);
        assert_eq!(ns(100, 120, paths), 240);
        assert_eq!(ns(100, 120, r#"paths = ["*"]"#), 18_000);
        // What is assumed beside them is the least that counts.
        let assumed = format!("{paths}\ninstructions = 110");
        assert_eq!([ns(100, 50, &assumed), ns(111, 50, &assumed)], [220, 222]);
        // Instructions are no measured time.
        let basis = interrupt(&gate(100, 50), paths).unwrap().basis;
        assert_eq!(basis, Basis::Assumed);
    }

    /// Verifies: BH-TASK-001.
    #[test]
    fn a_path_that_the_gate_does_not_know_is_refused() {
        let refused = interrupt(&gate(1, 1), r#"paths = ["irq", "iqr"]"#).unwrap_err();
        assert_eq!(refused, "the gate knows no path `iqr`");
    }
}
