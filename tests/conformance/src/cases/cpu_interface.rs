// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CPU interface: acknowledgement, mask, running priority, end and deactivation. Interrupts are masked.
//!
//! Verifies: BH-GIC-007, BH-GIC-011, BH-GIC-021.
//!
//! # References
//! Arm IHI 0069, "AArch64 System register descriptions", "Interrupt prioritization", "Interrupt grouping".
#![forbid(unsafe_code)]

use super::pending::{only, quiet};
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic::{self, SPURIOUS};
use crate::timer;

/// `ISR_EL1.I`.
const IRQ: u64 = 1 << 7;
/// The running priority when nothing is active.
const IDLE: u64 = 0xff;

pub(super) const CASES: &[Case] = &[
    Case::one("GIC-CPU-01", "ICC_SRE_EL1.SRE is one", system_registers),
    Case::one(
        "GIC-CPU-02",
        "nothing pending: ICC_IAR1_EL1 and ICC_HPPIR1_EL1 say 1023",
        spurious,
    ),
    Case::one("GIC-CPU-03", "the end of INTID 1023 is ignored", spurious_end),
    Case::one(
        "GIC-CPU-04",
        "ICC_CTLR_EL1.PRIbits tells at least 16 levels",
        priority_bits,
    ),
    Case::one(
        "GIC-CPU-05",
        "ICC_HPPIR1_EL1 tells the most urgent without acknowledging it",
        highest,
    ),
    Case::one(
        "GIC-CPU-06",
        "ICC_RPR_EL1 is idle, the active priority, idle",
        running,
    ),
    Case::one("GIC-CPU-07", "ICC_PMR_EL1 keeps the upper four bits", mask_bits),
    Case::one(
        "GIC-CPU-08",
        "ICC_PMR_EL1 lets only the more urgent through",
        mask,
    ),
    Case::one(
        "GIC-CPU-09",
        "ISR_EL1.I tells a pending interrupt, not a masked one",
        status,
    ),
    Case::one(
        "GIC-CPU-10",
        "ICC_CTLR_EL1.EOImode can be set and cleared",
        end_mode,
    ),
    Case::one("GIC-CPU-11", "EOImode 0: the end deactivates", end_deactivates),
    Case::one(
        "GIC-CPU-12",
        "EOImode 1: the end drops the priority, ICC_DIR_EL1 deactivates",
        end_drops,
    ),
    Case::one(
        "GIC-CPU-13",
        "EOImode 1: what comes again waits for ICC_DIR_EL1",
        dropped_again,
    ),
    Case::one(
        "GIC-CPU-14",
        "EOImode 1: others come between the end and ICC_DIR_EL1",
        dropped_others,
    ),
    Case::one("GIC-CPU-15", "EOImode 1: a PPI too", dropped_ppi),
];

fn system_registers(_: &Board) -> Outcome {
    equal("SRE", 1_u64, r::icc_sre() & 1)
}

fn spurious(_: &Board) -> Outcome {
    equal("ICC_IAR1_EL1", SPURIOUS, gic::acknowledge())?;
    equal("ICC_HPPIR1_EL1", SPURIOUS, gic::highest_pending())
}

fn spurious_end(_: &Board) -> Outcome {
    gic::end(SPURIOUS);
    equal("ICC_RPR_EL1", IDLE, r::icc_rpr())?;
    gic::send_self(1);
    only(1)
}

fn priority_bits(_: &Board) -> Outcome {
    let bits = (r::icc_ctlr() >> 8 & 7) + 1;
    holds("at least 4", bits >= 4, bits)
}

fn highest(_: &Board) -> Outcome {
    gic::set_priority(1, 0x60);
    gic::set_priority(2, 0x40);
    gic::send_self(1);
    gic::send_self(2);
    let told = timer::eventually(|| gic::highest_pending() == 2);
    holds("INTID 2 in ICC_HPPIR1_EL1", told, gic::highest_pending())?;
    equal("active", false, gic::is_active(2))?;
    equal("pending", true, gic::is_pending(2))?;
    equal("first INTID", 2_u64, gic::next())?;
    gic::end(2);
    only(1)
}

fn running(_: &Board) -> Outcome {
    equal("ICC_RPR_EL1 before", IDLE, r::icc_rpr())?;
    for (sgi, priority) in [(1_u32, 0x80_u8), (2, 0x40), (3, 0x10)] {
        gic::set_priority(sgi, priority);
        gic::send_self(sgi);
        equal("INTID", sgi, gic::next())?;
        equal("ICC_RPR_EL1", priority, r::icc_rpr())?;
    }
    for (sgi, below) in [(3, 0x40), (2, 0x80), (1, IDLE)] {
        gic::end(sgi);
        equal("ICC_RPR_EL1 after an end", below, r::icc_rpr())?;
    }
    Ok(())
}

