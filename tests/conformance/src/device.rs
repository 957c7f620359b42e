// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With the argument `device` the program takes the interrupts of its `edu`, for `tests/on-target`: on each CPU in
//! turn, awake and asleep, with both kinds of end, and on both alternately.
//!
//! Each round begins when the host has typed a byte, and tells what of it may enter EL2; another byte lets it be over.
//!
//! # References
//! QEMU, "EDU device" (`docs/specs/edu.rst`). Arm IHI 0069, "GICD_IROUTER<n>", "ICC_DIR_EL1".
#![forbid(unsafe_code)]

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::window::{RX_CONTROL, RingControl};
use bulkhead_partition::machine::Range;

use crate::board::Board;
use crate::check::Outcome;
use crate::edge::console::line;
use crate::edge::mmio::Frame;
use crate::edge::registers as r;
use crate::{gic, second, suite, timer};

/// Interrupts of a round; while nobody is awake who could raise one it is the end of a copy, which takes 100 ms.
const RAISED: u64 = 200;
const COPIES: u64 = 10;
/// What lets the second CPU fall asleep before the next one, µs.
const PAUSE: u64 = 100;

/// `edu`: the interrupt's status; sets bits of that; clears bits of it; source, destination, length and command of a
/// copy.
const STATUS: u64 = 0x24;
const RAISE: u64 = 0x60;
const QUIET: u64 = 0x64;
const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const LENGTH: u64 = 0x90;
const COMMAND: u64 = 0x98;
/// The function's own memory, as a copy's destination.
const BUFFER: u64 = 0x4_0000;
/// Start from memory, and interrupt at the end.
const COPY: u64 = 1 | 1 << 2;

/// Which CPU takes a round's interrupts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taker {
    Cpu(usize),
    /// Both in turn: the route is changed before each.
    Both,
}

struct Round {
    taker: Taker,
    /// Flags of [`MODE`].
    mode: u64,
}

/// The end only drops the priority.
const SPLIT: u64 = 1;
/// CPU 0 sleeps between, CPU 1 does.
const SLEEPS: u64 = 1 << 1;
const OTHER_SLEEPS: u64 = 1 << 2;
const AWAKE: u64 = !(SLEEPS | OTHER_SLEEPS);
/// The number of a round in [`MODE`], plus one, so that no mode comes twice.
const NUMBER: u64 = 1 << 8;

impl Round {
    fn raised(&self) -> u64 {
        if self.mode & SLEEPS != 0 { COPIES } else { RAISED }
    }
}

const fn round(taker: Taker, mode: u64) -> Round {
    Round { taker, mode }
}

/// All rounds.
const ROUNDS: [Round; 9] = [
    round(Taker::Cpu(0), 0),
    round(Taker::Cpu(0), SPLIT),
    round(Taker::Cpu(0), SLEEPS),
    round(Taker::Cpu(0), SPLIT | SLEEPS),
    round(Taker::Cpu(1), 0),
    round(Taker::Cpu(1), SPLIT),
    round(Taker::Cpu(1), OTHER_SLEEPS),
    round(Taker::Cpu(1), SPLIT | OTHER_SLEEPS),
    round(Taker::Both, 0),
];

/// Counts of a CPU.
struct Counts {
    taken: AtomicU64,
    slept: AtomicU64,
    deactivated: AtomicU64,
}

static COUNTS: [Counts; 2] = [const {
    Counts {
        taken: AtomicU64::new(0),
        slept: AtomicU64::new(0),
        deactivated: AtomicU64::new(0),
    }
}; 2];
/// Interrupts that the device did not raise.
static STRAY: AtomicU64 = AtomicU64::new(0);
/// Registers of the device; 0: the program does something else.
static REGISTERS: AtomicU64 = AtomicU64::new(0);
/// What both CPUs do, and what the second has begun.
static MODE: AtomicU64 = AtomicU64::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);

fn counts() -> &'static Counts {
    let [first, other] = &COUNTS;
    if r::cpu() == 0 { first } else { other }
}

fn registers() -> Frame {
    Frame::new(Range {
        start: REGISTERS.load(Ordering::Relaxed),
        size: 0x1000,
    })
}

fn taken() -> u64 {
    COUNTS.iter().map(|c| c.taken.load(Ordering::Acquire)).sum()
}

/// Serves an interrupt that this CPU acknowledged; false: this is another program's.
pub(crate) fn serve(intid: u32) -> bool {
    if REGISTERS.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let status = registers().read32(STATUS);
    registers().write32(QUIET, status);
    let own = intid == gic::spi() && status != 0;
    gic::end(intid);
    if MODE.load(Ordering::Acquire) & SPLIT != 0 {
        gic::deactivate(intid);
        counts().deactivated.fetch_add(1, Ordering::Relaxed);
    }
    let count = if own { &counts().taken } else { &STRAY };
    count.fetch_add(1, Ordering::Release);
    true
}

