// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks: entries of the table of channels whose participants all write.

use crate::range::{Range, u32_at, u64_at};

const LOCK: u32 = 1;
const INHERITS: u32 = 2;
const PAGE: u64 = 4096;
/// Places for participants in an entry.
const PLACES: usize = 8;

/// An entry of the table of channels.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// Physical addresses.
    pub range: Range,
    /// IPA of its page.
    pub ipa: u64,
    /// Longest hold in ns.
    pub hold: u64,
    /// Bit 0 it is a lock, bit 1 its owner inherits.
    pub flags: u32,
    /// Participants in use.
    pub count: u32,
    /// Each participant's partition, priority, acquisitions and reserved word, also of unused places.
    pub places: Vec<[u32; 4]>,
}

impl Lock {
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        let place = |p: usize| {
            let at = 40 + 16 * p;
            Some([
                u32_at(e, at)?,
                u32_at(e, at + 4)?,
                u32_at(e, at + 8)?,
                u32_at(e, at + 12)?,
            ])
        };
        Some(Self {
            range: Range::sized(u64_at(e, 0)?, u64_at(e, 8)?),
            ipa: u64_at(e, 16)?,
            hold: u64_at(e, 24)?,
            flags: u32_at(e, 32)?,
            count: u32_at(e, 36)?,
            places: (0..PLACES).map(place).collect::<Option<_>>()?,
        })
    }

    /// Whether it is a channel, of which nothing more is said.
    pub(crate) fn is_plain(&self) -> bool {
        let nothing = [self.ipa, self.hold, self.flags.into(), self.count.into()];
        nothing == [0; 4] && self.places.iter().all(|p| *p == [0; 4])
    }

    fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Partition, priority and acquisitions of each participant.
    pub(crate) fn participants(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let used = self.places.iter().take(self.count());
        used.map(|[partition, priority, acquisitions, _]| (*partition, *priority, *acquisitions))
    }

    /// Whether a partition may take it.
    pub(crate) fn is_taken_by(&self, partition: usize) -> bool {
        self.participants()
            .any(|(p, _, _)| usize::try_from(p) == Ok(partition))
    }

    /// Input addresses of its registers, which EL2 emulates.
    pub(crate) fn registers(&self) -> Range {
        Range::sized(self.ipa.saturating_add(PAGE), PAGE)
    }

    /// Whether its owner runs ahead of the slot table.
    pub(crate) fn inherits(&self) -> bool {
        self.flags & INHERITS != 0
    }

    /// What is wrong with the entry by itself; `partitions` is their number.
    pub(crate) fn faults(&self, partitions: usize) -> Vec<&'static str> {
        let used: Vec<u32> = self.participants().map(|(p, _, _)| p).collect();
        let twice = used
            .iter()
            .enumerate()
            .any(|(i, p)| used.iter().take(i).any(|other| other == p));
        let known = used
            .iter()
            .all(|p| usize::try_from(*p).is_ok_and(|p| p < partitions));
        let unused = self.places.iter().skip(self.count());
        let fault = |wrong: bool, what| wrong.then_some(what);
        [
            fault(
                self.flags & LOCK == 0 || self.flags & !(LOCK | INHERITS) != 0,
                "has flags that mean nothing",
            ),
            fault(
                self.range.size() != PAGE || !self.range.is_page_aligned(),
                "is not one page",
            ),
            fault(
                self.ipa == 0 || !self.ipa.is_multiple_of(PAGE),
                "is at no input address",
            ),
            fault(self.hold == 0, "has no hold"),
            fault(
                !(2..=PLACES).contains(&self.count()),
                "has not 2 to 8 participants",
            ),
            fault(twice || !known, "names partitions twice or that do not exist"),
            fault(
                unused
                    .chain(self.places.iter().filter(|p| p[3] != 0))
                    .any(|p| *p != [0; 4]),
                "has reserved words that are not zero",
            ),
            fault(
                self.participants()
                    .any(|(_, priority, acquisitions)| priority > 255 || acquisitions == 0),
                "has a participant that may not take it",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
