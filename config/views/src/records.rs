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
    /// `board`, `el2`, `gic`, `partition:NAME`, `channel:NAME`, `controller:NAME`.
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
    /// Grants of only those pages of their range that have the colours of their partition.
    pub coloured: Vec<GrantRecord>,
    /// Number of colours and bytes of a granule, when a partition has colours.
    pub colours: Option<(u64, u64)>,
    /// Colours of each partition that has some: ranges, ends included.
    pub colour_sets: Vec<(String, Vec<(u64, u64)>)>,
    /// Ranges of which only the pages of their owner's colours were placed.
    pub coloured_memory: Vec<Placed>,
    /// Shared ranges.
    pub shared: Vec<SharedRecord>,
    /// Emulated devices.
    pub emulated: Vec<Emulated>,
    /// StreamIDs, their partitions, and the devices of those at fixed addresses.
    pub streams: Vec<(u64, String, Option<String>)>,
    /// Bus masters that no SMMU guards.
    pub unguarded: Vec<Unguarded>,
    /// Functions of the firmware: partition, identifier, why it may call it.
    pub calls: Vec<(String, u64, String)>,
    /// What devices depend on: partition, device, controller.
    pub controllers: Vec<(String, String, String)>,
    /// Everything that was placed, by address.
    pub memory: Vec<Placed>,
}

/// A bus master that nothing confines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unguarded {
    /// PCI function, or name of the device's grant.
    pub what: String,
    /// Its partition.
    pub partition: String,
    /// Why that is accepted.
    pub reason: String,
}

impl Unguarded {
    /// Whether it is a device with this PCI function, or of this name.
    pub fn is(&self, bdf: Option<u32>, name: &str) -> bool {
        match bdf {
            Some(bdf) => self.what == format!("{bdf:#x}"),
            None => self.what == name,
        }
    }

    /// It in words.
    pub fn show(&self) -> String {
        match self.what.strip_prefix("0x") {
            Some(_) => format!("PCI function {}", self.what),
            None => format!("device {}", self.what),
        }
    }
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

fn grant(fields: &[&str]) -> Option<GrantRecord> {
    let &[root, name, at, rights, memory, input] = fields else {
        return None;
    };
    Some(GrantRecord {
        root: root.to_owned(),
        name: name.to_owned(),
        physical: span(at)?,
        rights: rights.to_owned(),
        memory: memory.to_owned(),
        input: hex(input)?,
    })
}

fn placed(fields: &[&str]) -> Option<Placed> {
    let &[at, owner, name] = fields else {
        return None;
    };
    Some(Placed {
        physical: span(at)?,
        owner: owner.to_owned(),
        name: name.to_owned(),
    })
}

/// `0,4-7` as ranges with both ends.
fn colours(text: &str) -> Option<Vec<(u64, u64)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    text.split(',').map(range).collect()
}

impl Records {
    /// StreamIDs of the device at fixed addresses whose grant has this name.
    pub fn streams_of(&self, name: &str) -> Vec<u64> {
        let own = self
            .streams
            .iter()
            .filter(|(_, _, device)| device.as_deref() == Some(name));
        own.map(|(id, ..)| *id).collect()
    }

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
            ["grant", fields @ ..] => self.grants.push(grant(fields)?),
            ["coloured", fields @ ..] => self.coloured.push(grant(fields)?),
            ["colours", count, granule] => self.colours = Some((count.parse().ok()?, hex(granule)?)),
            ["colour", _, "any"] => {}
            ["colour", partition, set] => self.colour_sets.push(((*partition).to_owned(), colours(set)?)),
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
            ["stream", id, partition, device @ ..] => {
                let device = device.first().map(|name| (*name).to_owned());
                self.streams.push((hex(id)?, (*partition).to_owned(), device));
            }
            ["unguarded", id, partition, reason] => {
                self.unguarded.push(Unguarded {
                    what: (*id).to_owned(),
                    partition: (*partition).to_owned(),
                    reason: (*reason).to_owned(),
                });
            }
            ["smc", partition, function, _, reason] => {
                self.calls
                    .push(((*partition).to_owned(), hex(function)?, (*reason).to_owned()));
            }
            ["controller", partition, device, controller] => {
                let own = |name: &str| name.to_owned();
                self.controllers
                    .push((own(partition), own(device), own(controller)));
            }
            ["memory", fields @ ..] => self.memory.push(placed(fields)?),
            ["coloured-memory", fields @ ..] => self.coloured_memory.push(placed(fields)?),
            // What the blob holds in its own tables is read from there; kinds of a later minor form say nothing here.
            [_, ..] => {}
            [] => return None,
        }
        Some(())
    }

    /// The name under which a root was given an input address that it maps.
    pub fn grant_at(&self, root: &str, input: u64) -> Option<&GrantRecord> {
        let of_root = self.grants.iter().filter(|g| g.root == root);
        let mut at = of_root.filter(|g| {
            let end = g.input.saturating_add(g.physical.size());
            g.input <= input && input < end
        });
        // A coloured grant does not say how many of its pages count; what it begins goes on to the next grant.
        let coloured = self
            .coloured
            .iter()
            .filter(|g| g.root == root && g.input <= input);
        at.next().or_else(|| coloured.max_by_key(|g| g.input))
    }

    /// Grants of both kinds.
    pub fn all_grants(&self) -> impl Iterator<Item = &GrantRecord> {
        self.grants.iter().chain(&self.coloured)
    }

    /// Placed things of both kinds.
    pub fn all_memory(&self) -> impl Iterator<Item = &Placed> {
        self.memory.iter().chain(&self.coloured_memory)
    }

    /// What lies at a physical address.
    pub fn placed_at(&self, address: u64) -> Option<&Placed> {
        let whole = self.memory.iter().find(|p| p.physical.holds(address));
        whole.or_else(|| {
            let mut coloured = self.coloured_memory.iter();
            coloured.find(|p| p.physical.holds(address) && self.has_colour(&p.owner, address))
        })
    }

    /// Whether an address has a colour of an owner.
    fn has_colour(&self, owner: &str, address: u64) -> bool {
        let colour = |(count, granule): (u64, u64)| address.checked_div(granule)?.checked_rem(count);
        let name = owner.strip_prefix("partition:").unwrap_or(owner);
        let set = self.colour_sets.iter().find(|(partition, _)| partition == name);
        match (self.colours.and_then(colour), set) {
            (Some(colour), Some((_, set))) => {
                set.iter().any(|(first, last)| (*first..=*last).contains(&colour))
            }
            (_, _) => false,
        }
    }
}
