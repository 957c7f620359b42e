// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition window: console rings and metrics that leave a partition without an EL2 entry.
//!
//! A window is [`WINDOW_SIZE`] bytes of memory that one partition shares with EL2 and the host tool:
//!
//! | offset | what |
//! |---|---|
//! | [`TX_CONTROL`] | [`RingControl`] of the ring from the partition to the host |
//! | [`RX_CONTROL`] | [`RingControl`] of the ring from the host to the partition |
//! | [`TX_DATA`] | [`TX_SIZE`] bytes of data |
//! | [`RX_DATA`] | [`RX_SIZE`] bytes of data |
//! | [`METRICS`] | [`Metrics`] |
//! | [`crate::health::NOTICES`] | [`crate::health::Notices`], in the monitor partition's window |
//!
//! `head` and `tail` count bytes since start, modulo 2^32; the byte with number `n` lies at `n % size`.
//! The producer writes data, then `head` (release); the consumer reads `head` (acquire), data, then writes
//! `tail` (release). A producer that finds the ring full adds to `dropped` and goes on: nobody ever waits.
//!
//! EL2 zeroes windows when it boots. A partition's restart leaves its window as it is: the producer goes on at
//! `head`, so that what was said before is still read.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Size of a window in bytes.
pub const WINDOW_SIZE: usize = 0x8000;
/// Offset of the control block of the ring to the host.
pub const TX_CONTROL: usize = 0x0000;
/// Offset of the control block of the ring to the partition.
pub const RX_CONTROL: usize = 0x0400;
/// Offset of the data of the ring to the host.
pub const TX_DATA: usize = 0x1000;
/// Bytes in the ring to the host, a power of two.
pub const TX_SIZE: u32 = 0x4000;
/// Offset of the data of the ring to the partition.
pub const RX_DATA: usize = 0x5000;
/// Bytes in the ring to the partition, a power of two.
pub const RX_SIZE: u32 = 0x1000;
/// Offset of the metrics.
pub const METRICS: usize = 0x6000;
/// Value of [`Metrics::magic`] once the partition publishes metrics.
pub const METRICS_MAGIC: u32 = 0x4d48_4b42;
/// Version of [`Metrics`].
pub const METRICS_VERSION: u32 = 2;

/// One ring's indices, each written by one side only and on a cache line of its own.
#[repr(C, align(64))]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct RingControl {
    /// Bytes ever produced; written by the producer.
    pub head: u32,
    /// Bytes that the producer dropped because the ring was full.
    pub dropped: u32,
    /// Keeps the consumer's line apart.
    pub reserved0: [u32; 14],
    /// Bytes ever consumed; written by the consumer.
    pub tail: u32,
    /// Keeps the next thing off the consumer's line.
    pub reserved1: [u32; 15],
}
const _: () = assert!(size_of::<RingControl>() == 128);

/// What a partition says of itself. Claims: the host shows them as the partition's own word.
///
/// All counts are since the partition's start; times are counter values in ns of virtual time.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
pub struct Metrics {
    /// [`METRICS_MAGIC`].
    pub magic: u32,
    /// [`METRICS_VERSION`].
    pub version: u32,
    /// Advances once per activation of the partition's main task.
    pub heartbeat: u64,
    /// Activations that ended after their deadline, as the partition observed them.
    pub deadline_misses: u64,
    /// CAN frames sent.
    pub can_tx: u64,
    /// CAN frames received.
    pub can_rx: u64,
    /// Frames that the controller lost because its buffer was full.
    pub can_overrun: u64,
    /// Received frames whose counter or CRC was wrong.
    pub can_e2e_errors: u64,
    /// Times at which a protected frame was overdue and the partition degraded.
    pub can_timeouts: u64,
    /// Scenarios that ended with the car standing before the obstacle.
    pub scenarios_stopped: u64,
    /// Scenarios that ended with a crash.
    pub scenarios_crashed: u64,
    /// Smallest distance to an obstacle with which a scenario ended well, in mm (`u64::MAX` before the first).
    pub smallest_margin_mm: u64,
    /// Counter value of the first valid protected frame, 0 before it.
    pub first_valid_frame_ns: u64,
    /// Sequence number last published on, or read from, the partition's sampling port.
    pub port_sequence: u64,
    /// Sampling-port messages that were torn or went backwards (must stay 0).
    pub port_errors: u64,
    /// Counter value at which the partition degraded for the first time since the newest valid protected frame; 0 before.
    pub degraded_ns: u64,
    /// Counter value of the newest valid protected frame before which some were missing; 0 before.
    pub resumed_ns: u64,
}
const _: () = assert!(size_of::<Metrics>() == 128);
