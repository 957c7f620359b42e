// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The roles.

use bulkhead_partition::arguments::pairs;
use bulkhead_partition::el1::{Partition, console, stop, time};
use bulkhead_partition::machine::Gic;
use smccc::{Hvc, psci};

use crate::edge;

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
        "pair" => pair(&partition),
        "splits" => splits(),
        "hog" => {
            console::line(format_args!("hog: spins"));
            loop {
                core::hint::spin_loop();
            }
        }
        _ => stop(),
    }
}

/// The first instant of the counter's next period, ns.
fn next_period() -> u64 {
    (time::now() / PERIOD_NS + 1) * PERIOD_NS
}

/// Wakes every period and works for so many ns of its own execution, two instructions a round.
fn urgent(work: u64) -> ! {
    let (mut wakes, mut prompt, mut worst) = (0u64, 0u64, 0u64);
    loop {
        let release = next_period();
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

/// Calls its second vCPU every period; after so many calls as make a line it says how soon they were answered, and
/// restarts.
fn pair(partition: &Partition) -> ! {
    let Gic::V3 { redistributors } = partition.machine.gic else {
        stop()
    };
    if let Err(error) = edge::start_second(redistributors) {
        console::line(format_args!("CPU_ON: {error}"));
        stop()
    }
    let (mut prompt, mut worst) = (0u64, 0u64);
    for _ in 0..REPORT_EVERY {
        let before = edge::answers();
        time::sleep_until(next_period());
        let called = time::now();
        edge::call_second();
        while edge::answers() == before {
            core::hint::spin_loop();
        }
        let late = time::now() - called;
        if late < PROMPT_NS {
            prompt += 1;
            worst = worst.max(late);
        }
    }
    console::line(format_args!(
        "{REPORT_EVERY} calls, {prompt} prompt, latest of them {worst} ns"
    ));
    // Only an error returns.
    let _ = psci::system_reset::<Hvc>();
    stop()
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

/// Slots of `splits`.
const SLOTS: u64 = 50;
/// Its timers in a slot, beside the one that is active at the slot's end and comes again after it.
const TIMERS: u64 = 3;
/// A longer time between two looks at the counter is one in which others had the core, ns.
const ABSENCE_NS: u64 = 1_000_000;
/// An interrupt that takes longer does not come, ns.
const PATIENCE_NS: u64 = 200_000;

/// Spins until its next slot.
fn next_slot() {
    let mut before = time::now();
    loop {
        let now = time::now();
        if now - before > ABSENCE_NS {
            return;
        }
        before = now;
    }
}

/// Whether the timer's interrupt comes in time. It is active then.
fn timer_comes() -> bool {
    let end = time::now() + PATIENCE_NS;
    while time::now() < end {
        if edge::takes_timer() {
            return true;
        }
    }
    false
}

/// Leaves each slot with its timer's interrupt active and the timer's condition true. In the next one that interrupt does not
/// come as long as it is active, then it comes again, and further ones come once each.
fn splits() -> ! {
    edge::take_by_hand();
    let (mut taken, mut lost, mut early) = (0u64, 0u64, 0u64);
    let mut take = || {
        *(if timer_comes() { &mut taken } else { &mut lost }) += 1;
    };
    next_slot();
    for _ in 0..SLOTS {
        edge::fire_after(0);
        take();
        next_slot();
        if timer_comes() {
            early += 1;
        }
        edge::end_timer();
        take();
        edge::stop_timer();
        edge::end_timer();
        for _ in 0..TIMERS {
            edge::fire_after(PATIENCE_NS / 4);
            take();
            edge::stop_timer();
            edge::end_timer();
        }
    }
    console::line(format_args!(
        "{SLOTS} slots, {taken} taken, {lost} lost, {early} early"
    ));
    stop()
}
