// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SPI, made pending by software.
//!
//! Verifies: BH-GIC-002, BH-GIC-005, BH-GIC-010.
//!
//! # References
//! Arm IHI 0069, "GICD_ISENABLER<n>", "GICD_ISPENDR<n>", "GICD_IROUTER<n>", "Affinity routing".
#![forbid(unsafe_code)]

use super::pending::{only, quiet};
use crate::board::Board;
use crate::check::{Case, Needs, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::interrupt;
use crate::second::{self, Job};
use crate::timer;

const fn case(id: &'static str, text: &'static str, run: fn(&Board) -> Outcome) -> Case {
    Case::new(id, text, Needs::Spi, run)
}

const fn two(id: &'static str, text: &'static str, run: fn(&Board) -> Outcome) -> Case {
    Case::new(id, text, Needs::SecondAndSpi, run)
}

pub(super) const CASES: &[Case] = &[
    case("GIC-SPI-01", "ISENABLER sets, ICENABLER clears", enables),
    case("GIC-SPI-02", "ISPENDR sets, ICPENDR clears", pends),
    case("GIC-SPI-03", "IPRIORITYR by bytes and by words", priorities),
    case("GIC-SPI-04", "IGROUPR: it can be in Group 1", group),
    case("GIC-SPI-05", "GICD_IROUTER reads as written", router),
    case("GIC-SPI-06", "made pending, it is delivered once", delivered),
    case(
        "GIC-SPI-07",
        "disabled it stays pending, enabled it is delivered",
        disabled,
    ),
    case(
        "GIC-SPI-08",
        "ISACTIVER: acknowledged it is active, ended it is not",
        active,
    ),
    case("GIC-SPI-09", "its priority orders it among SGIs", ordered),
    case("GIC-SPI-10", "GICD_CTLR.EnableGrp1 off holds it back", held),
    case("GIC-SPI-11", "EOImode 1: ICC_DIR_EL1 deactivates it", split),
    two(
        "GIC-SPI-12",
        "GICD_IROUTER sends it to the other CPU alone",
        routed,
    ),
    two(
        "GIC-SPI-13",
        "it goes back and forth with GICD_IROUTER",
        alternates,
    ),
    two(
        "GIC-SPI-14",
        "pending and disabled, it goes where GICD_IROUTER says when it is enabled",
        routed_pending,
    ),
];

fn enables(_: &Board) -> Outcome {
    let spi = gic::spi();
    gic::enable(spi);
    equal("ISENABLER", true, gic::bit(gic::ISENABLER, spi))?;
    equal("ICENABLER", true, gic::bit(gic::ICENABLER, spi))?;
    gic::disable(spi);
    equal("ISENABLER after ICENABLER", false, gic::bit(gic::ISENABLER, spi))
}

fn pends(_: &Board) -> Outcome {
    let spi = gic::spi();
    gic::pend(spi);
    equal("ISPENDR", true, gic::is_pending(spi))?;
    equal("ICPENDR", true, gic::bit(gic::ICPENDR, spi))?;
    gic::write_bit(gic::ICPENDR, spi);
    equal("ISPENDR after ICPENDR", false, gic::is_pending(spi))
}

fn priorities(_: &Board) -> Outcome {
    let spi = gic::spi();
    let word = gic::IPRIORITYR + u64::from(spi & !3);
    let shift = 8 * (spi & 3);
    gic::set_priority(spi, 0x50);
    equal("byte", 0x50_u64, gic::priority(spi))?;
    equal(
        "byte of the word",
        0x50_u64,
        gic::distributor().read32(word) >> shift & 0xff,
    )?;
    let others = gic::distributor().read32(word) & !(0xff << shift);
    gic::distributor().write32(word, others | 0xa0 << shift);
    equal("byte written by the word", 0xa0_u64, gic::priority(spi))
}

fn group(_: &Board) -> Outcome {
    equal("IGROUPR", true, gic::bit(gic::IGROUPR, gic::spi()))
}

fn router(board: &Board) -> Outcome {
    let spi = gic::spi();
    for mpidr in &board.cpus {
        gic::route(spi, *mpidr);
        let route = gic::distributor().read64(gic::IROUTER + 8 * u64::from(spi));
        equal("GICD_IROUTER", *mpidr, route & 0xff_80ff_ffff)?;
    }
    Ok(())
}

fn delivered(_: &Board) -> Outcome {
    gic::enable(gic::spi());
    gic::pend(gic::spi());
    only(gic::spi())
}

fn disabled(_: &Board) -> Outcome {
    gic::pend(gic::spi());
    quiet()?;
    equal("pending", true, gic::is_pending(gic::spi()))?;
    gic::enable(gic::spi());
    only(gic::spi())
}

fn active(_: &Board) -> Outcome {
    let spi = gic::spi();
    gic::enable(spi);
    gic::pend(spi);
    equal("INTID", spi, gic::next())?;
    equal("active after the acknowledgement", true, gic::is_active(spi))?;
    equal("pending after the acknowledgement", false, gic::is_pending(spi))?;
    gic::end(spi);
    equal("active after the end", false, gic::is_active(spi))
}

fn ordered(_: &Board) -> Outcome {
    let spi = gic::spi();
    r::write_icc_pmr(0);
    for (sgi, priority) in [(1, 0x20), (2, 0x60)] {
        gic::set_priority(sgi, priority);
        gic::send_self(sgi);
    }
    gic::set_priority(spi, 0x40);
    gic::enable(spi);
    gic::pend(spi);
    let all = timer::eventually(|| gic::is_pending(1) && gic::is_pending(2) && gic::is_pending(spi));
    holds("all pending", all, spi)?;
    r::write_icc_pmr(gic::OPEN);
    for intid in [1, spi, 2] {
        equal("next INTID", intid, gic::next())?;
        gic::end(intid);
    }
    quiet()
}

fn held(_: &Board) -> Outcome {
    gic::enable(gic::spi());
    gic::forward(false);
    gic::pend(gic::spi());
    quiet()?;
    gic::forward(true);
    only(gic::spi())
}

fn split(_: &Board) -> Outcome {
    let spi = gic::spi();
    gic::split_end(true);
    gic::enable(spi);
    for _ in 0..2 {
        gic::pend(spi);
        equal("INTID", spi, gic::next())?;
        gic::end(spi);
        equal("active after the end", true, gic::is_active(spi))?;
        gic::deactivate(spi);
        equal("active after ICC_DIR_EL1", false, gic::is_active(spi))?;
    }
    quiet()
}

fn taken_there(count: u32) -> Outcome {
    let taken = timer::eventually(|| interrupt::count(1) >= count);
    holds("interrupts on the second CPU", taken, interrupt::count(1))?;
    equal("interrupts on the second CPU", count, interrupt::count(1))
}

fn routed(board: &Board) -> Outcome {
    let spi = gic::spi();
    second::with(board, |other| {
        second::ask(Job::Serve)?;
        gic::route(spi, other);
        gic::enable(spi);
        gic::pend(spi);
        taken_there(1)?;
        equal("INTID there", spi, interrupt::entry(1, 0).0)?;
        quiet()?;
        equal("interrupts there since", 1_u64, interrupt::count(1))
    })
}

fn alternates(board: &Board) -> Outcome {
    let spi = gic::spi();
    second::with(board, |other| {
        second::ask(Job::Serve)?;
        gic::enable(spi);
        for number in 1..=10 {
            gic::route(spi, other);
            gic::pend(spi);
            taken_there(number)?;
            // Ended there before it is sent here.
            let ended = timer::eventually(|| !gic::is_active(spi));
            holds("the SPI ended there", ended, spi)?;
            gic::route(spi, r::affinity());
            gic::pend(spi);
            only(spi)?;
        }
        taken_there(10)
    })
}

fn routed_pending(board: &Board) -> Outcome {
    let spi = gic::spi();
    second::with(board, |other| {
        second::ask(Job::Serve)?;
        gic::pend(spi);
        gic::route(spi, other);
        gic::enable(spi);
        taken_there(1)?;
        quiet()
    })
}
