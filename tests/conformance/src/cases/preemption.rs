// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which interrupt comes while another is active. Interrupts are masked; the CPU interface is polled.
//!
//! Verifies: BH-GIC-007, BH-GIC-011.
//!
//! # References
//! Arm IHI 0069, "Priority grouping", "Preemption", "ICC_BPR1_EL1".
#![forbid(unsafe_code)]

use super::pending::{only, quiet};
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;

pub(super) const CASES: &[Case] = &[
    Case::one(
        "GIC-PRE-01",
        "the more urgent comes while another is active",
        more_urgent,
    ),
    Case::one("GIC-PRE-02", "the less urgent waits for the end", less_urgent),
    Case::one(
        "GIC-PRE-03",
        "an equal priority waits for the end",
        equal_priority,
    ),
    Case::one(
        "GIC-PRE-04",
        "a binary point below the minimum reads as the minimum, at most 4",
        minimum,
    ),
    Case::one("GIC-PRE-05", "ICC_BPR1_EL1 keeps 4 to 7", points),
    Case::one(
        "GIC-PRE-06",
        "the same group priority does not preempt, but comes first after the end",
        same_group,
    ),
    Case::one("GIC-PRE-07", "another group priority preempts", other_group),
    Case::one(
        "GIC-PRE-08",
        "EOImode 1: what was dropped does not hold back the less urgent",
        dropped,
    ),
];

/// Takes SGI 1 with this priority; it stays active.
fn activate(priority: u8) -> Outcome {
    gic::set_priority(1, priority);
    gic::send_self(1);
    equal("INTID", 1_u64, gic::next())
}

fn more_urgent(_: &Board) -> Outcome {
    activate(0x80)?;
    gic::set_priority(2, 0x80 - gic::STEP);
    gic::send_self(2);
    only(2)?;
    gic::end(1);
    quiet()
}

fn less_urgent(_: &Board) -> Outcome {
    activate(0x80)?;
    gic::set_priority(2, 0x80 + gic::STEP);
    gic::send_self(2);
    quiet()?;
    gic::end(1);
    only(2)
}

fn equal_priority(_: &Board) -> Outcome {
    activate(0x80)?;
    gic::set_priority(2, 0x80);
    gic::send_self(2);
    quiet()?;
    gic::end(1);
    only(2)
}

fn minimum(_: &Board) -> Outcome {
    r::write_icc_bpr1(0);
    let point = r::icc_bpr1();
    holds("1 to 4", (1..=4).contains(&point), point)
}

fn points(_: &Board) -> Outcome {
    for point in 4..8_u64 {
        r::write_icc_bpr1(point);
        equal("ICC_BPR1_EL1", point, r::icc_bpr1())?;
    }
    Ok(())
}

/// With binary point *p*, bits 7 to *p* are the group priority: these two share bits 7 to *p*.
fn same_group(_: &Board) -> Outcome {
    for (point, active, other) in [(5, 0x90, 0x80), (6, 0xb0, 0x80), (7, 0xe0, 0x90)] {
        r::write_icc_bpr1(point);
        activate(active)?;
        gic::set_priority(2, other);
        gic::set_priority(3, other + gic::STEP);
        gic::send_self(3);
        gic::send_self(2);
        quiet()?;
        gic::end(1);
        equal("first INTID after the end", 2_u64, gic::next())?;
        gic::end(2);
        only(3)?;
    }
    Ok(())
}

/// These two differ in bit *p* + 1 already.
fn other_group(_: &Board) -> Outcome {
    for (point, active, other) in [(4, 0x60, 0x40), (5, 0x80, 0x40), (6, 0x90, 0x70)] {
        r::write_icc_bpr1(point);
        activate(active)?;
        gic::set_priority(2, other);
        gic::send_self(2);
        equal("INTID that preempts", 2_u64, gic::next())?;
        gic::end(2);
        gic::end(1);
        quiet()?;
    }
    Ok(())
}

fn dropped(_: &Board) -> Outcome {
    gic::split_end(true);
    activate(0x20)?;
    gic::end(1);
    gic::set_priority(2, 0xc0);
    gic::send_self(2);
    equal("INTID", 2_u64, gic::next())?;
    gic::end(2);
    gic::deactivate(2);
    gic::deactivate(1);
    quiet()
}
