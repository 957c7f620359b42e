// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads `grants.txt` (`config/compiler/FORMAT.md`): the names of what the tables say in numbers.

use serde::Serialize;

use crate::built::BuiltError;

/// Physical or input addresses, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Span {
    /// Bytes.
    pub fn size(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether an address lies in it.
    pub fn holds(self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The addresses in both, if any.
    pub fn common(self, other: Span) -> Option<Span> {
        let both = Span {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        };
        (both.start < both.end).then_some(both)
    }
}

/// What a root may reach under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// `el2:boot`, `el2:core:N`, `partition:NAME`.
    pub root: String,
    /// What it is.
    pub name: String,
    /// Physical addresses.
    pub physical: Span,
    /// `rwx` with `-` for what is missing.
    pub rights: String,
    /// Memory type.
    pub memory: String,
    /// Input address of the first byte.
    pub input: u64,
}

/// A range that more than one party may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRecord {
    /// What it is.
    pub name: String,
    /// Physical addresses.
    pub physical: Span,
    /// `PARTY=RIGHTS`, each.
    pub parties: Vec<String>,
}

/// Something in physical memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Physical addresses.
    pub physical: Span,
    /// `board`, `el2`, `partition:NAME`, `channel:NAME`.
    pub owner: String,
    /// What it is.
    pub name: String,
}

/// What EL2 emulates for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulated {
    /// Partition.
    pub partition: String,
    /// `gicd`, `gicr`, `uart`.
    pub device: String,
    /// Intermediate physical addresses.
    pub input: Span,
}

/// The records that the blob itself does not hold.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Name of the system.
    pub system: String,
    /// Name of the board.
    pub board: String,
    /// Memory of `hypervisor.bin`.
    pub image: Span,
    /// The blob.
    pub blob: Span,
    /// Names of the partitions by index.
    pub partitions: Vec<String>,
    /// Grants in order.
    pub grants: Vec<GrantRecord>,
    /// Shared ranges.
    pub shared: Vec<SharedRecord>,
    /// Emulated devices.
    pub emulated: Vec<Emulated>,
    /// StreamIDs and their partitions.
    pub streams: Vec<(u64, String)>,
    /// Everything that was placed, by address.
    pub memory: Vec<Placed>,
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn span(text: &str) -> Option<Span> {
    let (start, end) = text.split_once('-')?;
    let span = Span {
        start: hex(start)?,
        end: hex(end)?,
    };
    (span.start < span.end).then_some(span)
}

impl Records {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`BuiltError::Line`] names the first line that is no record.
    pub fn parse(text: &str) -> Result<Self, BuiltError> {
        let mut records = Records::default();
        for (index, line) in text.lines().enumerate() {
            let fine = if index == 0 {
                (line == "bulkhead-grants 1").then_some(())
            } else if line.starts_with('#') {
                Some(())
            } else {
                records.line(&line.split_ascii_whitespace().collect::<Vec<_>>())
            };
            fine.ok_or(BuiltError::Line(index + 1))?;
        }
        Ok(records)
    }

    fn line(&mut self, fields: &[&str]) -> Option<()> {
        match fields {
            ["system", name] => self.system = (*name).to_owned(),
            ["board", name, ..] => self.board = (*name).to_owned(),
            ["image", at, _] => self.image = span(at)?,
            ["blob", at] => self.blob = span(at)?,
            ["partition", _, name, ..] => self.partitions.push((*name).to_owned()),
            ["grant", root, name, at, rights, memory, input] => self.grants.push(GrantRecord {
                root: (*root).to_owned(),
                name: (*name).to_owned(),
                physical: span(at)?,
                rights: (*rights).to_owned(),
                memory: (*memory).to_owned(),
                input: hex(input)?,
            }),
            ["shared", name, at, parties @ ..] => self.shared.push(SharedRecord {
                name: (*name).to_owned(),
                physical: span(at)?,
                parties: parties.iter().map(|p| (*p).to_owned()).collect(),
            }),
            ["emulated", partition, device, at] => self.emulated.push(Emulated {
                partition: (*partition).to_owned(),
                device: (*device).to_owned(),
                input: span(at)?,
            }),
            ["stream", id, partition] => self.streams.push((hex(id)?, (*partition).to_owned())),
            ["memory", at, owner, name] => self.memory.push(Placed {
                physical: span(at)?,
                owner: (*owner).to_owned(),
                name: (*name).to_owned(),
            }),
            // What the blob holds in its own tables is read from there; kinds of a later minor form say nothing here.
            [_, ..] => {}
            [] => return None,
        }
        Some(())
    }

    /// The name under which a root was given an input address.
    pub fn grant_at(&self, root: &str, input: u64) -> Option<&GrantRecord> {
        let of_root = self.grants.iter().filter(|g| g.root == root);
        let mut at = of_root.filter(|g| {
            let end = g.input.saturating_add(g.physical.size());
            g.input <= input && input < end
        });
        at.next()
    }

    /// What lies at a physical address.
    pub fn placed_at(&self, address: u64) -> Option<&Placed> {
        self.memory.iter().find(|p| p.physical.holds(address))
    }
}
