// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The roles.

use bulkhead_partition::arguments::pairs;
use bulkhead_partition::el1::{Partition, console, stop, time};

use crate::bells::{ear, flood, ringer};
use crate::hostile::hostile;

bulkhead_partition::entry!(run);

const PERIOD_NS: u64 = 1_000_000;
/// Rounds from line to line.
const REPORT_EVERY: u64 = 100;
/// Words of a message.
const WORDS: usize = 2;

fn run(partition: Partition) -> ! {
    let (mut role, mut elsewhere) = ("", 0);
    for pair in pairs(partition.machine.arguments) {
        match pair {
            Ok(("role", name)) => role = name,
            Ok(("elsewhere", address)) => {
                elsewhere = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap_or(0);
            }
            Ok(_) | Err(_) => stop(),
        }
    }
    match role {
        "source" => source(&partition),
        "sink" => sink(&partition),
        "hostile" => hostile(&partition, elsewhere),
        "ringer" => ringer(&partition),
        "ear" => ear(&partition),
        "flood" => flood(&partition),
        _ => stop(),
    }
}

/// Calls `round` with 1, 2, 3 … each ms.
pub(crate) fn periodically(mut round: impl FnMut(u64)) -> ! {
    let mut release = time::now();
    for number in 1.. {
        release += PERIOD_NS;
        time::sleep_until(release);
        round(number);
    }
    stop()
}

fn source(partition: &Partition) -> ! {
    let (Ok(mut commands), Ok(mut log), Some(frame)) = (
        partition.queue_writer::<WORDS>("commands"),
        partition.queue_writer::<WORDS>("log"),
        partition.shared_writer("frame"),
    ) else {
        console::line(format_args!("source: no channels"));
        stop()
    };
    let (mut sent, mut logged, mut worst) = (0u64, 0u64, 0);
    periodically(|round| {
        let before = time::now();
        if commands.send(&[sent + 1, !(sent + 1)]).is_ok() {
            sent += 1;
        }
        if log.send(&[logged + 1, !(logged + 1)]).is_ok() {
            logged += 1;
        }
        worst = worst.max(time::now() - before);
        for index in 0..frame.length() {
            frame.store(index, round);
        }
        if round.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "source: {sent} commands, {} refused, {logged} logged in {round} rounds, {worst} ns at worst",
                commands.refused()
            ));
        }
    })
}

fn sink(partition: &Partition) -> ! {
    let (Ok(mut commands), Ok(mut noise), Some(frame)) = (
        partition.queue_reader::<WORDS>("commands"),
        partition.queue_reader::<WORDS>("noise"),
        partition.shared_reader("frame"),
    ) else {
        console::line(format_args!("sink: no channels"));
        stop()
    };
    let (mut taken, mut bad, mut noises, mut errors, mut newest, mut torn) =
        (0u64, 0u64, 0u64, 0u64, 0, 0u64);
    periodically(|round| {
        while let Ok(Some(received)) = commands.receive() {
            let good = received.message == [received.number, !received.number] && received.lost == 0;
            taken += 1;
            bad += u64::from(!good);
        }
        match noise.receive() {
            Ok(Some(_)) => noises += 1,
            Ok(None) => {}
            Err(_) => errors += 1,
        }
        // A frame has no protocol: the claims are checked against what was read before, and the memory's end.
        for index in [0, frame.length() / 2, frame.length() - 1] {
            match frame
                .load(index)
                .and_then(|claim| claim.within(newest..=newest + 1_000_000))
            {
                Some(value) => newest = value,
                None => torn += 1,
            }
        }
        bad += u64::from(frame.load(frame.length()).is_some());
        if round.is_multiple_of(REPORT_EVERY) {
            console::line(format_args!(
                "sink: {taken} taken, {bad} bad, {noises} noises, {errors} errors, frame {newest}, {torn} old"
            ));
        }
    })
}
