// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Abuse of a lock: its other participant waits no longer for it than the spec says, and who has no part in it notices
//! nothing.
//!
//! A word is a claim of everybody who can write it. So a participant can have another one refused, lose its lock, or
//! blamed for having held it; nothing of that ends the other one.

use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::{LockReport, Report};
use serde_json::json;

use super::PATIENCE;
use super::attack::number;
use super::frames::Since;
use super::victims::{LATE, others_unharmed};

const SYSTEM: &str = "tests/systems/locks.yaml";
/// `hold` of the lock; the slots of attacker and accomplice in a frame.
const HOLD_NS: u64 = 500_000;
const SLOTS_NS: u64 = 800_000;
/// What EL2 and the guests execute beside the hold.
const SLACK_NS: u64 = 50_000;
/// Calls of the attacker, and times that it keeps the lock.
const CALLS: u64 = 64 * 20;
const KEPT: u64 = 20;

/// What the attacker says last, and what is told of the lock.
fn attack(name: &str, changes: &[&str]) -> (u64, u64, LockReport, Report) {
    let arguments = format!("partitions.attacker.args=\"attack={name}\"");
    let changes = [&[arguments.as_str()], changes].concat();
    let system = System::build(SYSTEM, &changes);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let since = Since::now(&mut session);
    let line = says(&mut session, "attacker", " succeeded", PATIENCE);
    let last = says(&mut session, "victim", " worst", PATIENCE);
    let (report, frames) = others_unharmed(name, session, &since, LATE);
    for name in ["victim", "cluster", "attacker", "accomplice"] {
        let party = partition(&report, name);
        assert_eq!((party.state.as_str(), party.restarts), ("running", 0), "{name}");
    }
    for name in ["cluster", "beside"] {
        let counts = report.health_counts.get(&format!("partition:{name}"));
        assert_eq!(counts, None, "{name} has no part in it");
    }
    let lock = report.pi_locks.iter().find(|lock| lock.name == "record");
    let lock = lock.expect("the lock").clone();
    let (attempts, succeeded) = (number(&line, "attempts"), number(&line, "succeeded"));
    println!(
        "{}",
        json!({ "attack": name, "attempts": attempts, "succeeded": succeeded, "victim": last, "lock": lock, "can_frames": frames.received, "can_lost": frames.lost,
                "can_reordered": frames.reordered, "can_corrupted": frames.corrupted, "can_overruns": frames.overruns })
    );
    let worst = number(&last, "worst");
    assert!(worst <= HOLD_NS + SLACK_NS, "the victim waited {worst} ns");
    (attempts, succeeded, lock, report)
}

/// Verifies: BH-ATK-001, BH-LOCK-003, BH-LOCK-007, BH-LOCK-009.
#[test]
fn locks() {
    let (attempts, succeeded, lock, report) = attack("locks", &[]);
    let attacker = partition(&report, "attacker");
    let calls = attacker.el2_entries.by_reason.get("hvc").copied().unwrap_or(0);
    // A call is seen as one, a lock that is kept as a revocation.
    assert_eq!(attempts, CALLS + KEPT);
    assert!(calls >= CALLS, "{calls} calls");
    assert!(u64::from(lock.revoked) >= KEPT, "{lock:?}");
    assert_eq!(succeeded, 0);
    let granted = "locks.other.participants.attacker={ priority: 2, acquisitions: 1 }";
    let (_, succeeded, ..) = attack("locks", &[granted]);
    assert!(succeeded >= 1, "with a part in the other lock");
}

/// Time that attacker and accomplice executed, and what their slots and boosts entitle them to, ns.
fn farmed(changes: &[&str]) -> (u64, u64) {
    let (_, _, lock, report) = attack("boosts", changes);
    assert!(lock.boosts > 0 && lock.revoked > 0, "{lock:?}");
    let core = core(&report, 0);
    let both = core.used.iter();
    let both = both.filter(|used| ["attacker", "accomplice"].contains(&used.partition.as_str()));
    let (used, entitled) = (
        both.map(|used| used.ns).sum(),
        core.frames * (SLOTS_NS + 2 * HOLD_NS),
    );
    println!("{{\"used_ns\":{used},\"entitled_ns\":{entitled}}}");
    (used, entitled)
}

/// Two take turns in owning the lock, so that one of them always waits for the other. Verifies: BH-ATK-001, BH-LOCK-005.
#[test]
fn boosts() {
    let (used, entitled) = farmed(&[]);
    assert!(used <= entitled, "{used} ns of {entitled} ns");
    let (used, entitled) = farmed(&[
        "locks.record.participants.attacker.acquisitions=3",
        "locks.record.participants.accomplice.acquisitions=3",
    ]);
    assert!(used > entitled, "with more boosts: {used} ns of {entitled} ns");
}
