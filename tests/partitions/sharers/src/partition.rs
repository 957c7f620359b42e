// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The roles.

use bulkhead_partition::arguments::pairs;
use bulkhead_partition::el1::{Partition, console, stop, time};

bulkhead_partition::entry!(run);

/// Time between wake-ups of `urgent` and between rings, ns.
const PERIOD_NS: u64 = 1_000_000;
/// A wake-up that comes later has waited for a slot, ns.
const PROMPT_NS: u64 = 100_000;
/// Wake-ups and rings from line to line.
const REPORT_EVERY: u64 = 50;

fn run(partition: Partition) -> ! {
    let mut role = "";
    let mut work = 0;
    for pair in pairs(partition.machine.arguments) {
        match pair {
            Ok(("role", name)) => role = name,
            Ok(("work", time)) => work = time.parse().unwrap_or(0),
            Ok(_) | Err(_) => stop(),
        }
    }
    match role {
        "urgent" => urgent(work),
        "ear" => ear(&partition),
        "ringer" => ringer(&partition),
        "hog" => {
            console::line(format_args!("hog: spins"));
            loop {
                core::hint::spin_loop();
            }
        }
        _ => stop(),
    }
}

/// Wakes every period and works for so many ns of its own execution, two instructions a round.
fn urgent(work: u64) -> ! {
    let (mut wakes, mut prompt, mut worst) = (0u64, 0u64, 0u64);
    loop {
        let release = (time::now() / PERIOD_NS + 1) * PERIOD_NS;
        time::sleep_until(release);
        let late = time::now() - release;
        wakes += 1;
        if late < PROMPT_NS {
            prompt += 1;
            worst = worst.max(late);
        }
        for _ in 0..work / 2 {
            core::hint::spin_loop();
        }
        if wakes.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "{wakes} wakes, {prompt} prompt, latest of them {worst} ns"
            ));
        }
    }
}

/// Sleeps, and counts how often it hears the doorbell.
fn ear(partition: &Partition) -> ! {
    let mut told = 0;
    loop {
        time::doze_until(u64::MAX);
        let heard = partition.heard("bell");
        if heard / REPORT_EVERY > told {
            told = heard / REPORT_EVERY;
            console::line(format_args!("{heard} heard"));
        }
    }
}

/// Rings the doorbell every second period.
fn ringer(partition: &Partition) -> ! {
    let Some(bell) = partition.bell("bell") else {
        console::line(format_args!("no bell"));
        stop()
    };
    let mut rung = 0u64;
    loop {
        time::sleep_until((time::now() / PERIOD_NS + 2) * PERIOD_NS);
        if bell.ring().is_ok() {
            rung += 1;
        }
        if rung.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!("{rung} rung"));
        }
    }
}
