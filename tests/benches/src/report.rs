// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The result as JSON; `README.md` lists the rows.

use serde::Serialize;

use crate::bounds::{FigureBound, PathBound};
use crate::counts::Histogram;

/// Smallest, lower median and largest value.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct Spread {
    /// Smallest.
    pub min: u64,
    /// Lower median.
    pub median: u64,
    /// Largest.
    pub max: u64,
}

impl Spread {
    /// Of values, if there are any.
    pub fn of(values: &Histogram) -> Option<Self> {
        Some(Self {
            min: values.min()?,
            median: values.median()?,
            max: values.max()?,
        })
    }

    /// Of one value.
    pub fn one(value: u64) -> Self {
        Self {
            min: value,
            median: value,
            max: value,
        }
    }
}

/// A figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Stable name.
    pub id: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How often it was measured.
    pub samples: u64,
    /// The same without a hypervisor.
    pub native: Option<Spread>,
    /// Under Bulkhead.
    pub bulkhead: Spread,
    /// The most that the disassembly allows, where it says that.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub longest: Option<u64>,
    /// What the figure contains, where the id does not say it.
    pub note: Option<String>,
    /// Its entry in `bounds.toml`.
    pub bounds: Option<FigureBound>,
}

/// A figure that is not there.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Its name.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// A run of the emulator.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The system, or `native`.
    pub name: String,
    /// Command line.
    pub command: String,
    /// SHA-256 of the image that was booted.
    pub image: String,
    /// SHA-256 of the guest's program.
    pub guest: Option<String>,
}

/// A path through EL2 against its bound.
#[derive(Clone, Debug, Serialize)]
pub struct Path {
    /// Reason.
    pub id: String,
    /// How often it was taken.
    pub samples: u64,
    /// Lengths.
    pub measured: Spread,
    /// The most that the disassembly allows with the bounds of `loops.toml`.
    #[serde(rename = "static")]
    pub longest: Option<u64>,
    /// Its entry in `bounds.toml`.
    pub bounds: Option<PathBound>,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this format.
    pub bench: u32,
    /// SHA-256 of the `hypervisor.bin` that ships, and that every run booted.
    pub hypervisor: String,
    /// Why no plugin counted, if none did.
    pub no_plugin: Option<String>,
    /// The figures.
    pub rows: Vec<Row>,
    /// The README's table.
    pub table: String,
    /// Figures that are not there.
    pub missing: Vec<Missing>,
    /// Paths through EL2.
    pub paths: Vec<Path>,
    /// Breaches of the gate.
    pub breaches: Vec<String>,
    /// Bounds that are far above what was measured. Where the images are of another compiler than the bounds, that is no
    /// breach.
    pub loose: Vec<String>,
    /// Runs.
    pub runs: Vec<Run>,
}