/// Takes what is there, or sleeps until something is.
fn rest() {
    let asleep = if r::cpu() == 0 { SLEEPS } else { OTHER_SLEEPS };
    if MODE.load(Ordering::Acquire) & asleep != 0 {
        counts().slept.fetch_add(1, Ordering::Relaxed);
        r::wait_for_interrupt();
    }
    r::unmask_interrupts();
    r::synchronise();
    r::mask_interrupts();
}

/// What the second CPU does again and again.
pub(crate) fn attend() {
    let mode = MODE.load(Ordering::Acquire);
    if BEGUN.load(Ordering::Relaxed) != mode & AWAKE {
        gic::split_end(mode & SPLIT != 0);
        BEGUN.store(mode & AWAKE, Ordering::Release);
    }
    rest();
}

/// Has one interrupt raised and waits until it was taken.
fn raise(number: u64) {
    let mode = MODE.load(Ordering::Relaxed);
    if mode & SLEEPS != 0 {
        registers().write64(COMMAND, COPY);
        while taken() < number {
            rest();
        }
        return;
    }
    if mode & OTHER_SLEEPS != 0 {
        timer::pause(PAUSE);
        if number == RAISED {
            // It wakes the second CPU for the last time.
            MODE.store(mode & AWAKE, Ordering::Release);
        }
    }
    registers().write32(RAISE, 1);
    r::unmask_interrupts();
    let there = timer::eventually(|| taken() >= number);
    r::mask_interrupts();
    if !there {
        suite::abort(format_args!("interrupt {number} was not taken"));
    }
}

/// One round; the number of its moves.
fn take(board: &Board, round: &Round) -> u64 {
    let mut moves = 0;
    for number in 1..=round.raised() {
        if round.taker == Taker::Both {
            let cpu = usize::from(number % 2 == 0);
            gic::route(gic::spi(), board.cpus.get(cpu).copied().unwrap_or(0));
            moves += 1;
        }
        raise(number);
    }
    moves
}

/// Waits until the host has typed so much.
fn hear(window: Frame, bytes: u64) {
    let head = (RX_CONTROL + offset_of!(RingControl, head)) as u64;
    while u64::from(window.read32(head)) < bytes {
        core::hint::spin_loop();
    }
}

fn begin(board: &Board) -> Outcome {
    gic::forward(true);
    gic::prepare();
    gic::probe();
    gic::prepare();
    gic::enable(gic::spi());
    if board.cpus.len() > 1 {
        second::start(board, second::CONTEXT)?;
        second::ask(second::Job::Device)?;
    }
    Ok(())
}

/// Goes through all rounds that the machine can have, and spins.
pub(crate) fn run(board: &Board) -> ! {
    let (Some(edu), Some((window, _)), true) = (board.machine.edu, board.machine.window, gic::find(board))
    else {
        suite::abort(format_args!("no edu, window or redistributors"))
    };
    REGISTERS.store(edu.start, Ordering::Relaxed);
    registers().write64(SOURCE, board.machine.ram.start);
    registers().write64(DESTINATION, BUFFER);
    registers().write64(LENGTH, 8);
    if let Err(failure) = begin(board) {
        suite::abort(format_args!("{failure}"));
    }
    let two = board.cpus.len() > 1;
    // Of two CPUs the second one sleeps, since the first can wake it.
    let fits = |round: &&Round| {
        if two {
            round.mode & SLEEPS == 0
        } else {
            round.taker == Taker::Cpu(0)
        }
    };
    let rounds = ROUNDS.iter().filter(fits).count();
    for (number, round) in (1..).zip(ROUNDS.iter().filter(fits)) {
        let first = match round.taker {
            Taker::Cpu(cpu) => cpu,
            Taker::Both => 0,
        };
        gic::route(gic::spi(), board.cpus.get(first).copied().unwrap_or(0));
        gic::split_end(round.mode & SPLIT != 0);
        for count in COUNTS.iter().flat_map(|c| [&c.taken, &c.slept, &c.deactivated]) {
            count.store(0, Ordering::Relaxed);
        }
        let mode = round.mode | (number * NUMBER);
        MODE.store(mode & AWAKE, Ordering::Release);
        if two && !timer::eventually(|| BEGUN.load(Ordering::Acquire) == mode & AWAKE) {
            suite::abort(format_args!("the second CPU did not begin round {number}"));
        }
        line(format_args!("device: round {number} of {rounds} is ready"));
        hear(Frame::new(window), 2 * number - 1);
        MODE.store(mode, Ordering::Release);
        let moves = take(board, round);
        let [one, other] = COUNTS.each_ref().map(|c| {
            let all = [&c.taken, &c.slept, &c.deactivated];
            all.map(|count| count.load(Ordering::Acquire))
        });
        let stray = STRAY.load(Ordering::Acquire);
        line(format_args!(
            "device {number}: {} raised, {moves} moved, {stray} stray; taken slept deactivated {one:?} {other:?}",
            round.raised()
        ));
        line(format_args!("device: round {number} is over"));
        // What prepares the next one enters EL2.
        hear(Frame::new(window), 2 * number);
    }
    loop {
        core::hint::spin_loop();
    }
}
