// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutations of page colours: everything else stays right, tables and text alike.

use crate::bytes::{PAGE, index, put, u64_at};
use crate::files::Files;
use crate::image::Range;
use crate::mutate::{Base, tell, text};
use crate::rng::Rng;
use crate::text::{Grant, Text};

/// Bits of an output address.
const ADDRESS: u64 = 0x0000_FFFF_FFFF_F000;

impl Base {
    pub(super) fn colour(&self, files: &mut Files, rng: &mut Rng) -> String {
        match rng.below(5) {
            0 => text::claim(&mut files.text, rng),
            1 => self.exchange_roots(files, rng),
            2 => self.move_table(&mut files.blob, rng),
            _ => self.move_page(files, rng),
        }
    }

    /// Two partitions exchange the pages of their roots, and everything that names them follows.
    fn exchange_roots(&self, files: &mut Files, rng: &mut Rng) -> String {
        let (partitions, _) = self.blob.places.get(1).copied().unwrap_or((0, 0));
        let (vcpus, _) = self.blob.places.get(2).copied().unwrap_or((0, 0));
        let count = u64::try_from(self.blob.partitions.len()).unwrap_or(0);
        let (one, other) = (rng.below(count), rng.below(count));
        let entry = |p: u64| partitions + p * 416 + 48;
        let read = |at: u64| u64_at(&files.blob, at).unwrap_or(0);
        let [first, second] = [one, other].map(|p| (read(entry(p)), read(entry(p) + 8)));
        let page = |at: u64| {
            let place = index(at)..index(at + PAGE);
            files.blob.get(place).map(<[u8]>::to_vec).unwrap_or_default()
        };
        let pages = [page(first.1), page(second.1)];
        let blob = &mut files.blob;
        for (p, root, page) in [(one, second, &pages[0]), (other, first, &pages[1])] {
            put(blob, root.1, page);
            put(blob, entry(p), &root.0.to_le_bytes());
            put(blob, entry(p) + 8, &root.1.to_le_bytes());
            for (vcpu, at) in self.blob.vcpus.iter().zip((vcpus..).step_by(112)) {
                if u64::from(vcpu.partition) == p {
                    let word = vcpu.words[4] & !ADDRESS | root.0;
                    put(blob, at + 48, &word.to_le_bytes());
                }
            }
        }
        tell(files);
        format!("partitions {one} and {other} exchange their roots, told")
    }

    /// A lower table of stage 2 goes to a page of the blob that is free, and what points at it follows.
    fn move_table(&self, blob: &mut [u8], rng: &mut Rng) -> String {
        let area = self.blob.early_end..self.blob.live_image;
        let used = |page: u64| {
            let page = Range {
                start: page,
                end: page + PAGE,
            };
            let section = |(offset, length): &(u64, u64)| {
                Range::sized(*offset, *length).is_some_and(|section| section.meets(page))
            };
            self.blob.places.iter().any(section)
                || self.reach.tables.contains_key(&(self.blob.base + page.start))
        };
        let free: Vec<u64> = area.step_by(index(PAGE)).filter(|page| !used(*page)).collect();
        let parents = self.seen.iter();
        let parents: Vec<_> = parents
            .filter(|s| s.stage2 && s.level < 3 && s.raw & 3 == 3)
            .collect();
        let (Some(to), Some(parent)) = (rng.pick(&free).copied(), rng.pick(&parents)) else {
            return String::new();
        };
        let from = (parent.raw & ADDRESS) - self.blob.base;
        let place = index(from)..index(from + PAGE);
        let content = blob.get(place).map(<[u8]>::to_vec).unwrap_or_default();
        put(blob, to, &content);
        put(blob, from, &[0; 4096]);
        let value = parent.raw & !ADDRESS | (self.blob.base + to);
        put(blob, parent.offset, &value.to_le_bytes());
        format!("table at {from:#x} of root {} goes to {to:#x}", parent.root)
    }

    /// A page of a coloured grant of a partition goes to a free page of RAM, by tables and text.
    fn move_page(&self, files: &mut Files, rng: &mut Rng) -> String {
        let Ok(told) = Text::read(&files.text) else {
            return String::new();
        };
        // A payload is one grant; RAM may be several.
        let movable = |g: &&Grant| g.root.starts_with("partition:") && g.name != "payload";
        let grants: Vec<&Grant> = told.coloured.iter().filter(movable).collect();
        let palette = |grant: &Grant| {
            let name = grant.root.strip_prefix("partition:")?;
            told.colours.as_ref()?.of(name)
        };
        let Some(grant) = rng.pick(&grants).copied() else {
            return String::new();
        };
        let Some(palette) = palette(grant) else {
            return String::new();
        };
        let root = self.root_of(grant);
        let parts = palette.parts(grant.range);
        let pages: Vec<u64> = parts
            .iter()
            .flat_map(|part| (part.start..part.end).step_by(index(PAGE)))
            .collect();
        let at = index(rng.below(u64::try_from(pages.len()).unwrap_or(0)));
        let Some(old) = pages.get(at).copied() else {
            return String::new();
        };
        let used = |page: Range| {
            let mut placed = told.placed.iter().chain(&told.coloured_placed);
            placed.any(|p| p.range.meets(page))
        };
        let free = |rng: &mut Rng| {
            let (base, size) = self.blob.ram.first().copied()?;
            let page = Range::sized(base + rng.below(size / PAGE) * PAGE, PAGE)?;
            (!used(page)).then_some(page)
        };
        let Some(new) = (0..16).find_map(|_| free(rng)) else {
            return String::new();
        };
        for leaf in self.seen.iter().filter(|s| s.root == root && s.level == 3) {
            if leaf.raw & ADDRESS == old {
                put(
                    &mut files.blob,
                    leaf.offset,
                    &(leaf.raw & !ADDRESS | new.start).to_le_bytes(),
                );
            }
        }
        let input = |place: usize| grant.input + u64::try_from(place).unwrap_or(0) * PAGE;
        let piece = |first: usize, last: usize| {
            let range = Range {
                start: *pages.get(first)?,
                end: pages.get(last)? + PAGE,
            };
            Some(Grant {
                range,
                input: input(first),
                ..grant.clone()
            })
        };
        let before = at.checked_sub(1).and_then(|last| piece(0, last));
        let after = piece(at + 1, pages.len() - 1);
        let moved = Grant {
            range: new,
            input: input(at),
            ..grant.clone()
        };
        let rest: Vec<Grant> = before.into_iter().chain(after).collect();
        files.text = text::moved(&files.text, grant, &rest, &moved);
        format!(
            "page {old:#x} of {} of {} goes to {:#x}, told",
            grant.name, grant.root, new.start
        )
    }
}
