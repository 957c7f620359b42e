// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pending and active state, and what holds an interrupt back. Interrupts are masked; the CPU interface is polled.
//!
//! Verifies: BH-GIC-005, BH-GIC-006, BH-GIC-010.
//!
//! # References
//! Arm IHI 0069, "Interrupt handling state machine", "GICR_ISPENDR0", "GICR_ISACTIVER0", "ICC_IGRPEN1_EL1".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::timer;

pub(super) const CASES: &[Case] = &[
    Case::one(
        "GIC-PEND-01",
        "ISPENDR0 makes an SGI pending, ICPENDR0 takes it back",
        sgi_bits,
    ),
    Case::one(
        "GIC-PEND-02",
        "ISPENDR0 and ICPENDR0 of a timer that is off",
        ppi_bits,
    ),
    Case::one(
        "GIC-PEND-03",
        "an SGI made pending by ISPENDR0 is delivered once",
        sgi_delivered,
    ),
    Case::one(
        "GIC-PEND-04",
        "a PPI made pending by ISPENDR0 is delivered once",
        ppi_delivered,
    ),
    Case::one(
        "GIC-PEND-05",
        "a disabled interrupt stays pending, and is delivered when it is enabled",
        disabled,
    ),
    Case::one(
        "GIC-PEND-06",
        "an interrupt that is disabled while it is pending is held back",
        disabled_late,
    ),
    Case::one(
        "GIC-PEND-07",
        "an interrupt that is taken back while it is masked is not delivered",
        taken_back,
    ),
    Case::one(
        "GIC-PEND-08",
        "an edge that comes twice before the acknowledgement is delivered once",
        merged,
    ),
    Case::one(
        "GIC-PEND-09",
        "acknowledged: active and not pending; ended: neither",
        life,
    ),
    Case::one(
        "GIC-PEND-10",
        "an SGI that comes again while it is active is delivered after its end",
        again,
    ),
    Case::one(
        "GIC-PEND-11",
        "ISACTIVER0 holds a pending interrupt back, ICACTIVER0 lets it come",
        active,
    ),
    Case::one(
        "GIC-PEND-12",
        "GICD_CTLR.EnableGrp1 off holds interrupts back",
        group_distributor,
    ),
    Case::one(
        "GIC-PEND-13",
        "ICC_IGRPEN1_EL1 off holds interrupts back",
        group_interface,
    ),
    Case::one(
        "GIC-PEND-14",
        "a priority that is changed before the acknowledgement counts",
        changed_priority,
    ),
];

/// Nothing can be acknowledged.
pub(super) fn quiet() -> Outcome {
    match gic::quiet() {
        Ok(()) => Ok(()),
        Err(intid) => equal("INTID of ICC_IAR1_EL1", gic::SPURIOUS, intid),
    }
}

/// `intid` comes, is ended, and nothing else comes.
pub(super) fn only(intid: u32) -> Outcome {
    equal("INTID of ICC_IAR1_EL1", intid, gic::next())?;
    gic::end(intid);
    quiet()
}

fn sgi_bits(_: &Board) -> Outcome {
    gic::disable(3);
    gic::pend(3);
    equal(
        "ISPENDR0",
        1_u64 << 3,
        gic::private().read32(gic::ISPENDR) & 0xffff,
    )?;
    equal(
        "ICPENDR0",
        1_u64 << 3,
        gic::private().read32(gic::ICPENDR) & 0xffff,
    )?;
    gic::write_bit(gic::ICPENDR, 3);
    equal(
        "ISPENDR0 after ICPENDR0",
        0_u64,
        gic::private().read32(gic::ISPENDR) & 0xffff,
    )
}

fn ppi_bits(board: &Board) -> Outcome {
    for intid in [board.virtual_timer, board.physical_timer] {
        gic::pend(intid);
        equal("bit of ISPENDR0", true, gic::is_pending(intid))?;
        equal("bit of ICPENDR0", true, gic::bit(gic::ICPENDR, intid))?;
        gic::write_bit(gic::ICPENDR, intid);
        equal("bit of ISPENDR0 after ICPENDR0", false, gic::is_pending(intid))?;
    }
    Ok(())
}

fn sgi_delivered(_: &Board) -> Outcome {
    gic::pend(4);
    only(4)
}

fn ppi_delivered(board: &Board) -> Outcome {
    for intid in [board.virtual_timer, board.physical_timer] {
        gic::enable(intid);
        gic::pend(intid);
        only(intid)?;
    }
    Ok(())
}

