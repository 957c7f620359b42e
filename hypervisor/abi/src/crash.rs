// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The crash record: what the registers of a vCPU held when an error ended its partition's life.
//!
//! Each vCPU has a place of [`CRASH_SIZE`] bytes from [`CRASH_OFFSET`] of its core's block in the statistics area, by
//! its position among the vCPUs of that core, which that core alone writes. It holds the newest record; a restart of the
//! partition leaves it as it is. No partition reaches the statistics area. Implements: BH-HEALTH-034.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Offset of the first record in a core's block.
pub const CRASH_OFFSET: usize = 0x6000;
/// Bytes for each vCPU.
pub const CRASH_SIZE: usize = 0x400;

/// The record of a vCPU; all zero before its first.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashRecord {
    /// Records written so far; 0 while the place is empty or being written.
    pub number: u64,
    /// Ticks since the epoch at which the vCPU stopped.
    pub time: u64,
    /// [`crate::health::Error::code`] of what ended the life.
    pub error: u64,
    /// Start of the partition that ended, 0 for the first.
    pub start: u64,
    /// `X0` to `X30`.
    pub x: [u64; 31],
    /// Where the guest was.
    pub pc: u64,
    /// Its state there (`SPSR_EL2`).
    pub pstate: u64,
    /// EL1 and EL0 registers, in the order of [`EL1_REGISTERS`].
    pub el1: [u64; EL1_REGISTERS.len()],
    /// `Q0` to `Q31`, the low half of each first, then `FPCR` and `FPSR`.
    pub fp: [u64; 66],
}
const _: () = assert!(size_of::<CrashRecord>() <= CRASH_SIZE);
const _: () =
    assert!(CRASH_OFFSET + crate::stats::MAX_VCPUS_PER_CORE * CRASH_SIZE <= crate::stats::CORE_STATS_SIZE);
const _: () = assert!(crate::health::HEALTH_OFFSET + size_of::<crate::health::HealthLog>() <= CRASH_OFFSET);

/// Offset in a core's block of what EL2 itself held there when it failed.
pub const EL2_CRASH_OFFSET: usize = CRASH_OFFSET + crate::stats::MAX_VCPUS_PER_CORE * CRASH_SIZE;

/// What EL2 held when an exception of its own ended it on a core, as [`crate::stats::CoreStats::failure`] says; all zero
/// before, and where EL2 gave a core up without an exception. Its stack stays as it was, in the core's block of
/// the hypervisor image. Of an SError `x0` to `x2` are not known: `x0` is 0.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct El2Crash {
    /// `X0` to `X30`.
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Where it was (`ELR_EL2`).
    pub pc: u64,
    /// Its state there (`SPSR_EL2`).
    pub pstate: u64,
}
const _: () = assert!(EL2_CRASH_OFFSET + size_of::<El2Crash>() <= crate::stats::CORE_STATS_SIZE);

/// Bytes before the copy of a partition's RAM in its reserved range; [`DumpHead`] is their begin.
pub const DUMP_HEAD: u64 = 4096;
/// [`DumpHead::magic`] of a whole copy.
pub const DUMP_MAGIC: u64 = u64::from_le_bytes(*b"BH DUMP\x01");

/// What a copied RAM is. The loader writes it in the partition's name, so its partition can forge it, and nobody else.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpHead {
    /// [`DUMP_MAGIC`]; anything else while the RAM is being copied, and before the first time.
    pub magic: u64,
    /// Start of the partition whose RAM it is ([`CrashRecord::start`]).
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

/// Names of the registers in [`CrashRecord::el1`].
pub const EL1_REGISTERS: [&str; 14] = [
    "SP_EL0",
    "SP_EL1",
    "ELR_EL1",
    "SPSR_EL1",
    "ESR_EL1",
    "FAR_EL1",
    "SCTLR_EL1",
    "TCR_EL1",
    "TTBR0_EL1",
    "TTBR1_EL1",
    "MAIR_EL1",
    "VBAR_EL1",
    "TPIDR_EL0",
    "TPIDR_EL1",
];

impl CrashRecord {
    /// The stack pointer that the guest used: that of EL0, unless `PSTATE` selects that of EL1.
    pub const fn sp(&self) -> u64 {
        let [el0, el1, ..] = self.el1;
        if self.pstate & 0xf == 5 { el1 } else { el0 }
    }
}
