// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everybody beside the fuzzer, looked at while it works: a failure lies between the programs of two looks.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use bulkhead_on_target::System;
use bulkhead_runner::{RunnerError, Session};

use super::PATIENCE;
use super::frames::PARTIES;
use super::stores::Place;
use super::victims::range;

/// Where the fuzzer keeps the number of its next program: from the begin of its lock's page.
const NEXT: u64 = 64;
/// Looks at which the fuzzer may be at one program: it waits for a lock until its owner has executed for `hold`.
const STILL: u64 = 40;
/// Virtual time in which what a core did may not yet be in its ledger: a major frame.
const FRAME_NS: u64 = 10_000_000;

/// What of everybody goes on, or must not.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Programs that the fuzzer has ended.
    programs: u64,
    /// Slots of the neighbour on its core that began, and that were missed.
    granted: u64,
    missed: u64,
    /// Entries to EL2 of the dedicated neighbours.
    entries: u64,
    /// Cores that run, as one number each.
    states: [u64; 6],
    /// How far the ledger of core 0 is from its clock.
    apart_ns: u64,
}

/// The number of the fuzzer's next program, which it stores after each.
pub(crate) fn next_program(system: &System) -> Place {
    let (lock, _) = range(system, &["grant", "el2:boot", "channel:fuzzed"]);
    (lock + NEXT, size_of::<u64>())
}

fn look(session: &mut Session, (next, size): Place) -> Seen {
    let word = session.memory(next, size).expect("the lock's record");
    let manifest = session.manifest().clone();
    let index = |name| manifest.partitions.iter().position(|p| p.name == name);
    let stats = session.stats().expect("statistics");
    let mut seen = Seen {
        programs: u64::from_le_bytes(word.try_into().expect("8 bytes")),
        ..Seen::default()
    };
    let first = stats.cores[0].as_ref().expect("core 0");
    let mut accounted = first.stats.el2_ticks + first.stats.idle_ticks;
    for (global, vcpu) in manifest.vcpus.iter().enumerate() {
        let Some((_, counts)) = stats.vcpu(&manifest, global) else {
            continue;
        };
        if vcpu.core == 0 {
            accounted += counts.run_ticks;
        }
        let partition = Some(vcpu.partition as usize);
        if partition == index("cluster") {
            (seen.granted, seen.missed) = (counts.slots_granted, counts.slots_missed);
        }
        let mut dedicated = ["beside"].into_iter().chain(PARTIES);
        if dedicated.any(|name| partition == index(name)) {
            seen.entries += counts.entries.iter().sum::<u64>();
        }
    }
    seen.apart_ns = first.ns(accounted.abs_diff(first.stats.now));
    for (place, core) in seen.states.iter_mut().zip(&stats.cores) {
        *place = core.as_ref().map_or(0, |core| core.stats.state);
    }
    seen
}

/// Whether nobody has noticed anything since the last look, and everybody has gone on.
fn judge(before: &Seen, now: &Seen) {
    assert_eq!(now.missed, 0, "slots of the neighbour: {now:?}");
    assert!(
        now.granted > before.granted,
        "the neighbour stands still: {now:?}"
    );
    assert_eq!(
        now.entries, before.entries,
        "entries to EL2 of a dedicated core: {now:?}"
    );
    assert_eq!(now.states, before.states, "states of the cores: {now:?}");
    assert!(now.apart_ns <= FRAME_NS, "the ledger: {now:?}");
}

/// The fuzzer's last line, after looks at everybody `pause` apart and what `also` looks at.
pub(crate) fn watched(
    session: &mut Session,
    system: &System,
    pause: Duration,
    mut also: impl FnMut(&mut Session),
) -> String {
    let next = next_program(system);
    let mut before = look(session, next);
    let (mut looks, mut most, mut still) = (0u64, 0, 0);
    let rounds = Duration::from_secs(PATIENCE).as_nanos() / pause.as_nanos();
    for _ in 0..rounds {
        let line = session.wait_for("attacker", " succeeded", pause);
        let ended = match line {
            Ok(line) => Some(line),
            Err(RunnerError::NotSeen { .. }) => None,
            Err(error) => panic!("{error}"),
        };
        let now = look(session, next);
        still = if now.programs == before.programs {
            still + 1
        } else {
            0
        };
        let judged = catch_unwind(AssertUnwindSafe(|| {
            also(session);
            if ended.is_none() {
                judge(&before, &now);
            }
            assert!(still < STILL, "the fuzzer stands still: {now:?}");
        }));
        if let Err(panic) = judged {
            eprintln!("between programs {} and {}", before.programs, now.programs);
            resume_unwind(panic);
        }
        looks += 1;
        most = most.max(now.programs - before.programs);
        if let Some(line) = ended {
            println!("{{\"fuzz_looks\":{{\"looks\":{looks},\"most_programs_between\":{most}}}}}");
            return line;
        }
        before = now;
    }
    panic!("the fuzzer has not ended");
}
