// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The timers' interrupts.
//!
//! Verifies: BH-GIC-004, BH-GIC-020, BH-GIC-022, BH-TIM-001.
//!
//! # References
//! Arm DDI 0487, "The Generic Timer in AArch64 state": "Timers"; Arm IHI 0069, "Level-sensitive".
#![forbid(unsafe_code)]

use super::pending::quiet;
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::interrupt::{self, Reaction};
use crate::second::{self, Job};
use crate::timer::{self, ENABLE, IMASK, Timer};

const BOTH: [Timer; 2] = [Timer::Virtual, Timer::Physical];

pub(super) const CASES: &[Case] = &[
    Case::one(
        "TIM-INT-01",
        "each timer fires its PPI, not before its compare value",
        fires,
    ),
    Case::one("TIM-INT-02", "a compare value in the past fires at once", past),
    Case::one("TIM-INT-03", "ENABLE = 0 fires nothing", disabled),
    Case::one("TIM-INT-04", "IMASK = 1 fires nothing; cleared, it fires", masked),
    Case::one(
        "TIM-INT-05",
        "the interrupt comes again as long as the condition stays",
        level,
    ),
    Case::one(
        "TIM-INT-06",
        "polled: ended with the condition left, it is pending again",
        level_polled,
    ),
    Case::one(
        "TIM-INT-07",
        "the condition gone, nothing is pending any more",
        gone,
    ),
    Case::one(
        "TIM-INT-08",
        "the condition gone before the acknowledgement, nothing comes",
        gone_early,
    ),
    Case::one(
        "TIM-INT-09",
        "ICPENDR0 does not take back a condition that stays",
        not_taken_back,
    ),
    Case::one(
        "TIM-INT-10",
        "a new compare value in the handler ends the condition",
        moved,
    ),
    Case::one(
        "TIM-INT-11",
        "1000 periods: 1000 interrupts, none early",
        periodic,
    ),
    Case::one(
        "TIM-INT-12",
        "both timers at once: each comes, the more urgent first",
        both,
    ),
    Case::one(
        "TIM-INT-13",
        "EOImode 1: the condition left, it waits for ICC_DIR_EL1",
        split,
    ),
    Case::two("TIM-INT-14", "a timer fires on its own CPU only", own_cpu),
];

/// Stops the timer. Its interrupt was pending: the change takes finite time to arrive, so it is awaited, and then
/// nothing comes.
fn withdrawn(one: Timer, intid: u32) -> Outcome {
    one.stop();
    let gone = timer::eventually(|| !gic::is_pending(intid));
    holds(
        "not pending without the condition",
        gone,
        gic::private().read32(gic::ISPENDR),
    )?;
    quiet()
}

fn fires(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        interrupt::begin(Reaction::StopTimers, 0);
        let (virtual_now, now) = (r::cntvct(), one.count());
        let delay = timer::ticks(2000);
        one.fire_at(now + delay);
        equal("interrupts taken", 1_u64, interrupt::take(1))?;
        equal("INTID", intid, interrupt::entry(0, 0).0)?;
        let elapsed = interrupt::time(0) - virtual_now;
        holds("not before the compare value", elapsed >= delay, elapsed)?;
        equal("interrupts taken since", 1_u64, interrupt::watch())?;
    }
    Ok(())
}

fn past(board: &Board) -> Outcome {
    for one in BOTH {
        gic::enable(one.intid(board));
        for compare in [one.count(), 0] {
            interrupt::begin(Reaction::StopTimers, 0);
            one.fire_at(compare);
            equal("interrupts taken", 1_u64, interrupt::take(1))?;
            equal("INTID", one.intid(board), interrupt::entry(0, 0).0)?;
        }
    }
    Ok(())
}

fn disabled(board: &Board) -> Outcome {
    for one in BOTH {
        gic::enable(one.intid(board));
        one.set_compare(0);
        one.set_control(0);
        quiet()?;
        equal("pending", false, gic::is_pending(one.intid(board)))?;
    }
    Ok(())
}

fn masked(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        one.set_compare(0);
        one.set_control(ENABLE | IMASK);
        quiet()?;
        equal("pending while IMASK is one", false, gic::is_pending(intid))?;
        one.set_control(ENABLE);
        equal("INTID", intid, gic::next())?;
        one.stop();
        gic::end(intid);
        quiet()?;
    }
    Ok(())
}

fn level(board: &Board) -> Outcome {
    for one in BOTH {
        gic::enable(one.intid(board));
        interrupt::begin(Reaction::KeepTimer, 0);
        one.fire_at(0);
        equal("interrupts taken", 3_u64, interrupt::take(3))?;
        equal("interrupts taken since", 3_u64, interrupt::watch())?;
        gic::disable(one.intid(board));
    }
    Ok(())
}

