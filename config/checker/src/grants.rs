// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads `grants.txt` (`config/compiler/FORMAT.md`).
//!
//! Records that the blob determines completely are kept as text and compared with what the blob says
//! (`properties/text.rs`); the others are parsed here.

use crate::colours::{Coloured, Colours, Geometry, Set};
use crate::range::Range;
use crate::reach::{Access, MemoryType, Run};

const FIRST_LINE: &str = "bulkhead-grants 1";
/// Longest range of a `coloured` record, bytes.
const LONGEST: u64 = 1 << 40;
/// Kinds of records in the order in which they come.
const KINDS: [&str; 37] = [
    "system",
    "board",
    "image",
    "blob",
    "certificate",
    "live",
    "stream-table",
    "core",
    "bandwidth",
    "partition",
    "vcpu",
    "slot",
    "share",
    "health",
    "monitor",
    "watch",
    "start",
    "smc",
    "watchdog",
    "root",
    "colours",
    "colour",
    "word",
    "shared",
    "grant",
    "coloured",
    "lock",
    "emulated",
    "spi",
    "doorbell",
    "pci",
    "bar",
    "stream",
    "unguarded",
    "controller",
    "memory",
    "coloured-memory",
];

/// What a root may reach under one name.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// `el2:boot`, `el2:core:N`, `partition:NAME` or `stream:ID`.
    pub root: String,
    /// What it is.
    pub name: String,
    /// The mapping.
    pub run: Run,
}

/// A range that more than one party may reach.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// What it is.
    pub name: String,
    /// Physical addresses.
    pub range: Range,
    /// Each party (`el2` or `partition:NAME`) and whether it may write and execute.
    pub parties: Vec<(String, bool, bool)>,
}

/// Something that was placed in physical memory.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Physical addresses.
    pub range: Range,
    /// `board`, `el2`, `gic`, `partition:NAME`, `channel:NAME`, `controller:NAME`.
    pub owner: String,
    /// What it is.
    pub name: String,
}

/// The text form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// All records in order: kind, then all of the record with single spaces.
    pub records: Vec<(String, String)>,
    /// Board number and physical address bits.
    pub boards: Vec<(u64, u64)>,
    /// Grants.
    pub grants: Vec<Grant>,
    /// Colours of the board.
    pub geometries: Vec<Geometry>,
    /// Colours of each partition that is named: its own, or `None` for any.
    pub colours: Vec<(String, Option<Set>)>,
    /// Grants of pages of colours.
    pub coloured: Vec<Coloured>,
    /// Ranges of which only pages of the owner's colours were placed.
    pub coloured_memory: Vec<Placed>,
    /// Shared ranges.
    pub shared: Vec<Shared>,
    /// Placed things.
    pub memory: Vec<Placed>,
}

/// Whether a field has the form of a name.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

fn name(text: &str) -> Option<String> {
    is_name(text).then(|| text.to_owned())
}

fn dec(text: &str) -> Option<u64> {
    let value = text.parse().ok()?;
    (format!("{value}") == text).then_some(value)
}

fn hex(text: &str) -> Option<u64> {
    let value = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (format!("{value:#x}") == text).then_some(value)
}

fn range(text: &str) -> Option<Range> {
    let (start, end) = text.split_once('-')?;
    let range = Range {
        start: hex(start)?,
        end: hex(end)?,
    };
    (range.start < range.end).then_some(range)
}

/// Whether one may write and execute.
fn rights(text: &str) -> Option<(bool, bool)> {
    match text {
        "r--" => Some((false, false)),
        "rw-" => Some((true, false)),
        "r-x" => Some((false, true)),
        "rwx" => Some((true, true)),
        _ => None,
    }
}

fn memory_type(text: &str) -> Option<MemoryType> {
    match text {
        "normal-wb" => Some(MemoryType::NormalWb),
        "normal-nc" => Some(MemoryType::NormalNc),
        "device-ngnre" => Some(MemoryType::Device),
        _ => None,
    }
}

fn grant(fields: &[&str]) -> Option<Grant> {
    let &[root, thing, physical, permitted, memory, input] = fields else {
        return None;
    };
    let (write, execute) = rights(permitted)?;
    let (physical, input) = (range(physical)?, hex(input)?);
    let access = Access {
        write,
        execute,
        memory: memory_type(memory)?,
    };
    let end = input.checked_add(physical.size())?;
    let run = Run {
        input: Range { start: input, end },
        output: physical.start,
        access,
    };
    let aligned = physical.is_page_aligned() && run.input.is_page_aligned();
    aligned.then_some(Grant {
        root: name(root)?,
        name: name(thing)?,
        run,
    })
}

fn party(text: &str) -> Option<(String, bool, bool)> {
    let (party, permitted) = text.split_once('=')?;
    let (write, execute) = rights(permitted)?;
    (party == "el2" || party.starts_with("partition:")).then_some((name(party)?, write, execute))
}

