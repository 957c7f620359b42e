// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The counter, clocks and the machine's end: what only a measurement needs of Linux.
//!
//! # References
//! `man 2 clock_gettime`, `clock_nanosleep`, `sched_setscheduler`, `reboot`; Arm DDI 0487, "CNTVCT_EL0".
#![allow(unsafe_code, reason = "the program's edge to the kernel")]

use core::arch::asm;

use crate::linux::{Errno, call};

const CLOCK_GETTIME: usize = 113;
const CLOCK_NANOSLEEP: usize = 115;
const SCHED_SETSCHEDULER: usize = 119;
const REBOOT: usize = 142;

const CLOCK_MONOTONIC: usize = 1;
const TIMER_ABSTIME: usize = 1;
const SCHED_FIFO: usize = 1;
/// Arguments of `reboot` that switch the machine off.
const MAGIC: usize = 0xfee1_dead;
const MAGIC_2: usize = 0x2812_1969;
const POWER_OFF: usize = 0x4321_fedc;

const SECOND: i64 = 1_000_000_000;

/// The virtual counter, in ticks.
pub(crate) fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: reads a register that Linux lets processes read; the barrier keeps it in program order.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> Result<i64, Errno> {
    let mut time = [0_i64; 2];
    // SAFETY: the kernel writes two 64-bit numbers to the array, which is borrowed for it.
    unsafe {
        call(
            CLOCK_GETTIME,
            [CLOCK_MONOTONIC, time.as_mut_ptr().expose_provenance(), 0, 0, 0, 0],
        )
    }?;
    let [seconds, nanoseconds] = time;
    Ok(seconds * SECOND + nanoseconds)
}

/// Sleeps until the monotonic clock shows `due` nanoseconds.
pub(crate) fn sleep_until(due: i64) -> Result<(), Errno> {
    let time = [due / SECOND, due % SECOND];
    // SAFETY: the kernel reads two 64-bit numbers and, with an absolute time, writes nothing.
    unsafe {
        call(
            CLOCK_NANOSLEEP,
            [
                CLOCK_MONOTONIC,
                TIMER_ABSTIME,
                time.as_ptr().expose_provenance(),
                0,
                0,
                0,
            ],
        )
    }
    .map(|_| ())
}

/// Makes this process run before all others, by fixed priority.
pub(crate) fn run_first() -> Result<(), Errno> {
    let priority = 99_i32;
    let at = core::ptr::from_ref(&priority).expose_provenance();
    // SAFETY: the kernel reads one 32-bit number.
    unsafe { call(SCHED_SETSCHEDULER, [0, SCHED_FIFO, at, 0, 0, 0]) }.map(|_| ())
}

/// Switches the machine off.
pub(crate) fn power_off() -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    unsafe { call(REBOOT, [MAGIC, MAGIC_2, POWER_OFF, 0, 0, 0]) }.map(|_| ())
}
