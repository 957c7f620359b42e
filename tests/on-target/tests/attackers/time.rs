// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attackers that want more of the core than their slots: none executes longer than these are.

use bulkhead_on_target::core;

use super::{Outcome, attack};

/// Ns of the attacker's slot.
const SLOT: u64 = 6_000_000;

impl Outcome {
    /// Time that the attacker executed beyond [`SLOT`] of each frame, begun ones too.
    fn overtime(&self) -> u64 {
        let core = core(&self.report, 0);
        let used = core.used.iter().find(|used| used.partition == "attacker");
        let used = used.expect("the attacker executed").ns;
        println!("{{\"used_ns\":{used},\"frames\":{}}}", core.frames);
        used.saturating_sub(SLOT * (core.frames + 1))
    }
}

/// Verifies: BH-ATK-001.
#[test]
fn time() {
    let hog = attack("hog", &[]);
    hog.fails(hog.reason("fiq"));
    assert_eq!(hog.overtime(), 0);
    let longer = "schedule.cores.0=[{ run: attacker, for: 7ms }, { run: cluster, for: 2ms }, { run: system, for: 1ms }]";
    assert!(attack("hog", &[longer]).overtime() > 0, "with 1 ms more");
    assert!(hog.reason("fiq") >= 100, "a slot's end each 10 ms");
    let storm = attack("storm", &[]);
    storm.fails(storm.reason("irq"));
    assert_eq!(storm.overtime(), 0);
    let timers = attack("timers", &[]);
    assert_eq!((timers.attempts, timers.succeeded), (4_000, 0));
    assert!(
        timers.reason("irq") >= 100,
        "timers fire: {}",
        timers.reason("irq")
    );
    assert_eq!(timers.overtime(), 0);
    let flood = attack("console", &[]);
    assert_eq!(flood.overtime(), 0);
    assert_eq!((flood.attempts, flood.succeeded), (20_000, 0));
}
