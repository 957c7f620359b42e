// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The load list: what the EL1 loader does before a partition's own first instruction.
//!
//! EL2 enters the loader, MMU off, at [`LOADER_IPA`] on vCPU 0 at the first start and at every restart, with
//! `x0` = [`LIST_IPA`], `x1`..`x4` = the partition's secret, `x5` = starts so far, `x6` = whether an error ended the
//! life before (0: none did), `x7` = how it is to live (`bulkhead_abi::start`). The loader executes the
//! list from its first [`Step`] to a [`step::JUMP`]. It is the same program for every partition.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// IPA of the loader in every partition: read-only, executable.
pub const LOADER_IPA: u64 = 0x7f_0000_0000;
/// IPA of the load list: read-only, never executable.
pub const LIST_IPA: u64 = 0x7f_0010_0000;
/// IPA from which the payloads are mapped: read-only, never executable.
pub const PAYLOAD_IPA: u64 = 0x7f_4000_0000;
/// IPA of the page from which a partition of sliced cores reads its stolen time: read-only, never executable.
pub const STOLEN_TIME_IPA: u64 = 0x7f_0020_0000;
/// IPA of the range in which the RAM of a partition is kept when an error ends it: to read and write.
pub const DUMP_IPA: u64 = 0x60_0000_0000;
/// Steps that fit into the list's pages.
pub const MAX_STEPS: usize = 256;

/// Kinds of [`Step::kind`].
pub mod step {
    /// Writes zeros to `size` bytes at `target`.
    pub const ZERO: u64 = 1;
    /// Copies `size` bytes from `source` to `target`.
    pub const COPY: u64 = 2;
    /// Fills `size` bytes at `target` with random bytes derived from the partition's secret and start count.
    pub const RANDOM: u64 = 3;
    /// Stores the 32-bit `source` to the device register `target`.
    pub const WRITE32: u64 = 4;
    /// Reads the device register `target` until `(value & source.low32) == source.high32`, at most `size` times.
    pub const POLL32: u64 = 5;
    /// Cleans and invalidates the whole of what was written to the point of coherency, turns the MMU off, and
    /// jumps to `target` with `x0` = `source`, `x1` = what the loader was given in `x7`, all other registers zero.
    pub const JUMP: u64 = 6;
    /// After an error, copies `size` bytes from `source` to behind the head at `target`; the list's first step, if it
    /// has one.
    pub const DUMP: u64 = 7;
}

/// One step.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Step {
    /// One of [`step`].
    pub kind: u64,
    /// IPA that is written, polled or entered.
    pub target: u64,
    /// IPA that is read, a value, or mask and value.
    pub source: u64,
    /// Bytes or tries.
    pub size: u64,
}
