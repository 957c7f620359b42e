// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same system written differently: what must not be accused.

use crate::bytes::{PAGE, index, put, u32_at, u64_at};
use crate::files::Files;
use crate::mutate::{Base, text};
use crate::rng::Rng;

impl Base {
    pub(super) fn rewrite(&self, files: &mut Files, rng: &mut Rng) -> String {
        match rng.below(4) {
            0 => text::reword(&mut files.text, rng),
            1 => text::split(&mut files.text, rng),
            2 => self.relocate(&mut files.blob, rng),
            _ => self.retune(&mut files.blob, rng),
        }
    }

    /// Two lower tables of one stage change places, and what points at them follows.
    fn relocate(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let parents: Vec<_> = self
            .seen
            .iter()
            .filter(|s| s.level < 3 && s.raw & 3 == 3)
            .collect();
        let Some(one) = rng.pick(&parents) else {
            return String::new();
        };
        let same: Vec<_> = parents.iter().filter(|p| p.stage2 == one.stage2).collect();
        let Some(other) = rng.pick(&same) else {
            return String::new();
        };
        let page = |raw: u64| (raw & !0xFFF) - self.blob.base;
        let (a, b) = (page(one.raw), page(other.raw));
        let read = |blob: &[u8], at: u64| {
            blob.get(index(at)..index(at + PAGE))
                .map(<[u8]>::to_vec)
                .unwrap_or_default()
        };
        let (first, second) = (read(blob, a), read(blob, b));
        put(blob, a, &second);
        put(blob, b, &first);
        // A parent may lie in one of the two pages and so have moved itself.
        let moved = |offset: u64| match offset / PAGE * PAGE {
            page if page == a => offset - a + b,
            page if page == b => offset - b + a,
            _ => offset,
        };
        put(blob, moved(one.offset), &other.raw.to_le_bytes());
        put(blob, moved(other.offset), &one.raw.to_le_bytes());
        format!("tables at {a:#x} and {b:#x} change places")
    }

    /// A value that decides nothing about isolation: bounds of time are EL2's own, the others stand in the text form.
    fn retune(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let place = |section: usize| self.blob.places.get(section).copied().unwrap_or((0, 0));
        let (partitions, length) = place(1);
        let partition = partitions + rng.below(length / 416) * 416;
        let (board, _) = place(8);
        match rng.below(4) {
            0 => {
                put(
                    blob,
                    partition + 120,
                    &u32::try_from(rng.below(1 << 20)).unwrap_or(0).to_le_bytes(),
                );
                "restart limit".to_owned()
            }
            1 => {
                let flags = u32_at(blob, partition + 40).unwrap_or(0);
                // MAY_MARK, AUTOSTART, FIXED_SEED, MAY_READ_LEDGER.
                let other = *rng.pick(&[1u32, 4, 8, 32]).unwrap_or(&4);
                put(blob, partition + 40, &(flags ^ other).to_le_bytes());
                "flags".to_owned()
            }
            2 => {
                let bound = u64_at(blob, board + 64).unwrap_or(0);
                put(blob, board + 64, &(bound + 1 + rng.below(1000)).to_le_bytes());
                "bound of polls".to_owned()
            }
            _ => {
                put(
                    blob,
                    board + 76,
                    &u32::try_from(1 + rng.below(1 << 20)).unwrap_or(1).to_le_bytes(),
                );
                "delay of the epoch".to_owned()
            }
        }
    }
}
