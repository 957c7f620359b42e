// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sampling ports: the last value of a channel, one writer, many readers, nobody waits.
//!
//! Memory layout of a port of [`PortHeader::slot_count`] slots, each [`PortHeader::slot_stride`] bytes:
//! the header at offset 0, slot *i* at [`SLOTS`] + *i* × stride. A slot is a [`SlotHeader`], the message at
//! offset [`MESSAGE`] of the slot.
//!
//! The writer of message *n* (*n* = 1, 2, …) uses slot *n* mod slot_count: stores 2*n*+1 into `begin`
//! (relaxed) followed by a store barrier, writes the message and its length, stores 2*n*+1 into `end`
//! (release), then *n* into [`PortHeader::latest`] (release). A reader takes `latest` (acquire), reads
//! `end` (acquire), copies the message, load barrier, reads `begin`, and accepts the copy if both are
//! 2*n*+1; otherwise the writer has lapped it and it tries again, at most [`READ_TRIES`] times. With four
//! slots that needs three more messages during one copy.
//!
//! EL2 zeroes the memory when it boots, so that there is no header before the writer's first start. A restart of
//! the writer's partition leaves it as it is: the writer finds its header and goes on with its numbers.
//!
//! The memory is Normal Non-cacheable for all (stage 2 says so), since a Linux user process may map it as
//! Device: only single-copy atomic loads and stores of up to 8 bytes are used, never an exclusive.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of [`PortHeader::magic`].
pub const MAGIC: u32 = 0x5053_4b42;
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Offset of the first slot.
pub const SLOTS: usize = 64;
/// Offset of the message inside a slot.
pub const MESSAGE: usize = 32;
/// Slots of a port.
pub const SLOT_COUNT: u32 = 4;
/// Copies that a reader tries before it reports that there is no stable message.
pub const READ_TRIES: u32 = 4;

/// First 64 bytes of a port, written by its writer when it starts.
#[repr(C, align(64))]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct PortHeader {
    /// [`MAGIC`], written last at initialisation.
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Number of slots.
    pub slot_count: u32,
    /// Bytes from slot to slot, a multiple of 64.
    pub slot_stride: u32,
    /// Number of the last complete message, 0 before the first.
    pub latest: u64,
    /// Fills the line.
    pub reserved: [u64; 5],
}
const _: () = assert!(size_of::<PortHeader>() == SLOTS);

/// First bytes of a slot.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct SlotHeader {
    /// 2*n*+1 from the begin of writing message *n*.
    pub begin: u64,
    /// 2*n*+1 when message *n* is complete.
    pub end: u64,
    /// Bytes of the message.
    pub length: u32,
    /// Zero.
    pub reserved: u32,
    /// Fills up to [`MESSAGE`].
    pub reserved1: u64,
}
const _: () = assert!(size_of::<SlotHeader>() == MESSAGE);

/// Message of the `vehicle-state` channel of the reference system.
///
/// `sequence` is repeated at the end so that a reader can show that it was not torn.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VehicleState {
    /// 1, 2, 3 … since the writer's start.
    pub sequence: u64,
    /// Counter value at publication, ns of virtual time.
    pub time_ns: u64,
    /// Speed in mm/s.
    pub speed_mm_s: u32,
    /// Distance to the obstacle in mm.
    pub distance_mm: u32,
    /// Time to collision in ms, `u32::MAX` when none.
    pub time_to_collision_ms: u32,
    /// Brake request in per mille, 0 to 1000.
    pub brake_permille: u32,
    /// Equal to `sequence`.
    pub sequence_again: u64,
}
const _: () = assert!(size_of::<VehicleState>() == 40);
