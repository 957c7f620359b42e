// SPDX-License-Identifier: Apache-2.0 OR MIT
//! More interrupts at once than any GIC has list registers. Interrupts are masked; the CPU interface is polled.
//!
//! Verifies: BH-GIC-006, BH-GIC-007.
//!
//! # References
//! Arm IHI 0069, "Interrupt prioritization", "Interrupt handling state machine".
#![forbid(unsafe_code)]

use super::pending::quiet;
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::timer;

pub(super) const CASES: &[Case] = &[
    Case::one(
        "GIC-MANY-01",
        "12 pending SGIs come once each, the most urgent first",
        in_order,
    ),
    Case::one(
        "GIC-MANY-02",
        "12 pending SGIs in reverse order of their numbers",
        reversed,
    ),
    Case::one(
        "GIC-MANY-03",
        "12 pending SGIs of one priority come once each",
        same_priority,
    ),
    Case::one(
        "GIC-MANY-04",
        "12 SGIs and both timers, pending at once",
        with_timers,
    ),
    Case::one(
        "GIC-MANY-05",
        "12 SGIs active at once, each preempting the last",
        nested,
    ),
    Case::one(
        "GIC-MANY-06",
        "12 SGIs dropped, then deactivated in another order",
        dropped,
    ),
    Case::one("GIC-MANY-07", "12 SGIs pending behind an active one", behind),
    Case::one(
        "GIC-MANY-08",
        "a more urgent SGI comes before 12 that wait longer",
        overtakes,
    ),
    Case::one(
        "GIC-MANY-09",
        "pending SGIs of which half are taken back, and half are disabled",
        thinned,
    ),
    Case::one(
        "GIC-MANY-10",
        "12 SGIs dropped and pending again come once more each",
        dropped_again,
    ),
];

/// SGIs 0 to 11.
const COUNT: u32 = 12;

/// Makes all pending at once: `priority` gives each its priority.
fn fill(priority: impl Fn(u32) -> u32) -> Outcome {
    equal("SGIs 0 to 11", 0xfff_u64, gic::sgis() & 0xfff)?;
    r::write_icc_pmr(0);
    for sgi in 0..COUNT {
        gic::set_priority(sgi, u8::try_from(priority(sgi)).unwrap_or(0));
        gic::send_self(sgi);
    }
    let all = timer::eventually(|| gic::private().read32(gic::ISPENDR) & 0xfff == 0xfff);
    holds("12 pending SGIs", all, gic::private().read32(gic::ISPENDR))
}

/// Takes 12 interrupts, each ended before the next; checks that each comes once.
fn drain(expected: impl Fn(u32) -> Option<u32>) -> Outcome {
    r::write_icc_pmr(gic::OPEN);
    let mut seen = 0_u32;
    for number in 0..COUNT {
        let intid = gic::next();
        if let Some(expected) = expected(number) {
            equal("next INTID", expected, intid)?;
        }
        holds(
            "an SGI that did not come yet",
            intid < COUNT && seen >> intid & 1 == 0,
            intid,
        )?;
        seen |= 1 << intid;
        gic::end(intid);
    }
    quiet()
}

fn in_order(_: &Board) -> Outcome {
    fill(|sgi| 0x10 + sgi * 0x10)?;
    drain(Some)
}

fn reversed(_: &Board) -> Outcome {
    fill(|sgi| 0xd0 - sgi * 0x10)?;
    drain(|number| Some(COUNT - 1 - number))
}

fn same_priority(_: &Board) -> Outcome {
    fill(|_| 0x80)?;
    drain(|_| None)
}

fn with_timers(board: &Board) -> Outcome {
    fill(|sgi| 0x20 + sgi * 0x10)?;
    for (intid, priority) in [(board.virtual_timer, 0x10), (board.physical_timer, 0xe0)] {
        gic::set_priority(intid, priority);
        gic::enable(intid);
        gic::pend(intid);
    }
    r::write_icc_pmr(gic::OPEN);
    equal("first INTID", board.virtual_timer, gic::next())?;
    gic::end(board.virtual_timer);
    for sgi in 0..COUNT {
        equal("next INTID", sgi, gic::next())?;
        gic::end(sgi);
    }
    equal("last INTID", board.physical_timer, gic::next())?;
    gic::end(board.physical_timer);
    quiet()
}

