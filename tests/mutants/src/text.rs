// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `grants.txt` by the grammar of `config/compiler/FORMAT.md`.

use crate::colours::{Colours, Set};
use crate::descriptor::{Kind, R, W, X};
use crate::image::Range;

/// Kinds of records in their order, with the number of their fields (least, most).
const KINDS: [(&str, usize, usize); 35] = [
    ("system", 1, 1),
    ("board", 3, 3),
    ("image", 2, 2),
    ("blob", 1, 1),
    ("certificate", 1, 1),
    ("live", 1, 1),
    ("stream-table", 2, 2),
    ("core", 5, 5),
    ("bandwidth", 7, 7),
    ("partition", 3, 3),
    ("vcpu", 4, 4),
    ("slot", 5, 5),
    ("share", 5, 5),
    ("health", 3, 3),
    ("monitor", 1, 1),
    ("watch", 5, 5),
    ("start", 6, 6),
    ("smc", 4, 4),
    ("watchdog", 1, 1),
    ("root", 3, 3),
    ("colours", 2, 2),
    ("colour", 2, 2),
    ("word", 3, 3),
    ("shared", 3, usize::MAX),
    ("grant", 6, 6),
    ("coloured", 6, 6),
    ("lock", 4, usize::MAX),
    ("emulated", 3, 3),
    ("spi", 4, 4),
    ("doorbell", 4, 4),
    ("pci", 5, 5),
    ("bar", 3, 3),
    ("stream", 2, 3),
    ("unguarded", 3, 3),
    ("controller", 3, 3),
];

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its root, as written.
    pub root: String,
    /// Its name.
    pub name: String,
    /// Physical range.
    pub range: Range,
    /// Rights.
    pub rights: u8,
    /// Type.
    pub kind: Kind,
    /// Input address of its first byte.
    pub input: u64,
}

/// A range that more than one party may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Where.
    pub range: Range,
    /// Each party, as written, with its rights.
    pub parties: Vec<(String, u8)>,
}

/// Something that was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where.
    pub range: Range,
    /// Whose.
    pub owner: String,
    /// What.
    pub name: String,
}

/// A bus master that is excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excepted {
    /// A PCI function.
    Function(u64),
    /// A device at fixed addresses, by the name of its grant.
    Device(String),
}

/// The text form.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Bits of a physical address.
    pub address_bits: u64,
    /// Number of the board, as written.
    pub board: String,
    /// Grants.
    pub grants: Vec<Grant>,
    /// Grants of pages of their partition's colours.
    pub coloured: Vec<Grant>,
    /// Page colours, when a partition has some.
    pub colours: Option<Colours>,
    /// Shared ranges.
    pub shared: Vec<Shared>,
    /// Placed things.
    pub placed: Vec<Placed>,
    /// Things of which only pages of their owner's colours were placed.
    pub coloured_placed: Vec<Placed>,
    /// Bus masters that are excepted: PCI function, or name of a grant, and partition.
    pub unguarded: Vec<(Excepted, String)>,
    /// Reasons of the functions of the firmware that partitions may call.
    pub calls: Vec<String>,
    /// Streams of bus masters at fixed addresses: StreamID, name of the device's grant.
    pub platform: Vec<(u64, String)>,
    /// What devices depend on: partition, name of a grant, controller.
    pub controllers: Vec<[String; 3]>,
    /// All records that the blob determines, one string each, fields separated by one space.
    pub determined: Vec<String>,
}

