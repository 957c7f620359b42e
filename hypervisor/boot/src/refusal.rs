// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a system is refused, in the words of the console.

use core::fmt;

use bulkhead_drivers::gic::{GicError, SecurityStates};
use bulkhead_drivers::pci::PciError;
use bulkhead_drivers::smmu::SmmuError;
use bulkhead_types::system::BlobError;
use bulkhead_types::tables::PciFunction;

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// In words.
    Text(&'static str),
    /// A number.
    Count(u64),
    /// An address, an identifier, a register.
    Hex(u64),
    /// First address and number of bytes.
    Span(u64, u64),
    /// First eight bytes of a digest or build ID.
    Digest([u8; 8]),
}

impl Fact {
    /// The begin of a digest or build ID.
    pub fn digest(bytes: &[u8]) -> Self {
        let mut head = [0; 8];
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self::Digest(head)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Count(number) => write!(out, "{number}"),
            Self::Hex(number) => write!(out, "{number:#x}"),
            Self::Span(base, size) => write!(out, "{size:#x} bytes at {base:#x}"),
            Self::Digest(head) => {
                head.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
                out.write_str("...")
            }
        }
    }
}

/// Blob and board (or image) do not fit: nothing of the system is started.
///
/// Displayed as `refused: <what> <index> (blob: …, board: …)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was compared.
    pub what: &'static str,
    /// Which one of several.
    pub index: Option<u64>,
    /// What the blob says.
    pub blob: Fact,
    /// What the board, or the hypervisor image, says.
    pub board: Fact,
}

impl Refusal {
    /// A difference in something that exists once.
    pub const fn new(what: &'static str, blob: Fact, board: Fact) -> Self {
        Self {
            what,
            index: None,
            blob,
            board,
        }
    }

    /// A difference in entry `index` of several.
    pub fn of(what: &'static str, index: usize, blob: Fact, board: Fact) -> Self {
        let index = u64::try_from(index).ok();
        Self {
            what,
            index,
            blob,
            board,
        }
    }

    /// `Ok` when the condition holds.
    ///
    /// # Errors
    /// This refusal otherwise.
    pub fn unless(self, condition: bool) -> Result<(), Self> {
        if condition { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "refused: {}", self.what)?;
        if let Some(index) = self.index {
            write!(out, " {index}")?;
        }
        write!(out, " (blob: {}, board: {})", self.blob, self.board)
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        let blob = Fact::Text(match error {
            BlobError::Truncated => "truncated",
            BlobError::Magic => "not a blob or not certified",
            BlobError::Version => "another version",
            BlobError::Layout => "another layout",
            BlobError::Index(table) => table,
            BlobError::Slots => "slots do not cover the major frame",
        });
        let what = match error {
            BlobError::Index(_) => "index in a table",
            BlobError::Truncated
            | BlobError::Magic
            | BlobError::Version
            | BlobError::Layout
            | BlobError::Slots => "format",
        };
        Self::new(what, blob, Fact::Text("format 1.0"))
    }
}

impl From<GicError> for Refusal {
    fn from(error: GicError) -> Self {
        let (what, blob, board) = match error {
            GicError::Timeout(timeout) => (
                timeout.register,
                Fact::Text("poll bound"),
                Fact::Text("no answer"),
            ),
            GicError::Architecture(found) => {
                ("GIC version", Fact::Text("3 or later"), Fact::Count(found.into()))
            }
            GicError::Security(SecurityStates::One) => {
                ("GIC security states", Fact::Count(2), Fact::Count(1))
            }
            GicError::Security(SecurityStates::Two) => {
                ("GIC security states", Fact::Count(1), Fact::Count(2))
            }
            GicError::Lines(intid, lines) => ("SPI", Fact::Count(intid.into()), Fact::Count(lines.into())),
            GicError::Affinity(found) => ("redistributor's core", Fact::Text("this core"), Fact::Hex(found)),
            GicError::LpisEnabled => ("LPIs", Fact::Text("off"), Fact::Text("on")),
            GicError::NotVersion2(found) => ("GIC version", Fact::Count(2), Fact::Count(found.into())),
            GicError::ListRegisters(found) => {
                ("GIC list registers", Fact::Count(4), Fact::Count(found.into()))
            }
        };
        Self::new(what, blob, board)
    }
}

impl From<SmmuError> for Refusal {
    fn from(error: SmmuError) -> Self {
        let (what, blob, board) = match error {
            SmmuError::Timeout(timeout) => (
                timeout.register,
                Fact::Text("poll bound"),
                Fact::Text("no answer"),
            ),
            SmmuError::Lacks(feature) => (feature, Fact::Text("needed"), Fact::Text("not there")),
            SmmuError::Alignment(address) => {
                ("stream table", Fact::Hex(address), Fact::Text("aligned to size"))
            }
            SmmuError::Command(state) => ("SMMU command", Fact::Text("accepted"), Fact::Hex(state.into())),
        };
        Self::new(what, blob, board)
    }
}

/// A PCI function that does not fit; `index` is its entry in the blob.
pub fn pci(index: usize, function: &PciFunction, error: PciError) -> Refusal {
    let bar_of = |bar: u32| usize::try_from(bar).ok().and_then(|b| function.bars.get(b));
    let (what, blob, board) = match error {
        PciError::Id(found) => (
            "ID of PCI function",
            Fact::Hex(function.id.into()),
            Fact::Hex(found.into()),
        ),
        PciError::Header(found) => (
            "header type of PCI function",
            Fact::Count(0),
            Fact::Count(found.into()),
        ),
        PciError::BarSize { bar, found } => (
            "BAR size of PCI function",
            Fact::Hex(bar_of(bar).map_or(0, |b| b.size)),
            Fact::Hex(found),
        ),
        PciError::BarAddress { bar, found } => (
            "BAR address of PCI function",
            Fact::Hex(bar_of(bar).map_or(0, |b| b.address)),
            Fact::Hex(found),
        ),
    };
    Refusal::of(what, index, blob, board)
}
