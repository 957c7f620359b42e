// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutations of descriptors and stream table entries.

use crate::bytes::{PAGE, array, bits, put, u64_at};
use crate::files::Files;
use crate::mutate::{Base, flip, text};
use crate::rng::Rng;
use crate::text::{Grant, Text};
use crate::walk::Seen;

/// Attribute fields of leaves, as high and low bit.
const FIELDS: [(u32, u32); 12] = [
    (1, 0),
    (5, 2),
    (7, 6),
    (9, 8),
    (10, 10),
    (11, 11),
    (51, 48),
    (52, 52),
    (53, 53),
    (54, 54),
    (58, 55),
    (63, 59),
];
/// Output address of a descriptor.
const ADDRESS: u64 = 0x0000_FFFF_FFFF_F000;

impl Base {
    fn any(&self, rng: &mut Rng, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        // Descriptors by the hundred thousand: a random place, then the next that is wanted.
        let start = crate::bytes::index(rng.below(u64::try_from(self.seen.len()).unwrap_or(0)));
        let (before, after) = self.seen.split_at_checked(start)?;
        after.iter().chain(before).find(|s| wanted(s)).copied()
    }

    fn is_leaf(seen: &Seen) -> bool {
        seen.level == 3 || seen.raw & 3 == 1
    }

    pub(super) fn descriptor_bit(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let level = 1 + u32::try_from(rng.below(3)).unwrap_or(0);
        let Some(seen) = self.any(rng, |s| s.level == level) else {
            return String::new();
        };
        let what = flip(blob, seen.offset * 8 + rng.below(64));
        format!(
            "{what}, in a descriptor of level {level}, root {}, {:#x}",
            seen.root, seen.input
        )
    }

    pub(super) fn attributes(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let Some(seen) = self.any(rng, Self::is_leaf) else {
            return String::new();
        };
        let (high, low) = rng.pick(&FIELDS).copied().unwrap_or((1, 0));
        let mask = (u64::MAX >> (63 - (high - low))) << low;
        let value = seen.raw & !mask | rng.word() & mask;
        put(blob, seen.offset, &value.to_le_bytes());
        format!(
            "root {} at {:#x}: {:#x} becomes {value:#x}",
            seen.root, seen.input, seen.raw
        )
    }

    /// A physical page that something of the system lies in.
    fn somewhere(&self, rng: &mut Rng) -> u64 {
        let granted = self.reach.el2.iter().chain(&self.reach.partitions).flatten();
        let all: Vec<_> = granted.collect();
        let page = rng
            .pick(&all)
            .map_or(0, |map| map.output + rng.below(map.size / PAGE) * PAGE);
        match rng.below(8) {
            // Nobody's: unused RAM, nothing at all, beyond the address space.
            0 => rng.word() & ADDRESS & 0x7FFF_FFFF,
            1 => rng.word() & ADDRESS,
            _ => page,
        }
    }

    pub(super) fn redirect(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let table = rng.below(4) == 0;
        let Some(seen) = self.any(rng, |s| Self::is_leaf(s) != table) else {
            return String::new();
        };
        let address = if table {
            let pages: Vec<u64> = self.reach.tables.keys().copied().collect();
            rng.pick(&pages).copied().unwrap_or(0)
        } else {
            let page = self.somewhere(rng);
            // A block keeps the alignment of its address, mostly.
            if seen.level == 2 && rng.below(8) > 0 {
                page & !(2 * 1024 * 1024 - 1)
            } else {
                page
            }
        };
        let value = seen.raw & !ADDRESS | address & ADDRESS;
        put(blob, seen.offset, &value.to_le_bytes());
        format!("root {} at {:#x} leads to {address:#x}", seen.root, seen.input)
    }

    pub(super) fn move_descriptors(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let (Some(from), Some(other)) = (self.any(rng, |_| true), self.any(rng, |_| true)) else {
            return String::new();
        };
        // To another descriptor's place, or to any entry of its own table.
        let near = from.offset / PAGE * PAGE + rng.below(512) * 8;
        let to = if rng.below(2) == 0 { other.offset } else { near };
        let displaced = u64_at(blob, to).unwrap_or(0);
        put(blob, to, &from.raw.to_le_bytes());
        let kept = match rng.below(3) {
            0 => from.raw,
            1 => 0,
            _ => displaced,
        };
        put(blob, from.offset, &kept.to_le_bytes());
        format!(
            "descriptor at {:#x} goes to {to:#x}, {kept:#x} takes its place",
            from.offset
        )
    }

