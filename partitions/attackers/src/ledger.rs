// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the time of every core was used: none of the partition's business, unless the spec says so.

use core::fmt::{self, Display, Formatter};

use bulkhead_partition::el1::{Partition, console, time};
use bulkhead_partition::ledger::Ledger;

use crate::Tried;

/// Cores that are asked for, of which the board has the first six.
const CORES: u32 = 8;
/// Time between the two readings, ns.
const APART_NS: u64 = 500_000_000;
/// Readings of each core in between.
const READINGS: u64 = 2_000;

struct Shown<'a>(&'a Ledger);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Ledger {
            elapsed, el2, idle, ..
        } = self.0;
        write!(f, "elapsed {elapsed} el2 {el2} idle {idle}")?;
        let mut used = self.0.used();
        used.try_for_each(|used| write!(f, " {}.{} {}", used.partition, used.vcpu, used.ticks))
    }
}

/// Reads each core's ledger at a begin, often, and at an end. Each reading is an attempt.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let mut tried = Tried::default();
    let (mut torn, mut shortest) = (0u64, u64::MAX);
    let mut read = |core: u32| {
        let before = time::now();
        let ledger = partition.ledger(core);
        shortest = shortest.min(time::now() - before);
        tried.note(ledger.is_ok());
        if let Ok(ledger) = &ledger {
            let used: u64 = ledger.used().map(|used| used.ticks).sum();
            torn += u64::from(ledger.el2 + ledger.idle + used != ledger.elapsed);
        }
        ledger
    };
    let begin = time::now();
    for core in 0..CORES {
        match read(core) {
            Ok(ledger) => console::line(format_args!("begin {core} {}", Shown(&ledger))),
            Err(error) => console::line(format_args!("begin {core}: {error:?}")),
        }
    }
    for round in 0..READINGS {
        while time::now() < begin + APART_NS / READINGS * round {
            core::hint::spin_loop();
        }
        for core in 0..CORES {
            let _ = read(core);
        }
    }
    let end = time::now();
    for core in 0..CORES {
        if let Ok(ledger) = read(core) {
            console::line(format_args!("end {core} {}", Shown(&ledger)));
        }
    }
    console::line(format_args!(
        "ledger: {} ns apart, {torn} torn, a reading takes {shortest} ns",
        end - begin
    ));
    tried
}
