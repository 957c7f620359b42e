// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead trace`: what it writes is a Perfetto trace that shows the run, read here by a decoder of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use bulkhead_model::manifest::Manifest;
use bulkhead_on_target::{REFERENCE, System, images, in_tree, succeeded, tool};

/// Virtual time of the run.
const TIME_NS: u64 = 60_000_000;
/// The instant of an interrupt of the virtual timer.
const TIMER: &str = "interrupt 27";

/// A field of a protobuf message. Protocol Buffers, "Encoding": wire types 0, 1 and 2.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("bytes where a number belongs"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("a number where bytes belong"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than 64 bits");
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(usize::try_from(length).expect("length"));
    *bytes = rest;
    taken
}

fn message(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("8"))),
            2 => {
                let length = varint(&mut bytes);
                Value::Bytes(take(&mut bytes, length))
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn field<'m, 'a>(fields: &'m [(u64, Value<'a>)], number: u64) -> Option<&'m Value<'a>> {
    fields.iter().find(|(n, _)| *n == number).map(|(_, value)| value)
}

/// A finished slice.
struct Slice {
    track: u64,
    name: String,
    from: u64,
    to: u64,
}

/// Track and name of an instant.
type End = (u64, String);

#[derive(Default)]
struct Trace {
    /// Name and parent by identity.
    tracks: BTreeMap<u64, (String, Option<u64>)>,
    slices: Vec<Slice>,
    /// Track and name.
    instants: Vec<End>,
    /// Tracks and names of the instants from which and to which a flow leads, by its number.
    flows: BTreeMap<u64, (Option<End>, Option<End>)>,
}

