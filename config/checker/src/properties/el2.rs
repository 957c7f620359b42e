// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2's own roots reach.

use crate::range::{PAGE, Range};
use crate::reach::{Access, MemoryType, Run, differences, sorted};
use crate::system::{Party, Root, System, Use};

use super::stage2::compare;

/// Implements: BH-CHK-030.
pub(crate) fn write_xor_execute(system: &System<'_>, out: &mut Vec<String>) {
    let mut executable: Vec<Range> = Vec::new();
    for (root, run) in system.reach(Party::El2) {
        let device = run.access.memory == MemoryType::Device;
        if run.access.execute && (run.access.write || device) {
            out.push(format!(
                "{}: {} is executable and {}",
                root.name, run.input, run.access
            ));
        }
        if run.input.start != run.output {
            out.push(format!(
                "{}: {} translates to {:#x}, not to itself",
                root.name, run.input, run.output
            ));
        }
        if run.access.execute {
            executable.push(run.physical());
        }
    }
    for (root, run) in system.reach(Party::El2).filter(|(_, run)| run.access.write) {
        for range in &executable {
            if let Some(both) = range.intersection(run.physical()) {
                out.push(format!(
                    "{}: {both} is writable, and executable through an EL2 root",
                    root.name
                ));
            }
        }
    }
}

/// Identity mappings of several ranges with one access.
fn identity(ranges: impl IntoIterator<Item = Range>, access: Access) -> impl Iterator<Item = Run> {
    ranges.into_iter().map(move |range| Run::identity(range, access))
}

/// What both kinds of root map in the same way.
fn common(system: &System<'_>) -> Vec<Run> {
    let image = &system.image;
    let mut runs: Vec<Run> = identity([image.text], Access::EXECUTE).collect();
    runs.extend(identity([image.rodata], Access::READ));
    runs.extend(identity([image.shared], Access::WRITE));
    let gic = [system.gicd()]
        .into_iter()
        .chain(system.gicc())
        .chain(system.gicc_dir());
    let gic = gic.chain(system.gich());
    runs.extend(identity(gic, Access::DEVICE));
    runs
}

/// What the boot root must map, but for the board's own read-only memory.
fn boot(system: &System<'_>) -> Vec<Run> {
    let image = &system.image;
    let mut runs = common(system);
    runs.extend(identity([image.boot_text], Access::EXECUTE));
    runs.extend(identity(
        [image.boot_rodata, image.loader, system.blob_area()],
        Access::READ,
    ));
    runs.extend(identity(
        [image.boot_data, image.handoff, image.stats, system.live_area()],
        Access::WRITE,
    ));
    runs.extend(identity(system.per_core_blocks(), Access::WRITE));
    runs.extend(identity(system.smmu_queues(), Access::WRITE));
    let talks = system.talks().into_iter().map(|(_, range, _)| range);
    runs.extend(identity(talks, Access::WRITE));
    runs.extend(identity(system.blob.channels.iter().copied(), Access::CHANNEL));
    runs.extend(identity(system.redistributors(), Access::DEVICE));
    runs.extend(identity(
        system.el2_devices().into_iter().map(|(_, range)| range),
        Access::DEVICE,
    ));
    runs.extend(identity(system.watchdog(), Access::DEVICE));
    runs
}

