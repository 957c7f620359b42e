// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that is known of a built system: decoded files and walked roots.

use crate::blob::Blob;
use crate::colours::Colours;
use crate::contest;
use crate::grants::Grants;
use crate::image::ImageInfo;
use crate::range::{PAGE, Range};
use crate::reach::Run;
use crate::ste::{self, Stream};
use crate::walk::{Stage, Tables, Walk, walk};

/// Who reaches memory: EL2 with all its roots is one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// EL2.
    El2,
    /// Partition by index, with its CPUs and its DMA.
    Partition(usize),
}

/// What a root serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// All cores at boot.
    Boot,
    /// A core at run time.
    Core(usize),
    /// A partition's CPUs.
    Partition(usize),
    /// A stream that is granted to a partition.
    Stream(usize),
}

impl Use {
    /// Who reaches memory through a root that serves this.
    pub(crate) fn party(self) -> Party {
        match self {
            Self::Boot | Self::Core(_) => Party::El2,
            Self::Partition(index) | Self::Stream(index) => Party::Partition(index),
        }
    }
}

/// A translation root, walked.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// `el2:boot`, `el2:core:N`, `partition:NAME`, or `stream:ID`.
    pub name: String,
    /// What it serves.
    pub serves: Use,
    /// Physical address that the hardware is given.
    pub address: u64,
    /// Where the blob holds it.
    pub stored: u64,
    /// What the walk found.
    pub walk: Walk,
}

impl Root {
    /// Who reaches memory through it.
    pub(crate) fn party(&self) -> Party {
        self.serves.party()
    }
}

/// A built system.
#[derive(Debug)]
pub(crate) struct System<'a> {
    /// `hypervisor.bin`.
    pub hypervisor: &'a [u8],
    /// `system.blob`.
    pub bytes: &'a [u8],
    /// What `hypervisor.bin` says of itself.
    pub image: ImageInfo,
    /// The blob's tables.
    pub blob: Blob,
    /// The text form.
    pub grants: Grants,
    /// Every entry of the stream table that is not zero.
    pub streams: Vec<Stream>,
    /// All roots.
    pub roots: Vec<Root>,
    /// Physical ranges that more than one party reaches, ascending, joined.
    pub contested: Vec<Range>,
}

impl<'a> System<'a> {
    /// Decodes the three files and walks every root.
    ///
    /// # Errors
    /// What is not even of the right form.
    pub(crate) fn load(hypervisor: &'a [u8], bytes: &'a [u8], grants: &str) -> Result<Self, Vec<String>> {
        let (image, blob, grants) = match (
            ImageInfo::decode(hypervisor),
            Blob::decode(bytes),
            Grants::parse(grants),
        ) {
            (Ok(image), Ok(blob), Ok(grants)) => (image, blob, grants),
            (image, blob, grants) => {
                let mut errors: Vec<String> = [image.err(), blob.err()].into_iter().flatten().collect();
                errors.extend(grants.err().unwrap_or_default());
                return Err(errors);
            }
        };
        let streams = Vec::new();
        let mut system = Self {
            hypervisor,
            bytes,
            image,
            blob,
            grants,
            streams,
            roots: Vec::new(),
            contested: Vec::new(),
        };
        system.streams = ste::read(&system);
        system.roots = system.walk_all();
        system.contested = contest::ranges(&system.roots);
        Ok(system)
    }

    fn walk_all(&self) -> Vec<Root> {
        let header = &self.blob.header;
        let early = Range {
            start: PAGE,
            end: header.early_end,
        };
        let late = Range {
            start: header.early_end,
            end: header.live_image,
        };
        let root = |name, serves, address, stored, lower, stage| {
            let tables = Tables {
                blob: self.bytes,
                base: header.base,
                lower,
            };
            Root {
                name,
                serves,
                address,
                stored,
                walk: walk(tables, stage, stored),
            }
        };
        let el2 = |name, serves, address: u64| {
            root(
                name,
                serves,
                address,
                address.wrapping_sub(header.base),
                early,
                Stage::One,
            )
        };
        let mut roots = vec![el2("el2:boot".to_owned(), Use::Boot, header.boot_root)];
        for (i, core) in self.blob.cores.iter().enumerate() {
            roots.push(el2(format!("el2:core:{i}"), Use::Core(i), core.el2_root));
        }
        for (i, p) in self.blob.partitions.iter().enumerate() {
            let serves = Use::Partition(i);
            roots.push(root(
                self.party(i),
                serves,
                p.live_root,
                p.pristine_root,
                late,
                Stage::Two,
            ));
        }
        for stream in &self.streams {
            let stored = stream.root().wrapping_sub(header.base);
            let name = format!("stream:{:#x}", stream.id);
            if let Some(owner) = self.stream_owner(stream.id) {
                roots.push(root(
                    name,
                    Use::Stream(owner),
                    stream.root(),
                    stored,
                    late,
                    Stage::Two,
                ));
            }
        }
        roots
    }

    /// Partition to which the text form grants a StreamID, if it grants it once.
    pub(crate) fn stream_owner(&self, id: u64) -> Option<usize> {
        let mut owners = self.grants.of("stream").filter_map(|record| {
            let mut fields = record.split(' ').skip(1);
            let matches = fields.next() == Some(format!("{id:#x}").as_str());
            fields.next().filter(|_| matches)
        });
        let owner = owners.next()?;
        let found = self
            .blob
            .partitions
            .iter()
            .position(|p| p.name.as_deref() == Some(owner));
        found.filter(|_| owners.next().is_none())
    }

    /// Colours of the partition that a root serves, when it has its own.
    pub(crate) fn colours_of(&self, serves: Use) -> Option<Colours> {
        match serves.party() {
            Party::El2 => None,
            Party::Partition(index) => self.grants.colours_of(&self.party(index)),
        }
    }

    /// Name of partition `index` as the text form writes a party.
    pub(crate) fn party(&self, index: usize) -> String {
        format!("partition:{}", self.name(index))
    }

    /// Name of partition `index`.
    pub(crate) fn name(&self, index: usize) -> &str {
        self.blob
            .partitions
            .get(index)
            .and_then(|p| p.name.as_deref())
            .unwrap_or("?")
    }

    /// Runs of every root of `party`, with the root.
    pub(crate) fn reach(&self, party: Party) -> impl Iterator<Item = (&Root, &Run)> {
        let roots = self.roots.iter().filter(move |r| r.party() == party);
        roots.flat_map(|r| r.walk.runs.iter().map(move |run| (r, run)))
    }

    /// Every partition by index.
    pub(crate) fn partition_indices(&self) -> std::ops::Range<usize> {
        0..self.blob.partitions.len()
    }
}
