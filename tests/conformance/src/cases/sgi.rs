// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SGIs: to this CPU, to the other, to both, to nobody.
//!
//! Verifies: BH-GIC-003.
//!
//! # References
//! Arm IHI 0069, "Software Generated Interrupts", "ICC_SGI1R_EL1".
#![forbid(unsafe_code)]

use super::pending::{only, quiet};
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::registers as r;
use crate::gic;
use crate::interrupt::{self, Reaction};
use crate::second::{self, Job};
use crate::timer;

pub(super) const CASES: &[Case] = &[
    Case::one(
        "GIC-SGI-01",
        "each SGI that can be enabled reaches the sender",
        each,
    ),
    Case::one("GIC-SGI-02", "an SGI to no CPU at all reaches nobody", nobody),
    Case::two(
        "GIC-SGI-03",
        "an SGI reaches the other CPU and not the sender",
        other,
    ),
    Case::two("GIC-SGI-04", "a list of both CPUs reaches both", list),
    Case::two("GIC-SGI-05", "IRM = 1 reaches all but the sender", broadcast),
    Case::two("GIC-SGI-06", "pending state is each CPU's own", own_state),
    Case::two("GIC-SGI-07", "an SGI ends the other CPU's WFI", wakes),
    Case::two(
        "GIC-SGI-08",
        "200 SGIs there, each awaited: none lost, none twice",
        awaited,
    ),
    Case::two(
        "GIC-SGI-09",
        "12 SGIs at once to the other CPU: each comes once",
        many,
    ),
];

fn each(_: &Board) -> Outcome {
    for sgi in (0..16).filter(|n| gic::sgis() >> n & 1 != 0) {
        gic::send_self(sgi);
        only(sgi)?;
    }
    Ok(())
}

fn nobody(board: &Board) -> Outcome {
    // An empty target list, and an affinity that no CPU has.
    r::write_icc_sgi1r(5 << 24);
    let free = (1..)
        .map(|n| n << 8)
        .find(|a| !board.cpus.iter().any(|m| m & !0xff == *a));
    gic::send(5, free.unwrap_or(0));
    quiet()?;
    equal("pending", false, gic::is_pending(5))
}

/// The second CPU has taken `count` interrupts.
fn taken_there(count: u32) -> Outcome {
    let taken = timer::eventually(|| interrupt::count(1) >= count);
    holds("interrupts on the second CPU", taken, interrupt::count(1))?;
    equal("interrupts on the second CPU", count, interrupt::count(1))
}

fn other(board: &Board) -> Outcome {
    second::with(board, |other| {
        second::ask(Job::Serve)?;
        gic::send(6, other);
        taken_there(1)?;
        equal("INTID there", 6_u64, interrupt::entry(1, 0).0)?;
        quiet()?;
        equal("interrupts there since", 1_u64, interrupt::count(1))
    })
}

fn list(board: &Board) -> Outcome {
    second::with(board, |other| {
        let own = r::affinity();
        // One list names CPUs of one cluster, and of one group of 16.
        let together = (own ^ other) & 0xff_00ff_fff0 == 0;
        second::ask(Job::Serve)?;
        if together {
            r::write_icc_sgi1r(gic::target(own) | gic::target(other) | 6 << 24);
        } else {
            gic::send(6, other);
            gic::send_self(6);
        }
        only(6)?;
        taken_there(1)?;
        equal("INTID there", 6_u64, interrupt::entry(1, 0).0)
    })
}

fn broadcast(board: &Board) -> Outcome {
    second::with(board, |_| {
        second::ask(Job::Serve)?;
        gic::send_others(7);
        taken_there(1)?;
        equal("INTID there", 7_u64, interrupt::entry(1, 0).0)?;
        quiet()
    })
}

fn own_state(board: &Board) -> Outcome {
    second::with(board, |other| {
        // The second CPU rests, masked: the SGI stays pending there.
        gic::send(5, other);
        quiet()?;
        equal("pending here", false, gic::is_pending(5))?;
        gic::send_self(5);
        only(5)?;
        second::ask(Job::Serve)?;
        // `ask` begins a new log before interrupts are unmasked.
        taken_there(1)?;
        equal("INTID there", 5_u64, interrupt::entry(1, 0).0)
    })
}

fn wakes(board: &Board) -> Outcome {
    second::with(board, |other| {
        second::ask(Job::Sleep)?;
        for number in 1..=20 {
            // Long enough for it to fall asleep again.
            timer::pause(300);
            gic::send(3, other);
            taken_there(number)?;
        }
        Ok(())
    })
}

fn awaited(board: &Board) -> Outcome {
    second::with(board, |other| {
        second::ask(Job::Serve)?;
        for number in 1..=200 {
            gic::send(number % 12, other);
            taken_there(number)?;
        }
        quiet()
    })
}

fn many(board: &Board) -> Outcome {
    second::with(board, |other| {
        interrupt::begin(Reaction::None, 0);
        for sgi in 0..12 {
            gic::send(sgi, other);
        }
        second::ask(Job::Serve)?;
        taken_there(12)?;
        let all = (0..12).fold(0_u32, |all, n| all | 1 << (interrupt::entry(1, n).0 & 31));
        equal("SGIs there", 0xfff_u64, all)?;
        quiet()
    })
}
