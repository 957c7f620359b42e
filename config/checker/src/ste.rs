// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decodes the entries of the SMMU's linear stream table.
//!
//! # References
//! - Arm SMMUv3 (IHI 0070), "Stream Table Entry"

use crate::range::{slice, u64_at};
use crate::system::System;

/// Bytes of an entry.
pub(crate) const ENTRY: u64 = 64;
/// Bits of a StreamID at most.
pub(crate) const MAX_STREAM_BITS: u32 = 20;
/// S2TTB, bits 51:12 of doubleword 3 (the root is a page).
const S2TTB: u64 = 0x000f_ffff_ffff_f000;

/// Bytes of a table for `bits` bits of StreamID.
pub(crate) fn table_size(bits: u32) -> u64 {
    1u64.checked_shl(bits)
        .map_or(u64::MAX, |count| count.saturating_mul(ENTRY))
}

/// An entry that is not zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// StreamID.
    pub id: u64,
    /// Doublewords.
    pub words: [u64; 8],
}

impl Stream {
    /// Physical address of its stage-2 root.
    pub(crate) fn root(&self) -> u64 {
        self.words[3] & S2TTB
    }

    /// The doublewords of an entry that translates by the stage-2 root at `root` under `vmid`, aborts and
    /// records what it does not map, and never stalls: V, Config = 0b110 (stage 2 only); SHCFG = 0b01 (use
    /// incoming); S2VMID, S2T0SZ = 25, S2SL0 = 1, S2IR0 = S2OR0 = 1, S2SH0 = 3, S2TG = 0, S2PS, S2AA64,
    /// S2AFFD = 0, S2PTW, S2R.
    pub(crate) fn stage2_only(root: u64, vmid: u64, output_size: u64) -> [u64; 8] {
        let valid = 1 | 0b110 << 1;
        let shareability = 0b01 << 44;
        let translation = vmid
            | 25 << 32
            | 1 << 38
            | 1 << 40
            | 1 << 42
            | 3 << 44
            | output_size << 48
            | 1 << 51
            | 1 << 54
            | 1 << 58;
        [valid, shareability, translation, root, 0, 0, 0, 0]
    }
}

/// All entries of the pristine stream table that are not zero; none when the table lies outside the blob,
/// which is a failure of its own.
pub(crate) fn read(system: &System<'_>) -> Vec<Stream> {
    let (header, board) = (&system.blob.header, &system.blob.board);
    if board.smmu == 0 || board.stream_bits > MAX_STREAM_BITS {
        return Vec::new();
    }
    let table = header
        .live_image
        .checked_add(board.stream_table)
        .and_then(|offset| slice(system.bytes, offset, table_size(board.stream_bits)))
        .unwrap_or_default();
    let entries = table.chunks_exact(64).zip(0..);
    entries
        .map(|(entry, id)| {
            let mut words = [0; 8];
            for (i, word) in words.iter_mut().enumerate() {
                *word = u64_at(entry, 8 * i).unwrap_or_default();
            }
            Stream { id, words }
        })
        .filter(|stream| stream.words != [0; 8])
        .collect()
}
