// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Conversions between sizes in memory and sizes in formats, in one place.

use bulkhead_types::blob::PAGE;

/// Number of bytes or entries as an index; the host has 64-bit addresses.
pub fn index(value: u64) -> usize {
    const { assert!(usize::BITS >= 64, "the compiler runs on 64-bit hosts") };
    value as usize
}

/// Length of something in memory.
pub fn length<T>(slice: &[T]) -> u64 {
    slice.len() as u64
}

/// Index of a partition, core or entry as the formats store it; all are bounded by the model to less than 2^16.
pub fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The next multiple of 4 KiB.
pub fn page_up(value: u64) -> u64 {
    value.next_multiple_of(PAGE)
}

/// Zero-fills up to a multiple of `align` bytes.
pub fn pad(bytes: &mut Vec<u8>, align: u64) {
    let padded = length(bytes).next_multiple_of(align);
    bytes.resize(index(padded), 0);
}
