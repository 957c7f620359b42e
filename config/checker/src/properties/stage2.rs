// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each partition's stage 2 reaches.

use crate::places::{GICR_SIZE, STOLEN_TIME, UART_SIZE};
use crate::range::{PAGE, Range};
use crate::reach::{Access, MemoryType, Run, differences, push, sorted};
use crate::system::{Party, System, Use};
use crate::tables::Partition;

/// IPA of the loader in every partition (`hypervisor/types/src/load.rs`).
const LOADER_IPA: u64 = 0x7f_0000_0000;
/// IPA of the page of stolen time (`hypervisor/types/src/load.rs`).
const STOLEN_TIME_IPA: u64 = 0x7f_0020_0000;

/// End of a partition's input addresses: they have 39 bits.
const INPUT_END: u64 = 1 << 39;

/// Implements: BH-CHK-010.
pub(crate) fn grants(system: &System<'_>, out: &mut Vec<String>) {
    compare(system, out, |serves| {
        matches!(serves, Use::Partition(_) | Use::Stream(_))
    });
    for grant in &system.grants.grants {
        if !system.roots.iter().any(|root| root.name == grant.root) {
            out.push(format!(
                "grants.txt: grant {} to {}, which does not exist",
                grant.name, grant.root
            ));
        }
    }
    for grant in &system.grants.coloured {
        let root = system.roots.iter().find(|root| root.name == grant.root);
        if root.and_then(|root| system.colours_of(root.serves)).is_none() {
            let (name, root) = (&grant.name, &grant.root);
            out.push(format!(
                "grants.txt: coloured {name} to {root}, which has no colours"
            ));
        }
    }
    let root = |name: &str| system.roots.iter().position(|root| root.name == name);
    let grants = system.grants.grants.iter();
    let places = grants.map(|grant| (root(&grant.root), grant.run.input));
    let coloured = system.grants.coloured.iter();
    let coloured = coloured.map(|grant| (root(&grant.root), grant.input));
    if !places.is_sorted() || !coloured.is_sorted() {
        out.push("grants.txt: grants are out of order".to_owned());
    }
}

/// Compares each root that `chosen` selects with its grants.
pub(crate) fn compare(system: &System<'_>, out: &mut Vec<String>, chosen: fn(Use) -> bool) {
    for root in system.roots.iter().filter(|root| chosen(root.serves)) {
        let grants = system
            .grants
            .grants
            .iter()
            .filter(|grant| grant.root == root.name);
        let mut runs: Vec<Run> = grants.map(|grant| grant.run).collect();
        if let Some(colours) = system.colours_of(root.serves) {
            let coloured = system
                .grants
                .coloured
                .iter()
                .filter(|grant| grant.root == root.name);
            let mut budget = root.walk.size().saturating_add(1);
            coloured.for_each(|grant| grant.expand(colours, &mut runs, &mut budget));
        }
        match sorted(runs) {
            Err((a, b)) => out.push(format!(
                "{}: grants.txt grants {a} and {b}, which overlap",
                root.name
            )),
            Ok(granted) => {
                let differ = differences(&root.walk.runs, &granted);
                out.extend(differ.iter().map(|d| format!("{}: {d} by grants.txt", root.name)));
            }
        }
    }
}

/// Implements: BH-CHK-011.
pub(crate) fn shape(system: &System<'_>, out: &mut Vec<String>) {
    for i in system.partition_indices() {
        let (Some(partition), name) = (system.blob.partitions.get(i), system.name(i)) else {
            continue;
        };
        let runs: Vec<Run> = system
            .roots
            .iter()
            .filter(|root| root.serves == Use::Partition(i))
            .flat_map(|root| root.walk.runs.clone())
            .collect();
        executable(system, i, partition, &runs, out);
        window(system, i, &runs, out);
        stolen(system, i, &runs, out);
        emulated(&frames(system, i), name, &runs, out);
        let mut by_output = runs.clone();
        by_output.sort_by_key(|run| run.physical());
        for pair in by_output.windows(2) {
            if let [a, b] = pair
                && let Some(both) = a.physical().intersection(b.physical())
            {
                out.push(format!(
                    "partition {name}: {both} is reached at {} and at {}",
                    a.input, b.input
                ));
            }
        }
    }
}

/// RAM is all there, as memory; the loader is all there; nothing else is executable.
fn executable(system: &System<'_>, i: usize, p: &Partition, runs: &[Run], out: &mut Vec<String>) {
    let name = system.name(i);
    let loader = system.image.loader;
    let loader_input = Range::sized(LOADER_IPA, loader.size());
    let mut ram = 0;
    let mut loaded = 0;
    for run in runs {
        if let Some(part) = run.input.intersection(p.ram) {
            ram += part.size();
            if part != run.input || run.access.memory != MemoryType::NormalWb {
                out.push(format!(
                    "partition {name}: {} {} is not wholly RAM",
                    run.input, run.access
                ));
            }
        } else if run.input == loader_input && run.output == loader.start && run.access == Access::EXECUTE {
            loaded += run.input.size();
        } else if run.access.execute {
            out.push(format!(
                "partition {name}: {} is executable, but neither RAM nor the loader",
                run.input
            ));
        }
        // A guest finds its CPU interface where its machine has it: 64 KiB after the distributor.
        let interface = system.is_interface(i, run.physical(), run.access)
            && run.input.start == p.gicd_ipa.wrapping_add(GICC_DISTANCE);
        if run.access.memory == MemoryType::Device && run.input.start != run.output && !interface {
            out.push(format!(
                "partition {name}: device registers {} are not at their own address",
                run.input
            ));
        }
    }
    if p.ram.is_empty() || ram != p.ram.size() {
        out.push(format!(
            "partition {name}: {ram:#x} bytes of its RAM {} are mapped",
            p.ram
        ));
    }
    if loaded != loader.size() || loader.is_empty() {
        out.push(format!(
            "partition {name}: the loader is not mapped at {LOADER_IPA:#x}"
        ));
    }
}

