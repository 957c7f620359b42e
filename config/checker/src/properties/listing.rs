// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text form's names and owners are those that the tables show.

use crate::range::Range;
use crate::reach::{Access, MemoryType, Run};
use crate::system::{Party, System};

use super::text::name;

/// IPA of the load list (`hypervisor/types/src/load.rs`).
const LIST_IPA: u64 = 0x7f_0010_0000;
/// IPA from which payloads are mapped.
const PAYLOAD_IPA: u64 = 0x7f_4000_0000;
/// Names of grants that say what they are.
const KINDS: [&str; 5] = ["ram", "loader", "load-list", "payload", "window"];

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
    let mut owned: Vec<(String, Range)> = vec![("el2".to_owned(), system.image.extent)];
    owned.extend(
        system
            .el2_private()
            .into_iter()
            .map(|(_, range)| ("el2".to_owned(), range)),
    );
    owned.extend(
        system
            .windows()
            .into_iter()
            .map(|(i, window)| (system.party(i), window)),
    );
    let owner = |f: usize| {
        system
            .blob
            .pci_functions
            .get(f)
            .map_or(0, |function| function.partition)
    };
    let bars = system.bars().into_iter();
    owned.extend(bars.map(|(f, _, range)| (format!("partition:{}", name(system, owner(f))), range)));
    for index in system.partition_indices() {
        let runs = system.reach(Party::Partition(index)).map(|(_, run)| run);
        let own = runs.filter(|run| {
            run.access.memory != MemoryType::NormalNc && !system.is_loader(run.physical(), run.access)
        });
        owned.extend(own.map(|run| (system.party(index), run.physical())));
    }
    let channels = system
        .grants
        .grants
        .iter()
        .filter(|grant| grant.name.starts_with("channel:") && !grant.root.starts_with("el2:core:"));
    owned.extend(channels.map(|grant| (grant.name.clone(), grant.run.physical())));
    for (owner, range) in owned {
        let listed = system.grants.memory.iter().filter(|placed| placed.owner == owner);
        let ranges: Vec<Range> = listed.map(|placed| placed.range).collect();
        for stray in range.minus(&ranges) {
            out.push(format!(
                "grants.txt: no `memory` record lists {stray} as of {owner}"
            ));
        }
    }
}

/// What a partition's grant must be called by what it is; `None` for a device's registers.
fn called(system: &System<'_>, index: usize, run: &Run) -> Option<&'static str> {
    let ram = system.blob.partitions.get(index).map(|p| p.ram);
    let of_window = |(owner, window): (usize, Range)| owner == index && window.contains(run.physical());
    match run.access.memory {
        MemoryType::Device => None,
        MemoryType::NormalNc => Some("channel:"),
        MemoryType::NormalWb if ram.is_some_and(|ram| ram.contains(run.input)) => Some("ram"),
        MemoryType::NormalWb if system.is_loader(run.physical(), run.access) => Some("loader"),
        MemoryType::NormalWb if system.windows().into_iter().any(of_window) => Some("window"),
        MemoryType::NormalWb if run.access != Access::READ => Some("(nothing that is known)"),
        MemoryType::NormalWb if run.input.start == LIST_IPA => Some("load-list"),
        MemoryType::NormalWb if run.input.start >= PAYLOAD_IPA => Some("payload"),
        MemoryType::NormalWb => Some("(nothing that is known)"),
    }
}

/// Implements: BH-CHK-062.
pub(crate) fn names(system: &System<'_>, out: &mut Vec<String>) {
    for grant in &system.grants.grants {
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
