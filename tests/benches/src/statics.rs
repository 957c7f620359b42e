// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The longest paths that the disassembly of the run-time part allows, which the runs booted.
//!
//! Implements: BH-BENCH-010.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bulkhead_paths::{Annotations, Paths};

use crate::{Error, Place, sizes};

const LOOPS: &str = "tests/benches/loops.toml";

/// What the disassembly says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statics {
    /// The longest path of each reason, in instructions; none is taken of others.
    pub longest: BTreeMap<String, u64>,
    /// Loops without a bound, and bounds without a loop.
    pub breaches: Vec<String>,
}

impl Statics {
    /// The longest paths of some reasons.
    ///
    /// # Errors
    /// A file is missing or damaged, or the code is not understood.
    pub fn of<'a>(place: Place<'_>, reasons: impl Iterator<Item = &'a String>) -> Result<Self, Error> {
        let [_, elf] = sizes::EL2;
        let (file, image) = (place.root.join(LOOPS), place.images.join(elf));
        let text = fs::read_to_string(&file).map_err(|e| Error::file(&file, e))?;
        let annotations = Annotations::parse(&text).map_err(|e| Error::Bounds(LOOPS.to_owned(), e))?;
        let bytes = fs::read(&image).map_err(|e| Error::file(&image, e))?;
        let wrong = |e: bulkhead_paths::Error| Error::Elf(elf.to_owned(), e.to_string());
        let paths = Paths::read(&bytes, annotations).map_err(wrong)?;
        let (loops, unused) = paths.unmatched().map_err(wrong)?;
        let mut found = Self::default();
        found.breaches.extend(
            loops
                .iter()
                .map(|l| format!("{LOOPS}: no bound for the loop at {l}")),
        );
        found
            .breaches
            .extend(unused.iter().map(|u| format!("{LOOPS}: {u} has no such loop")));
        if !loops.is_empty() {
            return Ok(found);
        }
        for reason in reasons.collect::<BTreeSet<_>>() {
            if let Some(longest) = paths.longest(reason).map_err(wrong)? {
                found.longest.insert(reason.clone(), longest);
            }
        }
        Ok(found)
    }
}
