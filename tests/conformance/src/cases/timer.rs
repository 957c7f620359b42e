// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counters, and the timers' registers.
//!
//! Verifies: BH-TIM-001.
//!
//! # References
//! Arm DDI 0487, "The Generic Timer in AArch64 state": "The virtual counter", "Operation of the CompareValue
//! views of the timers", "Operation of the TimerValue views of the timers".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::second::{self, Job};
use crate::timer::{self, ENABLE, IMASK, ISTATUS, Timer};

const BOTH: [Timer; 2] = [Timer::Virtual, Timer::Physical];

pub(super) const CASES: &[Case] = &[
    Case::one(
        "TIM-CNT-01",
        "CNTFRQ_EL0 is not zero, and what the device tree says",
        frequency,
    ),
    Case::one("TIM-CNT-02", "the counters never go back", monotonic),
    Case::one("TIM-CNT-03", "the counters advance", advance),
    Case::one(
        "TIM-CNT-04",
        "virtual and physical counter differ by a constant",
        offset,
    ),
    Case::two(
        "TIM-CNT-05",
        "the virtual counter never goes back from CPU to CPU",
        across,
    ),
    Case::one("TIM-REG-01", "CVAL reads as written", compare),
    Case::one(
        "TIM-REG-02",
        "CTL: ENABLE and IMASK read as written, ISTATUS is read-only",
        control,
    ),
    Case::one(
        "TIM-REG-03",
        "TVAL reads as CVAL less the counter, 32 bits",
        value_read,
    ),
    Case::one(
        "TIM-REG-04",
        "TVAL written sets CVAL to the counter plus it",
        value_written,
    ),
    Case::one("TIM-REG-05", "a negative TVAL lies in the past", value_negative),
    Case::one(
        "TIM-REG-06",
        "ISTATUS is set when the counter reaches CVAL, not before",
        status,
    ),
    Case::one(
        "TIM-REG-07",
        "ISTATUS is set for a CVAL in the past, and for CVAL = 0",
        past,
    ),
    Case::one("TIM-REG-08", "ISTATUS is clear for the largest CVAL", future),
    Case::one("TIM-REG-09", "IMASK leaves ISTATUS as it is", masked_status),
    Case::one("TIM-REG-10", "the timers have conditions of their own", separate),
];

fn frequency(board: &Board) -> Outcome {
    let frequency = r::cntfrq();
    holds("not zero", frequency != 0, frequency)?;
    match board.frequency {
        Some(told) => equal("CNTFRQ_EL0", told, frequency),
        None => Ok(()),
    }
}

fn monotonic(_: &Board) -> Outcome {
    for one in BOTH {
        let mut last = one.count();
        for _ in 0..10_000 {
            let now = one.count();
            holds("no step back", now >= last, last.wrapping_sub(now))?;
            last = now;
        }
    }
    Ok(())
}

fn advance(_: &Board) -> Outcome {
    for one in BOTH {
        let first = one.count();
        let mut reads = 0_u64;
        while one.count() == first && reads < 100_000_000 {
            reads += 1;
        }
        holds("a new value", one.count() != first, reads)?;
    }
    Ok(())
}

fn offset(_: &Board) -> Outcome {
    // Each round gives an interval in which the offset lies; their intersection must not be empty.
    let (mut least, mut most) = (i64::MIN, i64::MAX);
    for _ in 0..1000 {
        let before = r::cntpct();
        let middle = r::cntvct();
        let after = r::cntpct();
        least = least.max(before.wrapping_sub(middle).cast_signed());
        most = most.min(after.wrapping_sub(middle).cast_signed());
    }
    holds(
        "an offset that fits all readings",
        least <= most,
        least.cast_unsigned(),
    )
}

fn across(board: &Board) -> Outcome {
    second::with(board, |_| {
        second::ask(Job::Clock)?;
        for _ in 0..1000 {
            let before = r::cntvct();
            let other = second::clock();
            let after = r::cntvct();
            holds("an answer", other.is_some(), before)?;
            let other = other.unwrap_or(0);
            holds(
                "the other CPU's counter not behind",
                other >= before,
                before.wrapping_sub(other),
            )?;
            holds(
                "the other CPU's counter not ahead",
                other <= after,
                other.wrapping_sub(after),
            )?;
        }
        Ok(())
    })
}

