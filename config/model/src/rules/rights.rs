// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what stage 2 lets a partition do with its RAM.

use super::Facts;
use crate::board::Region;
use crate::diagnostic::{Diagnostic, Rule};
use crate::files::{Segment, elf_segments};
use crate::span::Span;
use crate::spec::PartitionSpec;
use crate::system::{MemoryRights, Payload};

/// Segments of nothing.
static WITHOUT_SEGMENTS: Rule = Rule {
    number: "BH230",
    id: "memory/without-segments",
    text: "A partition whose memory has the rights of segments has an ELF payload.",
    fix: "Give it an `elf` payload, or leave `rights` out.",
};
/// Two rights in one page.
static MIXED_PAGE: Rule = Rule {
    number: "BH231",
    id: "memory/mixed-page",
    text: "Segments whose rights are used lie in pages of their own unless their rights are the same.",
    fix: "Align each segment to 4 KiB in the linker script, or leave `rights` out.",
};

pub(super) static ALL: &[&Rule] = &[&WITHOUT_SEGMENTS, &MIXED_PAGE];
pub(super) const CHECKS: &[super::Check] = &[without_segments, mixed_page];

const PAGE: u64 = 4096;

/// Partitions with the rights of segments: name, where the rights stand, payload.
fn chosen<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a str, Span, &'a Payload)> {
    let payloads = facts.spec.partitions.iter().zip(&facts.payloads.list);
    payloads.filter_map(|(partition, payload)| {
        let rights = partition.memory.as_ref()?.rights?;
        let chosen = (partition.name.value.as_str(), rights.span, payload.as_ref()?);
        (rights.value == MemoryRights::Segments).then_some(chosen)
    })
}

/// Implements: BH-CFG-140.
fn without_segments(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (name, span, payload) in chosen(facts) {
        let (file, what) = match payload {
            Payload::Elf(_) => continue,
            Payload::Linux(linux) => (&linux.kernel, "a Linux kernel protects itself"),
            Payload::Raw(file) => (file, "a flat binary has no segments"),
        };
        let diagnostic = Diagnostic::new(
            &WITHOUT_SEGMENTS,
            span,
            format!("the payload of `{name}` has no segments"),
            "rights of its segments",
            "leave `rights` out",
        );
        diagnostics.push(diagnostic.and(file.name.span, what));
    }
}

/// Pages of RAM that a partition may not write, as it sees them.
pub(super) fn read_only(partition: &PartitionSpec, payload: &Payload) -> Vec<Region> {
    let rights = partition.memory.as_ref().and_then(|memory| memory.rights);
    match (rights.map(|r| r.value), payload) {
        (Some(MemoryRights::Segments), Payload::Elf(file)) => {
            let segments = elf_segments(&file.path).unwrap_or_default();
            let only_read = segments.iter().filter(|s| !s.writable);
            let whole = |segment: &Segment| {
                let (first, last) = pages(segment);
                let (base, size) = (first * PAGE, (last + 1 - first) * PAGE);
                Region { base, size }
            };
            only_read.map(whole).collect()
        }
        (Some(_) | None, _) => Vec::new(),
    }
}

/// First and last page that a segment touches.
fn pages(segment: &Segment) -> (u64, u64) {
    let last = segment.region.end().saturating_sub(1);
    (segment.region.base / PAGE, last / PAGE)
}

/// Implements: BH-CFG-141.
fn mixed_page(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (name, span, payload) in chosen(facts) {
        let Payload::Elf(file) = payload else { continue };
        let mut segments = elf_segments(&file.path).unwrap_or_default();
        segments.sort_by_key(|s| s.region.base);
        let mixed = segments.windows(2).find_map(|pair| {
            let [a, b] = pair else { return None };
            let same = (a.writable, a.executable) == (b.writable, b.executable);
            (!same && pages(a).1 >= pages(b).0).then_some(b.region.base)
        });
        let Some(address) = mixed else { continue };
        let diagnostic = Diagnostic::new(
            &MIXED_PAGE,
            file.name.span,
            format!("two segments of `{name}` with different rights lie in one page"),
            format!("the second begins at {address:#x}"),
            "align the segments to 4096 in the linker script",
        );
        diagnostics.push(diagnostic.and(span, "rights of its segments"));
    }
}
