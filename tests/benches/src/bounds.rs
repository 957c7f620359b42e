// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The gate: what each path through EL2 and each figure may cost, and what it cost.
//!
//! Implements: BH-BENCH-003, BH-BENCH-011.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::counts::Histogram;
use crate::report::{Row, Spread};

/// What a path may cost, in instructions.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PathBound {
    /// Reason, as [`crate::counts::reason`] names it.
    pub id: String,
    /// The aim; never raised.
    pub ceiling: u64,
    /// What no run may exceed.
    pub bound: u64,
    /// What the path took in a run of the bench that another need not repeat, since the host's time decides, or
    /// the seed of the fuzzer.
    #[serde(rename = "seen")]
    pub known: Option<u64>,
    /// Why the bound is above the ceiling, and what would lower it.
    pub exception: Option<String>,
}

/// Which of a figure's values is judged.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The lower median.
    Median,
    /// The largest.
    Max,
    /// The only one: where the smallest is another, that is a breach.
    Constant,
    /// The median or the largest in thousandths of that natively, whichever is more, rounded up.
    Ratio,
}

impl Of {
    /// The value of a figure.
    pub fn value(self, native: Option<Spread>, own: Spread) -> u64 {
        let ratio = |own: u64, native: u64| own.saturating_mul(1000).div_ceil(native.max(1));
        match (self, native) {
            (Self::Median, _) => own.median,
            (Self::Max | Self::Constant, _) => own.max,
            (Self::Ratio, Some(native)) => ratio(own.median, native.median).max(ratio(own.max, native.max)),
            (Self::Ratio, None) => u64::MAX,
        }
    }
}

/// What a figure may be, in its unit.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FigureBound {
    /// The row's name.
    pub id: String,
    /// What is judged.
    pub of: Of,
    /// The aim, never raised; a figure of which none is known has none.
    pub ceiling: Option<u64>,
    /// What no run may exceed.
    pub bound: u64,
    /// Why the bound is above the ceiling, and where the instructions go.
    pub exception: Option<String>,
}

impl FigureBound {
    /// Why the aim is missed, where it is.
    pub fn missed(&self) -> Option<&str> {
        let missed = self.ceiling.is_some_and(|ceiling| self.bound > ceiling);
        self.exception.as_deref().filter(|_| missed)
    }
}

/// A `bounds.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Version of the format.
    pub bounds: u32,
    /// One entry a path.
    pub path: Vec<PathBound>,
    /// One entry a figure.
    #[serde(default)]
    pub figure: Vec<FigureBound>,
}

