// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours: what a partition uses of the cache that it shares with others.
//!
//! Colours are computed from the physical addresses that the walks found, not taken from any record.

use crate::colours::Colours;
use crate::range::{PAGE, Range};
use crate::reach::{MemoryType, Run};
use crate::system::{Root, System};

/// Pages outside the colours that are told of a root.
const TOLD: usize = 8;

/// Implements: BH-CHK-025.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    let grants = &system.grants;
    if grants.geometries.is_empty() {
        return;
    }
    if grants.geometries.len() > 1 {
        out.push("grants.txt: there must be one `colours` record at most".to_owned());
    }
    let partitions = system.partition_indices().map(|index| system.party(index));
    if !partitions.eq(grants.colours.iter().map(|(party, _)| party.clone())) {
        out.push("grants.txt: `colour` records do not name each partition once, by index".to_owned());
    }
    for (index, (party, set)) in grants.colours.iter().enumerate() {
        let before = grants.colours.iter().take(index);
        for (other, _) in before.filter(|(_, other)| other.zip(*set).is_some_and(|(a, b)| a.overlaps(b))) {
            out.push(format!("grants.txt: {party} and {other} have a colour in common"));
        }
    }
    for root in &system.roots {
        if let crate::system::Party::Partition(index) = root.party()
            && let Some(colours) = grants.colours_of(&system.party(index))
        {
            tables(system, root, colours, out);
            memory(system, index, root, colours, out);
        }
    }
}

/// The root that the hardware is given, and every table below it.
fn tables(system: &System<'_>, root: &Root, colours: Colours, out: &mut Vec<String>) {
    let base = system.blob.header.base;
    let lower = root
        .walk
        .pages
        .iter()
        .skip(1)
        .map(|offset| base.saturating_add(*offset));
    let pages = [root.address].into_iter().chain(lower);
    let strays = pages.filter(|page| !colours.have(Range::sized(*page, PAGE)));
    out.extend(
        strays
            .take(TOLD)
            .map(|page| format!("{}: table page {page:#x} is not of its colours", root.name)),
    );
}

/// Everything but registers, channels, the loader, the window and the stolen time, which other parties use, too.
fn memory(system: &System<'_>, index: usize, root: &Root, colours: Colours, out: &mut Vec<String>) {
    let talks = system.talks();
    let own = |run: &&Run| {
        let physical = run.physical();
        let window = || {
            talks
                .iter()
                .any(|(owner, w, _)| *owner == index && w.contains(physical))
        };
        run.access.memory == MemoryType::NormalWb && !system.is_loader(physical, run.access) && !window()
    };
    let strays = root
        .walk
        .runs
        .iter()
        .filter(|run| !colours.have(run.physical()))
        .filter(own);
    out.extend(strays.take(TOLD).map(|run| {
        format!(
            "{}: {} reaches {}, not of its colours",
            root.name,
            run.input,
            run.physical()
        )
    }));
}
