// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSCI and the second CPU: on, off, and on again.
//!
//! Verifies: BH-PSCI-002, BH-PSCI-003.
//!
//! # References
//! Arm DEN0022, "CPU_ON", "CPU_OFF", "AFFINITY_INFO", "Initial core configuration".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::second_entry;
use crate::gic;
use crate::interrupt;
use crate::psci::{self, code};
use crate::second::{self, CONTEXT, Job};
use crate::timer;

pub(super) const CASES: &[Case] = &[
    Case::two(
        "PSCI-PWR-01",
        "AFFINITY_INFO: OFF before CPU_ON, ON after, OFF after CPU_OFF",
        transitions,
    ),
    Case::two("PSCI-PWR-02", "CPU_ON passes the context, all 64 bits", context),
    Case::two("PSCI-PWR-03", "it enters at EL1 with SP_EL1", level),
    Case::two("PSCI-PWR-04", "it enters with D, A, I and F masked", masks),
    Case::two(
        "PSCI-PWR-05",
        "it enters with the MMU and the data cache off, little-endian",
        mmu,
    ),
    Case::two(
        "PSCI-PWR-06",
        "its MPIDR_EL1 is the affinity that it was started with",
        affinity,
    ),
    Case::two("PSCI-PWR-07", "its CPU interface has Group 1 off", group),
    Case::two(
        "PSCI-PWR-08",
        "CPU_ON of a CPU that is on is ALREADY_ON",
        already_on,
    ),
    Case::two(
        "PSCI-PWR-09",
        "CPU_ON again, once AFFINITY_INFO is not OFF, is ON_PENDING or ALREADY_ON; it enters once",
        twice,
    ),
    Case::two(
        "PSCI-PWR-10",
        "CPU_ON at a misaligned address is refused, and the CPU stays off",
        misaligned,
    ),
    Case::two("PSCI-PWR-11", "off and on again, 20 times", again),
    Case::two(
        "PSCI-PWR-12",
        "after off and on its interrupts work",
        interrupts_again,
    ),
    Case::two(
        "PSCI-PWR-13",
        "CPU_OFF leaves the caller's interrupts and timers alone",
        other_unharmed,
    ),
];

fn is(board: &Board, state: i32) -> Outcome {
    let answer = psci::affinity_info(second::affinity(board));
    equal("AFFINITY_INFO", code(state), code(answer))
}

fn transitions(board: &Board) -> Outcome {
    is(board, psci::OFF)?;
    second::start(board, CONTEXT)?;
    is(board, psci::ON)?;
    second::stop(board)?;
    is(board, psci::OFF)
}

fn context(board: &Board) -> Outcome {
    for context in [CONTEXT, 0, u64::MAX] {
        second::start(board, context)?;
        let found = second::found(second::FOUND_CONTEXT);
        second::stop(board)?;
        equal("x0", context, found)?;
    }
    Ok(())
}

/// The second CPU found these bits in what `index` names.
fn found(board: &Board, index: usize, what: &'static str, mask: u64, value: u64) -> Outcome {
    second::with(board, |_| equal(what, value, second::found(index) & mask))
}

fn level(board: &Board) -> Outcome {
    found(board, second::FOUND_LEVEL, "CurrentEL", 0xc, 4)?;
    found(board, second::FOUND_STACK, "SPSel", 1, 1)
}

fn masks(board: &Board) -> Outcome {
    found(board, second::FOUND_DAIF, "DAIF", 0x3c0, 0x3c0)
}

fn mmu(board: &Board) -> Outcome {
    // EE, C, M.
    found(board, second::FOUND_CONTROL, "SCTLR_EL1", 1 << 25 | 1 << 2 | 1, 0)
}

fn affinity(board: &Board) -> Outcome {
    let own = second::affinity(board);
    found(board, second::FOUND_AFFINITY, "MPIDR_EL1", 0xff_00ff_ffff, own)
}

fn group(board: &Board) -> Outcome {
    found(board, second::FOUND_GROUP_ENABLE, "ICC_IGRPEN1_EL1", 1, 0)
}

fn turn_on(board: &Board, entry: u64) -> i32 {
    psci::call(psci::CPU_ON, [second::affinity(board), entry, CONTEXT])
}

fn already_on(board: &Board) -> Outcome {
    second::with(board, |_| {
        equal(
            "CPU_ON",
            code(psci::ALREADY_ON),
            code(turn_on(board, second_entry())),
        )
    })
}

fn twice(board: &Board) -> Outcome {
    let before = second::entered();
    second::with(board, |_| Ok(()))?;
    second::command(Job::Rest);
    equal("CPU_ON", 0_u64, code(turn_on(board, second_entry())))?;
    let seen = timer::eventually(|| psci::affinity_info(second::affinity(board)) != psci::OFF);
    holds("AFFINITY_INFO not OFF", seen, second::entered())?;
    let answer = turn_on(board, second_entry());
    let refused = answer == psci::ON_PENDING || answer == psci::ALREADY_ON;
    let there = timer::eventually(|| second::entered() == before + 2);
    timer::pause(1000);
    let entered = second::entered();
    second::stop(board)?;
    holds("ON_PENDING or ALREADY_ON", refused, code(answer))?;
    holds("the CPU entering", there, entered)?;
    equal("number of entries", before + 2, entered)
}

fn misaligned(board: &Board) -> Outcome {
    let answer = turn_on(board, second_entry() + 2);
    let refused = answer == psci::INVALID_ADDRESS || answer == psci::INVALID_PARAMETERS;
    holds("INVALID_ADDRESS or INVALID_PARAMETERS", refused, code(answer))?;
    is(board, psci::OFF)
}

fn again(board: &Board) -> Outcome {
    for number in 0..20 {
        second::start(board, number)?;
        equal("x0", number, second::found(second::FOUND_CONTEXT))?;
        second::stop(board)?;
    }
    Ok(())
}

fn interrupts_again(board: &Board) -> Outcome {
    for _ in 0..2 {
        second::with(board, |other| {
            second::ask(Job::Serve)?;
            gic::send(4, other);
            let taken = timer::eventually(|| interrupt::count(1) != 0);
            holds("an interrupt on the second CPU", taken, interrupt::count(1))?;
            equal("INTID there", 4_u64, interrupt::entry(1, 0).0)
        })?;
    }
    Ok(())
}

fn other_unharmed(board: &Board) -> Outcome {
    gic::enable(board.virtual_timer);
    timer::Timer::Virtual.set_compare(u64::MAX);
    timer::Timer::Virtual.set_control(timer::ENABLE);
    gic::set_priority(2, 0x30);
    second::with(board, |_| Ok(()))?;
    equal("CTL", timer::ENABLE, timer::Timer::Virtual.control())?;
    equal("CVAL", u64::MAX, timer::Timer::Virtual.compare())?;
    equal("enable bit", true, gic::bit(gic::ISENABLER, board.virtual_timer))?;
    equal("priority", 0x30_u64, gic::priority(2))?;
    gic::send_self(2);
    super::pending::only(2)
}
