// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What places can still be judged on, of a board file that breaks rules.

use crate::board::{Board, GicV2, GicVersion, Region};
use crate::diagnostic::Diagnostic;
use crate::remains::{Broken, Found};
use crate::span::Spanned;

/// The keys of a board file of which places depend on nothing but that no two things share a page.
const ELSEWHERE: [&str; 9] = [
    "boot",
    "controllers",
    "cores",
    "gic",
    "poll_bound",
    "qemu",
    "ram",
    "traffic",
    "workarounds",
];

/// All of memory: where the RAM of a board is not known, nothing is outside of it.
const ANYWHERE: Region = Region {
    base: 0,
    size: 1 << 40,
};

/// The board without its broken devices, with room for everything where its RAM is broken; nothing when places depend on
/// something else that is broken there.
pub(crate) fn for_places(found: &Found<'_>, list: &[Diagnostic]) -> Option<Board> {
    // No place depends on what works around an erratum.
    let of_file = |d: &&Diagnostic| {
        // Of what a board needs, only what can be done without may be missing, or there were no board.
        let is_missing = d.rule.id == "document/missing-key" && d.primary.span == found.board_root.span;
        d.primary.span.source == found.of_board.start && d.rule.topic() != "errata" && !is_missing
    };
    let broken = Broken::of(found.board_root, list.iter().filter(of_file));
    let is_elsewhere = |path: &Vec<String>| match path.as_slice() {
        [devices, _, ..] if devices == "devices" => true,
        [key, ..] => ELSEWHERE.contains(&key.as_str()),
        [] => false,
    };
    let is_located = broken.paths.len() == list.iter().filter(of_file).count();
    let shared = list
        .iter()
        .filter(|d| of_file(d) && d.rule.id == "board/shared-page");
    let shared = Broken::of(found.board_root, shared);
    let is_apart = !shared.has(&["gic"]) && !shared.has(&["ram"]);
    if !is_located || !is_apart || !broken.paths.iter().all(is_elsewhere) {
        return None;
    }
    let mut board = found.board.clone();
    board.devices.retain(|d| !broken.has(&["devices", &d.name]));
    if board.unread.ram {
        board.ram = vec![Spanned::new(ANYWHERE, board.name.span)];
    }
    if board.unread.gic {
        put_aside(&mut board)?;
    }
    Some(board)
}

/// Has an interrupt controller that could not be read lie where the board has nothing; nothing where there is no such place
/// below 4 GiB.
fn put_aside(board: &mut Board) -> Option<()> {
    const ROOM: u64 = 16 << 20;
    let mut taken: Vec<Region> = board
        .ram
        .iter()
        .map(|r| r.value)
        .filter(|r| *r != ANYWHERE)
        .collect();
    taken.extend(board.reserved.iter().map(|r| r.region.value));
    let blocks = board.devices.iter().flat_map(|d| d.blocks());
    taken.extend(blocks.map(|block| block.region));
    taken.extend(board.pcie.iter().map(|p| p.window.value));
    let of_el2 = [
        Some(board.uart.base),
        board.smmu.as_ref().map(|s| s.base),
        board.pcie.as_ref().map(|p| p.ecam),
    ];
    taken.extend(
        of_el2
            .into_iter()
            .flatten()
            .map(|base| Region { base, size: ROOM }),
    );
    let rooms = (1..256).rev().map(|n| Region {
        base: n * ROOM,
        size: ROOM,
    });
    let room = rooms
        .into_iter()
        .find(|room| !taken.iter().any(|t| t.overlaps(room)))?;
    let part = |n: u64| room.base + (n << 20);
    board.gic.distributor = part(0);
    board.gic.version = match board.gic.version {
        GicVersion::V3 { .. } => GicVersion::V3 {
            redistributors: part(1),
        },
        GicVersion::V2(_) => GicVersion::V2(GicV2 {
            cpu: part(1),
            control: part(2),
            virtual_cpu: part(3),
        }),
    };
    Some(())
}
