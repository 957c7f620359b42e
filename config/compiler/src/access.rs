// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may reach what: the vocabulary that tables, text form and device trees are made from.
//!
//! A [`Grant`] is one line of `grants.txt` and one call of a table builder; there is no other way into a
//! table. [`Root`] names the translation root that it belongs to.

use std::fmt;

use bulkhead_types::image::Range;

use crate::colour::{self, Pattern};

/// What software may do with memory. Every grant can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rights {
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
    /// Everything: RAM of a partition, where the guest's own stage 1 decides.
    All,
}

impl Rights {
    /// Whether stores are allowed.
    pub fn writes(self) -> bool {
        matches!(self, Rights::ReadWrite | Rights::All)
    }

    /// Whether instruction fetches are allowed.
    pub fn executes(self) -> bool {
        matches!(self, Rights::ReadExecute | Rights::All)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rights::Read => "r--",
            Rights::ReadWrite => "rw-",
            Rights::ReadExecute => "r-x",
            Rights::All => "rwx",
        })
    }
}

/// Memory type and cacheability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryType {
    /// Normal, Inner and Outer Write-Back, Inner Shareable.
    NormalWb,
    /// Normal, Inner and Outer Non-cacheable.
    NormalNc,
    /// Device-nGnRE.
    Device,
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryType::NormalWb => "normal-wb",
            MemoryType::NormalNc => "normal-nc",
            MemoryType::Device => "device-ngnre",
        })
    }
}

/// A translation root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// EL2 on every core until boot ends.
    Boot,
    /// EL2 at run time on the core of this index.
    Core(usize),
    /// Stage 2 of the partition of this index.
    Partition(usize),
    /// Stage 2 of a bus master.
    Stream {
        /// StreamID.
        id: u32,
        /// Index of its partition.
        partition: usize,
    },
}

/// A range that a root may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose.
    pub root: Root,
    /// What it is, in the characters that `FORMAT.md` allows.
    pub name: String,
    /// Physical addresses.
    pub range: Range,
    /// Which of its pages are meant, ascending from `address`; all of them when absent.
    pub pattern: Option<Pattern>,
    /// What may be done with it.
    pub rights: Rights,
    /// How it is accessed.
    pub memory: MemoryType,
    /// Input address (VA or IPA) of its first byte.
    pub address: u64,
}

impl Grant {
    /// Bytes.
    pub fn size(&self) -> u64 {
        colour::size(self.range, self.pattern.as_ref())
    }
}
