// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What bus masters reach through the SMMU.

use crate::reach::{Access, Run, differences};
use crate::ste::Stream;
use crate::system::{System, Use};

use super::stage2::ram_runs;
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
    for root in &system.roots {
        if let Use::Stream(owner) = root.serves {
            let access = |run: Run| Run {
                access: Access::WRITE,
                ..run
            };
            let ram: Vec<Run> = ram_runs(system, owner).into_iter().map(access).collect();
            let differ = differences(&root.walk.runs, &ram);
            out.extend(
                differ
                    .iter()
                    .map(|d| format!("{}: {d}, as its owner's RAM", root.name)),
            );
        }
    }
}
