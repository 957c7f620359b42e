// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stolen time: how long a vCPU could have executed and did not, as its guest reads it.
//!
//! The layout and the calls are those of Arm DEN0057A, so that a stock kernel finds them. A vCPU of a sliced core has
//! one [`StolenTime`]; those of a partition lie one after the other, by vCPU, in a page that its guest reads and EL2
//! writes. On a core of its own nothing is stolen, and the calls say NOT_SUPPORTED.
//!
//! # References
//! Arm DEN0057A, Paravirtualized Time for Arm-based Systems, "Stolen time".

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `PV_TIME_FEATURES`: whether a function of this standard is there.
pub const PV_TIME_FEATURES: u32 = 0xc500_0020;
/// `PV_TIME_ST`: IPA of the caller's [`StolenTime`].
pub const PV_TIME_ST: u32 = 0xc500_0021;

/// Stolen time of a vCPU.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
pub struct StolenTime {
    /// 0.
    pub revision: u32,
    /// 0.
    pub attributes: u32,
    /// Time in ns since its partition was started. Written before the vCPU executes again; one 8-byte store.
    pub stolen: u64,
    /// Zero.
    pub reserved: [u64; 6],
}

/// Bytes of a [`StolenTime`].
pub const SIZE: u64 = 64;
const _: () = assert!(size_of::<StolenTime>() == 64);
/// Bytes of the page that holds those of a partition.
pub const PAGE: u64 = 4096;
const _: () = assert!(crate::stats::MAX_VCPUS * size_of::<StolenTime>() <= 4096);
