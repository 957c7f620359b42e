// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Narrowing by taking the low bytes: total, without a cast and without a panic path.

/// Bits 7:0.
#[inline]
pub(crate) const fn low8(value: u64) -> u8 {
    let [a, ..] = value.to_le_bytes();
    a
}

/// Bits 15:0.
#[inline]
pub(crate) const fn low16(value: u64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Bits 31:0.
#[inline]
pub(crate) const fn low32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Whether bit `n` is set; bits above 63 are not.
#[inline]
pub(crate) const fn bit(value: u64, n: u32) -> bool {
    match value.checked_shr(n) {
        Some(shifted) => shifted & 1 != 0,
        None => false,
    }
}
