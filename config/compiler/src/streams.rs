// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams of bus masters: a DMA root of their own each, and the stream table. Implements: BH-DMA-010.
//!
//! # References
//! Arm IHI 0070, "Stream Table Entry".

use bulkhead_model::board::Device;
use bulkhead_model::system::System;

use crate::access::{Grant, Rights, Root};
use crate::devices::Assigned;
use crate::machine;
use crate::plan::Plan;
use crate::sections::vmid;
use crate::stage1::output_size;
use crate::stage2;
use crate::table::{INPUT_BITS, MapError, Pool, Tree, lower_tables};
use crate::units::length;

/// Bytes of an entry.
pub const ENTRY: u64 = 64;

/// The StreamID of a bus master and its stream table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// StreamID: bus, device, function.
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

/// The bus masters of a partition.
fn masters<'a>(
    system: &'a System,
    devices: &'a [Assigned],
    partition: usize,
) -> impl Iterator<Item = &'a Device> {
    let own = devices.iter().filter(move |d| d.partition == partition);
    own.map(|d| &system.board.devices[d.device]).filter(|d| d.bus_master)
}

/// The grant that is a partition's RAM.
fn ram(grants: &[Grant], partition: usize) -> Option<&Grant> {
    let root = Root::Partition(partition);
    grants.iter().find(|g| g.root == root && g.address == machine::RAM)
}

/// Table pages that the streams of a partition need, their roots among them.
pub fn pages(system: &System, devices: &[Assigned], grants: &[Grant], partition: usize) -> u64 {
    let each = 1 + lower_tables(ram(grants, partition).into_iter());
    masters(system, devices, partition).map(|_| each).sum()
}

/// Builds the DMA root of each bus master of a partition: the partition's RAM, never to execute, at the
/// partition's addresses. The tables continue those of `tree`, the partition's own.
///
/// # Errors
/// What no descriptor can express.
pub fn build(
    system: &System,
    devices: &[Assigned],
    grants: &[Grant],
    partition: usize,
    tree: &Tree,
    pool: &mut Pool,
) -> Result<Vec<Stream>, MapError> {
    let (mut streams, mut last) = (Vec::new(), tree.continued());
    for device in masters(system, devices, partition) {
        let mut tree = last.continued();
        if let Some(ram) = ram(grants, partition) {
            let leaf = stage2::leaf(Rights::ReadWrite, ram.memory);
            match &ram.pattern {
                None => tree.map(pool, ram.address, ram.range.start, ram.size(), leaf)?,
                Some(pattern) => tree.map_coloured(pool, ram.address, ram.range, pattern, leaf)?,
            }
        }
        let root = tree.place_root(pool)?;
        let bits = system.board.physical_address_bits;
        streams.push(Stream {
            id: device.pci.bdf(),
            words: entry(root, vmid(partition), bits),
        });
        last = tree;
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