fn compare(_: &Board) -> Outcome {
    for one in BOTH {
        for value in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
            one.set_compare(value);
            equal("CVAL", value, one.compare())?;
        }
    }
    Ok(())
}

fn control(_: &Board) -> Outcome {
    for one in BOTH {
        one.set_compare(u64::MAX);
        for value in [0, ENABLE, IMASK, ENABLE | IMASK, ENABLE | ISTATUS] {
            one.set_control(value);
            equal("ENABLE and IMASK", value & 3, one.control() & 3)?;
        }
        equal("ISTATUS after it was written", 0_u64, one.control() & ISTATUS)?;
        equal("reserved bits", 0_u64, one.control() & !7)?;
        one.stop();
    }
    Ok(())
}

fn value_read(_: &Board) -> Outcome {
    for one in BOTH {
        one.set_compare(one.count() + 0x1000_0000);
        one.set_control(ENABLE | IMASK);
        let before = one.count();
        let value = one.value();
        let after = one.count();
        let most = one.compare() - before;
        let least = one.compare() - after;
        holds(
            "TVAL within two readings of the counter",
            least <= value && value <= most,
            value,
        )?;
        // In the past it is negative, and 32 bits wide.
        one.set_compare(one.count() - 0x1000_0000);
        let value = one.value();
        holds("a negative TVAL", value >> 31 == 1, value)?;
    }
    Ok(())
}

fn value_written(_: &Board) -> Outcome {
    for one in BOTH {
        let before = one.count();
        one.set_value(0x4000_0000);
        let after = one.count();
        let compare = one.compare();
        let fits = before + 0x4000_0000 <= compare && compare <= after + 0x4000_0000;
        holds("CVAL within two readings of the counter", fits, compare)?;
    }
    Ok(())
}

fn value_negative(_: &Board) -> Outcome {
    for one in BOTH {
        let before = one.count();
        one.set_value(0xffff_ff00);
        let compare = one.compare();
        let fits = before - 0x100 <= compare && compare <= one.count() - 0x100;
        holds("CVAL = counter - 256", fits, compare)?;
        one.set_control(ENABLE | IMASK);
        holds("ISTATUS set", one.condition(), one.control())?;
    }
    Ok(())
}

fn status(_: &Board) -> Outcome {
    for one in BOTH {
        let compare = one.count() + timer::ticks(3000);
        one.set_compare(compare);
        one.set_control(ENABLE | IMASK);
        loop {
            let condition = one.condition();
            let now = one.count();
            if condition {
                holds("the counter at CVAL", now >= compare, compare.wrapping_sub(now))?;
                break;
            }
            holds(
                "ISTATUS in time",
                now < compare + timer::ticks(5_000_000),
                now.wrapping_sub(compare),
            )?;
        }
        let reached = one.count();
        holds("ISTATUS still set", one.condition(), reached)?;
    }
    Ok(())
}

fn past(_: &Board) -> Outcome {
    for one in BOTH {
        for compare in [one.count() - 1, 0] {
            one.set_compare(compare);
            one.set_control(ENABLE | IMASK);
            holds("ISTATUS set", one.condition(), one.control())?;
        }
    }
    Ok(())
}

fn future(_: &Board) -> Outcome {
    for one in BOTH {
        one.set_compare(u64::MAX);
        one.set_control(ENABLE | IMASK);
        holds("ISTATUS clear", !one.condition(), one.control())?;
    }
    Ok(())
}

fn masked_status(_: &Board) -> Outcome {
    for one in BOTH {
        one.set_compare(0);
        for control in [ENABLE, ENABLE | IMASK, ENABLE] {
            one.set_control(control);
            equal("CTL", control | ISTATUS, one.control())?;
        }
        one.stop();
    }
    Ok(())
}

fn separate(_: &Board) -> Outcome {
    for (one, other) in [
        (Timer::Virtual, Timer::Physical),
        (Timer::Physical, Timer::Virtual),
    ] {
        one.set_compare(0);
        one.set_control(ENABLE | IMASK);
        other.set_compare(u64::MAX);
        other.set_control(ENABLE | IMASK);
        holds("ISTATUS of the one in the past", one.condition(), one.control())?;
        holds("no ISTATUS of the other", !other.condition(), other.control())?;
    }
    Ok(())
}
