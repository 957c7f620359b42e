// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The errata of a board's cores in words. Implements: BH-CFG-164.

use bulkhead_model::errata::{Erratum, of_board};
use bulkhead_model::system::System;

use crate::overview::Section;
use crate::words::numbers;

/// What an erratum does and who works around it, in a sentence.
pub(crate) fn sentence(erratum: &Erratum) -> String {
    format!(
        "{}; worked around by {}: {}",
        erratum.effect,
        erratum.remedy.name(),
        erratum.means
    )
}

/// The overview's section.
pub(crate) fn section(system: &System) -> Section {
    Section {
        title: "errata",
        entries: entries(system),
    }
}

/// Each erratum by name, with its sentence and its cores.
pub(crate) fn entries(system: &System) -> Vec<(String, Vec<String>)> {
    let entry = |(erratum, cores): (&Erratum, Vec<usize>)| {
        let cores = format!("cores {}", numbers(cores.into_iter()));
        (erratum.name.to_owned(), vec![sentence(erratum), cores])
    };
    of_board(&system.board).into_iter().map(entry).collect()
}
