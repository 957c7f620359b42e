// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text form's names and owners are those that the tables show.

use crate::colours::Colours;
use crate::grants::{Grant, Placed};
use crate::range::Range;
use crate::reach::{Access, MemoryType, Run};
use crate::system::{Party, System};

use super::text::name;

/// IPA of the load list (`hypervisor/types/src/load.rs`).
const LIST_IPA: u64 = 0x7f_0010_0000;
/// IPA from which payloads are mapped.
const PAYLOAD_IPA: u64 = 0x7f_4000_0000;
/// IPA of the range in which the RAM of a partition is kept when an error ends it (`hypervisor/types/src/load.rs`).
const DUMP_IPA: u64 = 0x60_0000_0000;
/// Names of grants that say what they are.
const KINDS: [&str; 7] = [
    "ram",
    "loader",
    "load-list",
    "payload",
    "window",
    "stolen-time",
    "dump",
];

/// Implements: BH-CHK-061.
pub(crate) fn memory(system: &System<'_>, out: &mut Vec<String>) {
    for pair in system.grants.memory.windows(2) {
        if let [a, b] = pair
            && b.range.start < a.range.end
        {
            out.push(format!(
                "grants.txt: memory {} {} is not after {} {}",
                b.name, b.range, a.name, a.range
            ));
        }
    }
    for placed in &system.grants.memory {
        let known = match placed.owner.as_str() {
            "board" | "el2" => true,
            "gic" => system.is_gicv2(),
            owner if owner.starts_with("controller:") => super::controllers::is_named(system, owner),
            owner if owner.starts_with("channel:") => system.grants.grants.iter().any(|g| g.name == owner),
            owner => system.partition_indices().any(|i| system.party(i) == owner),
        };
        if !known {
            out.push(format!(
                "grants.txt: memory {}: nobody is called {}",
                placed.range, placed.owner
            ));
        }
    }
    for (index, a) in system.grants.coloured_memory.iter().enumerate() {
        let memory = system.grants.memory.iter();
        let same = system
            .grants
            .coloured_memory
            .iter()
            .skip(index + 1)
            .filter(|b| b.owner == a.owner);
        for b in memory
            .chain(same)
            .filter(|b| a.range.intersection(b.range).is_some())
        {
            out.push(format!(
                "grants.txt: coloured-memory {} {} overlaps {} {}",
                a.name, a.range, b.name, b.range
            ));
        }
        if system.grants.colours_of(&a.owner).is_none() {
            out.push(format!(
                "grants.txt: coloured-memory {} {} is of no partition with colours",
                a.name, a.range
            ));
        }
    }
    let el2 = system.el2_private().into_iter().map(|(_, range)| range);
    Listed::of(system, "el2").demand(el2.chain([system.image.extent]), out);
    for index in system.partition_indices() {
        let party = system.party(index);
        let listed = Listed::of(system, &party);
        let talks = system.talks().into_iter().filter(|(owner, _, _)| *owner == index);
        listed.demand(talks.map(|(_, range, _)| range), out);
        let owner = |f: usize| {
            system
                .blob
                .pci_functions
                .get(f)
                .map_or(0, |function| function.partition)
        };
        let bars = system.bars().into_iter();
        let own = bars.filter(|(f, _, _)| format!("partition:{}", name(system, owner(*f))) == party);
        listed.demand(own.map(|(_, _, range)| range), out);
        let runs = system.reach(Party::Partition(index)).map(|(_, run)| run);
        let own = runs.filter(|run| {
            run.access.memory != MemoryType::NormalNc
                && !system.is_loader(run.physical(), run.access)
                && !system.is_interface(index, run.physical(), run.access)
        });
        listed.demand(own.map(Run::physical), out);
    }
    let channels = system.grants.grants.iter();
    let of_channels =
        channels.filter(|grant| grant.name.starts_with("channel:") && !grant.root.starts_with("el2:core:"));
    for grant in of_channels {
        Listed::of(system, &grant.name).demand([grant.run.physical()], out);
    }
}

/// What the text form lists as somebody's.
struct Listed<'a> {
    owner: &'a str,
    whole: Vec<Range>,
    coloured: Vec<Range>,
    colours: Option<Colours>,
}

