// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From EL2's events to tracks: one for each core, one for its slots, one for each partition and its vCPUs.
//!
//! On a core's track a slice is a path through EL2 or what a vCPU executed between two of them; a gap is sleep. A
//! vCPU's track has the latter too. Where events were lost, nothing is drawn across the gap.
//! Implements: BH-TRACE-003.

use bulkhead_abi::trace::{CLASS_START, CLASS_WAKE, Event, Kind, NO_VCPU, SYSTEM};
use bulkhead_model::manifest::Manifest;
use bulkhead_runner::reason;
use bulkhead_runner::tape::{CoreTape, Entry, Tape};
use prost::Message;

use super::perfetto as p;

const CORES: u64 = 0x1000;
const SLOTS: u64 = 0x2000;
const PARTITIONS: u64 = 0x3000;
const VCPUS: u64 = 0x4000;
/// All packets are one sequence.
const SEQUENCE: u32 = 1;
const NS: u128 = 1_000_000_000;

/// What a flow leads away from, or to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    None,
    From(u64),
    To(u64),
}

struct Story<'a> {
    manifest: &'a Manifest,
    events: Vec<(u64, p::Event, Flow)>,
}

/// What goes on on a core while its tape is read.
struct Core {
    track: u64,
    slots: u64,
    frequency: u64,
    /// vCPU that executes, and since when.
    runs: Option<(u8, u64)>,
    slot: bool,
    latest: u64,
}

/// The trace in Perfetto's format.
pub(crate) fn encode(manifest: &Manifest, tape: &Tape) -> Vec<u8> {
    let mut story = Story {
        manifest,
        events: Vec::new(),
    };
    let end = tape.cores.iter().map(end_of).max().unwrap_or(0);
    for (index, core) in tape.cores.iter().enumerate() {
        story.core(index as u64, core, end);
    }
    let mut events = story.events;
    // A path is written at its end: what happened on it comes before it on the tape.
    events.sort_by_key(|(time, ..)| *time);
    let mut packet: Vec<p::Packet> = tracks(manifest, tape);
    let mut flows: Vec<(u64, u64)> = Vec::new();
    let mut last_flow = 0;
    for (time, mut event, flow) in events {
        match flow {
            Flow::None => {}
            Flow::From(key) => {
                last_flow += 1;
                flows.push((key, last_flow));
                event.flow_ids.push(last_flow);
            }
            Flow::To(key) => {
                if let Some(at) = flows.iter().position(|(from, _)| *from == key) {
                    event.terminating_flow_ids.push(flows.remove(at).1);
                }
            }
        }
        packet.push(p::Packet {
            timestamp: Some(time),
            trusted_packet_sequence_id: Some(SEQUENCE),
            track_event: Some(event),
            track_descriptor: None,
        });
    }
    p::Trace { packet }.encode_to_vec()
}

fn ns(ticks: u64, frequency: u64) -> u64 {
    let ns = (u128::from(ticks) * NS).checked_div(u128::from(frequency));
    u64::try_from(ns.unwrap_or(0)).unwrap_or(u64::MAX)
}

/// When an event was over.
fn last_moment(event: &Event, frequency: u64) -> u64 {
    let length = match event.kind() {
        Some(Kind::Path) => u64::from(event.value()),
        Some(_) | None => 0,
    };
    ns(event.time.saturating_add(length), frequency)
}

/// When the last event of a core was over.
fn end_of(core: &CoreTape) -> u64 {
    let ends = core.entries.iter().map(|entry| match entry {
        Entry::Event(event) => last_moment(event, core.frequency),
        Entry::Lost(_) => 0,
    });
    ends.max().unwrap_or(0)
}

fn tracks(manifest: &Manifest, tape: &Tape) -> Vec<p::Packet> {
    let track = |uuid: u64, name: String, parent: Option<u64>| p::Packet {
        timestamp: None,
        trusted_packet_sequence_id: Some(SEQUENCE),
        track_event: None,
        track_descriptor: Some(p::Track {
            uuid: Some(uuid),
            name: Some(name),
            parent_uuid: parent,
        }),
    };
    let mut all = Vec::new();
    for index in 0..tape.cores.len() as u64 {
        all.push(track(CORES + index, format!("core {index}"), None));
        all.push(track(SLOTS + index, "slots".to_owned(), Some(CORES + index)));
    }
    for (index, partition) in (0..).zip(&manifest.partitions) {
        all.push(track(PARTITIONS + index, partition.name.clone(), None));
    }
    for (global, vcpu) in (0..).zip(&manifest.vcpus) {
        let parent = PARTITIONS + u64::from(vcpu.partition);
        all.push(track(
            VCPUS + global,
            format!("vCPU {}", vcpu.index),
            Some(parent),
        ));
    }
    all
}

