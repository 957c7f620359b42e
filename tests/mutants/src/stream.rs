// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stream table entries.
//!
//! # References
//! Arm IHI 0070, "Stream Table Entry".

use crate::bytes::{array, bits, u64_at};

/// A stream table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its eight words.
    pub words: [u64; 8],
}

/// `STE.Config`: stage 1 bypassed, stage 2 translates.
const STAGE2_ONLY: u64 = 0b110;
/// `SHCFG` = use what the device says; every other attribute override is off, and so is ATS.
const ATTRIBUTES: u64 = 1 << 44;

impl Entry {
    /// The entry of a StreamID in a table at `table`.
    pub fn read(bytes: &[u8], table: u64, stream: u64) -> Option<Self> {
        let at = table.checked_add(stream * 64)?;
        array::<64>(bytes, at)?;
        let mut words = [0; 8];
        for (word, offset) in words.iter_mut().zip((0u64..).step_by(8)) {
            *word = u64_at(bytes, at + offset)?;
        }
        Some(Self { words })
    }

    /// Whether transactions of the stream can do anything but fault. With V = 0 every other field is ignored.
    pub fn is_valid(&self) -> bool {
        self.words[0] & 1 == 1
    }

    /// `STE.S2VMID`.
    pub fn vmid(&self) -> u64 {
        bits(self.words[2], 15, 0)
    }

    /// `STE.S2TTB`: the root.
    pub fn root(&self) -> u64 {
        bits(self.words[3], 51, 4) << 4
    }

    /// What of a valid entry differs from: stage 2 only, by tables of the format, for VMID `vmid`, ending a
    /// faulting transaction with an abort and a record, and nothing else.
    pub fn wrong(&self, vmid: u32, size_code: u64) -> Option<&'static str> {
        let [first, second, third, _, rest @ ..] = self.words;
        // S2T0SZ = 25, S2SL0 = 1 (level 1), S2IR0 = S2OR0 = 1, S2SH0 = 3, S2TG = 0 (4 KiB), S2AA64 = S2PTW = S2R = 1 (`FORMAT.md`, "Stream table entries").
        let walk =
            25 << 32 | 1 << 38 | 1 << 40 | 1 << 42 | 3 << 44 | size_code << 48 | 1 << 51 | 1 << 54 | 1 << 58;
        let rules = [
            (
                bits(first, 3, 1) != STAGE2_ONLY,
                "is not translated by stage 2 alone",
            ),
            (first >> 4 != 0, "has stage 1 fields"),
            (second != ATTRIBUTES, "overrides attributes or allows ATS"),
            (self.vmid() != u64::from(vmid), "has another VMID"),
            (
                bits(third, 63, 16) != walk >> 16,
                "walks tables of another form, or stalls",
            ),
            (rest != [0; 4], "has words of a later version"),
            (
                self.words[3] & !(self.root()) != 0,
                "has reserved bits beside its root",
            ),
        ];
        rules.iter().find(|(is, _)| *is).map(|(_, text)| *text)
    }
}