fn shared(fields: &[&str]) -> Option<Shared> {
    let (&[thing, at], parties) = fields.split_first_chunk::<2>()?;
    let parties: Vec<_> = parties.iter().map(|p| party(p)).collect::<Option<_>>()?;
    (!parties.is_empty()).then_some(Shared {
        name: name(thing)?,
        range: range(at)?,
        parties,
    })
}

fn placed(fields: &[&str]) -> Option<Placed> {
    let &[at, owner, thing] = fields else { return None };
    Some(Placed {
        range: range(at)?,
        owner: name(owner)?,
        name: name(thing)?,
    })
}

fn geometry(fields: &[&str]) -> Option<Geometry> {
    let &[count, granule] = fields else { return None };
    Geometry::new(dec(count)?, hex(granule)?)
}

fn board(fields: &[&str]) -> Option<(u64, u64)> {
    let &[board, number, bits] = fields else {
        return None;
    };
    is_name(board).then_some((dec(number)?, dec(bits)?))
}

impl Grants {
    /// Reads the text form.
    ///
    /// # Errors
    /// Every line that does not follow the grammar.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut all = Self::default();
        let mut errors = Vec::new();
        if !text.is_ascii() || !text.ends_with('\n') || text.contains('\r') {
            errors.push("grants.txt: not lines of ASCII that each end with one LF".to_owned());
        }
        for (index, line) in text.split_terminator('\n').enumerate() {
            let fine = if index == 0 {
                line == FIRST_LINE
            } else {
                all.line(line).is_some()
            };
            if !fine {
                errors.push(format!(
                    "grants.txt line {}: not a record of version 1: {line}",
                    index + 1
                ));
            }
        }
        let order = |kind: &str| KINDS.iter().position(|k| *k == kind);
        if !all.records.iter().map(|(kind, _)| order(kind)).is_sorted() {
            errors.push("grants.txt: kinds of records do not come in the order of the grammar".to_owned());
        }
        if errors.is_empty() { Ok(all) } else { Err(errors) }
    }

    /// Takes one line after the first; `None` when it is not of the grammar.
    fn line(&mut self, line: &str) -> Option<()> {
        if line.starts_with('#') {
            return Some(());
        }
        if line.is_empty() || line.starts_with(' ') || line.ends_with(' ') || line.contains(['#', '\t']) {
            return None;
        }
        let fields: Vec<&str> = line.split(' ').filter(|f| !f.is_empty()).collect();
        let (kind, rest) = fields.split_first()?;
        match *kind {
            "board" => self.boards.push(board(rest)?),
            "grant" => self.grants.push(grant(rest)?),
            "colours" => self.geometries.push(geometry(rest)?),
            "colour" => {
                let colour = self.colour(rest)?;
                self.colours.push(colour);
            }
            "coloured" => {
                let coloured = self.coloured(rest)?;
                self.coloured.push(coloured);
            }
            "coloured-memory" => self.coloured_memory.push(placed(rest)?),
            "shared" => self.shared.push(shared(rest)?),
            "memory" => self.memory.push(placed(rest)?),
            "system" => matches!(rest, [one] if is_name(one)).then_some(())?,
            other => KINDS.contains(&other).then_some(())?,
        }
        self.records.push(((*kind).to_owned(), fields.join(" ")));
        Some(())
    }

    fn colour(&self, fields: &[&str]) -> Option<(String, Option<Set>)> {
        let (&[partition, colours], &[geometry]) = (fields, self.geometries.as_slice()) else {
            return None;
        };
        let set = match colours {
            "any" => None,
            colours => Some(Set::parse(colours, geometry)?),
        };
        Some((format!("partition:{}", name(partition)?), set))
    }

    /// A grant of pages of colours, with the form of `grant`.
    fn coloured(&self, fields: &[&str]) -> Option<Coloured> {
        let Grant { root, name, run } = grant(fields)?;
        if !root.starts_with("stream:") {
            self.colours_of(&root)?;
        }
        if run.input.size() > LONGEST {
            return None;
        }
        Some(Coloured {
            root,
            name,
            range: run.physical(),
            input: run.input.start,
            access: run.access,
        })
    }

    /// Colours of `partition:NAME`, when it has its own.
    pub(crate) fn colours_of(&self, party: &str) -> Option<Colours> {
        let &geometry = self.geometries.first()?;
        let (_, set) = self.colours.iter().find(|(name, _)| name == party)?;
        Some(Colours {
            geometry,
            set: (*set)?,
        })
    }

    /// Records of a kind, in order.
    pub(crate) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.records
            .iter()
            .filter(move |(k, _)| k == kind)
            .map(|(_, record)| record.as_str())
    }
}
