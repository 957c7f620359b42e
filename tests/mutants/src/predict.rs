// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a mutated system must show when it runs: each access of a partition and of its bus master, decided by the
//! walk alone.

use crate::blob::Blob;
use crate::bytes::PAGE;
use crate::descriptor::Kind;
use crate::files::Files;
use crate::judge::{Found, open};
use crate::reach::Reach;
use crate::stream::Entry;
use crate::walk::{Map, Seen};

/// What one input page leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Physical page.
    pub page: u64,
    /// Rights.
    pub rights: u8,
    /// Type.
    pub kind: Kind,
}

/// The page that `input` leads to.
pub fn target(maps: &[Map], input: u64) -> Option<Target> {
    let holds = |m: &&Map| m.input <= input && input - m.input < m.size;
    maps.iter().find(holds).map(|m| Target {
        page: (m.output + (input - m.input)) & !(PAGE - 1),
        rights: m.rights,
        kind: m.kind,
    })
}

/// What a bus master may do.
#[derive(Clone, Debug)]
pub enum Dma {
    /// Everything faults.
    Closed,
    /// Nothing is translated.
    Bypass,
    /// The walk decides.
    Walk(Vec<Map>),
    /// The architecture leaves it open, or the entry is illegal in a way that is not modelled here.
    Unknown,
}

/// `STE.Config` is bits 3:1 of the first doubleword (Arm IHI 0070, "Stream Table Entry").
fn dma(entry: Entry, maps: &[Map], sound: &Entry) -> Dma {
    let [first, second, third, _, rest @ ..] = entry.words;
    let [_, wanted_second, wanted_third, ..] = sound.words;
    // Another VMID only names TLB entries, of which a fresh machine has none.
    let same_walk = second == wanted_second && third >> 16 == wanted_third >> 16 && rest == [0; 4];
    match (first & 1, (first >> 1) & 7) {
        (0, _) => Dma::Closed,
        (_, 0b000) if first >> 4 == 0 => Dma::Closed,
        (_, 0b100) if same_walk && first >> 4 == 0 => Dma::Bypass,
        (_, 0b110) if same_walk && first >> 4 == 0 && entry.words[3] & 0xFFF0_0000_0000_0FFF == 0 => {
            Dma::Walk(maps.to_vec())
        }
        _ => Dma::Unknown,
    }
}

/// The reach of one system, and what it takes to compare it with another one's.
pub struct View {
    /// The blob's tables.
    pub blob: Blob,
    /// What is reached.
    pub reach: Reach,
    /// Descriptors that are not zero.
    pub seen: Vec<Seen>,
}

impl View {
    /// Looks at a system; nothing when its header leaves no meaning.
    pub fn of(files: &Files) -> Option<Self> {
        let case = open(files, &mut Found::default()).ok()?;
        let bits = u32::try_from(case.text.address_bits).ok()?;
        let (reach, seen) = Reach::with(&case.blob, &files.blob, bits, Some(Vec::new()));
        Some(Self {
            blob: case.blob,
            reach,
            seen,
        })
    }

    /// What StreamID `stream` may do, where `sound` is the entry of the system that was mutated.
    pub fn dma(&self, bytes: &[u8], stream: u64, sound: &Entry) -> Dma {
        let table = self.blob.live_image + self.blob.board.stream_table;
        let Some(entry) = Entry::read(bytes, table, stream) else {
            return Dma::Unknown;
        };
        let stream = self.reach.streams.iter().find(|s| s.id == stream);
        if stream.is_some_and(|s| !s.walked) {
            return Dma::Unknown;
        }
        dma(entry, stream.map_or(&[][..], |s| &s.maps), sound)
    }
}

impl Dma {
    /// Where an access goes; nothing when it faults or is not known.
    pub fn target(&self, input: u64) -> Option<Target> {
        match self {
            Self::Closed | Self::Unknown => None,
            Self::Bypass => Some(Target {
                page: input & !(PAGE - 1),
                rights: 3,
                kind: Kind::WriteBack,
            }),
            Self::Walk(maps) => target(maps, input),
        }
    }
}
