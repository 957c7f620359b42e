// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The gate: what each path through EL2 may cost, and what it cost.
//!
//! Implements: BH-BENCH-003.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::counts::Histogram;

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
    /// What the path took in another run, or can take by what ends it, where no run of the bench need show that.
    #[serde(rename = "seen")]
    pub known: Option<u64>,
    /// Why the bound is above the ceiling, and what would lower it.
    pub exception: Option<String>,
}

/// A `bounds.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Version of the format.
    pub bounds: u32,
    /// One entry a path.
    pub path: Vec<PathBound>,
}

/// A breach of the gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Longer than the bound.
    #[error("{id}: {measured} instructions, bound {bound}")]
    Exceeded {
        /// Path.
        id: String,
        /// Longest seen.
        measured: u64,
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
    #[error("{id}: bound {bound} is more than 1.1 times the longest path known, {longest}")]
    Loose {
        /// Path.
        id: String,
        /// Its bound.
        bound: u64,
        /// Longest seen, or known without.
        longest: u64,
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
    /// No entry.
    #[error("{id}: {measured} instructions, and no entry")]
    NoEntry {
        /// Path.
        id: String,
        /// Longest seen.
        measured: u64,
    },
    /// Two entries.
    #[error("{id}: more than one entry")]
    Twice {
        /// Path.
        id: String,
    },
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
            let Some(entry) = self.path.iter().find(|e| e.id == id) else {
                breaches.push(Breach::NoEntry { id, measured });
                continue;
            };
            let (bound, longest) = (entry.bound, entry.known.unwrap_or(0).max(measured));
            if measured > bound {
                breaches.push(Breach::Exceeded { id, measured, bound });
            } else if bound.saturating_mul(10) > longest.saturating_mul(11) {
                breaches.push(Breach::Loose { id, bound, longest });
            }
        }
        breaches
    }
}
