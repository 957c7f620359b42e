// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which physical pages are reachable by more than one party.
//!
//! [`partitions`] and [`el2`] use no grants: they follow from `hypervisor.bin`, the blob and the walked tables
//! alone. [`targets`] takes from them only which devices at fixed addresses a partition owns.

use crate::contest::{meets, union};
use crate::grants::Shared;
use crate::range::Range;
use crate::reach::{Access, MemoryType};
use crate::system::{Party, System, Use};

/// A physical range that a party reaches.
#[derive(Clone, Debug)]
struct Reached {
    physical: Range,
    serves: Use,
    party: Party,
    access: Access,
    /// For messages.
    who: String,
}

/// Most ranges that two parties reach in a system whose sharing is worth a look: the loader, windows, channels.
const MOST: usize = 4096;

/// Everything that is reached in part or whole in `ranges`, which are ascending and apart, by physical address.
fn reached(system: &System<'_>, ranges: &[Range]) -> Vec<Reached> {
    let mut all: Vec<Reached> = Vec::new();
    for root in &system.roots {
        let runs = root.walk.runs.iter();
        all.extend(
            runs.filter(|run| meets(ranges, run.physical()))
                .map(|run| Reached {
                    physical: run.physical(),
                    serves: root.serves,
                    party: root.party(),
                    access: run.access,
                    who: format!("{} at {:#x} ({})", root.name, run.input.start, run.access),
                }),
        );
    }
    all.sort_by_key(|r| r.physical);
    all
}

/// What two parties reach, as far as it is looked at.
fn contested<'a>(system: &'a System<'_>) -> &'a [Range] {
    system.contested.get(..MOST).unwrap_or(&system.contested)
}

/// Calls `found` for each two parties and the range that both reach.
fn overlaps(system: &System<'_>, mut found: impl FnMut(&Reached, &Reached, Range)) {
    let all = reached(system, contested(system));
    for (i, a) in all.iter().enumerate() {
        for b in all
            .iter()
            .skip(i + 1)
            .take_while(|b| b.physical.start < a.physical.end)
        {
            if let (true, Some(both)) = (a.party != b.party, a.physical.intersection(b.physical)) {
                found(a, b, both);
            }
        }
    }
}

/// Implements: BH-CHK-020.
pub(crate) fn partitions(system: &System<'_>, out: &mut Vec<String>) {
    if system.contested.len() > MOST {
        let count = system.contested.len();
        out.push(format!("{count} ranges are reachable by more than one party"));
    }
    let of_partitions = |r: &&Reached| r.party != Party::El2 && r.access.write;
    let written = reached(system, contested(system));
    let written = written.iter().filter(of_partitions).map(|r| r.physical);
    let written = union(written.collect());
    overlaps(system, |a, b, both| {
        let channel = a.access.memory == MemoryType::NormalNc
            && b.access.memory == MemoryType::NormalNc
            && !(a.access.execute || b.access.execute)
            && !(a.access.write && b.access.write)
            && both.minus(&written).is_empty();
        let lock = [a, b].iter().all(|side| {
            let Party::Partition(index) = side.party else {
                return false;
            };
            let mut locks = system.blob.locks.iter();
            side.access == Access::CHANNEL && locks.any(|l| l.is_taken_by(index) && l.range.contains(both))
        });
        let channel = channel || lock;
        let loader = system.is_loader(both, a.access) && system.is_loader(both, b.access);
        let interface = [a, b].iter().all(|side| match side.party {
            Party::El2 => false,
            Party::Partition(index) => {
                matches!(side.serves, Use::Partition(_)) && system.is_interface(index, both, side.access)
            }
        });
        if a.party != Party::El2 && b.party != Party::El2 && !channel && !loader && !interface {
            out.push(format!("{both} is reachable by {} and by {}", a.who, b.who));
        }
    });
}

