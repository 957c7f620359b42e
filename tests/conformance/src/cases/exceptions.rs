// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts that are really taken, and sleep that they end.
//!
//! Verifies: BH-GIC-007, BH-GIC-021.
//!
//! # References
//! Arm IHI 0069, "Preemption"; Arm DDI 0487, "Wait For Interrupt", "Asynchronous exception types".
#![forbid(unsafe_code)]

use super::pending::quiet;
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::interrupt::{self, Reaction};
use crate::timer::{self, Timer};

pub(super) const CASES: &[Case] = &[
    Case::one("GIC-EXC-01", "an SGI is taken once", one),
    Case::one(
        "GIC-EXC-02",
        "PSTATE.I masks; what is pending is taken when it is cleared",
        masked,
    ),
    Case::one(
        "GIC-EXC-03",
        "12 pending SGIs are taken once each, the most urgent first",
        order,
    ),
    Case::one(
        "GIC-EXC-04",
        "the handler's running priority is the interrupt's",
        running,
    ),
    Case::one(
        "GIC-EXC-05",
        "a handler with interrupts unmasked is preempted by the more urgent",
        preempted,
    ),
    Case::one("GIC-EXC-06", "and not by the less urgent", not_preempted),
    Case::one(
        "GIC-EXC-07",
        "1000 SGIs, one after the other, none lost, none twice",
        thousand,
    ),
    Case::one(
        "GIC-EXC-08",
        "WFI with a pending interrupt that PSTATE.I masks goes on",
        sleep_pending,
    ),
    Case::one(
        "GIC-EXC-09",
        "WFI goes on when the timer fires, PSTATE.I masked",
        sleep_timer,
    ),
    Case::one(
        "GIC-EXC-10",
        "WFI ends in the timer's handler, unmasked",
        sleep_taken,
    ),
];

fn one(_: &Board) -> Outcome {
    r::unmask_interrupts();
    gic::send_self(3);
    equal("interrupts taken", 1_u64, interrupt::take(1))?;
    equal("INTID", 3_u64, interrupt::entry(0, 0).0)?;
    equal("interrupts taken since", 1_u64, interrupt::watch())
}

fn masked(_: &Board) -> Outcome {
    gic::send_self(3);
    timer::pause(200);
    equal("interrupts taken while masked", 0_u64, interrupt::count(0))?;
    equal("interrupts taken", 1_u64, interrupt::take(1))
}

fn order(_: &Board) -> Outcome {
    r::write_icc_pmr(0);
    for sgi in 0..12_u8 {
        gic::set_priority(sgi.into(), 0xd0 - sgi * 0x10);
        gic::send_self(sgi.into());
    }
    let all = timer::eventually(|| gic::private().read32(gic::ISPENDR) & 0xfff == 0xfff);
    holds("12 pending SGIs", all, gic::private().read32(gic::ISPENDR))?;
    r::write_icc_pmr(gic::OPEN);
    equal("interrupts taken", 12_u64, interrupt::take(12))?;
    equal("interrupts taken since", 12_u64, interrupt::watch())?;
    for index in 0..12 {
        equal("INTID", 11 - index, interrupt::entry(0, index).0)?;
    }
    Ok(())
}

fn running(_: &Board) -> Outcome {
    gic::set_priority(3, 0x50);
    gic::send_self(3);
    interrupt::take(1);
    equal("ICC_RPR_EL1 in the handler", 0x50_u64, interrupt::entry(0, 0).1)?;
    equal("ICC_RPR_EL1 after it", 0xff_u64, r::icc_rpr())
}

/// SGI 1 waits in its handler for SGI 2: gives the INTIDs in the order in which they were noted.
fn nest(first: u8, second: u8, expected: u32) -> [u32; 3] {
    gic::set_priority(1, first);
    gic::set_priority(2, second);
    interrupt::begin(Reaction::Nest, 0);
    gic::send_self(1);
    interrupt::take(expected);
    [0, 1, 2].map(|index| interrupt::entry(0, index).0)
}

fn preempted(_: &Board) -> Outcome {
    let taken = nest(0x80, 0x40, 3);
    for (expected, got) in [1_u32, 2, 1].into_iter().zip(taken) {
        equal("INTID: 1 enters, 2, 1 goes on", expected, got)?;
    }
    equal(
        "ICC_RPR_EL1 of the inner handler",
        0x40_u64,
        interrupt::entry(0, 1).1,
    )
}

fn not_preempted(_: &Board) -> Outcome {
    interrupt::begin(Reaction::Watch, 0);
    gic::set_priority(1, 0x40);
    gic::set_priority(2, 0x80);
    gic::send_self(1);
    equal("interrupts noted", 3_u64, interrupt::take(3))?;
    for (index, expected) in (0..).zip([1_u32, 1, 2]) {
        equal(
            "INTID: 1 enters, 1 goes on, 2",
            expected,
            interrupt::entry(0, index).0,
        )?;
    }
    Ok(())
}

fn thousand(_: &Board) -> Outcome {
    r::unmask_interrupts();
    for number in 1..=1000_u32 {
        gic::send_self(number % 12);
        let taken = timer::eventually(|| interrupt::count(0) >= number);
        if !taken || interrupt::count(0) != number {
            r::mask_interrupts();
            return equal("interrupts taken", number, interrupt::count(0));
        }
    }
    equal("interrupts taken since", 1000_u64, interrupt::watch())
}

fn sleep_pending(_: &Board) -> Outcome {
    gic::send_self(3);
    timer::eventually(|| gic::is_pending(3));
    for _ in 0..3 {
        r::wait_for_interrupt();
    }
    equal("interrupts taken while masked", 0_u64, interrupt::count(0))?;
    equal("INTID", 3_u64, gic::next())?;
    gic::end(3);
    quiet()
}

/// Sleeps, masked, until the timer's condition holds: WFI may go on for other reasons too.
fn sleep_timer(board: &Board) -> Outcome {
    for one in [Timer::Virtual, Timer::Physical] {
        let intid = one.intid(board);
        gic::enable(intid);
        let compare = one.count() + timer::ticks(2000);
        one.fire_at(compare);
        while !one.condition() {
            r::wait_for_interrupt();
        }
        holds(
            "the counter at the compare value",
            one.count() >= compare,
            one.count(),
        )?;
        equal("INTID", intid, gic::next())?;
        one.stop();
        gic::end(intid);
        quiet()?;
    }
    Ok(())
}

fn sleep_taken(board: &Board) -> Outcome {
    for (number, one) in (1_u32..).zip([Timer::Virtual, Timer::Physical]) {
        interrupt::begin(Reaction::StopTimers, 0);
        gic::enable(one.intid(board));
        one.fire_at(one.count() + timer::ticks(2000));
        while interrupt::count(0) == 0 {
            // Masked around the question: an interrupt between it and WFI ends WFI.
            r::wait_for_interrupt();
            r::unmask_interrupts();
            r::synchronise();
            r::mask_interrupts();
        }
        holds("no more than one of each timer", interrupt::count(0) == 1, number)?;
        equal("INTID", one.intid(board), interrupt::entry(0, 0).0)?;
        gic::disable(one.intid(board));
    }
    Ok(())
}
