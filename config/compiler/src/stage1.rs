// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's own translation: descriptor attributes and control words. Implements: BH-MEM-002.
//!
//! # References
//! Arm DDI 0487, "VMSAv8-64 translation table format descriptors" (stage 1, one VA range), "TCR_EL2",
//! "MAIR_EL2", "SCTLR_EL2".

use crate::access::{MemoryType, Rights};
use crate::table::INPUT_BITS;

/// `MAIR_EL2`: index 0 Normal Write-Back, 1 Device-nGnRE, 2 Normal Non-cacheable.
pub const MAIR: u64 = 0x44_04_ff;

/// `SCTLR_EL2` with the MMU on: RES1 bits, M, C, I, SA (stack alignment), WXN.
pub const SCTLR: u64 = 0x30c5_0830 | 1 | 1 << 2 | 1 << 12 | 1 << 3 | 1 << 19;

/// `TCR_EL2`: 39-bit VA, 4 KiB granule, table walks Write-Back and Inner Shareable.
pub fn tcr(physical_address_bits: u32) -> u64 {
    u64::from(64 - INPUT_BITS)
        | 1 << 8
        | 1 << 10
        | 3 << 12
        | output_size(physical_address_bits) << 16
        | 1 << 23
        | 1 << 31
}

/// Encoding of a physical address size (`PS` fields): the smallest that holds `bits` bits.
pub fn output_size(bits: u32) -> u64 {
    match bits {
        0..=32 => 0,
        33..=36 => 1,
        37..=40 => 2,
        41..=42 => 3,
        43..=44 => 4,
        _ => 5,
    }
}

/// Attribute bits of a block or page descriptor.
///
/// `AP[1]` (bit 6) is RES1 in a regime with one VA range; bit 53 is RES0 there.
pub fn leaf(rights: Rights, memory: MemoryType) -> u64 {
    const ACCESS_FLAG: u64 = 1 << 10;
    const AP1: u64 = 1 << 6;
    const READ_ONLY: u64 = 1 << 7;
    const XN: u64 = 1 << 54;
    let kind = match memory {
        MemoryType::NormalWb => 0b11 << 8,
        MemoryType::Device => 1 << 2 | 0b10 << 8,
        MemoryType::NormalNc => 2 << 2 | 0b10 << 8,
    };
    let write = if rights.writes() { 0 } else { READ_ONLY };
    let execute = if rights.executes() { 0 } else { XN };
    kind | write | execute | AP1 | ACCESS_FLAG
}