    pub(super) fn stream(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let count = 1u64 << self.blob.board.stream_bits;
        let table = self.blob.live_image + self.blob.board.stream_table;
        let ids: Vec<u64> = self.reach.streams.iter().map(|s| s.id).collect();
        let other = rng.below(count);
        let at = |id: u64| table + id * 64;
        let Some(id) = rng.pick(&ids).copied() else {
            return flip(blob, at(other) * 8 + rng.below(512));
        };
        match rng.below(5) {
            0 => flip(blob, at(id) * 8 + rng.below(256)),
            1 => flip(blob, at(other) * 8 + rng.below(512)),
            2 => {
                let entry: [u8; 64] = array(blob, at(id)).unwrap_or([0; 64]);
                put(blob, at(other), &entry);
                format!("stream {id:#x} also for {other:#x}")
            }
            3 => {
                let pages: Vec<u64> = self.reach.tables.keys().copied().collect();
                let root = rng.pick(&pages).copied().unwrap_or(0);
                put(blob, at(id) + 24, &root.to_le_bytes());
                format!("stream {id:#x} by the table at {root:#x}")
            }
            _ => {
                let vmid = u16::try_from(rng.below(6)).unwrap_or(0);
                put(blob, at(id) + 16, &vmid.to_le_bytes());
                format!("stream {id:#x} under VMID {vmid}")
            }
        }
    }

    /// Changes a grant in the tables and in the text.
    pub(super) fn granted(&self, files: &mut Files, rng: &mut Rng) -> String {
        let Ok(told) = Text::read(&files.text) else {
            return String::new();
        };
        let Some(grant) = rng.pick(&told.grants).cloned() else {
            return String::new();
        };
        let root = self.root_of(&grant);
        let end = grant.input + grant.range.size();
        let inside = |s: &&Seen| s.root == root && Self::is_leaf(s) && (grant.input..end).contains(&s.input);
        let leaves: Vec<Seen> = self.seen.iter().filter(inside).copied().collect();
        let mut new = grant.clone();
        let stage2 = leaves.first().is_some_and(|s| s.stage2);
        let (keep, set) = match rng.below(3) {
            0 => {
                new.rights = 1 | u8::try_from(rng.below(4)).unwrap_or(0) << 1;
                let (write, execute) = (new.rights & 2 != 0, new.rights & 4 != 0);
                let writable = if write == stage2 { 1 << 7 } else { 0 };
                (!(1 << 7 | 1 << 54), writable | u64::from(!execute) << 54)
            }
            1 => {
                let (kind, name) = text::kind(rng.below(3));
                new.kind = kind;
                let encoded = [
                    [0b1111 << 2 | 3 << 8, 0b0101 << 2 | 2 << 8, 0b0001 << 2 | 2 << 8],
                    [3 << 8, 2 << 2 | 2 << 8, 1 << 2 | 2 << 8],
                ];
                (
                    if stage2 {
                        !(0b1111 << 2 | 3 << 8)
                    } else {
                        !(0b111 << 2 | 3 << 8)
                    },
                    encoded[usize::from(!stage2)][name],
                )
            }
            _ => {
                let start = self.somewhere(rng) & 0x7F_FFFF_F000;
                let aligned = if leaves.iter().any(|s| s.level == 2) {
                    start & !0x1F_FFFF
                } else {
                    start
                };
                new.range.start = aligned;
                new.range.end = aligned + grant.range.size();
                (u64::MAX, 0)
            }
        };
        for leaf in &leaves {
            let moved = bits(leaf.raw, 47, 12) << 12;
            let output = moved
                .wrapping_sub(grant.range.start)
                .wrapping_add(new.range.start)
                & ADDRESS;
            let value = (leaf.raw & keep | set) & !ADDRESS | output;
            put(&mut files.blob, leaf.offset, &value.to_le_bytes());
        }
        files.text = text::regrant(&files.text, &grant, &new);
        format!("grant {grant:?} becomes {new:?}")
    }

    /// Number of a grant's root in the order of walks.
    pub(super) fn root_of(&self, grant: &Grant) -> usize {
        let cores = self.reach.el2.len();
        match grant.root.split_once(':') {
            Some(("el2", "boot")) => 0,
            Some(("el2", core)) => core
                .trim_start_matches("core:")
                .parse::<usize>()
                .map_or(0, |k| k + 1),
            Some((_, name)) => {
                let found = self
                    .blob
                    .partitions
                    .iter()
                    .position(|p| p.name.as_deref() == Some(name));
                cores + found.unwrap_or(0)
            }
            None => 0,
        }
    }
}
