// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Derives all grants: what EL2 and the partitions may reach. Implements: BH-MEM-004.

mod el2;
mod partition;
mod shared;

use bulkhead_model::lock::Lock;
use bulkhead_model::system::System;
use bulkhead_types::image::{ImageInfo, Range};

use self::el2::{boot, core};
use self::partition::{partition, stream};
use crate::access::{Grant, MemoryType, Rights, Root};
use crate::colour::Extent;
use crate::devices::{Assigned, OwnWatchdog};
use crate::payload::area::Area;
use crate::plan::Plan;
use crate::streams;

pub use self::shared::{Shared, shared};

/// What grants are derived from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The model.
    pub system: &'a System,
    /// The hypervisor's memory.
    pub info: &'a ImageInfo,
    /// Where everything lies.
    pub plan: &'a Plan,
    /// Assigned devices.
    pub devices: &'a [Assigned],
    /// EL2's watchdog.
    pub watchdog: Option<&'a OwnWatchdog>,
    /// Payload areas.
    pub areas: &'a [Area],
}

/// Grants of one root.
struct List {
    root: Root,
    grants: Vec<Grant>,
}

impl List {
    fn at(&mut self, name: &str, range: Range, rights: Rights, memory: MemoryType, address: u64) {
        if range.start < range.end {
            self.grants.push(Grant {
                root: self.root,
                name: name.to_owned(),
                range,
                pattern: None,
                rights,
                memory,
                address,
            });
        }
    }

    /// Maps Normal memory of a partition, page after page from an input address.
    fn extent(&mut self, name: &str, extent: &Extent, rights: Rights, mut address: u64) {
        for range in &extent.ranges {
            let grant = Grant {
                root: self.root,
                name: name.to_owned(),
                range: *range,
                pattern: extent.pattern,
                rights,
                memory: MemoryType::NormalWb,
                address,
            };
            address += grant.size();
            self.grants.push(grant);
        }
    }

    /// Maps Normal memory of EL2 at its own address.
    fn normal(&mut self, name: &str, range: Range, rights: Rights) {
        self.at(name, range, rights, MemoryType::NormalWb, range.start);
    }

    /// Maps a device of EL2 at its own address.
    fn device(&mut self, name: &str, start: u64, size: u64) {
        let end = start + size;
        self.at(
            name,
            Range { start, end },
            Rights::ReadWrite,
            MemoryType::Device,
            start,
        );
    }

    fn sorted(mut self) -> Vec<Grant> {
        self.grants.sort_by_key(|g| g.address);
        self.grants
    }
}

/// All grants: boot root, cores, partitions, bus masters; inside a root by input address.
pub fn all(sources: Sources<'_>) -> Vec<Grant> {
    let mut grants = boot(sources);
    for index in 0..sources.system.board.cores.len() {
        grants.extend(core(sources, index));
    }
    for index in 0..sources.system.partitions.len() {
        grants.extend(partition(sources, index));
    }
    for master in streams::masters(sources.system, sources.devices) {
        grants.extend(stream(sources, master));
    }
    grants
}

/// Locks and their memory.
fn locks<'a>(sources: Sources<'a>) -> impl Iterator<Item = (&'a Lock, Range)> {
    let memory = sources
        .plan
        .channels
        .iter()
        .skip(sources.system.channel_memories().len());
    sources.system.locks.iter().zip(memory.copied())
}

/// Pages of stolen time: how EL2 calls one, where it is, whose.
fn stolen<'a>(sources: Sources<'a>) -> impl Iterator<Item = (String, Range, usize)> + 'a {
    let Sources { system, plan, .. } = sources;
    let pages = system.partitions.iter().zip(&plan.stolen).enumerate();
    pages.filter_map(|(index, (partition, page))| {
        let name = format!("stolen-time:{}", partition.name.value);
        Some((name, (*page)?, index))
    })
}