impl<'a> Listed<'a> {
    fn of(system: &System<'_>, owner: &'a str) -> Self {
        let of = |records: &[Placed]| {
            records
                .iter()
                .filter(|p| p.owner == owner)
                .map(|p| p.range)
                .collect()
        };
        Self {
            owner,
            whole: of(&system.grants.memory),
            coloured: of(&system.grants.coloured_memory),
            colours: system.grants.colours_of(owner),
        }
    }

    /// Whether pages of the owner's colours in this range are listed.
    fn has_colours(&self, range: Range) -> bool {
        self.coloured.iter().any(|listed| listed.contains(range))
            && self.colours.is_some_and(|c| c.have(range))
    }

    /// Tells which parts of `ranges` are not listed.
    fn demand(&self, ranges: impl IntoIterator<Item = Range>, out: &mut Vec<String>) {
        for range in ranges {
            if self.has_colours(range) || self.whole.iter().any(|listed| listed.contains(range)) {
                continue;
            }
            let owner = self.owner;
            let rest = range
                .minus(&self.whole)
                .into_iter()
                .filter(|rest| !self.has_colours(*rest));
            out.extend(
                rest.map(|stray| format!("grants.txt: no `memory` record lists {stray} as of {owner}")),
            );
        }
    }
}

/// What a partition's grant must be called by what it is; `None` for a device's registers.
fn called(system: &System<'_>, index: usize, run: &Run) -> Option<&'static str> {
    let ram = system.blob.partitions.get(index).map(|p| p.ram);
    let of_stolen = |(owner, page): (usize, Range)| owner == index && page.contains(run.physical());
    let of_window = |(owner, window): (usize, Range)| owner == index && window.contains(run.physical());
    match run.access.memory {
        MemoryType::Device => None,
        MemoryType::NormalNc => Some("channel:"),
        MemoryType::NormalWb if ram.is_some_and(|ram| ram.contains(run.input)) => Some("ram"),
        MemoryType::NormalWb if system.is_loader(run.physical(), run.access) => Some("loader"),
        MemoryType::NormalWb if system.windows().into_iter().any(of_window) => Some("window"),
        MemoryType::NormalWb if system.stolen().into_iter().any(of_stolen) => Some("stolen-time"),
        MemoryType::NormalWb if run.access == Access::WRITE && run.input.start == DUMP_IPA => Some("dump"),
        MemoryType::NormalWb if run.access != Access::READ => Some("(nothing that is known)"),
        MemoryType::NormalWb if run.input.start == LIST_IPA => Some("load-list"),
        MemoryType::NormalWb if run.input.start >= PAYLOAD_IPA => Some("payload"),
        MemoryType::NormalWb => Some("(nothing that is known)"),
    }
}

/// Implements: BH-CHK-062.
pub(crate) fn names(system: &System<'_>, out: &mut Vec<String>) {
    let coloured = system.grants.coloured.iter().map(|grant| {
        let size = system
            .grants
            .colours_of(&grant.root)
            .map_or(0, |c| c.size(grant.range, u64::MAX));
        Grant {
            root: grant.root.clone(),
            name: grant.name.clone(),
            run: Run {
                input: Range::sized(grant.input, size),
                output: grant.range.start,
                access: grant.access,
            },
        }
    });
    for grant in system.grants.grants.iter().cloned().chain(coloured) {
        if grant.root.starts_with("stream:") && grant.name != "ram" {
            out.push(format!(
                "{}: grants.txt calls {} {}, which is not RAM",
                grant.root, grant.name, grant.run.input
            ));
        }
        let Some(index) = system
            .partition_indices()
            .find(|i| system.party(*i) == grant.root)
        else {
            continue;
        };
        let fine = match called(system, index, &grant.run) {
            None => !KINDS.contains(&grant.name.as_str()) && !grant.name.starts_with("channel:"),
            Some("channel:") => grant.name.starts_with("channel:"),
            Some(name) => grant.name == name,
        };
        if !fine {
            let (root, name, run) = (&grant.root, &grant.name, &grant.run);
            out.push(format!(
                "{root}: grants.txt calls {} {} {name}, which it is not",
                run.input, run.access
            ));
        }
    }
}
