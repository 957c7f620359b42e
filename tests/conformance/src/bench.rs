// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures instead of checking: with the argument `bench …` the suite's program prints rows of samples.
//!
//! `bench primitives` takes [`SAMPLES`] samples of each row; `bench periodic COUNT` takes as many expiries of a
//! 1 ms timer; `bench bell` rings a doorbell; `bench spin` uses all the time that it has, `bench busy
//! PERIOD` too and takes interrupts. A row is `bench ROW VALUE TIMES`, a line for each value.
//! Values are counter ticks, so they are instructions where the machine runs one instruction a tick.
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::edge::console::line;
use crate::edge::{registers as r, span, stop};
use crate::interrupt::{self, BEFORE_STAMP, Reaction};
use crate::timer::{self, Timer};
use crate::{gic, suite};

/// Samples of each row.
const SAMPLES: u64 = 1000;
/// Ticks that the lateness of a shared core is rounded to, so that the values are few.
const GRAIN: u64 = 4096;
/// µs from ring to ring, above the interval of the doorbell.
const INTERVAL_US: u64 = 20;
/// Different values that a row can have.
const VALUES: usize = 2048;

/// The values of a row, each with how often it was seen.
struct Row {
    values: heapless::LinearMap<u32, u32, VALUES>,
}

impl Row {
    const fn new() -> Self {
        Self {
            values: heapless::LinearMap::new(),
        }
    }

    fn add(&mut self, value: u64) {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        if let Some(times) = self.values.get_mut(&value) {
            *times += 1;
        } else if self.values.insert(value, 1).is_err() {
            suite::abort(format_args!("more than {VALUES} values"));
        }
    }

    fn print(&self, name: &str) {
        for (value, times) in &self.values {
            line(format_args!("bench {name} {value} {times}"));
        }
    }
}

/// Not inlined: the stack has room for one row at a time.
#[inline(never)]
fn row(name: &str, count: u64, mut sample: impl FnMut() -> u64) {
    let mut row = Row::new();
    for _ in 0..count {
        row.add(sample());
    }
    row.print(name);
}

/// Does what the arguments say, then says `bench done`.
pub(crate) fn run(board: &Board) -> ! {
    if !gic::find(board) {
        suite::abort(format_args!("no redistributor for each CPU"));
    }
    gic::forward(true);
    gic::prepare();
    gic::probe();
    gic::prepare();
    gic::enable(board.virtual_timer);
    let mut words = board.machine.arguments.split_ascii_whitespace().skip(1);
    match words.next() {
        Some("primitives") => primitives(),
        Some("periodic") => periodic(words.next().and_then(|w| w.parse().ok()).unwrap_or(SAMPLES)),
        Some("spin") => spin(),
        Some("busy") => busy(words.next().and_then(|w| w.parse().ok()).unwrap_or(1)),
        Some("bell") => bell(),
        other => suite::abort(format_args!("no bench {other:?}")),
    }
    line(format_args!("bench done"));
    stop()
}

fn primitives() {
    let spi = gic::spi();
    let (register, bit) = (gic::ISENABLER + u64::from(spi / 32) * 4, 1 << (spi % 32));
    let clear = gic::ICENABLER + u64::from(spi / 32) * 4;
    row("null_hypercall", SAMPLES, span::null_hypercall);
    row("gicd_read", SAMPLES, || gic::distributor().time_read32(register));
    row("gicd_enable_write", SAMPLES, || {
        let ticks = gic::distributor().time_write32(register, bit);
        gic::distributor().write32(clear, bit);
        ticks
    });
    let own = gic::target(r::affinity()) | 1 << 24;
    row("self_sgi", SAMPLES, || {
        interrupt::begin(Reaction::None, 0);
        r::unmask_interrupts();
        let sent = span::send_sgi(own);
        interrupt::take(1);
        since(sent)
    });
    row("timer_irq", SAMPLES, || {
        expiry(r::cntvct() + timer::ticks(20), false)
    });
    row("timer_irq_asleep", SAMPLES, || {
        expiry(r::cntvct() + timer::ticks(20), true)
    });
}

/// Ticks from `begin` to the first instruction of the first interrupt's handler.
fn since(begin: u64) -> u64 {
    interrupt::time(0).wrapping_sub(begin).wrapping_sub(BEFORE_STAMP)
}

/// The lateness of a timer interrupt, in ticks; awaited by a spin, or by WFI.
fn expiry(compare: u64, asleep: bool) -> u64 {
    interrupt::begin(Reaction::StopTimers, 0);
    Timer::Virtual.fire_at(compare);
    while asleep && interrupt::count(r::cpu()) == 0 {
        r::wait_for_interrupt();
        r::unmask_interrupts();
        r::mask_interrupts();
    }
    interrupt::take(1);
    Timer::Virtual.stop();
    since(compare)
}

/// Absolute expiries 1 ms apart; their lateness, rounded down to [`GRAIN`], and the worst exactly.
fn periodic(count: u64) {
    let mut next = r::cntvct();
    let (mut values, mut worst) = (Row::new(), 0);
    for _ in 0..count {
        next += timer::ticks(1000);
        let late = expiry(next, false);
        worst = late.max(worst);
        values.add(late - late % GRAIN);
    }
    values.print("sliced_timer_lateness");
    line(format_args!("bench worst {worst} 1"));
}

/// Rings doorbell 0 of the system, each time after its interval: ticks of the hypercall.
fn bell() {
    row("doorbell", SAMPLES, || {
        let next = r::cntvct() + timer::ticks(INTERVAL_US);
        while r::cntvct() < next {}
        let (ticks, answer) = span::ring(0);
        if answer != 0 {
            suite::abort(format_args!("the ring was answered by {answer:#x}"));
        }
        ticks
    });
}

/// Busy for ever, with all floating-point registers of its vCPU as they are.
fn spin() -> ! {
    line(format_args!("bench spins"));
    loop {
        core::hint::spin_loop();
    }
}

/// Busy for ever: when its slot ends a timer's interrupt and SGIs of its own are at any point of their lives. A timer
/// fires each `period` µs, late ones one after the other.
fn busy(period: u64) -> ! {
    interrupt::begin(Reaction::Periodic, timer::ticks(period));
    Timer::Virtual.fire_at(r::cntvct() + timer::ticks(period));
    line(format_args!("bench is busy"));
    loop {
        gic::send_self(1);
        timer::pause(1);
        r::unmask_interrupts();
        timer::pause(1);
        r::mask_interrupts();
    }
}
