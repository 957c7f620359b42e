// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The measurements of the first process of a Linux. Lines are `bench NAME VALUE TIMES`, as `bulkhead bench` reads them.
//!
//! Implements: BH-BENCH-009.

use core::ffi::CStr;
use core::hint::black_box;

use crate::linux::{ERROR, Errno, OUTPUT, print};
use crate::time;

/// Passes over the buffer that a run of pure computation takes.
const PASSES: u64 = 5_000;
/// Activations of the periodic process, and their distance in ns.
const ACTIVATIONS: usize = 1_000;
const PERIOD: i64 = 1_000_000;
/// Words of the buffer: 32 KiB.
const WORDS: usize = 4_096;

/// Exit codes.
const GOOD: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;

/// Computes without a system call.
fn compute(buffer: &mut [u64], passes: u64) {
    for pass in 0..passes {
        let mut carry = pass;
        for word in buffer.iter_mut() {
            carry = (*word ^ carry)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(23);
            *word = carry;
        }
        black_box(&mut *buffer);
    }
}

/// How late each activation of a process of the highest priority is, in ns of the clock: what `cyclictest` does.
fn cyclic(late: &mut [u64]) -> Result<(), Errno> {
    time::run_first()?;
    let mut due = time::now()? + PERIOD;
    for value in late.iter_mut() {
        time::sleep_until(due)?;
        *value = u64::try_from(time::now()? - due).unwrap_or(0);
        due += PERIOD;
    }
    Ok(())
}

/// Prints how often each value occurs.
fn show(name: &str, values: &mut [u64]) {
    values.sort_unstable();
    for run in values.chunk_by(|a, b| a == b) {
        if let Some(value) = run.first() {
            print(OUTPUT, format_args!("bench {name} {value} {}\n", run.len()));
        }
    }
}

fn all(buffer: &mut [u64]) -> Result<(), Errno> {
    let begin = time::counter();
    compute(buffer, PASSES);
    let took = time::counter() - begin;
    print(OUTPUT, format_args!("bench linux_cpu_bound {took} 1\n"));
    let mut late = [0; ACTIVATIONS];
    cyclic(&mut late)?;
    show("cyclictest", &mut late);
    print(OUTPUT, format_args!("bench done\n"));
    time::power_off()
}

/// Runs the program and returns its exit code; `arguments` are those after its name.
pub(crate) fn run<'a>(mut arguments: impl Iterator<Item = &'a CStr>) -> i32 {
    let mut buffer = [1; WORDS];
    match arguments.next().map(CStr::to_bytes) {
        None => match all(&mut buffer) {
            Ok(()) => GOOD,
            Err(error) => {
                print(ERROR, format_args!("measure: {error}\n"));
                FAILED
            }
        },
        Some(b"spin") => {
            print(OUTPUT, format_args!("bench spins\n"));
            loop {
                compute(&mut buffer, PASSES);
            }
        }
        Some(_) => {
            print(ERROR, format_args!("usage: measure [spin]\n"));
            USAGE
        }
    }
}
