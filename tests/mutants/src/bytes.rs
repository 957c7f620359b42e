// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Little-endian integers in bytes; reading outside gives nothing.

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// An index from an offset; one that no memory has where it does not fit.
pub fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Bytes `offset .. offset + N`.
pub fn array<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    let start = index(offset);
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

/// The 16-bit integer at `offset`.
pub fn u16_at(bytes: &[u8], offset: u64) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// The 32-bit integer at `offset`.
pub fn u32_at(bytes: &[u8], offset: u64) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// The 64-bit integer at `offset`.
pub fn u64_at(bytes: &[u8], offset: u64) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

/// Puts `value` at `offset`, if it fits.
pub fn put(bytes: &mut [u8], offset: u64, value: &[u8]) {
    let start = index(offset);
    if let Some(place) = start
        .checked_add(value.len())
        .and_then(|end| bytes.get_mut(start..end))
    {
        place.copy_from_slice(value);
    }
}

/// Bits `high..=low` of a word.
pub const fn bits(word: u64, high: u32, low: u32) -> u64 {
    (word >> low) & (u64::MAX >> (63 - (high - low)))
}
