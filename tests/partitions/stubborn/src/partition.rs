// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the letters do.

use core::sync::atomic::Ordering;

use bulkhead_partition::el1::{Partition, console, stop, time};
use smccc::{Hvc, psci};

use crate::edge::{self, COUNTER};

bulkhead_partition::entry!(run);

/// From look to look at the console.
const PAUSE_NS: u64 = 1_000_000;

fn run(_: Partition) -> ! {
    console::line(format_args!("ready"));
    loop {
        match console::typed() {
            Some(letter @ (b'c' | b'p' | b'e' | b'k' | b'C' | b'P' | b'E' | b'K')) => count(letter),
            Some(b'o') => stop(),
            Some(b'r') => end(psci::system_reset::<Hvc>()),
            Some(b'f') => edge::load_from_nothing(),
            Some(other) => console::line(format_args!("no letter of mine: {other}")),
            None => time::sleep_until(time::now() + PAUSE_NS),
        }
    }
}

/// Starts the second vCPU, and speaks when it has counted.
fn count(letter: u8) {
    let before = COUNTER.0.load(Ordering::Relaxed);
    if let Err(error) = psci::cpu_on::<Hvc>(1, edge::second(), letter.into()) {
        console::line(format_args!("CPU_ON: {error}"));
        return;
    }
    while COUNTER.0.load(Ordering::Relaxed) == before {
        core::hint::spin_loop();
    }
    console::line(format_args!("{:p} counts", &COUNTER));
}

/// A call that should not have returned.
fn end(result: Result<(), psci::Error>) {
    console::line(format_args!("returned: {result:?}"));
}