/// Implements: BH-CHK-021.
pub(crate) fn el2(system: &System<'_>, out: &mut Vec<String>) {
    let private = system.el2_private();
    let hidden = union(private.iter().map(|(_, range)| *range).collect());
    for index in system.partition_indices() {
        let touching = system.reach(Party::Partition(index));
        for (root, run) in touching.filter(|(_, run)| meets(&hidden, run.physical())) {
            for (what, range) in &private {
                if let Some(both) = run.physical().intersection(*range) {
                    out.push(format!("{}: {} reaches {what} at {both}", root.name, run.input));
                }
            }
        }
    }
    let talks = system.talks();
    // Neighbours count as one: a partition may read both through one mapping.
    let channels = union(system.blob.channels.clone());
    overlaps(system, |a, b, both| {
        let (guest, index) = match (a.party, b.party) {
            (Party::El2, Party::Partition(index)) => (b, index),
            (Party::Partition(index), Party::El2) => (a, index),
            (Party::El2, Party::El2) | (Party::Partition(_), Party::Partition(_)) => return,
        };
        let window = talks.iter().any(|(owner, range, rights)| {
            *owner == index
                && range.contains(both)
                && guest.access == *rights
                && [a, b]
                    .iter()
                    .all(|r| r.party != Party::El2 || r.access == Access::WRITE)
        });
        let el2_only_reads = [a, b]
            .iter()
            .all(|r| r.party != Party::El2 || r.access == Access::READ);
        let loader = system.is_loader(both, guest.access) && el2_only_reads;
        let cleared = [a, b].iter().all(|r| match r.serves {
            Use::Boot => r.access == Access::CHANNEL,
            Use::Partition(_) => r.access.memory == MemoryType::NormalNc,
            Use::Core(_) => {
                let mut locks = system.blob.locks.iter();
                r.access == Access::CHANNEL && locks.any(|l| l.is_taken_by(index) && l.range.contains(both))
            }
            Use::Stream(_) => false,
        });
        let channel = cleared && channels.iter().any(|c| c.contains(both));
        let interface = matches!(guest.serves, Use::Partition(_))
            && [a, b]
                .iter()
                .all(|side| system.is_interface(index, both, side.access));
        if !window && !loader && !channel && !interface {
            out.push(format!("{both} is reachable by {} and by {}", a.who, b.who));
        }
    });
}

/// Implements: BH-CHK-022.
pub(crate) fn targets(system: &System<'_>, out: &mut Vec<String>) {
    let bars = system.bars();
    for index in system.partition_indices() {
        let party = system.party(index);
        let of_functions = bars.iter().filter(|(f, _, _)| {
            let function = system.blob.pci_functions.get(*f);
            function.is_some_and(|f| usize::try_from(f.partition) == Ok(index))
        });
        // Devices at fixed addresses are known from the text form only; what lies in RAM is no device.
        let listed = system.grants.memory.iter().filter(|placed| placed.owner == party);
        let fixed = listed.flat_map(|placed| placed.range.minus(&system.blob.ram));
        let interface = system.interface_of(index);
        let of_functions = of_functions.map(|(_, _, range)| *range);
        let owned: Vec<Range> = of_functions.chain(fixed).chain(interface).collect();
        for (root, run) in system.reach(Party::Partition(index)) {
            let (allowed, what) = match run.access.memory {
                MemoryType::Device => (&owned, "the registers of its own devices"),
                MemoryType::NormalWb | MemoryType::NormalNc => (&system.blob.ram, "RAM"),
            };
            if allowed.iter().any(|range| range.contains(run.physical())) {
                continue;
            }
            for outside in run.physical().minus(allowed) {
                out.push(format!(
                    "{}: {} reaches {outside}, outside {what}",
                    root.name, run.input
                ));
            }
        }
    }
}

