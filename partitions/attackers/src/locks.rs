// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Abuse of locks that are shared with others: foreign ones, forged words, one that is never given back, boosts.
//!
//! A participant can write the word of its lock: that it does is no success. What counts is a lock that it has no part
//! in, and what EL2's ledger says of the time that it took.

use bulkhead_abi::hypercall::{LOCK_AGAIN, LOCK_RELEASE, LOCK_WAIT, SUCCESS};
use bulkhead_abi::lock::{MAX_LOCKS, OWNER, TAKING};
use bulkhead_partition::el1::lock::Lock;
use bulkhead_partition::el1::{Partition, console, time};

use crate::Tried;
use crate::edge::{call, read, wait, write};
use crate::random::Random;

/// Its part of the spec.
const LOCK: &str = "record";
/// Rounds of calls, words that are forged, times that the lock is kept.
const CALLS: u64 = 64;
const WORDS: u64 = 4_000;
const KEPT: u64 = 20;
/// How long the lock is kept at most, far beyond what the spec lets an owner hold it, and boosts are farmed.
const KEPT_NS: u64 = 100_000_000;
const FARM_NS: u64 = 400_000_000;

/// Calls EL2 for every lock: to wait for those of others, to give back what it does not own.
fn calls(tried: &mut Tried, own: u32, random: &mut Random) {
    for _ in 0..CALLS {
        for lock in 0..=MAX_LOCKS as u64 {
            let mut ask = |function: u32, word| {
                let result = call(false, [u64::from(function), lock, word, 0]).cast_signed();
                let succeeded = result == SUCCESS || result == LOCK_AGAIN;
                tried.note(succeeded);
                if succeeded {
                    console::line(format_args!("LOCK {lock}: call {function:#x} gives {result}"));
                }
            };
            if lock != u64::from(own) {
                ask(LOCK_WAIT, 0);
            }
            // Every owner that a word can name, and takings that are near or are not.
            ask(LOCK_RELEASE, random.next() & 0xffff_ffff_0003_ffff);
            ask(LOCK_RELEASE, random.next() & 0x0000_00ff_0003_0003);
        }
    }
}

/// Writes words: other owners, owners that nobody declared, nobody, waiters that there are not.
/// The word is its own to write, and EL2 looks at it when it is called: none is an attempt.
fn forge(word: u64, random: &mut Random) {
    for _ in 0..WORDS {
        let noise = random.next();
        let there = read::<8>(word);
        let forged = match noise & 7 {
            0 => 0,
            1 => u64::MAX,
            2 => noise >> 3,
            // The same taking by another, or with other flags.
            3..=5 => there & !0xffff | (noise >> 8 & 3) | (noise >> 16 & 1) << 8,
            _ => there ^ 1 << (noise >> 8 & 63),
        };
        write::<8>(word, forged);
        wait();
    }
    console::line(format_args!("locks: {WORDS} forged words"));
}

/// Takes the lock, does not give it back, and goes on at `until`, or as soon as it is another's.
fn keep(tried: &mut Tried, lock: &Lock, word: u64, until: u64) {
    // EL2 may refuse who seems to own it; the next waiter changes that.
    let _never_given_back = lock.take();
    tried.note(false);
    let taken = read::<8>(word);
    while (read::<8>(word) ^ taken) & (OWNER | TAKING) == 0 && time::now() < until {
        core::hint::spin_loop();
    }
}

/// Every abuse, one after the other.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let mut tried = Tried::default();
    let found = partition.machine.locks.iter().find(|lock| lock.label == LOCK);
    let (Some(found), Some(lock)) = (found, partition.lock(LOCK)) else {
        return tried;
    };
    let mut random = Random(0x0123_4567_89AB_CDEF);
    calls(&mut tried, found.number, &mut random);
    console::line(format_args!(
        "locks: {} calls for {MAX_LOCKS} locks and none",
        tried.attempts
    ));
    forge(found.range.start, &mut random);
    for _ in 0..KEPT {
        keep(&mut tried, &lock, found.range.start, time::now() + KEPT_NS);
    }
    tried
}

/// Is the owner whenever it can, for as long as it lasts: alone it has a boost only while another waits.
pub(crate) fn farm(partition: &Partition, ends: bool) -> Tried {
    let mut tried = Tried::default();
    let found = partition.machine.locks.iter().find(|lock| lock.label == LOCK);
    let (Some(found), Some(lock)) = (found, partition.lock(LOCK)) else {
        return tried;
    };
    let end = if ends { time::now() + FARM_NS } else { u64::MAX };
    while time::now() < end {
        keep(&mut tried, &lock, found.range.start, end);
    }
    tried
}
