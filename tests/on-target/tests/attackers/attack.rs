// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One attack: its system, what is looked at before and after it, what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::mem::offset_of;
use std::time::Duration;

use bulkhead_abi::window::{RingControl, TX_CONTROL};
use bulkhead_on_target::{System, core, partition, says};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;
use bulkhead_runner::{RunnerError, Session, reason};

use super::frames::{LINES, Since};
use super::gic::CAN;
use super::stores::Stores;
use super::victims::{
    LATE, LATE_BY_TURNS, constant, contents, kept, others_unharmed, range, untouched, writers,
};
use super::watch::{next_program, watched};
use super::{LINE, PATIENCE, SYSTEM};

/// Virtual time in which frames begin.
const PROGRESS: Duration = Duration::from_millis(200);

/// Those that run beside the attacker, each with its image where that is always the same.
const RUNNING: [(&str, Option<&str>); 4] = [
    ("cluster", None),
    ("beside", Some("stubborn")),
    ("sender", Some("traffic")),
    ("receiver", Some("traffic")),
];

/// What an attack did, and what became of the others.
pub(crate) struct Outcome {
    pub(crate) attempts: u64,
    pub(crate) succeeded: u64,
    /// Entries to EL2 that the attacker caused, by EL2's count.
    pub(crate) entries: u64,
    pub(crate) before: Before,
    /// SPIs that the physical distributor lets through while the attacker runs, without those of the CAN frames.
    pub(crate) spis: Vec<u32>,
    /// Bytes of the attacker's console that the host has, and that were dropped; bytes of all consoles that EL2 moved.
    pub(crate) console: Console,
    pub(crate) report: Report,
}

pub(crate) fn number(line: &str, before: &str) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words
        .iter()
        .position(|word| word.trim_end_matches(',') == before)
        .expect("word");
    words
        .get(at - 1)
        .and_then(|word| word.parse().ok())
        .expect("number")
}

/// What the attacker had when the attack began.
#[derive(Default)]
pub(crate) struct Before {
    /// Entries to EL2 by reason.
    pub(crate) entries: BTreeMap<String, u64>,
    /// Time that it executed, ns, and frames of core 0.
    pub(crate) used_ns: u64,
    pub(crate) frames: u64,
}

/// An attack that is to run.
pub(crate) struct Attack<'a> {
    /// Spec of its system.
    pub(crate) system: &'a str,
    /// The attack's name, and what it may be told.
    pub(crate) what: &'a str,
    pub(crate) changes: &'a [&'a str],
    /// Image of the neighbour on the attacker's core, and a word of its line that says that it runs.
    pub(crate) cluster: (&'a str, &'a str),
    /// Port of the debugger's stub.
    pub(crate) gdb: Option<u16>,
    /// How often everybody is looked at meanwhile, in virtual time.
    pub(crate) looks: Option<Duration>,
    /// How long busy cores take turns, in µs of virtual time.
    pub(crate) turn_us: Option<u32>,
}

/// Lets the attacker attack, and looks at everybody else.
pub(crate) fn attack(what: &str, changes: &[&str]) -> Outcome {
    plain(what, changes).run(|_| ()).0
}

/// The same, and the attacker, which has nothing more to do, goes on executing for a while.
pub(crate) fn attack_and_spin(what: &str, changes: &[&str], time: Duration) -> Outcome {
    let mut attacked = false;
    let spin = |session: &mut Session| {
        if mem::replace(&mut attacked, true) {
            session.run_for(time).expect("the machine runs");
        }
    };
    plain(what, changes).run(spin).0
}

/// The attackers' system, without anything special.
fn plain<'a>(what: &'a str, changes: &'a [&'a str]) -> Attack<'a> {
    Attack {
        system: SYSTEM,
        what,
        changes,
        cluster: ("cluster", "ready"),
        gdb: None,
        looks: None,
        turn_us: None,
    }
}

/// EL2's counts of the attacker.
pub(crate) fn counts(session: &mut Session, system: &System) -> Before {
    let manifest = system.manifest();
    let stats = session.stats().expect("statistics");
    let mut partitions = manifest.partitions.iter();
    let index = partitions.position(|p| p.name == "attacker").expect("attacker");
    let mut before = Before {
        frames: stats.cores[0].as_ref().expect("core 0").stats.frames,
        ..Before::default()
    };
    for (global, vcpu) in manifest.vcpus.iter().enumerate() {
        let Some((core, counts)) = stats
            .vcpu(&manifest, global)
            .filter(|_| vcpu.partition as usize == index)
        else {
            continue;
        };
        before.used_ns += core.ns(counts.run_ticks);
        for (counter, count) in counts.entries.iter().enumerate() {
            *before
                .entries
                .entry(reason::name(counter).into_owned())
                .or_insert(0) += count;
        }
    }
    before
}

