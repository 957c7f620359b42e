// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutations of the header, of sections and of control words.

use crate::blob::{HEADER, SECTIONS};
use crate::bytes::{index, put, u64_at};
use crate::mutate::{Base, flip};
use crate::rng::Rng;

/// First byte after the digest, which is made right afterwards.
const AFTER_DIGEST: u64 = 48;

impl Base {
    /// Header and sections as offset, bytes of an entry, bytes.
    fn parts(&self) -> Vec<(u64, u64, u64)> {
        let mut all = vec![
            (AFTER_DIGEST, HEADER - AFTER_DIGEST, HEADER - AFTER_DIGEST),
            (0, 16, 16),
        ];
        for ((offset, length), (_, _, entry)) in self.blob.places.iter().zip(SECTIONS) {
            if *length > 0 {
                all.push((*offset, entry, *length));
            }
        }
        all
    }

    pub(super) fn section_bit(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let parts = self.parts();
        let (offset, _, length) = rng.pick(&parts).copied().unwrap_or((0, 0, 16));
        flip(blob, offset * 8 + rng.below(length * 8))
    }

    pub(super) fn field(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let parts = self.parts();
        let (offset, entry, length) = rng.pick(&parts).copied().unwrap_or((0, 16, 16));
        let size = if rng.below(2) == 0 { 4 } else { 8 };
        let start = offset + rng.below(length / entry.max(1)) * entry;
        let at = start + rng.below(entry / size) * size;
        // Another field of the same size, a small number, a neighbour's value, or everything.
        let old = u64_at(blob, at).unwrap_or(0);
        let other = offset + rng.below(length / size) * size;
        let value = match rng.below(6) {
            0 => 0,
            1 => rng.below(8),
            2 => old.wrapping_add(1),
            3 => old.wrapping_add(4096),
            4 => u64::MAX,
            _ => u64_at(blob, other).unwrap_or(0),
        };
        let bytes = value.to_le_bytes();
        put(blob, at, bytes.get(..index(size)).unwrap_or(&bytes));
        format!("{size} bytes at {at:#x} become those of {value:#x}")
    }

    pub(super) fn move_entries(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let several: Vec<_> = self
            .parts()
            .into_iter()
            .filter(|(_, entry, length)| length > entry)
            .collect();
        let Some((offset, entry, length)) = rng.pick(&several).copied() else {
            return String::new();
        };
        let count = length / entry;
        let (one, other) = (
            offset + rng.below(count) * entry,
            offset + rng.below(count) * entry,
        );
        let read = |blob: &[u8], at: u64| {
            blob.get(index(at)..index(at + entry))
                .map(<[u8]>::to_vec)
                .unwrap_or_default()
        };
        let (first, second) = (read(blob, one), read(blob, other));
        put(blob, other, &first);
        if rng.below(2) == 0 {
            put(blob, one, &second);
            return format!("entries at {one:#x} and {other:#x} swapped");
        }
        format!("entry at {one:#x} also at {other:#x}")
    }

    pub(super) fn word(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let (vcpus, _) = self.blob.places.get(2).copied().unwrap_or((0, 0));
        let count = u64::try_from(self.blob.vcpus.len()).unwrap_or(0);
        let at = match rng.below(8) {
            0 => 152 + 8 * rng.below(3),
            _ => vcpus + rng.below(count) * 112 + 16 + 8 * rng.below(11),
        };
        if rng.below(4) == 0 {
            let other = vcpus + rng.below(count) * 112 + 16 + 8 * rng.below(11);
            let value = u64_at(blob, other).unwrap_or(0);
            put(blob, at, &value.to_le_bytes());
            return format!("control word at {at:#x} is that at {other:#x}");
        }
        flip(blob, at * 8 + rng.below(64))
    }
}