/// What the root of core `k` must map.
fn core(system: &System<'_>, k: usize) -> Vec<Run> {
    let (image, board) = (&system.image, &system.blob.board);
    let own_stats = system.core_stats(k);
    let certificate = Range::sized(system.blob_area().end.saturating_sub(PAGE), PAGE);
    let mut runs = common(system);
    runs.extend(identity([image.handoff], Access::READ));
    runs.extend(identity(system.blob_area().minus(&[certificate]), Access::READ));
    runs.extend(identity(image.stats.minus(&[own_stats]), Access::READ));
    runs.extend(identity([own_stats], Access::WRITE));
    runs.extend(identity(system.per_core_blocks().get(k).copied(), Access::WRITE));
    let roots = system
        .blob
        .partitions
        .iter()
        .map(|p| Range::sized(p.live_root, PAGE));
    runs.extend(identity(roots, Access::WRITE));
    runs.extend(identity(system.redistributors().get(k).copied(), Access::DEVICE));
    let locks = system.blob.locks.iter();
    let locks = locks.filter(|lock| lock.participants().any(|(p, _, _)| runs_here(system, k, p)));
    runs.extend(identity(locks.map(|lock| lock.range), Access::CHANNEL));
    let keeps_house = system.keeps_house(k);
    let functions = || {
        let here = |index: u32| {
            system
                .blob
                .vcpus
                .iter()
                .any(|v| is(v.core, k) && v.partition == index)
        };
        let all = system.blob.pci_functions.iter();
        all.filter(move |function| here(function.partition))
    };
    let mut platform = system.blob.streams.iter();
    let guards_streams = functions().any(|function| function.bus_master != 0)
        || platform.any(|(_, owner)| runs_here(system, k, *owner));
    let devices = system.el2_devices().into_iter().filter(|(name, _)| match *name {
        "UART" => keeps_house,
        "SMMU" => keeps_house || guards_streams,
        _ => false,
    });
    runs.extend(identity(devices.map(|(_, range)| range), Access::DEVICE));
    if board.ecam != 0 {
        let space = |bdf: u32| Range::sized(board.ecam.saturating_add(u64::from(bdf) * PAGE), PAGE);
        runs.extend(identity(functions().map(|f| space(f.bdf)), Access::DEVICE));
    }
    let watchdog = system.watchdog().filter(|_| system.is_watched(k));
    runs.extend(identity(watchdog, Access::DEVICE));
    if keeps_house || guards_streams {
        runs.extend(identity(system.smmu_queues(), Access::WRITE));
        // A table of less than a page has its page alone: roots are pages, and the live area has nothing else.
        let table = system.stream_table();
        let pages = table.map(|t| {
            Range::sized(
                t.start,
                t.size().checked_next_multiple_of(PAGE).unwrap_or(u64::MAX),
            )
        });
        runs.extend(identity(pages, Access::WRITE));
    }
    let windows = system.windows().into_iter();
    let windows = windows.filter(|(owner, _)| keeps_house || emulates_uart_for(system, k, *owner));
    runs.extend(identity(windows.map(|(_, range)| range), Access::WRITE));
    let stolen = system.stolen().into_iter();
    let stolen = stolen.filter(|(owner, _)| u32::try_from(*owner).is_ok_and(|p| runs_here(system, k, p)));
    runs.extend(identity(stolen.map(|(_, page)| page), Access::WRITE));
    runs
}

/// Whether core `k` runs a vCPU of a partition.
fn runs_here(system: &System<'_>, k: usize, partition: u32) -> bool {
    let mut vcpus = system.blob.vcpus.iter();
    vcpus.any(|v| v.partition == partition && usize::try_from(v.core) == Ok(k))
}

/// Whether core `k` runs a vCPU of partition `index`, whose PL011 EL2 emulates.
fn emulates_uart_for(system: &System<'_>, k: usize, index: usize) -> bool {
    let uart = system.blob.partitions.get(index).is_some_and(|p| p.uart_ipa != 0);
    uart && system
        .blob
        .vcpus
        .iter()
        .any(|v| is(v.core, k) && is(v.partition, index))
}

fn is(field: u32, value: usize) -> bool {
    usize::try_from(field) == Ok(value)
}

/// Compares a root with what was derived; `tolerated` excuses a difference.
fn check(root: &Root, runs: Vec<Run>, tolerated: impl Fn(Run) -> bool, out: &mut Vec<String>) {
    match sorted(runs) {
        Err((a, b)) => out.push(format!("{}: EL2's own {a} and {b} overlap", root.name)),
        Ok(expected) => {
            for difference in differences(&root.walk.runs, &expected) {
                let extra = difference.found.filter(|_| difference.expected.is_none());
                let extra = extra.map(|(output, access)| Run {
                    input: difference.input,
                    output,
                    access,
                });
                if !extra.is_some_and(&tolerated) {
                    out.push(format!("{}: {difference}", root.name));
                }
            }
        }
    }
}

/// Implements: BH-CHK-031.
pub(crate) fn boot_root(system: &System<'_>, out: &mut Vec<String>) {
    let of_board = |run: Run| {
        let mut memory = system
            .grants
            .memory
            .iter()
            .filter(|placed| placed.owner == "board");
        let inside_ram = system.blob.ram.iter().any(|bank| bank.contains(run.input));
        run.access == Access::READ && inside_ram && memory.any(|placed| placed.range.contains(run.input))
    };
    for root in system.roots.iter().filter(|root| root.serves == Use::Boot) {
        check(root, boot(system), of_board, out);
    }
}

/// Implements: BH-CHK-032.
pub(crate) fn core_roots(system: &System<'_>, out: &mut Vec<String>) {
    for root in &system.roots {
        if let Use::Core(k) = root.serves {
            check(root, core(system, k), |_| false, out);
        }
    }
}

/// Implements: BH-CHK-033.
pub(crate) fn grants(system: &System<'_>, out: &mut Vec<String>) {
    compare(system, out, |serves| matches!(serves, Use::Boot | Use::Core(_)));
}
