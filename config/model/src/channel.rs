// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Channels: what a partition tells others, and the memory in which it does. Implements: BH-MEM-011.

use bulkhead_abi::queuing::{self, READER_SIZE};

use crate::span::Spanned;

/// Bytes of the memory of a sampling port, whatever its message.
pub const PORT_SIZE: u64 = 0x1_0000;
/// Bytes to a multiple of which the memory of other channels is rounded up, and at which it is aligned.
pub const GRANULE: u64 = 0x1_0000;
/// Largest memory of one channel in bytes.
pub const LARGEST_MEMORY: u64 = 32 << 20;
/// Bytes of the memories of all channels but sampling ports, as they lie one after the other.
pub const MEMORY_ROOM: u64 = 64 << 20;
/// Sampling ports of a system.
pub const MOST_PORTS: usize = 112;
/// Memories from this size on are aligned for a block of the translation tables.
const BLOCK: u64 = 2 << 20;
const PAGE: u64 = 4096;

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: Spanned<String>,
    /// What it carries, and how.
    pub kind: ChannelKind,
    /// Partition index.
    pub writer: Spanned<usize>,
    /// Partition indices, each once, never the writer.
    pub readers: Vec<Spanned<usize>>,
    /// Physical address of the memory that the writer writes, if the spec pins it.
    pub at: Option<Spanned<u64>>,
    /// Physical address of the memory that a queue's reader writes, if the spec pins it.
    pub reader_at: Option<Spanned<u64>>,
}

/// What a channel carries, and how.
#[derive(Clone, Copy, Debug)]
pub enum ChannelKind {
    /// The last message, whole.
    Sampling {
        /// Bytes of a message, a multiple of 8.
        message: Spanned<u64>,
    },
    /// Messages in order, for one reader.
    Queuing {
        /// Bytes of a message, a multiple of 8.
        message: Spanned<u64>,
        /// Messages that the queue holds.
        depth: Spanned<u32>,
        /// What becomes of a message for which there is no room.
        overflow: Spanned<Overflow>,
    },
    /// An interrupt without payload, from the writer to one reader.
    Doorbell {
        /// Least time in ns from one ring to the next.
        interval: Spanned<u64>,
    },
    /// Memory that one writes and others read, without a protocol.
    Shared {
        /// Bytes, whole pages.
        size: Spanned<u64>,
    },
}

/// What becomes of a message for which a queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest one gives way: the writer depends on nothing that the reader does.
    DropOldest,
    /// It is refused: the writer learns what the reader has taken.
    Refuse,
}

/// Memory of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMemory {
    /// Index of its channel.
    pub channel: usize,
    /// What grants and placement call it: `channel:NAME`, and `channel:NAME.reader` for what a queue's reader writes.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The partition that writes it.
    pub writer: usize,
    /// Partitions that read it, in the order of the spec.
    pub readers: Vec<usize>,
    /// Whether it is that of a sampling port.
    pub is_port: bool,
}

impl ChannelKind {
    /// Where the memory that the writer writes has to be aligned.
    pub fn alignment(&self) -> u64 {
        match self {
            ChannelKind::Sampling { .. } => PORT_SIZE,
            ChannelKind::Queuing { .. } | ChannelKind::Doorbell { .. } | ChannelKind::Shared { .. } => {
                alignment(self.size())
            }
        }
    }
}

impl ChannelMemory {
    /// Whether a partition writes (`Some(true)`) or reads it (`Some(false)`).
    pub fn is_written_by(&self, partition: usize) -> Option<bool> {
        let reads = self.readers.contains(&partition).then_some(false);
        (self.writer == partition).then_some(true).or(reads)
    }
}

/// A doorbell with its interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell<'a> {
    /// Its place among all doorbells.
    pub number: usize,
    /// Its channel.
    pub channel: &'a Channel,
    /// Partition that rings.
    pub ringer: usize,
    /// Partition that is rung.
    pub rung: usize,
    /// INTID of its interrupt.
    pub intid: u32,
    /// Least time in ns from one ring to the next.
    pub interval: u64,
}

impl ChannelKind {
    /// Bytes of the memory that the writer writes; 0 when there is none.
    pub fn size(&self) -> u64 {
        match self {
            ChannelKind::Sampling { .. } => PORT_SIZE,
            ChannelKind::Queuing { message, depth, .. } => {
                let message = usize::try_from(message.value).unwrap_or(usize::MAX);
                let bytes = queuing::size(message, depth.value).and_then(|bytes| u64::try_from(bytes).ok());
                let pages = bytes.and_then(|bytes| bytes.checked_next_multiple_of(PAGE));
                pages.unwrap_or(u64::MAX)
            }
            ChannelKind::Doorbell { .. } => 0,
            ChannelKind::Shared { size } => size.value,
        }
    }
}

impl Channel {
    /// Its memories.
    pub fn memories(&self, index: usize) -> Vec<ChannelMemory> {
        if let ChannelKind::Doorbell { .. } = self.kind {
            return Vec::new();
        }
        let memory = ChannelMemory {
            channel: index,
            name: format!("channel:{}", self.name.value),
            size: self.kind.size(),
            writer: self.writer.value,
            readers: self.readers.iter().map(|r| r.value).collect(),
            is_port: matches!(self.kind, ChannelKind::Sampling { .. }),
        };
        let ChannelKind::Queuing { overflow, .. } = self.kind else {
            return vec![memory];
        };
        // The rule `channels/one-reader` holds.
        let reader = ChannelMemory {
            name: format!("{}.reader", memory.name),
            size: READER_SIZE as u64,
            writer: memory.readers.first().copied().unwrap_or(memory.writer),
            readers: match overflow.value {
                Overflow::DropOldest => Vec::new(),
                Overflow::Refuse => vec![memory.writer],
            },
            ..memory.clone()
        };
        vec![memory, reader]
    }
}

/// Where memory of `size` bytes has to be aligned, in physical and in input addresses.
pub fn alignment(size: u64) -> u64 {
    if size < BLOCK { GRANULE } else { BLOCK }
}

/// Offsets of memories of these sizes and alignments in their common room, and where the last one ends.
pub fn lay_out(memories: impl Iterator<Item = (u64, u64)>) -> (Vec<u64>, u64) {
    let mut end = 0u64;
    let offsets = memories.map(|(size, alignment)| {
        let offset = end.next_multiple_of(alignment);
        end = offset.saturating_add(size.next_multiple_of(GRANULE));
        offset
    });
    (offsets.collect(), end)
}