fn nested(_: &Board) -> Outcome {
    for sgi in 0..COUNT {
        gic::set_priority(sgi, u8::try_from(0xd0 - sgi * 0x10).unwrap_or(0));
    }
    for sgi in 0..COUNT {
        gic::send_self(sgi);
        equal("INTID that preempts", sgi, gic::next())?;
        equal("ICC_RPR_EL1", 0xd0 - sgi * 0x10, r::icc_rpr())?;
    }
    equal(
        "active SGIs",
        0xfff_u64,
        gic::private().read32(gic::ISACTIVER) & 0xfff,
    )?;
    for sgi in (0..COUNT).rev() {
        gic::end(sgi);
        let left = (1_u32 << sgi) - 1;
        equal("active SGIs", left, gic::private().read32(gic::ISACTIVER) & 0xfff)?;
        let running = if sgi == 0 { 0xff } else { 0xe0 - sgi * 0x10 };
        equal("ICC_RPR_EL1", running, r::icc_rpr())?;
    }
    quiet()
}

/// Takes and drops all 12, in the order of their numbers.
fn drop_all() -> Outcome {
    gic::split_end(true);
    fill(|sgi| 0x10 + sgi * 0x10)?;
    r::write_icc_pmr(gic::OPEN);
    for sgi in 0..COUNT {
        equal("next INTID", sgi, gic::next())?;
        gic::end(sgi);
    }
    equal(
        "active SGIs",
        0xfff_u64,
        gic::private().read32(gic::ISACTIVER) & 0xfff,
    )
}

fn dropped(_: &Board) -> Outcome {
    drop_all()?;
    let mut left = 0xfff_u32;
    for number in 0..COUNT {
        let sgi = (number * 5 + 3) % COUNT;
        gic::deactivate(sgi);
        left &= !(1 << sgi);
        equal("active SGIs", left, gic::private().read32(gic::ISACTIVER) & 0xfff)?;
    }
    quiet()
}

fn dropped_again(_: &Board) -> Outcome {
    drop_all()?;
    for sgi in 0..COUNT {
        gic::send_self(sgi);
    }
    quiet()?;
    equal(
        "pending SGIs",
        0xfff_u64,
        gic::private().read32(gic::ISPENDR) & 0xfff,
    )?;
    r::write_icc_pmr(0);
    for sgi in 0..COUNT {
        gic::deactivate(sgi);
    }
    gic::split_end(false);
    drain(Some)
}

fn behind(_: &Board) -> Outcome {
    gic::set_priority(0, 0x10);
    gic::send_self(0);
    equal("INTID", 0_u64, gic::next())?;
    fill(|sgi| 0x10 + sgi * 0x10)?;
    r::write_icc_pmr(gic::OPEN);
    quiet()?;
    gic::end(0);
    drain(Some)
}

fn overtakes(board: &Board) -> Outcome {
    fill(|sgi| 0x20 + sgi * 0x10)?;
    r::write_icc_pmr(gic::OPEN);
    for sgi in 0..3 {
        equal("next INTID", sgi, gic::next())?;
        gic::end(sgi);
    }
    r::write_icc_pmr(0);
    gic::set_priority(board.virtual_timer, 0x10);
    gic::enable(board.virtual_timer);
    gic::pend(board.virtual_timer);
    gic::set_priority(1, 0x10 + 0xb0);
    gic::send_self(1);
    timer::pause(100);
    r::write_icc_pmr(gic::OPEN);
    equal("INTID that overtakes", board.virtual_timer, gic::next())?;
    gic::end(board.virtual_timer);
    let mut seen = 0_u32;
    for _ in 0..10 {
        let intid = gic::next();
        holds("a pending SGI", intid < COUNT && seen >> intid & 1 == 0, intid)?;
        seen |= 1 << intid;
        gic::end(intid);
    }
    equal("SGIs that came", 0xffa_u64, seen)?;
    quiet()
}

fn thinned(_: &Board) -> Outcome {
    fill(|sgi| 0x10 + sgi * 0x10)?;
    for sgi in [1, 3, 5] {
        gic::write_bit(gic::ICPENDR, sgi);
    }
    for sgi in [7, 9, 11] {
        gic::disable(sgi);
    }
    r::write_icc_pmr(gic::OPEN);
    for sgi in [0_u32, 2, 4, 6, 8, 10] {
        equal("next INTID", sgi, gic::next())?;
        gic::end(sgi);
    }
    quiet()?;
    for sgi in [7_u32, 9, 11] {
        gic::enable(sgi);
        equal("INTID after its enable", sgi, gic::next())?;
        gic::end(sgi);
    }
    quiet()
}
