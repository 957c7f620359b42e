// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames with numbers, as many as credits allow or one in each interval.

use bulkhead_devices::can::Frame;
use bulkhead_partition::el1::{Partition, can, console, stop, time};
use embedded_can::{Frame as _, Id, StandardId};

bulkhead_partition::entry!(run);

/// Identifiers of numbered frames, of credits, and of the credit of a receiver that has heard nothing for long.
const NUMBERED: u16 = 0x200;
const CREDIT: u16 = 0x201;
const STARVED: u16 = 0x202;
/// Frames that may be on their way; the queues have room for twice as many.
const AHEAD: u32 = 32;
/// Frames between two credits.
const EVERY: u32 = 8;
/// Looks at an idle bus before the receiver says so, and those of one that sleeps an interval or two before each.
const PATIENCE: u32 = 100_000;
const PATIENCE_ASLEEP: u32 = 4;
/// Frames after which everything has settled.
const SETTLED: u32 = 32;

/// The word that belongs to a number.
const fn word(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1).rotate_left(13) ^ 0x5a5a_a5a5
}

fn send(identifier: u16, number: u32) -> bool {
    let [a, b, c, d] = number.to_le_bytes();
    let [e, f, g, h] = word(number).to_le_bytes();
    let unsent = can::counts().unsent;
    let frame = StandardId::new(identifier).and_then(|id| Frame::new(id, &[a, b, c, d, e, f, g, h]));
    if let Some(frame) = frame {
        can::send(&frame);
    }
    can::counts().unsent == unsent
}

/// A frame's identifier and number; `None` for the number when the word does not belong to it.
fn read(frame: &Frame) -> (u16, Option<u32>) {
    let identifier = match frame.id() {
        Id::Standard(id) => id.as_raw(),
        Id::Extended(_) => u16::MAX,
    };
    let number = match frame.data() {
        &[a, b, c, d, e, f, g, h] => {
            let number = u32::from_le_bytes([a, b, c, d]);
            (u32::from_le_bytes([e, f, g, h]) == word(number)).then_some(number)
        }
        _ => None,
    };
    (identifier, number)
}

fn run(partition: Partition) -> ! {
    let argument = |key: &str| {
        let mut words = partition.machine.arguments.split(' ');
        words.find_map(|word| word.strip_prefix(key))
    };
    let number = |key: &str| argument(key).and_then(|digits| digits.parse().ok());
    let pace = number("pace=").map(|micros| 1000 * u64::from(micros));
    match argument("role=") {
        Some("sender") => sender(pace),
        Some("receiver") => receiver(&partition, number("every="), pace),
        _ => stop(),
    }
}

/// Sends a frame each `pace` ns where there is one, else as fast as credits allow.
fn sender(pace: Option<u64>) -> ! {
    let (mut next, mut wanted, mut heard) = (0u32, 0, false);
    let mut release = time::now();
    console::line(format_args!("traffic: sender"));
    loop {
        if heard && next.wrapping_sub(wanted) < AHEAD && send(NUMBERED, next) {
            next += 1;
        }
        while let Some(frame) = can::receive() {
            match read(&frame) {
                (CREDIT, Some(number)) => wanted = wanted.max(number.min(next)),
                // What is on its way will not come any more.
                (STARVED, Some(_)) => {
                    heard = true;
                    wanted = next;
                }
                _ => {}
            }
        }
        if let Some(pace) = pace {
            release += pace;
            time::sleep_until(release);
        }
    }
}

/// What came.
#[derive(Default)]
struct Came {
    /// The number that comes next.
    wanted: u32,
    received: u32,
    lost: u32,
    reordered: u32,
    corrupted: u32,
}

impl Came {
    /// Takes a frame, and tells whether it has a number that had not come.
    fn take(&mut self, frame: &Frame) -> bool {
        match read(frame) {
            (NUMBERED, Some(number)) if number >= self.wanted => {
                self.lost += number - self.wanted;
                self.wanted = number + 1;
                self.received += 1;
                return true;
            }
            (NUMBERED, Some(_)) => self.reordered += 1,
            _ => self.corrupted += 1,
        }
        false
    }

    fn say(&self) {
        let Self {
            wanted,
            received,
            lost,
            reordered,
            corrupted,
        } = self;
        let counts = can::counts();
        console::line(format_args!(
            "traffic: {received} frames of {wanted} numbers, {lost} lost, {reordered} reordered, {corrupted} corrupted, {} overruns, {} unreadable",
            counts.overruns, counts.unreadable
        ));
    }
}

/// Says what came whenever the host has typed something, and after each `every` frames. Sleeps until a frame comes where
/// there is a `pace`, in ns.
fn receiver(partition: &Partition, every: Option<u32>, pace: Option<u64>) -> ! {
    let mut came = Came::default();
    let mut idle = 0;
    let patience = pace.map_or(PATIENCE, |_| PATIENCE_ASLEEP);
    console::line(format_args!("traffic: receiver"));
    loop {
        if console::typed().is_some() {
            came.say();
        }
        let Some(frame) = can::receive() else {
            idle += 1;
            if idle == patience {
                idle = 0;
                send(STARVED, came.wanted);
            }
            if let Some(pace) = pace {
                time::doze_until(time::now() + 2 * pace);
            }
            continue;
        };
        idle = 0;
        if !came.take(&frame) {
            continue;
        }
        if came.wanted.is_multiple_of(EVERY) {
            send(CREDIT, came.wanted);
        }
        if came.received == SETTLED {
            if partition.mark_steady().is_err() {
                console::line(format_args!("traffic: not entitled to mark the steady state"));
            }
            console::line(format_args!("traffic: settled"));
        }
        if every.is_some_and(|every| came.received.is_multiple_of(every)) {
            came.say();
        }
    }
}
