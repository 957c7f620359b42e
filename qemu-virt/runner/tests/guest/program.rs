// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest for the runner's tests: says what EL2 says, on the same line, and keeps the same statistics.
//!
//! It runs at EL2 of QEMU virt with its MMU off. The word at `MODE` tells it what to do wrong; lines typed into
//! a console are answered on it.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};

// Addresses and offsets, from the test: they are those of the crate `bulkhead-abi`.
include!(env!("GUEST_CONSTANTS"));

global_asm!(include_str!("entry.s"));

const UART: usize = 0x0900_0000;
const GICD: usize = 0x0800_0000;
const GICR: usize = 0x080a_0000;

unsafe extern "C" {
    fn stay(hypercalls: u64, secure_calls: u64, interrupts: u64, counters: usize);
}

fn write<T>(address: usize, value: T) {
    // SAFETY: all addresses of this program are devices of QEMU virt or RAM that nothing else uses.
    unsafe { write_volatile(address as *mut T, value) }
}

fn read<T: Copy>(address: usize) -> T {
    // SAFETY: as for `write`.
    unsafe { read_volatile(address as *const T) }
}

fn ticks() -> u64 {
    let ticks;
    // SAFETY: reads a counter.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks) };
    ticks
}

fn frequency() -> u64 {
    let frequency;
    // SAFETY: reads a constant.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency) };
    frequency
}

fn say(channel: u8, text: &[u8]) {
    for &byte in [0xfe, channel].iter().chain(text) {
        write(UART, u32::from(byte));
    }
}

fn say_number(channel: u8, before: &[u8], number: u8, after: &[u8]) {
    say(channel, before);
    say(channel, &[b'0' + number % 10]);
    say(channel, after);
}

/// A number in decimal.
fn say_ticks(channel: u8, before: &[u8], ticks: u64) {
    say(channel, before);
    let mut unit = 1;
    while ticks / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        say(channel, &[b'0' + (ticks / unit % 10) as u8]);
        unit /= 10;
    }
    say(channel, b"\n");
}

/// Lets the physical timer's interrupt through to this core.
fn open_interrupts() {
    write(GICD, 0x12_u32);
    write(GICR + 0x14, 0_u32);
    while read::<u32>(GICR + 0x14) & 4 != 0 {}
    write(GICR + 0x1_0080, u32::MAX);
    write(GICR + 0x1_0100, 1_u32 << 30);
    // SAFETY: opens the interrupt interface of this core, whose only interrupt is the timer's.
    unsafe {
        asm!(
            "msr s3_4_c12_c9_5, {sre}", // ICC_SRE_EL2
            "isb",
            "msr s3_0_c4_c6_0, {all}", // ICC_PMR_EL1
            "msr s3_0_c12_c12_7, {one}", // ICC_IGRPEN1_EL1
            "isb",
            sre = in(reg) 0xf_u64,
            all = in(reg) 0xff_u64,
            one = in(reg) 1_u64,
        );
    }
}

/// PSCI SYSTEM_OFF.
fn power_off() {
    // SAFETY: the call does not return.
    unsafe { asm!("smc #0", in("x0") 0x8400_0008_u64) };
}

fn statistics(epoch: u64) {
    let block = STATS;
    write(block + STATS_VERSION, STATS_VERSION_VALUE);
    write(block + STATS_VCPU_COUNT, 2_u32);
    write(block + STATS_STATE, 1_u64);
    write(block + STATS_FREQUENCY, frequency());
    write(block + STATS_EPOCH, epoch);
    for vcpu in 0..2 {
        let block = block + STATS_VCPUS + vcpu * STATS_VCPU_SIZE;
        write(block + VCPU_INDEX, vcpu as u64);
        write(block + VCPU_PARTITION, vcpu as u64);
        write(block + VCPU_STATE, 2_u64);
    }
    write(block + STATS_MAGIC, MAGIC);
}

/// Publishes metrics, and words in a ring that nobody drains.
fn windows() {
    write(WINDOW + METRICS_CAN_TX, 5_u64);
    write(WINDOW + METRICS_VERSION, METRICS_VERSION_VALUE);
    write(WINDOW + METRICS_MAGIC, METRICS_MAGIC_VALUE);
    let words = b"last words\n";
    for (at, &byte) in words.iter().enumerate() {
        write(OTHER_WINDOW + RING_DATA + at, byte);
    }
    write(OTHER_WINDOW, words.len() as u32);
}

/// Answers a line that was typed into a console.
fn answer(channel: u8, line: &[u8], epoch: u64) {
    let counters = STATS + STATS_VCPUS;
    match line {
        b"enter" => {
            // SAFETY: the stay at EL1 touches its own code and the counters.
            unsafe { stay(1000, 30, 20, counters) };
            say(channel, b"left EL1\n");
        }
        b"mark" => {
            let entries = (0..68).map(|at| read::<u64>(counters + at * 8)).sum::<u64>();
            write(STATS + STATS_MARK_ENTRIES, entries);
            write(STATS + STATS_MARK_TIME, ticks() - epoch);
            say(channel, b"marked\n");
        }
        b"off" => power_off(),
        _ => {
            say(channel, b"heard ");
            say(channel, line);
            say(channel, b"\n");
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn main() {
    let mode: u32 = read(MODE);
    write(UART + 0x30, 0x301_u32);
    say(0xf0, b"test guest\nBLOB 5f5f (2 partitions)\n");
    if mode == 1 {
        say(0xf0, b"refused: cores (blob: 4, board: 2)\n");
    }
    let epoch = ticks();
    open_interrupts();
    windows();
    statistics(epoch);
    say(0xf1, &[1, 2, 0]);
    let (mut channel, mut escaped) = (0xf0, false);
    let (mut line, mut length) = ([0; 64], 0);
    let (mut scenario, mut next) = (1, 0);
    let last = if mode == 5 { 2 } else { 10 };
    loop {
        let now = ticks() - epoch;
        if mode != 2 {
            write(STATS + STATS_NOW, now);
        }
        if now >= next && scenario < last {
            say_number(0, b"scenario ", scenario, b": STOPPED\n");
            say_ticks(0, b"at tick ", now);
            if mode == 3 && scenario == 2 {
                say(0, b"CRASHED\n");
            }
            if mode == 4 && scenario == 2 {
                power_off();
            }
            scenario += 1;
            next = now + frequency() / 50;
        }
        if read::<u32>(UART + 0x18) & 0x10 != 0 {
            continue;
        }
        let byte = read::<u32>(UART) as u8;
        match (escaped, byte) {
            (false, 0xfe) => escaped = true,
            (true, _) => (channel, escaped) = (byte, false),
            (false, b'\n' | b'\r') => {
                answer(channel, &line[..length], epoch);
                length = 0;
            }
            (false, _) => {
                line[length % 64] = byte;
                length = (length + 1) % 64;
            }
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    say(0xf0, b"refused: test guest panicked\n");
    loop {}
}
