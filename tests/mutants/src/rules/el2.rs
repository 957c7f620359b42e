// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2's roots reach: `hypervisor/types/src/image.rs`, fields of `ImageInfo`.

use crate::blob::NONE;
use crate::bytes::PAGE;
use crate::descriptor::{Kind, R, W, X};
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::cores::{STANDBY, has_slot};
use crate::rules::grants::{WINDOW, stolen};
use crate::rules::records::EMULATED_UART;
use crate::walk::{Map, join};

type Part = (Range, u8, Kind);

fn range(start: u64, size: u64) -> Range {
    Range {
        start,
        end: start.saturating_add(size),
    }
}

/// The page of EL2's watchdog: of BAR 0 of the function that is nobody's.
pub(crate) fn watchdog(case: &Case<'_>) -> Option<Range> {
    let function = case.blob.functions.iter().find(|f| f.partition == NONE)?;
    Some(range(function.bars.first()?.0 / PAGE * PAGE, PAGE))
}

/// Registers of EL2's devices.
pub(crate) fn devices(case: &Case<'_>) -> Vec<Range> {
    let board = &case.blob.board;
    let mut all = vec![range(board.gicd, 0x1_0000), range(board.uart, PAGE)];
    all.extend(
        case.blob
            .cores
            .iter()
            .map(|core| range(core.redistributor, 0x2_0000)),
    );
    if board.smmu != 0 {
        all.push(range(board.smmu, 0x2_0000));
    }
    if board.ecam != 0 {
        all.push(range(board.ecam, board.ecam_buses.saturating_mul(1 << 20)));
    }
    all
}

/// EL2 reaches what each root needs, nothing that is writable and executable, no device to execute.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    for (i, maps) in case.reach.el2.iter().enumerate() {
        let name = if i == 0 {
            "boot".to_owned()
        } else {
            format!("core {}", i - 1)
        };
        let bad = |m: &&Map| m.rights & X != 0 && (m.rights & W != 0 || m.kind != Kind::WriteBack);
        let first = maps.iter().find(bad);
        found.effect(first.is_none(), || {
            format!("EL2 ({name}) executes what it writes, or a device")
        });
        let moved = maps.iter().any(|m| m.input != m.output);
        found.effect(!moved, || format!("EL2 ({name}): VA is not PA"));
        let mut parts = if i == 0 { boot(case) } else { core(case, i - 1) };
        parts.sort();
        let mut wanted = Vec::new();
        for (range, rights, kind) in parts.into_iter().filter(|(range, _, _)| range.size() > 0) {
            let (input, size) = (range.start, range.size());
            join(
                &mut wanted,
                Map {
                    input,
                    output: input,
                    size,
                    rights,
                    kind,
                },
            );
        }
        let text = || format!("EL2 ({name}) reaches something else than it needs");
        found.effect(*maps == wanted, text);
    }
}

fn memory(range: Range, rights: u8) -> Part {
    (range, rights, Kind::WriteBack)
}

fn device(range: Range) -> Part {
    (range, R | W, Kind::Device)
}

fn boot(case: &Case<'_>) -> Vec<Part> {
    let (image, blob) = (&case.image, &case.blob);
    let mut parts: Vec<Part> = devices(case)
        .into_iter()
        .chain(watchdog(case))
        .map(device)
        .collect();
    let blob_end = blob.base + blob.certificate;
    for (range, rights) in [
        (image.boot_text, R | X),
        (image.text, R | X),
        (image.boot_rodata, R),
        (image.rodata, R),
        (image.loader, R),
        (
            Range {
                start: blob.base,
                end: blob_end,
            },
            R,
        ),
        (range(blob_end, PAGE), R),
        (image.boot_data, R | W),
        (image.shared, R | W),
        (image.handoff, R | W),
        (image.stats, R | W),
        (range(blob.live_base, blob.live_size), R | W),
    ] {
        parts.push(memory(range, rights));
    }
    if blob.board.smmu != 0 {
        parts.push(memory(range(blob.board.queues, 2 * PAGE), R | W));
    }
    parts.extend((0..image.max_cores).map(|core| memory(image.block_of(core), R | W)));
    // Boot zeroes what partitions talk through.
    let windows = blob.partitions.iter().filter(|p| p.window != 0);
    parts.extend(windows.map(|p| memory(range(p.window, WINDOW), R | W)));
    let stolen = (0..blob.partitions.len()).filter_map(|at| stolen(case, at));
    parts.extend(stolen.map(|page| memory(page, R | W)));
    parts.extend(
        blob.channels
            .iter()
            .map(|c| (range(c.0, c.1), R | W, Kind::NonCacheable)),
    );
    // What the board left for boot to read, such as its device tree: owned by the board, never written.
    let of_board = |range: Range| {
        case.text
            .placed
            .iter()
            .any(|p| p.owner == "board" && range.within(p.range))
    };
    let grants = case
        .text
        .grants
        .iter()
        .filter(|g| g.root == "el2:boot" && of_board(g.range));
    parts.extend(grants.map(|grant| memory(grant.range, R)));
    parts
}