fn level_polled(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        one.fire_at(0);
        for _ in 0..5 {
            equal("INTID", intid, gic::next())?;
            gic::end(intid);
            let pending = timer::eventually(|| gic::is_pending(intid));
            holds(
                "pending after the end",
                pending,
                gic::private().read32(gic::ISPENDR),
            )?;
        }
        withdrawn(one, intid)?;
    }
    Ok(())
}

fn gone(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        one.fire_at(0);
        let pending = timer::eventually(|| gic::is_pending(intid));
        holds(
            "pending while disabled in the GIC",
            pending,
            gic::private().read32(gic::ISPENDR),
        )?;
        one.stop();
        let gone = timer::eventually(|| !gic::is_pending(intid));
        holds(
            "not pending without the condition",
            gone,
            gic::private().read32(gic::ISPENDR),
        )?;
        gic::enable(intid);
        quiet()?;
    }
    Ok(())
}

fn gone_early(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        r::write_icc_pmr(0);
        one.fire_at(0);
        let pending = timer::eventually(|| gic::is_pending(intid));
        holds(
            "pending while masked",
            pending,
            gic::private().read32(gic::ISPENDR),
        )?;
        one.set_compare(u64::MAX);
        let gone = timer::eventually(|| !gic::is_pending(intid));
        holds(
            "not pending without the condition",
            gone,
            gic::private().read32(gic::ISPENDR),
        )?;
        r::write_icc_pmr(gic::OPEN);
        quiet()?;
        one.stop();
    }
    Ok(())
}

fn not_taken_back(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        r::write_icc_pmr(0);
        one.fire_at(0);
        timer::eventually(|| gic::is_pending(intid));
        gic::write_bit(gic::ICPENDR, intid);
        equal("pending", true, gic::is_pending(intid))?;
        r::write_icc_pmr(gic::OPEN);
        equal("INTID", intid, gic::next())?;
        one.stop();
        gic::end(intid);
        quiet()?;
    }
    Ok(())
}

fn moved(board: &Board) -> Outcome {
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        one.fire_at(0);
        equal("INTID", intid, gic::next())?;
        let compare = one.count() + timer::ticks(5000);
        one.set_compare(compare);
        gic::end(intid);
        equal("next INTID", intid, gic::next())?;
        holds(
            "the counter at the new compare value",
            one.count() >= compare,
            one.count(),
        )?;
        one.stop();
        gic::end(intid);
        quiet()?;
    }
    Ok(())
}

fn periodic(board: &Board) -> Outcome {
    gic::enable(board.virtual_timer);
    let period = timer::ticks(200);
    interrupt::begin(Reaction::Periodic, period);
    let first = Timer::Virtual.count() + period;
    Timer::Virtual.fire_at(first);
    let taken = interrupt::take(1000);
    Timer::Virtual.stop();
    holds("at least 1000 interrupts", taken >= 1000, taken)?;
    equal("interrupts before their time", 0_u64, interrupt::early())?;
    // Each interrupt moved the compare value by one period: none was lost, none came twice.
    let moved = Timer::Virtual.compare() - first;
    equal("compare value moved", u64::from(taken) * period, moved)
}

fn both(board: &Board) -> Outcome {
    for (first, second) in [
        (Timer::Virtual, Timer::Physical),
        (Timer::Physical, Timer::Virtual),
    ] {
        r::write_icc_pmr(0);
        for (one, priority) in [(second, 0x80), (first, 0x40)] {
            gic::set_priority(one.intid(board), priority);
            gic::enable(one.intid(board));
            one.fire_at(0);
        }
        let pending = || BOTH.iter().all(|one| gic::is_pending(one.intid(board)));
        let all = timer::eventually(pending);
        holds("both pending", all, gic::private().read32(gic::ISPENDR))?;
        r::write_icc_pmr(gic::OPEN);
        for one in [first, second] {
            equal("INTID", one.intid(board), gic::next())?;
            one.stop();
            gic::end(one.intid(board));
        }
        quiet()?;
    }
    Ok(())
}

fn split(board: &Board) -> Outcome {
    gic::split_end(true);
    for one in BOTH {
        let intid = one.intid(board);
        gic::enable(intid);
        one.fire_at(0);
        for _ in 0..3 {
            equal("INTID", intid, gic::next())?;
            gic::end(intid);
            quiet()?;
            equal("active", true, gic::is_active(intid))?;
            gic::deactivate(intid);
        }
        withdrawn(one, intid)?;
    }
    Ok(())
}

fn own_cpu(board: &Board) -> Outcome {
    gic::enable(board.virtual_timer);
    second::with(board, |_| {
        second::ask(Job::Fire)?;
        let taken = timer::eventually(|| interrupt::count(1) != 0);
        holds("an interrupt on the second CPU", taken, interrupt::count(1))?;
        equal("INTID there", board.virtual_timer, interrupt::entry(1, 0).0)?;
        quiet()?;
        equal("interrupts there", 1_u64, interrupt::count(1))
    })
}