/// A number in the form HEX.
pub fn hex(field: &str) -> Option<u64> {
    let digits = field.strip_prefix("0x")?;
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let shortest = digits == "0" || !digits.starts_with('0');
    (plain && shortest).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// A number in the form DEC.
pub fn decimal(field: &str) -> Option<u64> {
    let plain = field.bytes().all(|b| b.is_ascii_digit());
    let shortest = field == "0" || !field.starts_with('0');
    (plain && shortest).then(|| field.parse().ok())?
}

fn range(field: &str) -> Option<Range> {
    let (start, end) = field.split_once('-')?;
    let range = Range {
        start: hex(start)?,
        end: hex(end)?,
    };
    (range.start < range.end).then_some(range)
}

fn rights(field: &str) -> Option<u8> {
    let [b'r', w, x] = field.as_bytes() else {
        return None;
    };
    let bit = |found: u8, name: u8, bit: u8| match found {
        b'-' => Some(0),
        f if f == name => Some(bit),
        _ => None,
    };
    Some(R | bit(*w, b'w', W)? | bit(*x, b'x', X)?)
}

fn kind(field: &str) -> Option<Kind> {
    match field {
        "normal-wb" => Some(Kind::WriteBack),
        "normal-nc" => Some(Kind::NonCacheable),
        "device-ngnre" => Some(Kind::Device),
        _ => None,
    }
}

fn is_name(field: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:".contains(&b);
    !field.is_empty() && field.bytes().all(plain)
}

fn placed(fields: &[&str]) -> Option<Placed> {
    let [place, owner, name] = fields else { return None };
    let (range, owner) = (range(place)?, (*owner).to_owned());
    let name = is_name(name).then(|| (*name).to_owned())?;
    Some(Placed { range, owner, name })
}

impl Text {
    /// Reads the text form.
    ///
    /// # Errors
    /// The first line that the grammar does not allow.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let whole = std::str::from_utf8(bytes).ok().filter(|t| t.is_ascii());
        let body = whole
            .and_then(|t| t.strip_suffix('\n'))
            .ok_or("not lines of ASCII")?;
        let mut lines = body.split('\n');
        if lines.next() != Some("bulkhead-grants 1") {
            return Err("not version 1".to_owned());
        }
        let mut text = Self::default();
        let (mut reached, mut count) = (0, [0usize; KINDS.len()]);
        let mut memory = 0;
        for (number, line) in lines.enumerate() {
            let bad = |why: &str| format!("line {}: {why}", number + 2);
            let odd = |b: u8| b.is_ascii_control();
            if line.is_empty() || line.trim() != line || line.bytes().any(odd) {
                return Err(bad("white space"));
            }
            if line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split(' ').filter(|f| !f.is_empty()).collect();
            let (Some(first), false) = (fields.first(), line.contains('#')) else {
                return Err(bad("a comment after a record"));
            };
            let rest = fields.get(1..).unwrap_or_default();
            if let Some(stage) = ["memory", "coloured-memory"]
                .iter()
                .position(|kind| kind == first)
            {
                let placed = placed(rest).ok_or_else(|| bad("a record of what was placed"))?;
                if memory > stage + 1 {
                    return Err(bad("out of order"));
                }
                memory = stage + 1;
                match stage {
                    0 => text.placed.push(placed),
                    _ => text.coloured_placed.push(placed),
                }
                continue;
            }
            let place = KINDS.iter().position(|(name, _, _)| name == first);
            let place = place.ok_or_else(|| bad("an unknown kind"))?;
            let (_, least, most) = KINDS[place];
            if place < reached || memory > 0 || !(least..=most).contains(&rest.len()) {
                return Err(bad("out of order, or another number of fields"));
            }
            reached = place;
            count[place] += 1;
            text.record(first, rest, &fields).ok_or_else(|| bad("a field"))?;
        }
        if count[..6].iter().any(|c| *c != 1) {
            return Err("a record that stands once is missing or repeated".to_owned());
        }
        Ok(text)
    }

    fn record(&mut self, first: &str, rest: &[&str], fields: &[&str]) -> Option<()> {
        match (first, rest) {
            ("system", [name]) => is_name(name).then_some(()),
            ("board", [name, number, bits]) => {
                self.board = (*number).to_owned();
                self.address_bits = decimal(bits)?;
                (is_name(name) && decimal(number).is_some()).then_some(())
            }
            ("grant" | "coloured", [root, name, place, allowed, memory, input]) => {
                let grant = Grant {
                    root: (*root).to_owned(),
                    name: (*name).to_owned(),
                    range: range(place)?,
                    rights: rights(allowed)?,
                    kind: kind(memory)?,
                    input: hex(input)?,
                };
                let all = match first {
                    "grant" => &mut self.grants,
                    _ => &mut self.coloured,
                };
                is_name(name).then(|| all.push(grant))
            }
            ("colours", [count, granule]) => {
                let once = self.colours.is_none();
                self.colours = Colours::read(count, granule).filter(|_| once);
                self.colours.is_some().then_some(())
            }
            ("colour", [partition, set]) => {
                let colours = self.colours.as_mut()?;
                let set = match *set {
                    "any" => None,
                    some => Some(Set::read(some, colours.count)?),
                };
                colours.claims.push(((*partition).to_owned(), set));
                Some(())
            }
            ("shared", [name, place, parties @ ..]) => {
                let party = |p: &&str| {
                    let (who, allowed) = p.split_once('=')?;
                    Some((who.to_owned(), rights(allowed)?))
                };
                let parties = parties.iter().map(party).collect::<Option<Vec<_>>>()?;
                let range = range(place)?;
                is_name(name).then(|| self.shared.push(Shared { range, parties }))
            }
            ("unguarded", [what, owner, reason]) => {
                let excepted = match what.strip_prefix("0x") {
                    Some(_) => Excepted::Function(hex(what)?),
                    None => Excepted::Device((*what).to_owned()),
                };
                is_name(reason).then(|| self.unguarded.push((excepted, (*owner).to_owned())))
            }
            ("controller", [partition, device, controller]) => {
                let record = [*partition, *device, *controller].map(str::to_owned);
                self.controllers.push(record);
                Some(())
            }
            ("smc", [.., reason]) => {
                self.calls.push(is_name(reason).then(|| (*reason).to_owned())?);
                // The blob determines all but the reason.
                let begin = fields.len().checked_sub(1).and_then(|n| fields.get(..n))?;
                self.determined.push(begin.join(" "));
                Some(())
            }
            ("stream", [id, owner, device]) => {
                self.platform.push((hex(id)?, (*device).to_owned()));
                self.determined.push(format!("stream {id} {owner}"));
                is_name(device).then_some(())
            }
            _ => {
                self.determined.push(fields.join(" "));
                Some(())
            }
        }
    }
}
