// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The language, described once: which keys exist, what they take and what they mean. Each is enforced: the walk over
//! these tables in the compiler's tests requires that it has an effect, or that its change is refused.
//!
//! Everything that knows keys reads these tables: the structural check (`structure`), the JSON Schema
//! ([`crate::schema`]) and the tables for people ([`crate::keys`]). A key that is not here does not exist.
//! Implements: BH-LANG-001.

mod board;
mod boot;
mod channel;
mod cores;
mod device;
mod health;
mod memory;
mod partition;
mod payload;
mod qemu;
mod spec;

pub use board::BOARD;
pub use spec::SPEC;

/// Version of the language.
pub const VERSION: u64 = 1;

/// A map with fixed keys.
#[derive(Debug)]
pub struct Table {
    /// What it describes, with its article: `a partition`.
    pub what: &'static str,
    /// Its keys, in the order in which people read them.
    pub keys: &'static [Key],
    /// Keys that exclude each other.
    pub choose: Choose,
}

/// Keys that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choose {
    /// None do.
    Free,
    /// Exactly one of these is given.
    One(&'static [&'static str]),
    /// Exactly one of these is given; a rule of its own says so.
    OneByRule(&'static [&'static str]),
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Whether it may be left out.
    pub need: Need,
    /// What it takes.
    pub value: Kind,
    /// What it means, for people.
    pub text: &'static str,
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No.
    Needed,
    /// No, and a rule of its own says so.
    NeededByRule,
    /// Yes: what holds then.
    Default(&'static str),
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the language.
    Version,
    /// A whole number.
    Number {
        /// Least.
        least: u64,
        /// Greatest.
        most: u64,
        /// It is a multiple of this.
        multiple: u64,
    },
    /// The number of a core of the board.
    Core,
    /// A size.
    Bytes,
    /// A time.
    Time,
    /// A frequency from 1 Hz up to what 32 bits hold.
    Frequency,
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text(Meaning),
    /// One of fixed words.
    Word(&'static [Word]),
    /// A list.
    List(&'static Kind, Count),
    /// A map whose keys are free names.
    Named(Meaning, &'static Kind, Count),
    /// A map whose keys are numbers.
    Numbered(&'static Kind, &'static Kind),
    /// A map with fixed keys.
    Map(&'static Table),
    /// A single value, or a map or list that says more; a map, or a list of several.
    Either(&'static Kind, &'static Kind),
    /// A map in one of several forms, told apart by the first key of each.
    Forms(&'static [&'static Table]),
}

/// How many entries a list or map has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At least one.
    Some,
    /// Any number.
    Any,
}

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing: it is for people or programs.
    Free,
    /// As [`Meaning::Free`], and not empty.
    Something,
    /// A name that is given here.
    Name,
    /// A partition of the spec.
    Partition,
    /// A partition of the spec, `system` or `idle`.
    Run,
    /// A device of the board.
    Device,
    /// A CAN controller of the board.
    Can,
    /// A board.
    Board,
    /// A file.
    File,
    /// `vendor:device` in hexadecimal.
    PciId,
    /// A release of QEMU.
    Release,
}

/// A fixed word.
#[derive(Debug)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What it means.
    pub text: &'static str,
}

impl Table {
    /// A key by its name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }

    /// Whether a key belongs to those of which one is given.
    pub fn is_choice(&self, name: &str) -> bool {
        match self.choose {
            Choose::Free => false,
            Choose::One(names) | Choose::OneByRule(names) => names.contains(&name),
        }
    }
}

impl Kind {
    /// A number of a 32-bit field.
    pub(crate) const U32: Kind = Kind::Number {
        least: 0,
        most: u32::MAX as u64,
        multiple: 1,
    };
    /// A number of a 64-bit field, often an address.
    pub(crate) const U64: Kind = Kind::Number {
        least: 0,
        most: u64::MAX,
        multiple: 1,
    };

    /// Whether a map with fixed keys is one of its values.
    pub(crate) fn takes_a_map(self) -> bool {
        matches!(self, Kind::Map(_) | Kind::Forms(_))
    }

    /// The numbers from `least` to `most`.
    pub(crate) const fn range(least: u64, most: u64) -> Kind {
        Kind::Number {
            least,
            most,
            multiple: 1,
        }
    }
}

/// A map with fixed keys.
const fn table(what: &'static str, keys: &'static [Key]) -> Table {
    Table {
        what,
        keys,
        choose: Choose::Free,
    }
}

/// A key that is needed.
const fn needed(name: &'static str, value: Kind, text: &'static str) -> Key {
    Key {
        name,
        need: Need::Needed,
        value,
        text,
    }
}

/// A key that may be left out.
const fn optional(name: &'static str, value: Kind, default: &'static str, text: &'static str) -> Key {
    Key {
        name,
        need: Need::Default(default),
        value,
        text,
    }
}

/// A fixed word.
const fn word(name: &'static str, text: &'static str) -> Word {
    Word { name, text }
}
