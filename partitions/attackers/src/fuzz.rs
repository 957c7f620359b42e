// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Traps of every kind, by the programs of the corpus, then in an order that a seed decides: calls, system registers, the
//! interrupt controller, timers, SGIs, acknowledged interrupts, the emulated UART, a lock; transfers of a bus master beside them.
//!
//! Each trap is judged by [`Oracle`]: it must change its destination and nothing else. Memory, slots and
//! state of the others, and that it comes to its end, are judged outside, at every [`crate::claims::Lock::next`] that is seen.

use bulkhead_partition::el1::Partition;

use crate::Tried;
use crate::bus::{self, Bus};
use crate::claims::Lock;
use crate::corpus::{self, Program};
use crate::edge::{Operation, attempt, call, mask, read, write};
use crate::judge::Oracle;
use crate::program::{STEPS, Step, execute};
use crate::random::Random;
use crate::reference::Reference;
use crate::steps::{ALL, KEPT, Places, next, word};
use crate::uart::{self, Uart};

/// PSCI SYSTEM_RESET.
const RESET: u64 = 0x8400_0009;

/// Writes all of the interrupt controller, so that its state is known; gives the words of SPIs.
fn reset(distributor: u64, private: u64) -> u32 {
    let spi_words = word(read::<4>(distributor + 4) & 0x1f);
    write::<4>(distributor, 0);
    for (base, words) in [(private, 0..1), (distributor, 1..u64::from(spi_words) + 1)] {
        for n in words {
            for (kind, value) in [(0x80, 0), (0x180, ALL), (0x280, ALL), (0x380, ALL)] {
                write::<4>(base + kind + 4 * n, value);
            }
            for byte in (0..32).step_by(4) {
                write::<4>(base + 0x400 + 32 * n + byte, 0);
            }
            for half in [0, 4] {
                write::<4>(base + 0xc00 + 8 * n + half, 0);
            }
            for intid in (32 * n..32 * n + 32).filter(|intid| (32..1020).contains(intid)) {
                write::<8>(distributor + 0x6000 + 8 * intid, 0);
            }
        }
    }
    spi_words
}

/// Whether an earlier life has begun.
pub(crate) fn has_begun(partition: &Partition) -> bool {
    Lock::of(partition).is_some_and(|lock| lock.next() != 0)
}

/// What the fuzzer knows of a machine that it has reset; `None`: what it must not have is not hidden.
fn oracle(partition: &Partition, spi_words: u32) -> Result<Oracle, [u64; 2]> {
    let get = |register: usize| {
        attempt(
            Operation::Execute,
            u64::from(0xd538_0000 | word(register as u64) << 5),
            0,
        )
        .0
    };
    let oracle = Oracle {
        gic: Reference::new(spi_words),
        uart: Uart::new(),
        lock: Lock::of(partition),
        kept: [None; KEPT.len()],
        identity: core::array::from_fn(get),
    };
    let [pfr0, dfr0] = [4, 5].map(|crm: usize| oracle.identity[8 * crm]);
    // ID_AA64PFR0_EL1: no EL3, no EL2. ID_AA64DFR0_EL1: no performance monitors, no trace unit.
    if pfr0 & 0xff00 != 0 || dfr0 & 0xff0 != 0 {
        return Err([pfr0, dfr0]);
    }
    Ok(oracle)
}

/// Executes a program; gives whether every step did what it must, and says which did not.
fn run(
    partition: &Partition,
    oracle: &mut Oracle,
    program: &Program,
    name: u64,
    random: &mut Random,
) -> bool {
    let steps: [Step; STEPS] = program.steps.map(|(_, step)| step);
    let (patterns, record, unchanged) = execute(&steps, || random.next());
    for (n, (act, step)) in program.steps.iter().enumerate() {
        let found = record(n);
        if let Err(expected) = oracle.judge(*act, step, &patterns, found) {
            uart::say(
                partition,
                format_args!("BROKEN at program {name}, step {n}: {act:x?}"),
            );
            uart::say(partition, format_args!("BROKEN with {step:x?}"));
            uart::say(partition, format_args!("BROKEN found {found:x?}"));
            uart::say(partition, format_args!("BROKEN where {expected:x?}"));
            uart::say(partition, format_args!("BROKEN with interrupts {}", oracle.gic));
            return false;
        }
    }
    if !unchanged {
        uart::say(
            partition,
            format_args!("BROKEN at program {name}: floating-point registers"),
        );
    }
    unchanged
}

/// Executes the corpus where there is a place to keep its number, and `programs` programs; ends at the first step that does
/// not do what it must.
pub(crate) fn attack(partition: &Partition, seed: u64, programs: u64) -> Tried {
    mask();
    let machine = &partition.machine;
    let [distributor, redistributor] = [machine.distributor.start, machine.gic.others().start];
    let spi_words = reset(distributor, redistributor + 0x1_0000);
    let mut tried = Tried::default();
    let mut oracle = match oracle(partition, spi_words) {
        Ok(oracle) => oracle,
        Err(found) => {
            uart::say(partition, format_args!("BROKEN identity: {found:x?}"));
            tried.note(true);
            return tried;
        }
    };
    let places = Places {
        distributor,
        redistributor,
        spi_words,
        uart: uart::is_there(partition).then_some(uart::UART),
        lock: oracle.lock.map(|lock| [lock.page, lock.registers()]),
    };
    let mut bus = Bus::of(partition);
    // ICC_PMR_EL1, ICC_IGRPEN1_EL1: everything that has a priority is signalled.
    let (_, _) = attempt(Operation::Execute, 0xd518_4600, 0xff);
    let (_, _) = attempt(Operation::Execute, 0xd518_cce0, 1);
    let mut random = Random(seed | 1);
    // Of their own: when a transfer ends must not change the programs.
    let mut transfers = Random(seed.rotate_left(32) | 1);
    let known = if oracle.lock.is_some() { corpus::count() } else { 0 };
    tried.attempts = oracle.lock.map_or(0, |lock| lock.next());
    while tried.attempts < known + programs {
        let name = tried.attempts;
        let program = corpus::program(name, places).filter(|_| name < known);
        let ordered = program.as_ref().and_then(|program| program.order);
        let program = program.unwrap_or_else(|| Program {
            steps: core::array::from_fn(|_| next(&mut random, places)),
            order: None,
            resets: false,
        });
        let landed = bus.as_mut().is_none_or(|bus| match ordered {
            Some(order) => bus.order_next(order, &mut transfers),
            None if name < known => bus.look(),
            None => {
                let fine = bus.look();
                let order = bus::any(&mut transfers);
                bus.order(order, &mut transfers);
                fine
            }
        });
        if !landed {
            uart::say(partition, format_args!("BROKEN at program {name}: what DMA left"));
        }
        let mut fine = landed && run(partition, &mut oracle, &program, name, &mut random);
        if fine && oracle.lock.as_mut().is_some_and(|lock| !lock.settle()) {
            uart::say(
                partition,
                format_args!("BROKEN at program {name}: a wait without end"),
            );
            fine = false;
        }
        tried.note(!fine);
        if let Some(lock) = &oracle.lock {
            lock.set_next(tried.attempts);
        }
        if !fine {
            return tried;
        }
        if program.resets {
            call(false, [RESET, 0, 0, 0]);
        }
    }
    let [ended, foreign] = bus.map_or([0; 2], |bus| [bus.ended, bus.foreign]);
    uart::say(
        partition,
        format_args!(
            "fuzz: {known} programs of the corpus, {ended} transfers, {foreign} foreign in its last life"
        ),
    );
    tried
}
