// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Queuing ports: messages in order, one writer, one reader, nobody waits.
//!
//! A queue of depth *d* has two memories. The writer's holds a [`QueueHeader`] at offset 0 and *d* + 1 slots, each
//! [`stride`] bytes, from [`SLOTS`] on; the reader maps it read-only. The reader's holds a [`ReaderHeader`]; the writer
//! maps it read-only where a full queue refuses messages, and not at all where a full queue drops the oldest one.
//! Message size and depth stand in the device tree; what the memory says of them is a claim.
//!
//! The writer of message *n* (*n* = 1, 2, …) uses slot *n* mod (*d* + 1): stores 2*n*+1 into the slot's first word
//! (relaxed) followed by a store barrier, writes the message, stores 2*n*+1 into the second word (release), then *n* into
//! [`QueueHeader::sent`] (release). Where a full queue refuses, it first takes [`ReaderHeader::taken`] (acquire) and
//! refuses when *n* - 1 - taken is *d* or more, as a number without sign: whatever the reader writes there, the writer
//! waits for nothing and stays inside its memory.
//!
//! The reader takes `sent` (acquire), and message *n*, the one after the last that it took or, where more than *d* are
//! waiting, the oldest that is still there: reads the slot's second word (acquire), copies the message, load barrier,
//! reads the first word, and accepts the copy if both are 2*n*+1. Then it adds what it skipped to
//! [`ReaderHeader::lost`] and stores *n* into `taken` (release).
//!
//! EL2 zeroes both memories when it boots. A restart of a partition leaves them as they are: the writer goes on with
//! its numbers, the reader after the last message that it took.
//!
//! The memories are Normal Non-cacheable, as those of sampling ports ([`crate::sampling`]).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of [`QueueHeader::magic`].
pub const MAGIC: u32 = 0x5051_4b42;
/// Value of [`ReaderHeader::magic`].
pub const READER_MAGIC: u32 = 0x5251_4b42;
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Offset of the first slot.
pub const SLOTS: usize = 64;
/// Offset of the message inside a slot.
pub const MESSAGE: usize = 16;
/// Bytes of the reader's memory.
pub const READER_SIZE: usize = 4096;

/// Bytes from slot to slot for messages of `message` bytes; `None` when they are too long.
pub const fn stride(message: usize) -> Option<usize> {
    match message.checked_add(MESSAGE) {
        Some(bytes) => bytes.checked_next_multiple_of(64),
        None => None,
    }
}

/// Bytes of the writer's memory, before it is rounded up to whole pages.
pub const fn size(message: usize, depth: u32) -> Option<usize> {
    // Lossless: a `usize` has 32 bits at least wherever this is built.
    let slots = (depth as usize).checked_add(1);
    match (slots, stride(message)) {
        (Some(slots), Some(stride)) => match slots.checked_mul(stride) {
            Some(bytes) => bytes.checked_add(SLOTS),
            None => None,
        },
        (Some(_) | None, _) => None,
    }
}

/// First 64 bytes of the writer's memory.
#[repr(C, align(64))]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct QueueHeader {
    /// [`MAGIC`], written last at initialisation.
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Messages that the queue holds.
    pub depth: u32,
    /// Bytes from slot to slot.
    pub stride: u32,
    /// Number of the last complete message, 0 before the first.
    pub sent: u64,
    /// Messages that were refused because the queue was full.
    pub refused: u64,
    /// Fills the line.
    pub reserved: [u64; 4],
}
const _: () = assert!(size_of::<QueueHeader>() == SLOTS);

/// First 64 bytes of the reader's memory.
#[repr(C, align(64))]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct ReaderHeader {
    /// [`READER_MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Number of the last message that was taken.
    pub taken: u64,
    /// Messages that were dropped before they were taken.
    pub lost: u64,
    /// Fills the line.
    pub reserved: [u64; 5],
}
const _: () = assert!(size_of::<ReaderHeader>() == 64);