fn core(case: &Case<'_>, core: usize) -> Vec<Part> {
    let (image, blob) = (&case.image, &case.blob);
    let number = u64::try_from(core).unwrap_or(u64::MAX);
    let here = blob.cores.get(core);
    // Its devices and windows are also those of the core that takes the housekeeping over.
    let house =
        u64::from(blob.board.system_core) == number || here.is_some_and(|here| has_slot(blob, here, STANDBY));
    let redistributor = here.map_or(0, |c| c.redistributor);
    let mut parts = vec![
        device(range(blob.board.gicd, 0x1_0000)),
        device(range(redistributor, 0x2_0000)),
        memory(image.text, R | X),
        memory(image.rodata, R),
        memory(image.shared, R | W),
        memory(image.handoff, R),
        memory(image.block_of(number), R | W),
        memory(range(blob.base, blob.certificate), R),
    ];
    parts.extend(
        (0..image.max_cores)
            .map(|other| memory(image.stats_of(other), if other == number { R | W } else { R })),
    );
    parts.extend(
        blob.partitions
            .iter()
            .map(|p| memory(range(p.live_root, PAGE), R | W)),
    );
    let lives_here = |p: u32| {
        blob.vcpus
            .iter()
            .any(|v| v.partition == p && u64::from(v.core) == number)
    };
    for lock in blob
        .locks
        .iter()
        .filter(|l| l.participants().any(|(p, _, _)| lives_here(p)))
    {
        parts.push((range(lock.range.0, lock.range.1), R | W, Kind::NonCacheable));
    }
    if house {
        parts.push(device(range(blob.board.uart, PAGE)));
    }
    // Slots that may stand still are those of vCPUs and of EL2.
    let slots = here.is_some_and(|c| c.mode == 2 && c.vcpus.1 > 0);
    if house || slots {
        parts.extend(watchdog(case).map(device));
    }
    // A core opens and closes the streams of the partitions that it runs.
    let runs = |partition: u32| {
        let here = |v: &crate::entries::Vcpu| u64::from(v.core) == number && v.partition == partition;
        blob.vcpus.iter().any(here)
    };
    let own: Vec<_> = blob.functions.iter().filter(|f| runs(f.partition)).collect();
    let masters = own.iter().any(|function| function.master != 0)
        || blob.streams.iter().any(|(_, partition)| runs(*partition));
    if blob.board.ecam != 0 {
        let space = |bdf: u32| device(range(blob.board.ecam.saturating_add(u64::from(bdf) * PAGE), PAGE));
        parts.extend(own.iter().map(|function| space(function.bdf)));
    }
    if blob.board.smmu != 0 && (house || masters) {
        let table = blob.live_base + blob.board.stream_table;
        parts.push(device(range(blob.board.smmu, 0x2_0000)));
        parts.push(memory(range(table, 64 << blob.board.stream_bits), R | W));
        parts.push(memory(range(blob.board.queues, 2 * PAGE), R | W));
    }
    for (i, partition) in blob.partitions.iter().enumerate() {
        // A housekeeping core drains every console; others feed the UART that they emulate.
        let here = |v: &crate::entries::Vcpu| {
            u64::from(v.partition) == u64::try_from(i).unwrap_or(u64::MAX) && u64::from(v.core) == number
        };
        let emulates = partition.flags & EMULATED_UART != 0 && blob.vcpus.iter().any(here);
        if partition.window != 0 && (house || emulates) {
            parts.push(memory(range(partition.window, WINDOW), R | W));
        }
        if blob.vcpus.iter().any(here) {
            parts.extend(stolen(case, i).map(|page| memory(page, R | W)));
        }
    }
    parts
}