impl Story<'_> {
    fn put(&mut self, time: u64, track: u64, kind: p::Kind, name: Option<String>) -> &mut p::Event {
        let event = p::Event {
            kind: Some(kind.into()),
            track_uuid: Some(track),
            name,
            ..p::Event::default()
        };
        self.events.push((time, event, Flow::None));
        let last = self.events.len() - 1;
        &mut self.events[last].1
    }

    fn instant(&mut self, time: u64, track: u64, name: String, flow: Flow, notes: &[(&str, u64)]) {
        let event = self.put(time, track, p::Kind::Instant, Some(name));
        event.debug_annotations = notes.iter().map(note).collect();
        if let Some(last) = self.events.last_mut() {
            last.2 = flow;
        }
    }

    fn slice(&mut self, track: u64, from: u64, to: u64, name: String) {
        self.put(from, track, p::Kind::SliceBegin, Some(name));
        self.put(to, track, p::Kind::SliceEnd, None);
    }

    /// Name and partition of a vCPU.
    fn name(&self, vcpu: u8) -> String {
        let known = self.manifest.vcpus.get(usize::from(vcpu));
        let partition = known.and_then(|v| self.manifest.partitions.get(v.partition as usize));
        partition.map_or_else(|| format!("vCPU {vcpu}"), |p| p.name.clone())
    }

    fn core(&mut self, index: u64, tape: &CoreTape, end: u64) {
        let mut core = Core {
            track: CORES + index,
            slots: SLOTS + index,
            frequency: tape.frequency,
            runs: None,
            slot: false,
            latest: 0,
        };
        for entry in &tape.entries {
            match entry {
                Entry::Event(event) => self.event(&mut core, event),
                Entry::Lost(count) => self.gap(&mut core, *count),
            }
        }
        // What nothing has interrupted since goes on until the tape ends.
        self.end_run(&mut core, end);
        self.end_slot(&mut core, end);
    }

    fn gap(&mut self, core: &mut Core, count: u64) {
        core.runs = None;
        self.end_slot(core, core.latest);
        self.instant(
            core.latest,
            core.track,
            "events lost".to_owned(),
            Flow::None,
            &[("count", count)],
        );
    }

    /// What was executed since the last path ends at `until`.
    fn end_run(&mut self, core: &mut Core, until: u64) {
        let Some((vcpu, since)) = core.runs.take() else {
            return;
        };
        let until = until.max(since);
        let name = self.name(vcpu);
        self.slice(core.track, since, until, name.clone());
        self.slice(VCPUS + u64::from(vcpu), since, until, name);
    }

    fn end_slot(&mut self, core: &mut Core, time: u64) {
        if core.slot {
            self.put(time, core.slots, p::Kind::SliceEnd, None);
            core.slot = false;
        }
    }

    fn event(&mut self, core: &mut Core, event: &Event) {
        let (time, value) = (ns(event.time, core.frequency), u64::from(event.value()));
        let end = last_moment(event, core.frequency);
        let Some(kind) = event.kind() else { return };
        core.latest = core.latest.max(end);
        let vcpu = VCPUS + u64::from(event.vcpu());
        let detail = u64::from(event.detail());
        let lock = format!("lock {detail}");
        match kind {
            Kind::Path => {
                self.end_run(core, time);
                self.slice(core.track, time, end, path_name(event.class()));
                core.runs = (event.next() != NO_VCPU).then_some((event.next(), end));
            }
            Kind::Slot => {
                self.end_slot(core, time);
                let name = match event.vcpu() {
                    SYSTEM => "EL2".to_owned(),
                    NO_VCPU => "idle".to_owned(),
                    vcpu => self.name(vcpu),
                };
                let begin = self.put(time, core.slots, p::Kind::SliceBegin, Some(name));
                begin.debug_annotations = [("slot", detail), ("late ticks", value)]
                    .iter()
                    .map(note)
                    .collect();
                core.slot = true;
            }
            Kind::Inject => self.instant(time, vcpu, format!("interrupt {detail}"), Flow::None, &[]),
            Kind::LockWait => self.instant(time, vcpu, format!("{lock}: waits"), Flow::None, &[]),
            Kind::LockTake => self.instant(time, vcpu, format!("{lock}: takes"), Flow::To(detail), &[]),
            Kind::LockRelease => {
                let name = format!("{lock}: releases");
                self.instant(time, vcpu, name, Flow::From(detail), &[("lost", value)]);
            }
            Kind::Boost => {
                let name = if value == 0 { "boost ends" } else { "boost begins" };
                self.instant(time, vcpu, format!("{lock}: {name}"), Flow::None, &[]);
            }
            Kind::Fault => {
                let notes = [("class", detail >> 8), ("action", detail & 0xff), ("page", value)];
                self.instant(
                    time,
                    vcpu,
                    "fault".to_owned(),
                    Flow::From(self.life(event)),
                    &notes,
                );
            }
            Kind::Restart => {
                let flow = Flow::To(self.life(event));
                self.instant(time, vcpu, "start".to_owned(), flow, &[("number", value)]);
            }
            Kind::Kick => {
                let name = format!("kick core {detail}");
                self.instant(
                    time,
                    core.track,
                    name,
                    Flow::None,
                    &[("vCPU", u64::from(event.vcpu()))],
                );
            }
        }
    }

    /// Key of the flow from an error of a partition to its next start: apart from those of locks.
    fn life(&self, event: &Event) -> u64 {
        let known = self.manifest.vcpus.get(usize::from(event.vcpu()));
        PARTITIONS << 16 | known.map_or(u64::from(NO_VCPU), |v| u64::from(v.partition))
    }
}

/// Why a path through EL2 began.
pub(crate) fn path_name(class: u8) -> String {
    match class {
        CLASS_WAKE => "EL2: wake".to_owned(),
        CLASS_START => "EL2: start".to_owned(),
        class => format!("EL2: {}", reason::name(usize::from(class))),
    }
}

fn note((name, value): &(&str, u64)) -> p::Annotation {
    p::Annotation {
        uint_value: Some(*value),
        name: Some((*name).to_owned()),
    }
}

#[cfg(test)]
mod tests;
