// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What more than one party reaches.

use bulkhead_types::image::Range;

use super::partition::interface;
use super::{Sources, locks, stolen};
use crate::access::Rights;
use crate::devicetree::has_window;

/// A range that more than one party reaches: its name, where, EL2's rights, each partition's rights.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What it is.
    pub name: String,
    /// Physical addresses.
    pub range: Range,
    /// Rights of EL2's roots together, if it reaches it.
    pub el2: Option<Rights>,
    /// Partitions and their rights.
    pub partitions: Vec<(usize, Rights)>,
}

/// What is shared by design: the loader, windows, stolen time, channels (with EL2 until boot has cleared them), and the
/// interfaces of a GICv2, of which each core has its own.
pub fn shared(sources: Sources<'_>) -> Vec<Shared> {
    let Sources {
        system, info, plan, ..
    } = sources;
    let everybody = 0..system.partitions.len();
    let mut result = vec![Shared {
        name: "loader".to_owned(),
        range: info.loader,
        el2: Some(Rights::Read),
        partitions: everybody.map(|p| (p, Rights::ReadExecute)).collect(),
    }];
    for (index, partition) in system.partitions.iter().enumerate() {
        if has_window(partition) {
            result.push(Shared {
                name: format!("window:{}", partition.name.value),
                range: plan.windows[index],
                el2: Some(Rights::ReadWrite),
                partitions: vec![(index, Rights::ReadWrite)],
            });
        }
    }
    for (name, range, partition) in stolen(sources) {
        result.push(Shared {
            name,
            range,
            el2: Some(Rights::ReadWrite),
            partitions: vec![(partition, Rights::Read)],
        });
    }
    for (memory, range) in system.channel_memories().into_iter().zip(&plan.channels) {
        let readers = memory.readers.iter().map(|r| (*r, Rights::Read));
        let mut partitions: Vec<_> = readers.chain([(memory.writer, Rights::ReadWrite)]).collect();
        partitions.sort_by_key(|(partition, _)| *partition);
        result.push(Shared {
            name: memory.name,
            range: *range,
            el2: Some(Rights::ReadWrite),
            partitions,
        });
    }
    for name in ["gicc", "gicv"] {
        let all = system.partitions.iter().enumerate();
        let here = all.filter_map(|(index, partition)| {
            let (of, range) = interface(&system.board, partition)?;
            (of == name).then_some((index, range))
        });
        let here: Vec<_> = here.collect();
        let el2 = name == "gicc";
        if let Some((_, range)) = here.first().filter(|_| el2 || here.len() > 1) {
            result.push(Shared {
                name: name.to_owned(),
                range: *range,
                el2: el2.then_some(Rights::ReadWrite),
                partitions: here.iter().map(|(p, _)| (*p, Rights::ReadWrite)).collect(),
            });
        }
    }
    for (lock, range) in locks(sources) {
        let mut partitions: Vec<_> = lock
            .participants
            .iter()
            .map(|p| (p.partition.value, Rights::ReadWrite))
            .collect();
        partitions.sort_by_key(|(partition, _)| *partition);
        result.push(Shared {
            name: format!("channel:{}", lock.name.value),
            range,
            el2: Some(Rights::ReadWrite),
            partitions,
        });
    }
    result.sort_by_key(|s| s.range.start);
    result
}