fn disabled(board: &Board) -> Outcome {
    gic::disable(2);
    gic::send_self(2);
    gic::pend(board.virtual_timer);
    quiet()?;
    equal("SGI pending", true, gic::is_pending(2))?;
    equal("PPI pending", true, gic::is_pending(board.virtual_timer))?;
    gic::enable(2);
    only(2)?;
    gic::enable(board.virtual_timer);
    only(board.virtual_timer)
}

fn disabled_late(_: &Board) -> Outcome {
    r::write_icc_pmr(0);
    gic::send_self(6);
    let pending = timer::eventually(|| gic::is_pending(6));
    holds(
        "pending while masked",
        pending,
        gic::private().read32(gic::ISPENDR),
    )?;
    gic::disable(6);
    r::write_icc_pmr(gic::OPEN);
    quiet()?;
    equal("still pending", true, gic::is_pending(6))?;
    gic::enable(6);
    only(6)
}

fn taken_back(_: &Board) -> Outcome {
    r::write_icc_pmr(0);
    gic::send_self(6);
    timer::eventually(|| gic::is_pending(6));
    gic::write_bit(gic::ICPENDR, 6);
    equal("pending", false, gic::is_pending(6))?;
    r::write_icc_pmr(gic::OPEN);
    quiet()
}

fn merged(_: &Board) -> Outcome {
    r::write_icc_pmr(0);
    gic::send_self(1);
    timer::eventually(|| gic::is_pending(1));
    gic::send_self(1);
    timer::pause(100);
    r::write_icc_pmr(gic::OPEN);
    only(1)
}

fn life(_: &Board) -> Outcome {
    gic::send_self(5);
    equal("INTID", 5_u64, gic::next())?;
    equal("active after the acknowledgement", true, gic::is_active(5))?;
    equal("ICACTIVER0", true, gic::bit(gic::ICACTIVER, 5))?;
    equal("pending after the acknowledgement", false, gic::is_pending(5))?;
    gic::end(5);
    equal("active after the end", false, gic::is_active(5))?;
    equal("pending after the end", false, gic::is_pending(5))
}

fn again(_: &Board) -> Outcome {
    gic::send_self(5);
    equal("INTID", 5_u64, gic::next())?;
    gic::send_self(5);
    let pending = timer::eventually(|| gic::is_pending(5));
    holds(
        "active and pending",
        pending && gic::is_active(5),
        gic::private().read32(gic::ISPENDR),
    )?;
    quiet()?;
    gic::end(5);
    only(5)
}

fn active(board: &Board) -> Outcome {
    for intid in [7, board.physical_timer] {
        gic::enable(intid);
        gic::write_bit(gic::ISACTIVER, intid);
        equal("bit of ISACTIVER0", true, gic::is_active(intid))?;
        gic::pend(intid);
        quiet()?;
        gic::write_bit(gic::ICACTIVER, intid);
        equal("bit of ISACTIVER0 after ICACTIVER0", false, gic::is_active(intid))?;
        only(intid)?;
    }
    Ok(())
}

fn group_distributor(_: &Board) -> Outcome {
    gic::forward(false);
    gic::send_self(3);
    let pending = timer::eventually(|| gic::is_pending(3));
    holds(
        "pending while the group is off",
        pending,
        gic::private().read32(gic::ISPENDR),
    )?;
    quiet()?;
    gic::forward(true);
    only(3)
}

fn group_interface(_: &Board) -> Outcome {
    r::write_icc_igrpen1(0);
    equal("ICC_IGRPEN1_EL1", 0_u64, r::icc_igrpen1())?;
    gic::send_self(3);
    quiet()?;
    equal("pending while the group is off", true, gic::is_pending(3))?;
    r::write_icc_igrpen1(1);
    only(3)
}

fn changed_priority(_: &Board) -> Outcome {
    r::write_icc_pmr(0);
    gic::set_priority(1, 0x40);
    gic::set_priority(2, 0x60);
    gic::send_self(1);
    gic::send_self(2);
    timer::eventually(|| gic::is_pending(1) && gic::is_pending(2));
    gic::set_priority(2, 0x20);
    timer::pause(100);
    r::write_icc_pmr(gic::OPEN);
    equal("first INTID", 2_u64, gic::next())?;
    gic::end(2);
    only(1)
}
