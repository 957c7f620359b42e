// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of SGIs and PPIs.
//!
//! Verifies: BH-GIC-005, BH-GIC-010.
//!
//! # References
//! Arm IHI 0069, "GICR_ISENABLER0", "GICR_IPRIORITYR<n>", "GICR_ICFGR0", "GICR_ICFGR1", "GICR_IGROUPR0",
//! "Interrupt prioritization".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::gic;

pub(super) const CASES: &[Case] = &[
    Case::one("GIC-PRIV-01", "at least SGIs 0 to 7 can be enabled", sgis),
    Case::one(
        "GIC-PRIV-02",
        "ISENABLER0 sets, ICENABLER0 clears, both read the same, zeros do nothing",
        enables,
    ),
    Case::one(
        "GIC-PRIV-03",
        "an enable of one interrupt leaves the others' as they are",
        single,
    ),
    Case::one("GIC-PRIV-04", "IPRIORITYR by bytes: each keeps its own", bytes),
    Case::one("GIC-PRIV-05", "IPRIORITYR by words: byte n is interrupt n", words),
    Case::one(
        "GIC-PRIV-06",
        "priorities have at least 16 levels, the unimplemented bits are the lowest, and zero",
        levels,
    ),
    Case::one(
        "GIC-PRIV-07",
        "ICFGR0: SGIs are edge-triggered, read-only",
        sgi_edges,
    ),
    Case::one(
        "GIC-PRIV-08",
        "ICFGR1: the timers are level-sensitive",
        timer_levels,
    ),
    Case::one("GIC-PRIV-09", "IGROUPR0: interrupts can be in Group 1", groups),
];

fn timers(board: &Board) -> u32 {
    1 << board.virtual_timer | 1 << board.physical_timer
}

fn sgis(_: &Board) -> Outcome {
    equal("enabled SGIs 0 to 7", 0xff_u64, gic::sgis() & 0xff)
}

fn enables(board: &Board) -> Outcome {
    let frame = gic::private();
    let all = timers(board) | gic::sgis();
    frame.write32(gic::ISENABLER, all);
    equal("ISENABLER0", all, frame.read32(gic::ISENABLER) & all)?;
    equal("ICENABLER0", all, frame.read32(gic::ICENABLER) & all)?;
    frame.write32(gic::ISENABLER, 0);
    frame.write32(gic::ICENABLER, 0);
    equal("ISENABLER0 after zeros", all, frame.read32(gic::ISENABLER) & all)?;
    gic::disable(board.physical_timer);
    gic::disable(board.virtual_timer);
    let rest = all & !timers(board);
    equal(
        "ISENABLER0 after ICENABLER0",
        rest,
        frame.read32(gic::ISENABLER) & all,
    )?;
    equal(
        "ICENABLER0 after ICENABLER0",
        rest,
        frame.read32(gic::ICENABLER) & all,
    )
}

fn single(board: &Board) -> Outcome {
    let frame = gic::private();
    gic::enable(board.virtual_timer);
    equal(
        "ISENABLER0",
        1_u64 << board.virtual_timer,
        frame.read32(gic::ISENABLER) & timers(board),
    )?;
    gic::enable(board.physical_timer);
    gic::disable(board.virtual_timer);
    equal(
        "ISENABLER0",
        1_u64 << board.physical_timer,
        frame.read32(gic::ISENABLER) & timers(board),
    )
}

fn bytes(_: &Board) -> Outcome {
    for sgi in 0_u8..8 {
        gic::set_priority(sgi.into(), sgi * gic::STEP);
    }
    for sgi in 0_u8..8 {
        equal("priority", sgi * gic::STEP, gic::priority(sgi.into()))?;
    }
    gic::set_priority(5, 0xa0);
    for (sgi, priority) in [(4, 0x40_u64), (5, 0xa0), (6, 0x60)] {
        equal("priority beside a changed one", priority, gic::priority(sgi))?;
    }
    Ok(())
}

fn words(_: &Board) -> Outcome {
    let frame = gic::private();
    frame.write32(gic::IPRIORITYR + 4, 0x9040_c020);
    for (sgi, priority) in [(4, 0x20_u64), (5, 0xc0), (6, 0x40), (7, 0x90)] {
        equal("byte of a word", priority, gic::priority(sgi))?;
    }
    gic::set_priority(6, 0xd0);
    equal(
        "word of bytes",
        0x90d0_c020_u64,
        frame.read32(gic::IPRIORITYR + 4),
    )
}

fn levels(board: &Board) -> Outcome {
    for intid in [0, 7, board.virtual_timer, board.physical_timer] {
        gic::set_priority(intid, 0xff);
        let ones = gic::priority(intid);
        holds(
            "0xf0, 0xf8, 0xfc, 0xfe or 0xff",
            ones >= 0xf0 && ones.leading_ones() == ones.count_ones(),
            ones,
        )?;
        gic::set_priority(intid, 0);
        equal("priority 0", 0_u64, gic::priority(intid))?;
    }
    Ok(())
}

/// Two bits of ICFGR0 for each SGI that can be enabled; the upper one of each says edge.
fn sgi_fields() -> u32 {
    (0..16)
        .filter(|n| gic::sgis() >> n & 1 != 0)
        .fold(0, |all, n| all | 3 << (2 * n))
}

fn sgi_edges(_: &Board) -> Outcome {
    let (frame, fields) = (gic::private(), sgi_fields());
    let edges = fields & 0xaaaa_aaaa;
    equal(
        "GICR_ICFGR0",
        edges,
        frame.read32(gic::ICFGR) & fields & 0xaaaa_aaaa,
    )?;
    frame.write32(gic::ICFGR, 0);
    equal(
        "GICR_ICFGR0 after a write",
        edges,
        frame.read32(gic::ICFGR) & fields & 0xaaaa_aaaa,
    )
}

fn timer_levels(board: &Board) -> Outcome {
    let configuration = gic::private().read32(gic::ICFGR + 4);
    for intid in [board.virtual_timer, board.physical_timer] {
        let edge = configuration >> (2 * (intid - 16) + 1) & 1;
        equal("edge bit of a timer", 0_u64, edge)?;
    }
    Ok(())
}

fn groups(board: &Board) -> Outcome {
    let frame = gic::private();
    let all = gic::sgis() | timers(board);
    frame.write32(gic::IGROUPR, u32::MAX);
    equal("GICR_IGROUPR0", all, frame.read32(gic::IGROUPR) & all)
}
