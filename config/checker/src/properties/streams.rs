// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What bus masters reach through the SMMU.

use crate::reach::Run;
use crate::ste::Stream;
use crate::system::{System, Use};

use super::masters;
use super::stage2::writable_ram;
use super::words::board_address_size;

/// Implements: BH-CHK-054.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    let size = board_address_size(system).unwrap_or_default();
    for stream in &system.streams {
        let Some(owner) = system.stream_owner(stream.id) else {
            out.push(format!(
                "stream {:#x}: its entry is not zero, but it is not granted once",
                stream.id
            ));
            continue;
        };
        let vmid = system.blob.partitions.get(owner).map_or(0, |p| u64::from(p.vmid));
        let expected = Stream::stage2_only(stream.root(), vmid, size);
        for (i, (found, expected)) in stream.words.iter().zip(expected).enumerate() {
            if *found != expected {
                let id = stream.id;
                out.push(format!(
                    "stream {id:#x}: doubleword {i} is {found:#x}, expected {expected:#x}"
                ));
            }
        }
    }
    for record in system.grants.of("stream") {
        let granted = |s: &Stream| record.starts_with(&format!("stream {:#x} ", s.id));
        if !system.streams.iter().any(granted) {
            out.push(format!(
                "grants.txt: {record}: its entry is invalid, or the owner is unknown"
            ));
        }
    }
    known(system, out);
    for root in &system.roots {
        if let Use::Stream(owner) = root.serves {
            let ram = writable_ram(system, owner);
            for run in root.walk.runs.iter().filter(|run| !lies_in(run, &ram)) {
                out.push(format!(
                    "{}: {} reaches {:#x} {}, which is no RAM that its owner may write",
                    root.name, run.input, run.output, run.access
                ));
            }
        }
    }
}

/// EL2 closes and opens each granted stream with its partition: it is that of a bus master among its PCI functions, or
/// in the blob's table of streams, and then the text form names a device at fixed addresses whose registers it has.
fn known(system: &System<'_>, out: &mut Vec<String>) {
    let blob = &system.blob;
    let table = &blob.streams;
    if !table.is_sorted_by(|(a, _), (b, _)| a < b) {
        out.push("streams: one twice, or not ascending".to_owned());
    }
    for (id, owner) in table {
        let granted = system.stream_owner((*id).into());
        if blob.board.smmu == 0 || granted.is_none() || granted != usize::try_from(*owner).ok() {
            out.push(format!("stream {id:#x}: is not granted to partition {owner}"));
        }
        if blob.pci_functions.iter().any(|f| f.bdf == *id) {
            out.push(format!("stream {id:#x}: is that of a PCI function"));
        }
    }
    for record in system.grants.of("stream") {
        let fields: Vec<&str> = record.split(' ').skip(1).collect();
        let is = |id: u32| fields.first() == Some(&format!("{id:#x}").as_str());
        let fine = match fields.as_slice() {
            [_, _] => blob.pci_functions.iter().any(|f| is(f.bdf) && f.bus_master == 1),
            [_, _, device] => table.iter().any(|(id, owner)| {
                let registers = |owner| masters::registers_of(system, owner, device);
                is(*id) && usize::try_from(*owner).ok().and_then(registers).is_some()
            }),
            _ => false,
        };
        if !fine {
            out.push(format!(
                "grants.txt: {record}: no bus master of its owner has this stream"
            ));
        }
    }
}

/// Whether `run` is a part of one of `whole`, which are by input address: at the same distance, with the same access.
fn lies_in(run: &Run, whole: &[Run]) -> bool {
    let behind = whole.partition_point(|w| w.input.start <= run.input.start);
    let around = behind.checked_sub(1).and_then(|at| whole.get(at));
    around.is_some_and(|w| {
        w.input.contains(run.input) && w.translate(run.input.start) == run.output && w.access == run.access
    })
}