/// A partition reaches its window as memory to read and write, or, when EL2 drives it for an emulated
/// PL011, not at all.
fn window(system: &System<'_>, i: usize, runs: &[Run], out: &mut Vec<String>) {
    let uart = system.blob.partitions.get(i).is_some_and(|p| p.uart_ipa != 0);
    for (_, window) in system.windows().into_iter().filter(|(owner, _)| *owner == i) {
        let touching = runs
            .iter()
            .filter(|run| run.physical().intersection(window).is_some());
        let whole = touching
            .clone()
            .filter(|r| r.physical() == window && r.access == Access::WRITE)
            .count();
        if touching.count() != whole || whole != usize::from(!uart) {
            out.push(format!(
                "{}: its window {window} is not mapped as it should be",
                system.party(i)
            ));
        }
    }
}

/// A partition reads its stolen time at its place, and cannot write it; each of its vCPUs has its own part.
/// Implements: BH-STEAL-003.
fn stolen(system: &System<'_>, i: usize, runs: &[Run], out: &mut Vec<String>) {
    let party = system.party(i);
    let page = system.stolen().into_iter().find(|(owner, _)| *owner == i);
    let page = page.map(|(_, page)| page);
    let vcpus = system.blob.vcpus.iter();
    for vcpu in vcpus.filter(|v| usize::try_from(v.partition) == Ok(i)) {
        let offset = u64::from(vcpu.index).saturating_mul(STOLEN_TIME);
        let expected = page.map_or(0, |page| page.start.saturating_add(offset));
        if vcpu.stolen_time != expected || page.is_some() && offset >= PAGE {
            out.push(format!(
                "{party}: the stolen time of vCPU {} is at {:#x}, not at {expected:#x}",
                vcpu.index, vcpu.stolen_time
            ));
        }
    }
    if let Some(page) = page {
        let touching = runs
            .iter()
            .filter(|run| run.physical().intersection(page).is_some());
        let whole = Run {
            input: Range::sized(STOLEN_TIME_IPA, PAGE),
            output: page.start,
            access: Access::READ,
        };
        if touching.copied().collect::<Vec<_>>() != [whole] {
            out.push(format!(
                "{party}: its stolen time {page} is not mapped as it should be"
            ));
        }
    }
}

fn emulated(frames: &[(&str, Range)], name: &str, runs: &[Run], out: &mut Vec<String>) {
    for (what, range) in frames {
        if let Some(run) = runs.iter().find(|run| run.input.intersection(*range).is_some()) {
            out.push(format!(
                "partition {name}: {} is mapped over the emulated {what} {range}",
                run.input
            ));
        }
    }
    for (i, (what, range)) in frames.iter().enumerate() {
        if !range.is_page_aligned() || range.is_empty() || range.end > INPUT_END {
            out.push(format!(
                "partition {name}: emulated {what} {range} is not at an input address"
            ));
        }
        for (other, at) in frames.iter().skip(i + 1) {
            if range.intersection(*at).is_some() {
                out.push(format!(
                    "partition {name}: emulated {what} {range} overlaps {other} {at}"
                ));
            }
        }
    }
}

/// Where a partition has its redistributors on a board with a GICv2: nowhere.
pub(super) const NO_IPA: u64 = 1 << 63;
/// From a GICv2's distributor to its CPU interface, as a guest sees them.
const GICC_DISTANCE: u64 = 0x1_0000;

/// Frames that EL2 emulates for a partition.
pub(crate) fn frames(system: &System<'_>, i: usize) -> Vec<(&'static str, Range)> {
    let Some(p) = system.blob.partitions.get(i) else {
        return Vec::new();
    };
    let gicr = GICR_SIZE.saturating_mul(p.vcpus.1.into());
    let mut frames = vec![("gicd", Range::sized(p.gicd_ipa, 0x1_0000))];
    if p.gicr_ipa != NO_IPA {
        frames.push(("gicr", Range::sized(p.gicr_ipa, gicr)));
    }
    if p.uart_ipa != 0 {
        frames.push(("uart", Range::sized(p.uart_ipa, UART_SIZE)));
    }
    let locks = system.blob.locks.iter().filter(|lock| lock.is_taken_by(i));
    frames.extend(locks.map(|lock| ("lock", lock.registers())));
    frames
}

/// RAM that partition `i` may write, as what a bus master of its may reach of it: joined, by input address.
pub(crate) fn writable_ram(system: &System<'_>, i: usize) -> Vec<Run> {
    let ram = system.blob.partitions.get(i).map(|p| p.ram);
    let mut joined = Vec::new();
    for (root, run) in system.reach(Party::Partition(i)) {
        let own = root.serves == Use::Partition(i) && ram.is_some_and(|ram| ram.contains(run.input));
        if own && run.access.write {
            let access = Access::WRITE;
            push(&mut joined, Run { access, ..*run });
        }
    }
    joined
}
