// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Transfers of the fuzzer's `edu` function, which go on for 100 ms beside its programs: granted ones land, no other does.
//!
//! # References
//! QEMU, "EDU device" (`docs/specs/edu.rst`).

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_partition::el1::{Partition, time};

use crate::dma::{BUFFER, COMMAND, FORBIDDEN, START, TO_MEMORY, start};
use crate::edge::{Operation, attempt};
use crate::random::Random;

/// What a transfer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// From the function's buffer to the landing page, and back.
    Land,
    Lift,
    /// To where nothing is granted, and from there.
    Strike,
    Spy,
    /// Half of it within RAM, half behind its end.
    Across,
}

const WORDS: usize = 512;
/// Looks at a transfer, which takes 100 ms, until it must have ended, and the time between them.
const LOOKS: u64 = 100;
const PAUSE_NS: u64 = 5_000_000;

#[repr(align(4096))]
struct Page([AtomicU64; WORDS]);

static LANDING: Page = Page([const { AtomicU64::new(0) }; WORDS]);

/// The function, and what is known of it.
pub(crate) struct Bus {
    registers: u64,
    /// The partition's RAM.
    ram: [u64; 2],
    /// What the first word of its buffer may be; nothing: not known.
    buffer: [Option<u64>; 3],
    /// The landing page: its first word, its second one; the others are zero.
    landing: [u64; 2],
    running: Option<Order>,
    /// Ended transfers, and those of them that were not granted.
    pub(crate) ended: u64,
    pub(crate) foreign: u64,
}

impl Bus {
    /// The function after what an earlier life ordered has ended.
    pub(crate) fn of(partition: &Partition) -> Option<Self> {
        let ram = partition.machine.ram;
        let mut bus = Self {
            registers: partition.machine.edu?.start,
            ram: [ram.start, ram.start + ram.size],
            buffer: [None; 3],
            landing: [0; 2],
            running: None,
            ended: 0,
            foreign: 0,
        };
        bus.finish();
        // An earlier life may have had it land in this one's RAM, which is its own.
        bus.landing[0] = LANDING.0[0].load(Ordering::SeqCst);
        Some(bus)
    }

    fn is_busy(&self) -> bool {
        attempt(Operation::Load, self.registers + COMMAND, 0).0 & START != 0
    }

    /// Waits until nothing is under way; whether it came to that.
    fn finish(&self) -> bool {
        (0..LOOKS).any(|_| {
            let until = time::now() + PAUSE_NS;
            while time::now() < until {
                core::hint::spin_loop();
            }
            !self.is_busy()
        })
    }

    /// Judges a transfer that has ended; false: it did what it must not.
    pub(crate) fn look(&mut self) -> bool {
        if self.running.is_some() && !self.is_busy() {
            self.ended += 1;
            match self.running.take() {
                Some(Order::Land) => {
                    let found = LANDING.0[0].load(Ordering::SeqCst);
                    let known = self.buffer.iter().any(Option::is_some);
                    if known && !self.buffer.contains(&Some(found)) {
                        return false;
                    }
                    self.landing[0] = found;
                    self.buffer = [Some(found), None, None];
                }
                Some(Order::Lift) => self.buffer = [Some(self.landing[1]), None, None],
                // Where the SMMU refuses, a function reads zeros, ones, or nothing.
                Some(Order::Spy) => {
                    self.foreign += 1;
                    self.buffer = match self.buffer {
                        [Some(value), None, None] => [Some(value), Some(0), Some(u64::MAX)],
                        _ => [None; 3],
                    };
                }
                Some(Order::Strike | Order::Across) => self.foreign += 1,
                None => {}
            }
        }
        let words = LANDING.0.iter().map(|word| word.load(Ordering::SeqCst));
        let [first, second] = self.landing;
        let mut expected = [first, second].into_iter().chain(core::iter::repeat(0));
        let landing = matches!(self.running, Some(Order::Land));
        words.enumerate().all(|(n, word)| {
            let expected = expected.next().unwrap_or(0);
            word == expected || n == 0 && landing
        })
    }

    /// Orders a transfer if none is under way.
    pub(crate) fn order(&mut self, order: Order, random: &mut Random) {
        if self.running.is_some() || self.is_busy() {
            return;
        }
        // The image is mapped at its own address.
        let landing = core::ptr::from_ref(&LANDING).addr() as u64;
        let [ram, end] = self.ram;
        let foreign = match random.below(4) {
            0 => end,
            1 => random.next() & 0xffff_ffff_f000,
            2 => 0xffff_ffff_f000,
            _ => FORBIDDEN[random.below(FORBIDDEN.len() as u64) as usize],
        };
        let foreign = if (ram..end).contains(&foreign) {
            end
        } else {
            foreign
        };
        let (from, to, bytes, direction) = match order {
            Order::Land => (BUFFER, landing, 8, TO_MEMORY),
            Order::Lift => {
                let mark = random.next();
                LANDING.0[1].store(mark, Ordering::SeqCst);
                self.landing[1] = mark;
                (landing + 8, BUFFER, 8, 0)
            }
            Order::Strike => (BUFFER, foreign, 4096, TO_MEMORY),
            Order::Spy => (foreign, BUFFER, 8, 0),
            // Its own last words are nobody's.
            Order::Across => (BUFFER, end - 8, 16, TO_MEMORY),
        };
        self.running = Some(order);
        start(self.registers, from, to, bytes, direction);
    }

    /// Orders a transfer when the one before has ended.
    pub(crate) fn order_next(&mut self, order: Order, random: &mut Random) -> bool {
        let fine = self.finish() && self.look();
        self.order(order, random);
        fine
    }
}

/// Any of them, oftener what tells of those before.
pub(crate) fn any(random: &mut Random) -> Order {
    match random.below(8) {
        0 | 1 => Order::Land,
        2 => Order::Lift,
        3 | 4 => Order::Strike,
        5 | 6 => Order::Spy,
        _ => Order::Across,
    }
}
