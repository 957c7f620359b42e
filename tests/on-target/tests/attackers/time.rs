// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attackers that want more of the core than their slots: none executes longer than these are.

use std::time::Duration;

use bulkhead_on_target::core;

use super::attack::{Console, Outcome, attack_and_spin};

/// Ns of the attacker's slot.
const SLOT: u64 = 6_000_000;

/// How long it spins after its attack: all of its time is its own then, while an attack leaves some of it to EL2.
const SPIN: Duration = Duration::from_millis(1200);

impl Outcome {
    /// Time that the attacker executed since it began beyond [`SLOT`] of each frame, begun ones too.
    fn overtime(&self) -> u64 {
        let core = core(&self.report, 0);
        let used = core.used.iter().find(|used| used.partition == "attacker");
        let used = used.expect("the attacker executed").ns - self.before.used_ns;
        let frames = core.frames - self.before.frames;
        println!("{{\"used_ns\":{used},\"frames\":{frames}}}");
        used.saturating_sub(SLOT * (frames + 1))
    }
}

/// A slot that is 1 ms longer.
const LONGER: &str =
    "schedule.cores.0=[{ run: attacker, for: 7ms }, { run: cluster, for: 2ms }, { run: system, for: 1ms }]";

/// An attack that gets no time, and does with a longer slot.
fn gets_no_time(what: &str) -> Outcome {
    let attack = |changes| attack_and_spin(what, changes, SPIN);
    let outcome = attack(&[]);
    assert_eq!((outcome.succeeded, outcome.overtime()), (0, 0), "{what}");
    assert!(attack(&[LONGER]).overtime() > 0, "{what}: with 1 ms more");
    outcome
}

/// Verifies: BH-ATK-001.
#[test]
fn hog() {
    let hog = gets_no_time("hog");
    hog.fails(hog.reason("fiq"));
    assert!(hog.reason("fiq") >= 100, "a slot's end each 10 ms");
}

/// An attempt is an interrupt. Verifies: BH-ATK-001.
#[test]
fn timers() {
    let storm = gets_no_time("storm");
    assert_eq!(storm.attempts, 20_000);
    storm.fails(storm.reason("irq"));
    let timers = gets_no_time("timers");
    assert_eq!(timers.attempts, 4_000);
    timers.fails(timers.reason("irq"));
}

/// An attempt is a byte: EL2 takes it, or the attacker drops it. Verifies: BH-ATK-001, BH-CON-005.
#[test]
fn console() {
    let flood = gets_no_time("console");
    let last = format!("attack console: {} attempts, 0 succeeded\n", flood.attempts);
    let Console {
        arrived,
        dropped,
        drained,
    } = flood.console;
    println!("{{\"arrived\":{arrived},\"dropped\":{dropped},\"drained\":{drained}}}");
    assert_eq!(arrived + dropped, flood.attempts + last.len() as u64, "bytes");
    assert!(drained >= arrived, "{drained} bytes by EL2's count");
    assert!(flood.attempts > 2_000_000, "{}", flood.attempts);
}
