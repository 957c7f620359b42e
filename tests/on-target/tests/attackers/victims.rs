// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Those beside an attacker: what of theirs never changes, and what they lose when somebody takes it.

use std::fs;

use super::stores::{Place, Writer};
use bulkhead_on_target::{System, core, images, partition};
use bulkhead_runner::Session;
use bulkhead_runner::report::Report;
use object::{Object, ObjectSegment, SegmentFlags};

use super::frames::{Frames, PARTIES, Since};

/// Ns, and instructions, that a slot may begin late under any attack, floods of faults among them.
pub(crate) const LATE: u64 = 10_000;
/// Ns by which it may be later where the emulator lets a core execute all that a CAN frame costs it before the next core has
/// its turn.
pub(crate) const LATE_BY_TURNS: u64 = 20_000;
/// Where a partition has its RAM.
const RAM: u64 = 0x4000_0000;
/// What of EL2 and for its start is never written: grants of `el2:boot`.
const OF_EL2: [&str; 7] = [
    "boot-rodata",
    "boot-text",
    "text",
    "rodata",
    "loader",
    "blob",
    "certificate",
];

pub(crate) fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number in hex")
}

/// The records of the text form of a system's certificate, in words.
pub(crate) fn records(system: &System) -> Vec<Vec<String>> {
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().map(words).collect()
}

/// First address and address behind the last.
pub(crate) fn ends(range: &str) -> (u64, u64) {
    let (start, end) = range.split_once('-').expect("range");
    (hex(start), hex(end))
}

/// The range in the first record of the text form that begins with `head`.
pub(crate) fn range(system: &System, head: &[&str]) -> (u64, usize) {
    let records = records(system);
    let mut found = records.iter().filter(|record| {
        head.iter()
            .enumerate()
            .all(|(n, word)| record.get(n).is_some_and(|w| w == word))
    });
    let record = found.next().expect("record");
    let (start, end) = ends(record.get(head.len()).expect("range"));
    (start, usize::try_from(end - start).expect("size"))
}

/// RAM of a partition, from the text form.
pub(crate) fn ram(system: &System, name: &str) -> (u64, usize) {
    range(system, &["grant", &format!("partition:{name}"), "ram"])
}

/// Code and constants of a partition that runs the image `elf`, in its RAM.
pub(crate) fn constant(system: &System, name: &str, elf: &str) -> Vec<(u64, usize)> {
    /// `p_flags`: writable.
    const WRITABLE: u32 = 2;
    let bytes = fs::read(images().join(format!("{elf}.elf"))).expect("the image");
    let file = object::File::parse(bytes.as_slice()).expect("an ELF");
    let (start, _) = ram(system, name);
    let segments = file.segments().filter(
        |segment| matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & WRITABLE == 0),
    );
    let places = segments.map(|segment| {
        let size = usize::try_from(segment.size()).expect("size");
        (start + (segment.address() - RAM), size)
    });
    let places: Vec<_> = places.collect();
    assert!(!places.is_empty(), "{elf} has constants");
    places
}

/// What nobody writes: RAM of a partition that does not run, code and constants of EL2, the blob, every payload, code
/// and constants of the partitions `running`, each with its image.
pub(crate) fn untouched(system: &System, running: &[(&str, &str)]) -> Vec<(u64, usize)> {
    let mut places = vec![ram(system, "store")];
    places.extend(OF_EL2.map(|name| range(system, &["grant", "el2:boot", name])));
    for record in records(system) {
        if let [kind, range, _, what] = record.as_slice()
            && (kind.as_str(), what.as_str()) == ("memory", "payload-area")
        {
            let (start, end) = ends(range);
            places.push((start, usize::try_from(end - start).expect("size")));
        }
    }
    let constants = running.iter().flat_map(|(name, elf)| constant(system, name, elf));
    places.extend(constants);
    places
}

/// Who writes what while the fuzzer works: nobody the places `untouched` and the channel between the neighbours; each
/// neighbour its RAM; each core of EL2 what EL2 keeps for it.
pub(crate) fn writers(system: &System, untouched: &[Place]) -> Vec<(Place, Writer)> {
    let channel = range(system, &["grant", "el2:boot", "channel:vehicle-state"]);
    let nobody = untouched.iter().chain([&channel]);
    let guests = ["cluster", "beside", "sender", "receiver"].map(|name| (ram(system, name), Writer::Guest));
    let cores = (0..6).flat_map(|core| {
        let name = format!("el2:core:{core}");
        ["per-core:own", "stats:own"].map(|own| (range(system, &["grant", &name, own]), Writer::Core(core)))
    });
    nobody
        .map(|place| (*place, Writer::Nobody))
        .chain(guests)
        .chain(cores)
        .collect()
}

/// What each place holds.
pub(crate) fn contents(session: &mut Session, places: &[(u64, usize)]) -> Vec<Vec<u8>> {
    let memory = |(start, size): &(u64, usize)| session.memory(*start, *size).expect("memory");
    places.iter().map(memory).collect()
}

/// Each place holds what it `held`.
pub(crate) fn kept(session: &mut Session, places: &[(u64, usize)], held: &[Vec<u8>], name: &str) {
    for ((place, now), before) in places.iter().zip(contents(session, places)).zip(held) {
        assert!(
            now == *before,
            "{name}: what nobody writes has changed, from {place:x?}"
        );
    }
}

/// Ends an attack: CAN frames arrived `since` it began, the dedicated neighbours run without EL2, the one of the same core
/// has all its slots, none of them later than `late`, ns.
pub(crate) fn others_unharmed(
    name: &str,
    mut session: Session,
    since: &Since,
    late: u64,
) -> (Report, Frames) {
    let frames = since.until_now(&mut session);
    let report = session.finish("the attack is over").expect("report");
    frames.all_arrived(name);
    for dedicated in ["beside"].into_iter().chain(PARTIES) {
        let party = partition(&report, dedicated);
        assert_eq!(
            (party.state.as_str(), party.restarts, &party.fault),
            ("running", 0, &None),
            "{name}: {dedicated}"
        );
        assert_eq!(
            party.el2_entries.steady,
            Some(0),
            "{name}: entries to EL2 of {dedicated}: {:?}",
            party.el2_entries
        );
    }
    slots_kept(name, &report, late);
    (report, frames)
}

/// Who shares the attacker's core has all its slots, in time, and no core has failed.
fn slots_kept(name: &str, report: &Report, limit: u64) {
    let slots = partition(report, "cluster").slots;
    let frames = core(report, 0).frames;
    assert_eq!(slots.missed, 0, "{name}: slots of the neighbour");
    assert!(
        slots.granted + 1 >= frames,
        "{name}: {slots:?} in {frames} frames"
    );
    assert!(core(report, 0).adds_up, "{name}: {:?}", core(report, 0));
    let late = core(report, 0).worst_slot_lateness_ns;
    assert!(late <= limit, "{name}: a slot begins {late} ns late");
    for row in &report.cores {
        assert_ne!(row.state, "failed", "{name}: core {}", row.core);
    }
}