/// Reads a trace and refuses ends without a begin, begins without an end, tracks that nobody described, and times
/// that go back on a track.
fn decode(bytes: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let mut open: BTreeMap<u64, Vec<(String, u64)>> = BTreeMap::new();
    let mut latest: BTreeMap<u64, u64> = BTreeMap::new();
    for (number, packet) in message(bytes) {
        assert_eq!(number, 1, "Trace.packet");
        let packet = message(packet.bytes());
        if let Some(track) = field(&packet, 60) {
            let track = message(track.bytes());
            let identity = field(&track, 1).expect("uuid").number();
            let name = field(&track, 2).expect("name").text();
            let parent = field(&track, 5).map(Value::number);
            assert!(trace.tracks.insert(identity, (name, parent)).is_none());
            continue;
        }
        let time = field(&packet, 8).expect("timestamp").number();
        let event = message(field(&packet, 11).expect("track_event").bytes());
        let track = field(&event, 11).expect("track_uuid").number();
        assert!(trace.tracks.contains_key(&track), "track {track}");
        let before = latest.insert(track, time).unwrap_or(0);
        assert!(before <= time, "time goes back on track {track}");
        let name = field(&event, 23).map(Value::text).unwrap_or_default();
        match field(&event, 9).expect("type").number() {
            1 => open.entry(track).or_default().push((name, time)),
            2 => {
                let begun = open.get_mut(&track).and_then(Vec::pop);
                let (name, from) = begun.unwrap_or_else(|| panic!("an end without a begin on {track}"));
                let to = time;
                trace.slices.push(Slice {
                    track,
                    name,
                    from,
                    to,
                });
            }
            3 => {
                for (number, value) in &event {
                    match number {
                        47 => trace.flows.entry(value.number()).or_default().0 = Some((track, name.clone())),
                        48 => trace.flows.entry(value.number()).or_default().1 = Some((track, name.clone())),
                        _ => {}
                    }
                }
                trace.instants.push((track, name));
            }
            other => panic!("event of type {other}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "begins without ends: {open:?}");
    trace
}

impl Trace {
    /// The track of this name on that of its parent, if it has one.
    fn track(&self, name: &str, parent: Option<&str>) -> u64 {
        let parent = parent.map(|parent| self.track(parent, None));
        let found = self.tracks.iter().find(|(_, (n, p))| n == name && *p == parent);
        *found.unwrap_or_else(|| panic!("no track {name}")).0
    }

    fn slices(&self, track: u64) -> impl Iterator<Item = &Slice> {
        self.slices.iter().filter(move |slice| slice.track == track)
    }

    /// Instants of this name on a track.
    fn count(&self, track: u64, name: &str) -> usize {
        let named = self.instants.iter().filter(|(t, n)| *t == track && n == name);
        named.count()
    }

    /// Flows from an instant of a name on a track to one of another.
    fn flows(&self, from: (u64, &str), to: (u64, &str)) -> usize {
        let is = |end: &Option<End>, (track, name): (u64, &str)| {
            end.as_ref().is_some_and(|(t, n)| *t == track && n == name)
        };
        let flows = self.flows.values();
        flows.filter(|(a, b)| is(a, from) && is(b, to)).count()
    }

    fn length<'a>(&'a self, track: u64, name: &'a str) -> u64 {
        let named = self.slices(track).filter(|slice| slice.name.starts_with(name));
        named.map(|slice| slice.to - slice.from).sum()
    }
}

/// Traces a run of a system and reads what was written; nothing may be lost.
fn traced(system: &str, time: &str, overrides: &[&str]) -> Trace {
    let (trace, _, lost) = recorded(system, time, overrides);
    assert_eq!(lost, 0);
    trace
}

/// Traces a run of a system and reads what was written; how many events that are, and how many were lost.
fn recorded(system: &str, time: &str, overrides: &[&str]) -> (Trace, u64, u64) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("t.pftrace");
    let output = Command::new(tool())
        .arg("trace")
        .arg(in_tree(system))
        .args(["--json", "--deterministic", "--for", time])
        .args(overrides.iter().flat_map(|value| ["--set", value]))
        .arg("--output")
        .arg(&file)
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output()
        .expect("the tool starts");
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let outcome: serde_json::Value = serde_json::from_str(&said).expect("one JSON value");
    assert_eq!(outcome["verdict"].as_str(), Some("pass"));
    assert_eq!(outcome["output"].as_str(), file.to_str());
    let [events, lost] = ["events", "lost"].map(|what| outcome[what].as_u64().expect("a number"));
    assert!(events > 0, "{said}");
    (decode(&std::fs::read(&file).expect("the trace")), events, lost)
}

/// Verifies: BH-TRACE-005, BH-TRACE-003, BH-TOOL-010.
#[test]
fn a_trace_shows_locks_boosts_calls_and_restarts() {
    let trace = traced("tests/systems/inversion-cores.yaml", "400ms", &[]);
    let vcpu = |partition| trace.track("vCPU 0", Some(partition));
    let (high, low) = (vcpu("high"), vcpu("low"));
    let waits = trace.count(high, "lock 0: waits");
    let takes = trace.count(high, "lock 0: takes");
    let releases = trace.count(low, "lock 0: releases");
    println!("{waits} waits, {takes} takings after one, {releases} releases to a waiter");
    assert!(
        takes >= 5 && waits.abs_diff(takes) <= 1,
        "each wait ends with the lock"
    );
    assert!(
        releases.abs_diff(takes) <= 1,
        "each taking after a wait is of what was released"
    );
    let flows = trace.flows((low, "lock 0: releases"), (high, "lock 0: takes"));
    assert!(
        flows >= 4 && flows.abs_diff(takes) <= 1,
        "{flows} flows from a release to its taking"
    );
    let (begin, end) = (
        trace.count(low, "lock 0: boost begins"),
        trace.count(low, "lock 0: boost ends"),
    );
    println!("{begin} boosts begin, {end} end");
    assert!(begin >= 5 && begin.abs_diff(end) <= 1, "each boost ends");
    assert_eq!(
        trace.count(high, "lock 0: boost begins"),
        0,
        "nobody more urgent waits"
    );
    // The lock is the other core's: each is called by the other.
    let (first, second) = (trace.track("core 0", None), trace.track("core 1", None));
    assert!(
        trace.count(second, "kick core 0") >= waits,
        "the owner's core is called"
    );
    assert!(
        trace.count(first, "kick core 1") >= takes - 1,
        "the waiter's core is called"
    );
    let starts = trace.count(vcpu("restless"), "start");
    assert!(starts > 3, "{starts} starts of a partition that restarts itself");
}

/// Each attempt of the attacker is a fault on its own track, which leads to the start of its next life. Nobody else has
/// one. Verifies: BH-TRACE-005, BH-TRACE-003.
#[test]
fn a_trace_shows_faults_and_the_lives_that_follow() {
    let trace = traced("tests/systems/attackers.yaml", "120ms", &[]);
    let vcpu = |partition| trace.track("vCPU 0", Some(partition));
    let attacker = vcpu("attacker");
    let (faults, starts) = (trace.count(attacker, "fault"), trace.count(attacker, "start"));
    let flows = trace.flows((attacker, "fault"), (attacker, "start"));
    println!("{faults} faults, {starts} starts, {flows} flows between them");
    assert!(faults >= 3, "{faults} faults");
    // The first start follows no fault, and the run may end before the last one's.
    assert_eq!(flows, starts - 1, "each later start is of a fault");
    assert!(faults.abs_diff(flows) <= 1, "each fault leads to a start");
    for other in ["cluster", "beside"] {
        assert_eq!(trace.count(vcpu(other), "fault"), 0, "{other}");
    }
}

/// Name and parent of each track that a system has: its cores with their slots, its partitions with their vCPUs.
fn tracks_of(manifest: &Manifest) -> BTreeSet<(String, Option<String>)> {
    let cores = (0..manifest.cores).flat_map(|core| {
        let core = format!("core {core}");
        [(core.clone(), None), ("slots".to_owned(), Some(core))]
    });
    let names: Vec<String> = manifest.partitions.iter().map(|p| p.name.clone()).collect();
    let vcpus = manifest.vcpus.iter().map(|vcpu| {
        let partition = usize::try_from(vcpu.partition).expect("an index");
        (format!("vCPU {}", vcpu.index), Some(names[partition].clone()))
    });
    let all = cores.chain(vcpus);
    all.chain(names.iter().map(|name| (name.clone(), None))).collect()
}

/// While Linux boots, a core fills its ring many times between two moments at which the host could read it, were it not
/// to stop virtual time. Verifies: BH-TRACE-002, BH-TRACE-003.
#[test]
fn a_trace_shows_a_linux_that_boots() {
    let (trace, events, lost) = recorded(REFERENCE, "400ms", &[]);
    assert!(lost * 10 < events, "{lost} lost");
    let shown = trace.tracks.len();
    assert_eq!(shown, tracks_of(&System::build(REFERENCE, &[]).manifest()).len());
    let vcpu = trace.track("vCPU 0", Some("infotainment"));
    assert!(trace.length(vcpu, "infotainment") > TIME_NS, "Linux executes");
    assert!(trace.count(vcpu, TIMER) > 10, "its timer's interrupts");
}

/// Verifies: BH-TRACE-001, BH-TRACE-003.
#[test]
fn a_trace_shows_every_core_and_partition() {
    // Without Linux nothing makes more events than a busy host reads.
    let changes = ["partitions.infotainment.autostart=false"];
    let trace = traced(REFERENCE, "60ms", &changes);
    let shown = trace.tracks.values().map(|(name, parent)| {
        let parent = parent.map(|parent| trace.tracks[&parent].0.clone());
        (name.clone(), parent)
    });
    let shown: Vec<_> = shown.collect();
    let expected = tracks_of(&System::build(REFERENCE, &changes).manifest());
    assert_eq!(shown.len(), expected.len(), "each track once: {shown:?}");
    assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), expected);
    let timer = trace.count(trace.track("vCPU 0", Some("cluster")), TIMER);
    assert!(timer > 0, "no interrupt of cluster's timer");
    for core in 0..4 {
        let name = format!("core {core}");
        let track = trace.track(&name, None);
        let el2 = trace.length(track, "EL2: ");
        let all = trace.length(track, "");
        println!("{name}: {el2} ns in EL2 of {all} ns shown");
        assert!(el2 > 0 && el2 <= all, "{name}");
    }
    for (partition, core) in [("adas", 3), ("vehicle", 2), ("cluster", 1)] {
        let vcpu = trace.track("vCPU 0", Some(partition));
        let ran = trace.length(vcpu, partition);
        let on_core = trace.length(trace.track(&format!("core {core}"), None), partition);
        println!("{partition}: {ran} ns");
        assert!(ran > 0 && ran <= on_core, "{partition}");
        let starts = trace
            .instants
            .iter()
            .filter(|(track, name)| *track == vcpu && name == "start");
        assert_eq!(starts.count(), 1, "{partition}");
    }
    assert_eq!(trace.length(trace.track("vCPU 1", Some("infotainment")), ""), 0);
    // The dedicated cores execute nothing but their partition, almost all of the time.
    let adas = trace.length(trace.track("vCPU 0", Some("adas")), "adas");
    assert!(adas > TIME_NS / 2, "{adas}");
    // Slots of core 1 follow each other without a gap, and what cluster executes lies inside its own.
    let slots: Vec<&Slice> = trace.slices(trace.track("slots", Some("core 1"))).collect();
    assert!(slots.len() > 8, "{}", slots.len());
    assert!(slots.windows(2).all(|pair| pair[0].to == pair[1].from));
    // The slot in which the trace ends has no end to be drawn.
    let shown = slots.last().expect("slots").to;
    let ran = trace.slices(trace.track("vCPU 0", Some("cluster")));
    for ran in ran.filter(|ran| ran.from < shown) {
        let inside = |slot: &&&Slice| slot.name == "cluster" && slot.from <= ran.from && ran.from < slot.to;
        assert!(slots.iter().any(|slot| inside(&slot)), "{} ns", ran.from);
    }
}