/// The attacker's last line; until it comes, frames of its core begin, whatever it does there.
fn end(session: &mut Session) -> String {
    let frames = |session: &mut Session| {
        let stats = session.stats().expect("statistics");
        stats.cores[0].as_ref().expect("core 0").stats.frames
    };
    let mut begun = frames(session);
    for _ in 0..Duration::from_secs(PATIENCE).as_nanos() / PROGRESS.as_nanos() {
        match session.wait_for("attacker", " succeeded", PROGRESS) {
            Ok(line) => return line,
            Err(RunnerError::NotSeen { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let before = mem::replace(&mut begun, frames(session));
        assert!(
            begun > before,
            "no slot of core 0 ends: {begun} frames have begun"
        );
    }
    panic!("the attack has not ended");
}

/// What became of bytes of a console.
#[derive(Clone, Copy)]
pub(crate) struct Console {
    pub(crate) arrived: u64,
    pub(crate) dropped: u64,
    pub(crate) drained: u64,
}

/// Of the attacker's console so far.
pub(crate) fn console(session: &mut Session, system: &System) -> Console {
    let (window, _) = range(system, &["grant", "el2:boot", "window:attacker"]);
    let at = window + (TX_CONTROL + offset_of!(RingControl, dropped)) as u64;
    let dropped = session.memory(at, 4).expect("window");
    let dropped = u32::from_le_bytes(dropped.try_into().expect("4 bytes")).into();
    let stats = session.stats().expect("statistics");
    let drained = stats.cores.iter().flatten().map(|core| core.stats.drained).sum();
    let arrived = session.transcript("attacker").expect("console").end() as u64;
    Console {
        arrived,
        dropped,
        drained,
    }
}

impl Attack<'_> {
    /// Runs it, and takes a `look` before it begins and after it has ended.
    pub(crate) fn run<T>(&self, mut look: impl FnMut(&mut Session) -> T) -> (Outcome, [T; 2]) {
        let name = self.what.split(' ').next().unwrap_or_default();
        let arguments = format!("partitions.attacker.args=\"attack={} wait\"", self.what);
        let changes = [&[arguments.as_str()], self.changes].concat();
        let system = System::build(self.system, &changes);
        let (elf, ready) = self.cluster;
        let running = RUNNING.map(|(name, own)| (name, own.unwrap_or(elf)));
        let places = untouched(&system, &running);
        let mut stores = self
            .looks
            .map(|_| Stores::of(&writers(&system, &places), next_program(&system)));
        let mut session = system.start(|options| {
            options.launch.timing = Timing::Deterministic;
            options.launch.gdb = self.gdb;
            options.launch.turn_us = self.turn_us;
            options.launch.extra = stores.iter().flat_map(Stores::arguments).collect();
        });
        says(&mut session, "cluster", ready, 20);
        says(&mut session, "beside", "ready", 20);
        let held = contents(&mut session, &places);
        let first = look(&mut session);
        let before = counts(&mut session, &system);
        let quiet = console(&mut session, &system);
        if let Some(stores) = &mut stores {
            let loaded = running
                .iter()
                .flat_map(|(name, elf)| constant(&system, name, elf));
            stores.begin(&loaded.collect::<Vec<_>>());
        }
        let since = Since::now(&mut session);
        session.send("attacker", b"g").expect("the attacker is told");
        let line = match self.looks {
            None => end(&mut session),
            Some(pause) => watched(&mut session, &system, pause, |session| {
                if let Some(stores) = &stores {
                    stores.judge();
                }
                kept(session, &places, &held, name);
                let on = enabled_spis(session);
                assert!(
                    !(on.contains(&LINE) && on.contains(&CAN)),
                    "SPIs of two partitions of one core at once: {on:?}"
                );
            }),
        };
        // The system slot takes what is left in the SMMU's queue. The attacker's SPIs are masked outside its slots, and
        // nobody knows in which slot the machine is looked at: over four frames, one look is in one of its own.
        let mut spis = BTreeSet::new();
        for _ in 0..40 {
            a_millisecond_passes(&mut session);
            let on = enabled_spis(&mut session).into_iter();
            spis.extend(on.filter(|spi| !LINES.contains(spi)));
        }
        let last = look(&mut session);
        let all = console(&mut session, &system);
        let console = Console {
            arrived: all.arrived - quiet.arrived,
            dropped: all.dropped - quiet.dropped,
            drained: all.drained - quiet.drained,
        };
        kept(&mut session, &places, &held, name);
        if let Some(stores) = &stores {
            stores.judge();
            let programs = number(&line, "attempts");
            // One that finds a trap broken ends there, and is judged by what it says.
            if number(&line, "succeeded") == 0 {
                assert_eq!(stores.own(), programs, "the fuzzer's own stores, programs");
            }
        }
        let late = LATE + self.turn_us.map_or(0, |_| LATE_BY_TURNS);
        let (report, frames) = others_unharmed(name, session, &since, late);
        let attacker = partition(&report, "attacker");
        let outcome = Outcome {
            attempts: number(&line, "attempts"),
            succeeded: number(&line, "succeeded"),
            entries: attacker.el2_entries.total,
            before,
            spis: spis.into_iter().collect(),
            console,
            report: report.clone(),
        };
        println!(
            "{{\"attack\":\"{name}\",\"attempts\":{},\"reached_el2\":{},\"dma_faults\":{:?},\"succeeded\":{},\"slots_missed\":{},\"worst_slot_lateness_ns\":{},\"can_frames\":{},\"can_lost\":{},\"can_reordered\":{},\"can_corrupted\":{},\"can_overruns\":{}}}",
            outcome.attempts,
            outcome.entries,
            attacker.dma_faults,
            outcome.succeeded,
            partition(&report, "cluster").slots.missed,
            core(&report, 0).worst_slot_lateness_ns,
            frames.received,
            frames.lost,
            frames.reordered,
            frames.corrupted,
            frames.overruns
        );
        (outcome, [first, last])
    }
}

/// Of virtual time, and hardly more: who asks a session to run for a while waits a fifth of a second of the host.
fn a_millisecond_passes(session: &mut Session) {
    let mut now = || session.stats().expect("statistics").now_ns();
    let end = now() + 1_000_000;
    let passed = (0..10_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        now() >= end
    });
    assert!(passed, "virtual time stands still");
}

/// What `GICD_ISENABLER<n>` of QEMU virt holds of its SPIs.
pub(crate) fn enabled_spis(session: &mut Session) -> Vec<u32> {
    const ENABLES: u64 = 0x0800_0100;
    let mut word = |n: u32| {
        let bytes = session.memory(ENABLES + 4 * u64::from(n), 4).expect("register");
        u32::from_le_bytes(bytes.try_into().expect("4 bytes"))
    };
    let words: Vec<(u32, u32)> = (1..8).map(|n| (n, word(n))).collect();
    let bits = words
        .iter()
        .flat_map(|(n, word)| (0..32).filter_map(move |bit| (word >> bit & 1 == 1).then_some(n * 32 + bit)));
    bits.collect()
}

impl Outcome {
    /// Entries to EL2 since the attack began.
    pub(crate) fn reason(&self, name: &str) -> u64 {
        let attacker = partition(&self.report, "attacker");
        let count = |all: &BTreeMap<String, u64>| all.get(name).copied().unwrap_or(0);
        count(&attacker.el2_entries.by_reason) - count(&self.before.entries)
    }

    /// The health monitor has the attacker for an error, and did what the spec says.
    pub(crate) fn blamed(&self, error: &str, action: &str) {
        let mut events = self.report.health.iter().filter(|event| event.error == error);
        let event = events.next().unwrap_or_else(|| panic!("no {error}"));
        assert_eq!(
            (event.partition.as_deref(), event.action.as_str(), events.next()),
            (Some("attacker"), action, None)
        );
    }

    /// The attack was seen `seen` times, and gave nothing.
    pub(crate) fn fails(&self, seen: u64) {
        assert!(self.attempts > 0, "it tried nothing");
        assert!(seen >= self.attempts, "{} attempts, {seen} seen", self.attempts);
        assert_eq!(self.succeeded, 0);
    }

    /// Each attempt was seen, nothing else was, and nothing was given.
    pub(crate) fn is_seen(&self, seen: u64) {
        self.fails(seen);
        assert_eq!(seen, self.attempts, "what was seen, what was tried");
    }
}