/// A breach of the gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More than the bound.
    #[error("{id}: {measured} {unit}, bound {bound}")]
    Exceeded {
        /// Path or figure.
        id: String,
        /// The most seen.
        measured: u64,
        /// Of what.
        unit: &'static str,
        /// Its bound.
        bound: u64,
    },
    /// A bound above the aim without a reason.
    #[error("{id}: bound {bound} is above the ceiling {ceiling}, and no exception says why")]
    NoException {
        /// Path.
        id: String,
        /// Its bound.
        bound: u64,
        /// Its aim.
        ceiling: u64,
    },
    /// A bound far above what was ever seen bounds nothing.
    #[error("{id}: bound {bound} is more than {}.{:02} times the most that is known, {most}", percent / 100, percent % 100)]
    Loose {
        /// Path or figure.
        id: String,
        /// Its bound.
        bound: u64,
        /// How far it may be above.
        percent: u64,
        /// The most seen, or known without.
        most: u64,
    },
    /// Longer than what the disassembly says is the longest: a bound of a loop, or what is said never to be executed, is
    /// wrong.
    #[error("{id}: {measured} instructions, and the disassembly says {longest} at most")]
    Underestimated {
        /// Path.
        id: String,
        /// Longest seen.
        measured: u64,
        /// What the disassembly says.
        longest: u64,
    },
    /// A bound that no path can reach.
    #[error("{id}: bound {bound}, and the disassembly says {longest} at most")]
    Unreachable {
        /// Path.
        id: String,
        /// Its bound.
        bound: u64,
        /// What the disassembly says.
        longest: u64,
    },
    /// More than one value of what has only one.
    #[error("{id}: {min} to {max} {unit}, and it is to be always the same")]
    Varies {
        /// Figure.
        id: String,
        /// The least seen.
        min: u64,
        /// The most seen.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// No entry.
    #[error("{id}: {measured} {unit}, and no entry")]
    NoEntry {
        /// Path or figure.
        id: String,
        /// The most seen.
        measured: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Nothing that the entry could judge.
    #[error("{id}: an entry, and no figure")]
    NoFigure {
        /// Figure.
        id: String,
    },
    /// Two entries.
    #[error("{id}: more than one entry")]
    Twice {
        /// Path or figure.
        id: String,
    },
}

impl Breach {
    /// Whether it tells of the bound alone, and not of what was measured: images of another compiler may be shorter.
    pub fn is_of_the_bound(&self) -> bool {
        matches!(self, Self::Loose { .. })
    }
}

impl Bounds {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or is no bounds file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let wrong = |cause: String| Error::Bounds(path.display().to_string(), cause);
        let bounds: Self = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if bounds.bounds != 1 {
            return Err(wrong(format!("version {} is not known", bounds.bounds)));
        }
        Ok(bounds)
    }

    /// What `paths` breaches. A path that was not seen breaches nothing. `longest` is the longest of each by the
    /// disassembly; without one a path cannot be taken.
    pub fn judge(&self, paths: &BTreeMap<String, Histogram>, longest: &BTreeMap<String, u64>) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (k, entry) in self.path.iter().enumerate() {
            let id = entry.id.clone();
            if self.path.iter().take(k).any(|other| other.id == id) {
                breaches.push(Breach::Twice { id: id.clone() });
            }
            if entry.bound > entry.ceiling && entry.exception.as_ref().is_none_or(|e| e.trim().is_empty()) {
                let (bound, ceiling) = (entry.bound, entry.ceiling);
                breaches.push(Breach::NoException { id, bound, ceiling });
            }
        }
        for (id, lengths) in paths {
            let (most, measured) = (longest.get(id).copied().unwrap_or(0), lengths.max().unwrap_or(0));
            let bound = self.path.iter().find(|e| e.id == *id).map_or(0, |e| e.bound);
            let id = id.clone();
            if measured > most {
                let longest = most;
                breaches.push(Breach::Underestimated {
                    id: id.clone(),
                    measured,
                    longest,
                });
            } else if bound > most {
                let (id, longest) = (id.clone(), most);
                breaches.push(Breach::Unreachable { id, bound, longest });
            }
            let unit = "instructions";
            let Some(entry) = self.path.iter().find(|e| e.id == id) else {
                breaches.push(Breach::NoEntry { id, measured, unit });
                continue;
            };
            let known = entry.known.filter(|known| *known <= entry.bound).unwrap_or(0);
            breaches.extend(kept(id, (measured, unit), entry.bound, known, 110));
        }
        breaches
    }

    /// What `rows` breach. A figure may be absent where `absent` says so.
    pub fn judge_figures(&self, rows: &[Row], absent: impl Fn(&str) -> bool) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (k, entry) in self.figure.iter().enumerate() {
            let id = entry.id.clone();
            if self.figure.iter().take(k).any(|other| other.id == id) {
                breaches.push(Breach::Twice { id: id.clone() });
            }
            if !rows.iter().any(|row| row.id == id) && !absent(&id) {
                breaches.push(Breach::NoFigure { id: id.clone() });
            }
            let said = entry.exception.as_ref().is_some_and(|e| !e.trim().is_empty());
            if let Some(ceiling) = entry.ceiling.filter(|ceiling| entry.bound > *ceiling && !said) {
                let bound = entry.bound;
                breaches.push(Breach::NoException { id, bound, ceiling });
            }
        }
        for row in rows {
            let (id, unit) = (row.id.to_owned(), row.unit);
            let Some(entry) = self.figure.iter().find(|e| e.id == id) else {
                let measured = row.bulkhead.max;
                breaches.push(Breach::NoEntry { id, measured, unit });
                continue;
            };
            let measured = entry.of.value(row.native, row.bulkhead);
            let Spread { min, max, .. } = row.bulkhead;
            if entry.of == Of::Constant && min != max {
                let id = id.clone();
                breaches.push(Breach::Varies { id, min, max, unit });
            }
            // Sizes do not change from run to run.
            let percent = if ["bytes", "lines"].contains(&unit) {
                102
            } else {
                110
            };
            let unit = if entry.of == Of::Ratio {
                "thousandths of native"
            } else {
                unit
            };
            breaches.extend(kept(id, (measured, unit), entry.bound, 0, percent));
        }
        breaches
    }
}

/// What a bound breaches by what was measured, or is known without.
fn kept(
    id: String,
    (measured, unit): (u64, &'static str),
    bound: u64,
    known: u64,
    percent: u64,
) -> Option<Breach> {
    let most = known.max(measured);
    if measured > bound {
        Some(Breach::Exceeded {
            id,
            measured,
            unit,
            bound,
        })
    } else if bound.saturating_mul(100) > most.saturating_mul(percent) {
        Some(Breach::Loose {
            id,
            bound,
            percent,
            most,
        })
    } else {
        None
    }
}
