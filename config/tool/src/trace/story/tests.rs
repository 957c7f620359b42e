// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a story makes of events: tracks, lives, gaps.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use serde_json::json;

/// Two cores, and a partition with a vCPU on each.
fn manifest() -> Manifest {
    let partition = json!({
        "name": "guest", "criticality": "qm", "console": "text", "window": 0, "metrics": false,
        "elf": null, "mode": "sliced", "slots_per_frame": 1,
    });
    let vcpu = |index: u32| json!({ "partition": 0, "index": index, "core": index, "slot": 0 });
    let manifest = json!({
        "version": 3, "system": "s", "board": "b", "blob_hash": "", "image": "", "parts": [],
        "runtime_elf": "", "stats": 0, "cores": 2, "partitions": [partition], "locks": [],
        "vcpus": [vcpu(0), vcpu(1)], "qemu": null, "expect": [], "never": [],
    });
    serde_json::from_value(manifest).expect("a manifest")
}

/// What is written of a run in which core 0 has these entries, one tick a nanosecond.
fn written(entries: Vec<Entry>) -> Vec<p::Packet> {
    let mut busy = CoreTape::default();
    busy.frequency = 1_000_000_000;
    busy.entries = entries;
    let cores = vec![busy, CoreTape::default()];
    let bytes = encode(&manifest(), &Tape { cores });
    p::Trace::decode(bytes.as_slice()).expect("a trace").packet
}

/// A path from `time` on, 10 ticks long, from which vCPU `next` goes on.
fn path(time: u64, next: u8) -> Entry {
    let detail = u16::from_le_bytes([CLASS_WAKE, next]);
    Entry::Event(Event::new(time, Kind::Path, 0, detail, 10))
}

/// Verifies: BH-TRACE-003.
#[test]
fn each_core_and_vcpu_has_a_track() {
    let tracks = written(Vec::new()).into_iter().map(|packet| {
        let track = packet.track_descriptor.expect("nothing but tracks");
        (
            track.uuid.expect("uuid"),
            track.name.expect("name"),
            track.parent_uuid,
        )
    });
    let expected = [
        (CORES, "core 0", None),
        (SLOTS, "slots", Some(CORES)),
        (CORES + 1, "core 1", None),
        (SLOTS + 1, "slots", Some(CORES + 1)),
        (PARTITIONS, "guest", None),
        (VCPUS, "vCPU 0", Some(PARTITIONS)),
        (VCPUS + 1, "vCPU 1", Some(PARTITIONS)),
    ];
    let expected = expected.map(|(uuid, name, parent)| (uuid, name.to_owned(), parent));
    assert_eq!(tracks.collect::<Vec<_>>(), expected);
}

/// Events that were lost leave an instant with their number; neither what executed before nor the slot goes on over
/// the gap. Verifies: BH-TRACE-003.
#[test]
fn nothing_is_drawn_across_lost_events() {
    let slot = |time| Entry::Event(Event::new(time, Kind::Slot, 0, 0, 0));
    let packets = written(vec![
        slot(50),
        path(100, 0),
        path(200, 0),
        Entry::Lost(7),
        path(500, 0),
        slot(600),
        path(700, NO_VCPU),
    ]);
    let mut open: Vec<(u64, u64, Option<String>)> = Vec::new();
    let (mut slices, mut gaps) = (Vec::new(), Vec::new());
    for packet in packets {
        let (Some(time), Some(event)) = (packet.timestamp, packet.track_event) else {
            continue;
        };
        let track = event.track_uuid.expect("a track");
        match event.kind() {
            p::Kind::SliceBegin => open.push((track, time, event.name)),
            p::Kind::SliceEnd => {
                let at = open.iter().rposition(|(other, ..)| *other == track);
                let (_, from, name) = open.remove(at.expect("a begin"));
                slices.push((track, from, time, name.expect("a name")));
            }
            p::Kind::Instant => {
                let count = event.debug_annotations.first().and_then(|note| note.uint_value);
                gaps.push((track, time, event.name.expect("a name"), count));
            }
            p::Kind::Unspecified => {}
        }
    }
    assert_eq!(open, [], "begins without ends");
    assert_eq!(gaps, [(CORES, 210, "events lost".to_owned(), Some(7))]);
    let of = |track: u64, name: &str| {
        let shown = slices.iter().filter(|slice| slice.0 == track && slice.3 == name);
        shown.map(|slice| (slice.1, slice.2)).collect::<Vec<_>>()
    };
    assert_eq!(
        of(CORES, "EL2: wake"),
        [(100, 110), (200, 210), (500, 510), (700, 710)]
    );
    for track in [CORES, VCPUS] {
        assert_eq!(of(track, "guest"), [(110, 200), (510, 700)]);
    }
    assert_eq!(of(SLOTS, "guest"), [(50, 210), (600, 710)]);
}
