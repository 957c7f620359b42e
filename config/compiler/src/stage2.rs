// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translation of a partition's IPAs: descriptor attributes and control words. Implements: BH-MEM-001.
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 translation table format descriptors" (stage 2), "VTCR_EL2", "VTTBR_EL2".

use crate::access::{MemoryType, Rights};
use crate::stage1::output_size;
use crate::table::INPUT_BITS;

/// `VTCR_EL2`: 39-bit IPA, start at level 1, 4 KiB granule, table walks Write-Back and Inner Shareable.
pub fn vtcr(physical_address_bits: u32) -> u64 {
    u64::from(64 - INPUT_BITS)
        | 1 << 6
        | 1 << 8
        | 1 << 10
        | 3 << 12
        | output_size(physical_address_bits) << 16
        | 1 << 31
}

/// `VTTBR_EL2` of a root page and an 8-bit VMID.
pub fn vttbr(root: u64, vmid: u32) -> u64 {
    root | u64::from(vmid) << 48
}

/// Attribute bits of a block or page descriptor.
///
/// XN is bit 54 alone, which means "never executable" with and without FEAT_XNX.
pub fn leaf(rights: Rights, memory: MemoryType) -> u64 {
    const ACCESS_FLAG: u64 = 1 << 10;
    const READ: u64 = 1 << 6;
    const WRITE: u64 = 1 << 7;
    const XN: u64 = 1 << 54;
    let kind = match memory {
        MemoryType::NormalWb => 0b1111 << 2 | 0b11 << 8,
        MemoryType::NormalNc => 0b0101 << 2 | 0b10 << 8,
        MemoryType::Device => 0b0001 << 2 | 0b10 << 8,
    };
    let write = if rights.writes() { WRITE } else { 0 };
    let execute = if rights.executes() { 0 } else { XN };
    kind | READ | write | execute | ACCESS_FLAG
}
