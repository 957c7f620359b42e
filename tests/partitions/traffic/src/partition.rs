// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames with numbers, paced by credits.

use bulkhead_devices::can::Frame;
use bulkhead_partition::el1::{Partition, can, console, stop};
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
/// Looks at an idle bus before the receiver says so.
const PATIENCE: u32 = 100_000;
/// Frames after which everything has settled.
const SETTLED: u32 = 256;

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
    let every = argument("every=").and_then(|digits| digits.parse().ok());
    match (argument("role="), every) {
        (Some("sender"), _) => sender(),
        (Some("receiver"), Some(every)) => receiver(&partition, every),
        _ => stop(),
    }
}

fn sender() -> ! {
    let (mut next, mut wanted, mut heard) = (0u32, 0, false);
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
    }
}

/// Says after each `every` frames what came.
fn receiver(partition: &Partition, every: u32) -> ! {
    let (mut wanted, mut received, mut lost, mut reordered, mut corrupted) = (0u32, 0u32, 0u32, 0u32, 0u32);
    let mut idle = 0;
    console::line(format_args!("traffic: receiver"));
    loop {
        let Some(frame) = can::receive() else {
            idle += 1;
            if idle == PATIENCE {
                idle = 0;
                send(STARVED, wanted);
            }
            continue;
        };
        idle = 0;
        match read(&frame) {
            (NUMBERED, Some(number)) if number >= wanted => {
                lost += number - wanted;
                wanted = number + 1;
                received += 1;
                if wanted.is_multiple_of(EVERY) {
                    send(CREDIT, wanted);
                }
                if received == SETTLED && partition.mark_steady().is_err() {
                    console::line(format_args!("traffic: not entitled to mark the steady state"));
                }
                if received.is_multiple_of(every) {
                    let counts = can::counts();
                    console::line(format_args!(
                        "traffic: {received} frames of {wanted} numbers, {lost} lost, {reordered} reordered, {corrupted} corrupted, {} overruns, {} unreadable",
                        counts.overruns, counts.unreadable
                    ));
                }
            }
            (NUMBERED, Some(_)) => reordered += 1,
            _ => corrupted += 1,
        }
    }
}
