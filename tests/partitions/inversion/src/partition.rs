// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The roles.

use core::sync::atomic::Ordering;

use bulkhead_partition::arguments::pairs;
use bulkhead_partition::el1::lock::Lock;
use bulkhead_partition::el1::{Partition, console, stop, time};

bulkhead_partition::entry!(run);

/// Takings from line to line.
const REPORT_EVERY: u64 = 20;
/// A gap in the counter that means that another vCPU ran: longer than any path of EL2, shorter than any slot.
const AWAY_NS: u64 = 50_000;

fn run(partition: Partition) -> ! {
    let mut role = "";
    let (mut hold, mut rude, mut waits) = (1000, 0, 0);
    for pair in pairs(partition.machine.arguments) {
        match pair {
            Ok(("role", name)) => role = name,
            Ok(("hold", count)) => hold = count.parse().unwrap_or(0),
            Ok(("rude", count)) => rude = count.parse().unwrap_or(0),
            Ok(("waits", count)) => waits = count.parse().unwrap_or(0),
            Ok(_) | Err(_) => stop(),
        }
    }
    if role == "restarts" {
        work(1_000_000);
        // Only an error returns.
        let _ = smccc::psci::system_reset::<smccc::Hvc>();
        stop()
    }
    if role == "medium" {
        console::line(format_args!("medium: spins"));
        loop {
            core::hint::spin_loop();
        }
    }
    let Some(lock) = partition.lock("record") else {
        console::line(format_args!("no lock"));
        stop()
    };
    match role {
        "low" => low(&lock, hold, rude),
        "high" => high(&lock, waits),
        "victim" => victim(&lock),
        _ => stop(),
    }
}

/// Work that takes as long as its owner gets to execute: two instructions a round.
fn work(instructions: u64) {
    for _ in 0..instructions / 2 {
        core::hint::spin_loop();
    }
}

fn low(lock: &Lock, hold: u64, rude: u64) -> ! {
    let (mut takings, mut lost) = (0u64, 0u64);
    loop {
        let Ok(taken) = lock.take() else {
            console::line(format_args!("low: refused"));
            stop()
        };
        takings += 1;
        let long = rude != 0 && takings.is_multiple_of(rude);
        work(if long { 6 * hold } else { hold });
        if let Some(word) = lock.record().first() {
            word.fetch_add(1, Ordering::Relaxed);
        }
        if taken.give().is_err() {
            lost += 1;
            console::line(format_args!("low: lost {lost}"));
        }
        work(200);
    }
}

/// Returns when this vCPU has just come back to its core.
fn begin_of_slot() {
    let mut last = time::now();
    loop {
        let now = time::now();
        if now - last > AWAY_NS {
            return;
        }
        last = now;
    }
}

/// Takes the lock at each begin of its slot. With `waits` it says each of so many waits, then that it is done, and
/// goes on.
fn high(lock: &Lock, waits: u64) -> ! {
    let (mut takings, mut died, mut worst, mut worst_died) = (0u64, 0u64, 0u64, 0u64);
    loop {
        begin_of_slot();
        let before = time::now();
        let Ok(taken) = lock.take() else {
            console::line(format_args!("high: refused"));
            stop()
        };
        let waited = time::now() - before;
        takings += 1;
        if taken.owner_died() {
            died += 1;
            worst_died = worst_died.max(waited);
        } else {
            worst = worst.max(waited);
        }
        if taken.give().is_err() {
            console::line(format_args!("high: lost"));
        }
        if takings <= waits {
            console::line(format_args!("bench wait {waited} 1"));
        }
        if takings == waits {
            console::line(format_args!("bench done"));
        }
        if takings.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "high: {takings} takings, worst wait {worst} ns, {died} after a revocation, worst {worst_died} ns"
            ));
        }
    }
}

/// As `high`, among participants that write into the word what they like: it goes on whatever it is told.
fn victim(lock: &Lock) -> ! {
    let (mut asked, mut taken, mut lost, mut worst) = (0u64, 0u64, 0u64, 0u64);
    loop {
        begin_of_slot();
        let before = time::now();
        let held = lock.take();
        worst = worst.max(time::now() - before);
        asked += 1;
        if let Ok(held) = held {
            taken += 1;
            lost += u64::from(held.give().is_err());
        }
        if asked.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "victim: {asked} asked, {taken} taken, {lost} lost, {worst} worst"
            ));
        }
    }
}
