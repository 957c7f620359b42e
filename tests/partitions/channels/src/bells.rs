// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Roles at doorbells: one rings as agreed, two hear, one rings whatever it can as often as it can.

use core::arch::asm;

use bulkhead_abi::hypercall::{DENIED, DOORBELL_RING};
use bulkhead_partition::el1::doorbell::{Bell, RingError};
use bulkhead_partition::el1::{Partition, console, stop, time};

use crate::partition::periodically;

/// Rounds from line to line.
const REPORT_EVERY: u64 = 100;
/// Numbers that the hostile one tries: more than there are interrupts in the blob's table, and none at all.
const NUMBERS: [u64; 8] = [0, 1, 2, 3, 15, 16, 1 << 20, u32::MAX as u64];

/// From line to line of the hostile one.
const PAUSE_NS: u64 = 100_000_000;

#[derive(Default)]
struct Rings {
    rung: u64,
    early: u64,
    denied: u64,
}

impl Rings {
    fn ring(&mut self, bell: &Bell) {
        *match bell.ring() {
            Ok(()) => &mut self.rung,
            Err(RingError::TooEarly) => &mut self.early,
            Err(RingError::Denied) => &mut self.denied,
        } += 1;
    }
}

/// Rings both neighbours each ms, and the one at once again, which comes too early.
pub(crate) fn ringer(partition: &Partition) -> ! {
    let (Some(alone), Some(shared)) = (partition.bell("to-alone"), partition.bell("to-shared")) else {
        console::line(format_args!("ringer: no doorbells"));
        stop()
    };
    let (mut to_alone, mut to_shared) = (Rings::default(), Rings::default());
    periodically(|round| {
        to_alone.ring(&alone);
        to_alone.ring(&alone);
        to_shared.ring(&shared);
        if round.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "ringer: {} and {} rung, {} early, {} denied in {round} rounds",
                to_alone.rung,
                to_shared.rung,
                to_alone.early + to_shared.early,
                to_alone.denied + to_shared.denied
            ));
        }
    })
}

/// Counts what it hears.
pub(crate) fn ear(partition: &Partition) -> ! {
    periodically(|round| {
        if round.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "ear: {} and {} heard, {} noise in {round} rounds",
                partition.heard("to-alone"),
                partition.heard("to-shared"),
                partition.heard("noise")
            ));
        }
    })
}

/// `DOORBELL_RING` with a number of the caller's choice.
fn ring_any(number: u64) -> i64 {
    let mut function = u64::from(DOORBELL_RING);
    // SAFETY: a hypercall of the SMCCC: EL2 returns to the next instruction, results and arguments are in x0 to x3 and
    // x4 to x17 are kept or declared as lost; what it may do to memory is what the compiler assumes of assembly.
    unsafe {
        asm!(
            "hvc #0",
            inout("x0") function,
            inout("x1") number => _,
            inout("x2") 0u64 => _,
            inout("x3") 0u64 => _,
            clobber_abi("C"),
        );
    }
    function.cast_signed()
}

/// Rings its own doorbell without a pause, and now and then those of others: each answer but a denial counts, since an
/// early ring of another's doorbell is one that came too close to its own ringer's.
pub(crate) fn flood(partition: &Partition) -> ! {
    let Some(noise) = partition.bell("noise") else {
        console::line(format_args!("flood: no doorbell"));
        stop()
    };
    let own = noise.number();
    let (mut rings, mut foreign, mut next) = (Rings::default(), 0u64, time::now() + PAUSE_NS);
    loop {
        rings.ring(&noise);
        let now = time::now();
        if now >= next {
            next = now + PAUSE_NS;
            for number in NUMBERS {
                if number != u64::from(own) && ring_any(number) != DENIED {
                    foreign += 1;
                }
            }
            console::line(format_args!(
                "flood: {} rung, {} early, {} denied, {foreign} foreign",
                rings.rung, rings.early, rings.denied
            ));
        }
    }
}