fn mask_bits(_: &Board) -> Outcome {
    for level in 0..16_u64 {
        r::write_icc_pmr(level << 4);
        equal("ICC_PMR_EL1", level << 4, r::icc_pmr() & 0xf0)?;
    }
    Ok(())
}

fn mask(_: &Board) -> Outcome {
    for level in [0x10_u8, 0x40, 0x80, 0xd0] {
        r::write_icc_pmr(level.into());
        gic::set_priority(1, level);
        gic::send_self(1);
        quiet()?;
        equal("pending", true, gic::is_pending(1))?;
        gic::set_priority(2, level - gic::STEP);
        gic::send_self(2);
        equal("INTID", 2_u64, gic::next())?;
        gic::end(2);
        quiet()?;
        r::write_icc_pmr(u64::from(level) + 0x10);
        only(1)?;
    }
    Ok(())
}

fn status(_: &Board) -> Outcome {
    equal("ISR_EL1.I", 0_u64, r::interrupt_status() & IRQ)?;
    r::write_icc_pmr(0);
    gic::send_self(1);
    let hidden = timer::never(|| r::interrupt_status() & IRQ != 0);
    holds("ISR_EL1.I clear while masked", hidden, r::interrupt_status())?;
    r::write_icc_pmr(gic::OPEN);
    let told = timer::eventually(|| r::interrupt_status() & IRQ != 0);
    holds("ISR_EL1.I set", told, r::interrupt_status())?;
    equal("INTID", 1_u64, gic::next())?;
    let gone = timer::eventually(|| r::interrupt_status() & IRQ == 0);
    holds("ISR_EL1.I clear while active", gone, r::interrupt_status())?;
    gic::end(1);
    Ok(())
}

fn end_mode(_: &Board) -> Outcome {
    for on in [true, false] {
        gic::split_end(on);
        equal("EOImode", on, r::icc_ctlr() >> 1 & 1 != 0)?;
    }
    Ok(())
}

fn end_deactivates(_: &Board) -> Outcome {
    for _ in 0..3 {
        gic::send_self(7);
        let intid = gic::next();
        gic::end(intid);
        equal("active", false, gic::is_active(intid))?;
        equal("ICC_RPR_EL1", IDLE, r::icc_rpr())?;
    }
    Ok(())
}

fn end_drops(_: &Board) -> Outcome {
    gic::split_end(true);
    gic::send_self(4);
    equal("INTID", 4_u64, gic::next())?;
    gic::end(4);
    equal("ICC_RPR_EL1 after the end", IDLE, r::icc_rpr())?;
    equal("active after the end", true, gic::is_active(4))?;
    gic::deactivate(4);
    equal("active after ICC_DIR_EL1", false, gic::is_active(4))?;
    quiet()
}

fn dropped_again(_: &Board) -> Outcome {
    gic::split_end(true);
    gic::send_self(4);
    equal("INTID", 4_u64, gic::next())?;
    gic::end(4);
    gic::send_self(4);
    quiet()?;
    gic::deactivate(4);
    equal("INTID", 4_u64, gic::next())?;
    gic::end(4);
    gic::deactivate(4);
    quiet()
}

fn dropped_others(_: &Board) -> Outcome {
    gic::split_end(true);
    for sgi in [4_u32, 5, 6] {
        gic::send_self(sgi);
        equal("INTID", sgi, gic::next())?;
        gic::end(sgi);
    }
    for sgi in [5, 4, 6] {
        equal("active before ICC_DIR_EL1", true, gic::is_active(sgi))?;
        gic::deactivate(sgi);
        equal("active after ICC_DIR_EL1", false, gic::is_active(sgi))?;
    }
    quiet()
}

fn dropped_ppi(board: &Board) -> Outcome {
    gic::split_end(true);
    let intid = board.virtual_timer;
    gic::enable(intid);
    for _ in 0..2 {
        gic::pend(intid);
        equal("INTID", intid, gic::next())?;
        gic::end(intid);
        equal("active after the end", true, gic::is_active(intid))?;
        gic::deactivate(intid);
        equal("active after ICC_DIR_EL1", false, gic::is_active(intid))?;
    }
    quiet()
}
