// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each core's EL2 did last before one of them failed: its trace ring, an event a line.
//! Implements: BH-HEALTH-046.

use bulkhead_abi::trace::{Event, Kind, NO_VCPU, SYSTEM};
use bulkhead_model::manifest::Manifest;
use bulkhead_runner::tape::{CoreTape, Entry, Tape};
use serde::Serialize;

use crate::trace::path_name;

/// The ring of a core.
#[derive(Serialize)]
pub(super) struct Ring {
    core: usize,
    /// Events before these, which were overwritten.
    lost: u64,
    /// The oldest first.
    events: Vec<Happened>,
}

/// An event.
#[derive(Serialize)]
struct Happened {
    /// Ticks of the counter at which it happened or a path began.
    time: u64,
    /// As the ring has it (`bulkhead_abi::trace::Event`).
    word: u64,
    /// For people.
    text: String,
}

/// The rings of all cores.
pub(super) fn of(tape: &Tape, manifest: &Manifest) -> Vec<Ring> {
    let ring = |(core, tape): (usize, &CoreTape)| {
        let (mut lost, mut events) = (0, Vec::new());
        for entry in &tape.entries {
            match entry {
                Entry::Lost(count) => lost += count,
                Entry::Event(event) => events.push(Happened {
                    time: event.time,
                    word: event.word,
                    text: text(event, manifest),
                }),
            }
        }
        Ring { core, lost, events }
    };
    tape.cores.iter().enumerate().map(ring).collect()
}

impl Ring {
    /// The newest `count` events, for people; the last line is the newest.
    pub(super) fn newest(&self, count: usize) -> impl Iterator<Item = String> {
        let from = self.events.len().saturating_sub(count);
        let newest = self.events.iter().skip(from);
        newest.map(|event| format!("  tick {}: {}", event.time, event.text))
    }
}

fn text(event: &Event, manifest: &Manifest) -> String {
    let whose = |vcpu: u8| match vcpu {
        NO_VCPU => "nobody".to_owned(),
        SYSTEM => "EL2".to_owned(),
        number => {
            let known = manifest.vcpus.get(usize::from(number));
            let partition = known.and_then(|v| Some((v, manifest.partitions.get(v.partition as usize)?)));
            partition.map_or_else(
                || format!("vCPU {number}"),
                |(v, p)| format!("{} vCPU {}", p.name, v.index),
            )
        }
    };
    let (vcpu, detail, value) = (whose(event.vcpu()), event.detail(), event.value());
    match event.kind() {
        None => format!("an event of a later version, {:#x}", event.word),
        Some(Kind::Path) => {
            let next = match event.next() {
                NO_VCPU => "sleep".to_owned(),
                next => whose(next),
            };
            format!(
                "{}, from {vcpu}, {value} ticks, on to {next}",
                path_name(event.class())
            )
        }
        Some(Kind::Inject) => format!("interrupt {detail} for {vcpu}"),
        Some(Kind::Slot) => format!("slot {detail} of {vcpu} begins, {value} ticks late"),
        Some(Kind::LockWait) => format!("{vcpu} waits for lock {detail}"),
        Some(Kind::LockTake) => format!("{vcpu} takes lock {detail}"),
        Some(Kind::LockRelease) => format!("{vcpu} releases lock {detail}, or loses it ({value})"),
        Some(Kind::Boost) if value == 0 => format!("the boost of {vcpu} by lock {detail} ends"),
        Some(Kind::Boost) => format!("the boost of {vcpu} by lock {detail} begins"),
        Some(Kind::Fault) => format!(
            "error of {vcpu}, class {}, action {}, page {value:#x}",
            detail >> 8,
            detail & 0xff
        ),
        Some(Kind::Kick) => format!("core {detail} of {vcpu} is called"),
        Some(Kind::Restart) => format!("start {value} of {vcpu}"),
    }
}