/// Implements: BH-CHK-024.
pub(crate) fn channels(system: &System<'_>, out: &mut Vec<String>) {
    let table = &system.blob.channels;
    let memory = system.grants.memory.iter();
    let placed = memory.filter(|placed| placed.owner.starts_with("channel:"));
    let placed: Vec<Range> = placed.map(|placed| placed.range).collect();
    for (index, channel) in table.iter().enumerate() {
        if !placed.contains(channel) {
            out.push(format!(
                "channel {index} at {channel} is no channel of the text form"
            ));
        }
    }
    for channel in placed.iter().filter(|channel| !table.contains(channel)) {
        out.push(format!(
            "grants.txt: channel at {channel} is not in the blob's table"
        ));
    }
    let count = system.blob.partitions.len();
    for lock in &system.blob.locks {
        let faults = lock.faults(count).into_iter();
        out.extend(faults.map(|what| format!("the lock at {} {what}", lock.range)));
        for (partition, _, _) in lock.participants() {
            let mut reach = usize::try_from(partition)
                .into_iter()
                .flat_map(|p| system.reach(Party::Partition(p)));
            let there = reach.any(|(_, run)| run.input.start == lock.ipa && run.physical() == lock.range);
            if !there {
                out.push(format!(
                    "the lock at {} is not at {:#x} of {}",
                    lock.range,
                    lock.ipa,
                    system.party(usize::try_from(partition).unwrap_or(usize::MAX))
                ));
            }
        }
    }
    let partitions = system.roots.iter().filter(|root| root.party() != Party::El2);
    let runs = partitions.flat_map(|root| root.walk.runs.iter().map(move |run| (root, run)));
    let mut reached = Vec::new();
    for (root, run) in runs.filter(|(_, run)| run.access.memory == MemoryType::NormalNc) {
        reached.push(run.physical());
        for stray in run.physical().minus(table) {
            out.push(format!("{}: {stray} is non-cacheable and no channel", root.name));
        }
    }
    for unused in table.iter().flat_map(|channel| channel.minus(&reached)) {
        out.push(format!("no partition reaches {unused} of a channel"));
    }
}

/// Implements: BH-CHK-023.
pub(crate) fn declared(system: &System<'_>, out: &mut Vec<String>) {
    let name = |party: Party| match party {
        Party::El2 => "el2".to_owned(),
        Party::Partition(index) => system.party(index),
    };
    for pair in system.grants.shared.windows(2) {
        if let [a, b] = pair
            && b.range.start < a.range.end
        {
            out.push(format!(
                "grants.txt: shared {} {} is not after {} {}",
                b.name, b.range, a.name, a.range
            ));
        }
    }
    let everything = reached(
        system,
        &union(system.grants.shared.iter().map(|shared| shared.range).collect()),
    );
    for shared in &system.grants.shared {
        for (party, write, execute) in &shared.parties {
            let reached = everything
                .iter()
                .filter(|r| name(r.party) == *party && r.physical.intersection(shared.range).is_some());
            let (mut ranges, mut found) = (Vec::new(), (false, false));
            for r in reached {
                ranges.push(r.physical);
                found = (found.0 || r.access.write, found.1 || r.access.execute);
            }
            let names_party_twice = shared
                .parties
                .iter()
                .filter(|(other, _, _)| other == party)
                .count()
                > 1;
            if found != (*write, *execute) || !shared.range.minus(&ranges).is_empty() || names_party_twice {
                let (what, range) = (&shared.name, shared.range);
                out.push(format!(
                    "grants.txt: shared {what} {range} says of {party} what its tables do not"
                ));
            }
        }
    }
    overlaps(system, |a, b, both| {
        let permits = |shared: &&Shared| {
            [a, b].iter().all(|side| {
                shared.parties.iter().any(|(party, write, execute)| {
                    *party == name(side.party)
                        && (*write || !side.access.write)
                        && (*execute || !side.access.execute)
                })
            })
        };
        let ranges: Vec<Range> = system
            .grants
            .shared
            .iter()
            .filter(permits)
            .map(|s| s.range)
            .collect();
        for undeclared in both.minus(&ranges) {
            let (x, y) = (&a.who, &b.who);
            out.push(format!(
                "{undeclared} is reached by {x} and {y}, which no `shared` record permits"
            ));
        }
    });
}
