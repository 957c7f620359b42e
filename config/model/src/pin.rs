// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a spec pins: each thing that the compiler places in RAM has a key that says where it lies instead.
//!
//! [`System::pin`] is the one list of them, by the names that the text form gives to things and owners. The
//! hypervisor's image is not among them: it lies where the board's hypervisor is linked, and the blob with its certificate
//! behind it. Implements: BH-MEM-013.

use crate::board::Board;
use crate::span::Spanned;
use crate::system::System;

/// What EL2 maps lies below this address.
pub const EL2_LIMIT: u64 = 1 << 32;
/// A level-2 block of the 4 KiB granule.
const BLOCK: u64 = 2 << 20;

/// Where a spec pins what belongs to a partition. Its RAM has [`Memory::at`](crate::system::Memory::at).
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionPins {
    /// Physical address of its window, below 4 GiB, a multiple of 32 KiB.
    pub window_at: Option<Spanned<u64>>,
    /// Physical address of its load list and payload in the image, a multiple of 4 KiB.
    pub payload_at: Option<Spanned<u64>>,
    /// Physical address of the page of its stolen time, below 4 GiB, a multiple of 4 KiB.
    pub stolen_time_at: Option<Spanned<u64>>,
    /// IPA of its device tree, in its RAM, a multiple of 4 KiB.
    pub device_tree_at: Option<Spanned<u64>>,
}

/// Where a spec pins memory that EL2 writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct HypervisorPins {
    /// Physical address of the live area, below 4 GiB, a multiple of [`Board::live_align`].
    pub live_at: Option<Spanned<u64>>,
    /// Physical address of the SMMU's queues, below 4 GiB, a multiple of 4 KiB.
    pub smmu_queues_at: Option<Spanned<u64>>,
}

/// A thing that can be pinned.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The key that pins it.
    pub key: String,
    /// Its physical address, if the spec has that key.
    pub at: Option<Spanned<u64>>,
}

impl Board {
    /// Bytes of the stream table, 0 without an SMMU.
    pub fn stream_table_size(&self) -> u64 {
        self.smmu.as_ref().map_or(0, |s| (64 << s.stream_bits).max(4096))
    }

    /// Alignment of the live area in bytes: the stream table's, that of a way of the cache, and of a block.
    pub fn live_align(&self) -> u64 {
        let way = self.colouring.map_or(0, |c| c.way());
        self.stream_table_size().max(way).max(BLOCK)
    }
}

impl System {
    /// The pin of what the text form calls `name` of `owner`; nothing for what cannot be pinned.
    pub fn pin(&self, owner: &str, name: &str) -> Option<Pin> {
        let pin = |key: String, at| Some(Pin { key, at });
        if owner == "el2" {
            let pins = &self.hypervisor;
            return match name {
                "live" => pin("hypervisor.live_at".to_owned(), pins.live_at),
                "smmu-queues" => pin("hypervisor.smmu_queues_at".to_owned(), pins.smmu_queues_at),
                _ => None,
            };
        }
        if let Some(partition) = owner.strip_prefix("partition:") {
            let partition = self.partitions.iter().find(|p| p.name.value == partition)?;
            let (memory, pins) = (&partition.memory, &partition.pins);
            let (key, at) = match name {
                "ram" | "payload-area" if memory.colours.is_some() => return None,
                "ram" => ("memory.at", memory.at),
                "window" => ("window_at", pins.window_at),
                "payload-area" => ("payload_at", pins.payload_at),
                "stolen-time" => ("stolen_time_at", pins.stolen_time_at),
                _ => return None,
            };
            return pin(format!("partitions.{}.{key}", partition.name.value), at);
        }
        let channel = owner.strip_prefix("channel:")?;
        if name == "lock" {
            let lock = self.locks.iter().find(|l| l.name.value == channel)?;
            return pin(format!("locks.{channel}.at"), lock.at);
        }
        let (channel, is_reader) = match channel.strip_suffix(".reader") {
            Some(channel) => (channel, true),
            None => (channel, false),
        };
        let found = self.channels.iter().find(|c| c.name.value == channel)?;
        let (key, at) = if is_reader {
            ("reader_at", found.reader_at)
        } else {
            ("at", found.at)
        };
        pin(format!("channels.{channel}.{key}"), at)
    }
}
