// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first instruction of a partition on a core that another one has filled with its own: every register has the value
//! that it has where nobody else ever ran.

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_on_target::gdb::{Debugger, X0, free_port};
use bulkhead_on_target::{System, says};
use bulkhead_runner::command::Timing;
use bulkhead_types::load::LOADER_IPA;

use super::canary::{Kept, REGISTERS};

/// Numbers of `x30`, `v0`, `FPSR` and `FPCR` among the registers of an AArch64 target.
const X30: u32 = 30;
const V0: u32 = 34;
const FPSR: u32 = 66;
const FPCR: u32 = 67;
/// What the stub does not show: this processor keeps nothing that is written there.
const UNSEEN: &str = "AMAIR_EL1";
/// In which of its lives `one` is looked at: it has ended before.
const LIVES: std::ops::Range<u64> = 2..4;
/// What the loader is told in general registers: a place, a secret, the number of its life, why the last one ended, what is
/// left to do.
const TOLD: std::ops::RangeInclusive<u32> = 0..=7;
const STARTS: u32 = 5;

/// Registers of both kinds by name, as hexadecimal digits.
type State = BTreeMap<String, String>;

/// All that is compared, where core 0 stands.
fn state(debugger: &mut Debugger) -> State {
    let mut found = State::new();
    let general = (X0..=X30).filter(|n| !TOLD.contains(n));
    for n in general {
        found.insert(format!("x{n}"), debugger.digits(n));
    }
    for n in 0..32 {
        found.insert(format!("v{n}"), debugger.digits(V0 + n));
    }
    for (name, number) in [("FPSR", FPSR), ("FPCR", FPCR)] {
        found.insert(name.to_owned(), debugger.digits(number));
    }
    let known = debugger.system_registers();
    for (_, name, kept) in REGISTERS {
        if *kept == Kept::Virtual {
            // The stub shows the physical CPU interface, which is not the guest's.
            continue;
        }
        // The stub names some as AArch32 does.
        let other = name.trim_end_matches("_EL1");
        let number = known.iter().find(|(known, _)| known == name || known == other);
        match number {
            Some((_, number)) => {
                found.insert((*name).to_owned(), debugger.digits(*number));
            }
            None => assert_eq!(*name, UNSEEN, "the stub does not show it"),
        }
    }
    found
}

/// `one` at the first instruction of some of its lives, beside `other` or alone.
fn first_instructions(is_alone: bool) -> Vec<State> {
    let alone = format!("partitions.other.autostart={}", !is_alone);
    let system = System::build(
        "tests/systems/canary.yaml",
        &[
            "partitions.one.args=\"attack=memory\"",
            "partitions.one.restart_limit=10000",
            &alone,
        ],
    );
    let port = free_port();
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.gdb = Some(port);
        // Beside a debugger time may stand still.
        options.stall = None;
    });
    if is_alone {
        session.run_for(Duration::from_millis(50)).expect("it runs");
    } else {
        // The last register that it finds; then it fills all of them, and keeps them for many slots.
        says(&mut session, "other", "state 3 3 14 3 2", 60);
        session.run_for(Duration::from_millis(20)).expect("it runs");
    }
    let mut debugger = Debugger::connect(port);
    let mut states = Vec::new();
    for _ in LIVES {
        debugger.run_until(0, LOADER_IPA, |debugger| debugger.get(STARTS) >= LIVES.start);
        states.push(state(&mut debugger));
        debugger.step(0);
    }
    debugger.release();
    states
}

/// Verifies: BH-CORE-010.
#[test]
fn a_first_instruction_finds_nothing_of_the_neighbour() {
    let (alone, beside) = (first_instructions(true), first_instructions(false));
    let first = alone.first().expect("a life");
    for (name, value) in first.iter().filter(|(name, _)| name.starts_with(['x', 'v'])) {
        assert!(
            value.bytes().all(|digit| digit == b'0'),
            "{name} begins as {value}"
        );
    }
    for state in alone.iter().chain(&beside) {
        let differ: Vec<_> = state
            .iter()
            .filter(|(name, value)| first.get(*name) != Some(value))
            .collect();
        assert!(differ.is_empty(), "other values than in a life alone: {differ:?}");
    }
    println!(
        "{{\"first_instruction\":{{\"registers\":{},\"lives_beside_a_canary\":{}}}}}",
        first.len(),
        beside.len()
    );
}
