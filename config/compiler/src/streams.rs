// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams of bus masters: a DMA root of their own each, and the stream table. A device with several StreamIDs has as
//! many. Implements: BH-DMA-010, BH-DMA-012.
//!
//! # References
//! Arm IHI 0070, "Stream Table Entry".

use bulkhead_model::board::{Board, Device};
use bulkhead_model::system::System;
use bulkhead_types::tables::PlatformStream;

use crate::access::{Grant, Root};
use crate::devices::Assigned;
use crate::plan::{Plan, pattern};
use crate::stage1::output_size;
use crate::stage2;
use crate::table::{INPUT_BITS, MapError, Pool, Tree, lower_tables};
use crate::units::{id, length};

/// Bytes of an entry.
pub const ENTRY: u64 = 64;

/// The StreamID of a bus master and its stream table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// StreamID.
    pub id: u32,
    /// The entry's doublewords.
    pub words: [u64; 8],
}

/// The entry of a stream that is translated by the root page at `root` alone, with the VMID of its partition:
/// `V`, `Config` = stage 2 only, `SHCFG` = as the device says; the walk as `VTCR_EL2` says it for partitions;
/// `S2PTW`, and `S2R`: a fault is recorded and aborts.
pub fn entry(root: u64, vmid: u32, physical_address_bits: u32) -> [u64; 8] {
    let walk = u64::from(64 - INPUT_BITS) | 1 << 6 | 1 << 8 | 1 << 10 | 3 << 12;
    let size = output_size(physical_address_bits) << 48;
    let translation = u64::from(vmid) | walk << 32 | size | 1 << 51 | 1 << 54 | 1 << 58;
    [1 | 0b110 << 1, 1 << 44, translation, root, 0, 0, 0, 0]
}

/// A stream of an assigned bus master that the SMMU guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// StreamID.
    pub stream: u32,
    /// Index of its partition.
    pub partition: usize,
    /// Index into the board's devices.
    pub device: usize,
}

impl Master {
    /// Its translation root.
    pub fn root(self) -> Root {
        Root::Stream {
            id: self.stream,
            partition: self.partition,
        }
    }

    /// Its device, where that is at fixed addresses.
    pub fn platform_device(self, board: &Board) -> Option<&Device> {
        board.devices.get(self.device).filter(|d| d.pci.is_none())
    }
}

/// Each stream of the assigned bus masters that the SMMU guards, by StreamID.
pub fn masters(system: &System, devices: &[Assigned]) -> Vec<Master> {
    let guarded = devices.iter().filter(|_| system.board.smmu.is_some());
    let streams = |assigned: &Assigned| {
        let Assigned {
            device, partition, ..
        } = *assigned;
        let master = system.board.devices.get(device).filter(|d| d.bus_master);
        let ids: Vec<u32> = master.map_or_else(Vec::new, |d| d.stream_ids().collect());
        ids.into_iter().map(move |stream| Master {
            stream,
            partition,
            device,
        })
    };
    let mut masters: Vec<_> = guarded.flat_map(streams).collect();
    masters.sort_by_key(|master| master.stream);
    masters
}

/// The streams of bus masters at fixed addresses, by StreamID: EL2 knows those of PCI functions from their records.
pub fn platform(system: &System, devices: &[Assigned]) -> Vec<PlatformStream> {
    let masters = masters(system, devices).into_iter();
    let at_fixed = masters.filter(|master| master.platform_device(&system.board).is_some());
    let streams = at_fixed.map(|master| PlatformStream {
        stream: master.stream,
        partition: id(master.partition),
    });
    streams.collect()
}

/// Pages of the DMA roots of a partition's bus masters and of the tables below them.
pub fn tables(system: &System, grants: &[Grant], devices: &[Assigned], index: usize) -> u64 {
    let own = masters(system, devices)
        .into_iter()
        .filter(|m| m.partition == index);
    own.map(|master| 1 + lower_tables(grants.iter().filter(|g| g.root == master.root())))
        .sum()
}

/// Builds the DMA root of each bus master, in pages of its partition's colours.
///
/// # Errors
/// What no descriptor can express, with the device.
pub fn build(
    system: &System,
    grants: &[Grant],
    devices: &[Assigned],
    pool: &mut Pool,
) -> Result<Vec<Stream>, (String, MapError)> {
    let mut streams = Vec::new();
    for master in masters(system, devices) {
        let Master {
            stream,
            partition,
            device,
        } = master;
        let name = &system.board.devices[device].name.value;
        let failed = |error| (name.clone(), error);
        let mut tree = Tree::new(pattern(system, partition));
        for grant in grants.iter().filter(|g| g.root == master.root()) {
            let leaf = stage2::leaf(grant.rights, grant.memory);
            tree.give(pool, grant, leaf).map_err(failed)?;
        }
        let address = pool.put_root(&tree).map_err(failed)?;
        let bits = system.board.physical_address_bits;
        streams.push(Stream {
            id: stream,
            words: entry(address, id(partition) + 1, bits),
        });
    }
    Ok(streams)
}

/// Offset in the live image of each entry, and its bytes.
pub fn entries<'a>(plan: &'a Plan, streams: &'a [Stream]) -> impl Iterator<Item = (u64, Vec<u8>)> + 'a {
    streams.iter().map(|stream| {
        let bytes: Vec<u8> = stream.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        debug_assert_eq!(length(&bytes), ENTRY, "eight doublewords");
        (plan.layout.stream_table + u64::from(stream.id) * ENTRY, bytes)
    })
}
