// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fault status code of an abort.

use crate::bits::low8;

/// What an aborted data access was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// A load, or the read of an atomic.
    Read,
    /// A store.
    Write,
    /// A cache maintenance or address translation instruction.
    CacheMaintenance,
}

/// Why an access aborted; levels are those of the table walk, 0 to 3.
///
/// # References
/// Arm ARM, "ISS encoding for an exception from a Data Abort", DFSC, and "… from an Instruction Abort", IFSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An output address was too large.
    AddressSize(u8),
    /// No valid descriptor.
    Translation(u8),
    /// The access flag was clear.
    AccessFlag(u8),
    /// The rights do not allow it.
    Permission(u8),
    /// The system refused the access itself.
    External,
    /// The system refused a read of the table walk.
    ExternalOnWalk(u8),
    /// A misaligned access to device memory.
    Alignment,
    /// Two TLB entries match.
    TlbConflict,
    /// Another code.
    Other(u8),
}

impl Fault {
    /// The fault of `DFSC` or `IFSC`, bits 5:0 of `ESR_EL2`.
    #[inline]
    pub const fn from_status(esr: u64) -> Self {
        let code = low8(esr & 0x3f);
        let level = code & 3;
        match code {
            0x00..=0x03 => Self::AddressSize(level),
            0x04..=0x07 => Self::Translation(level),
            0x08..=0x0b => Self::AccessFlag(level),
            0x0c..=0x0f => Self::Permission(level),
            0x10 => Self::External,
            0x14..=0x17 => Self::ExternalOnWalk(level),
            0x21 => Self::Alignment,
            0x30 => Self::TlbConflict,
            other => Self::Other(other),
        }
    }

    /// Whether the address had no valid descriptor.
    #[inline]
    pub const fn is_translation(self) -> bool {
        matches!(self, Self::Translation(_))
    }

    /// Whether `HPFAR_EL2` holds the address. After a permission fault it does only on a table walk, after an
    /// external abort never.
    ///
    /// # References
    /// Arm ARM, "HPFAR_EL2, Hypervisor IPA Fault Address Register".
    pub const fn has_ipa(self) -> bool {
        match self {
            Self::AddressSize(_) | Self::Translation(_) | Self::AccessFlag(_) => true,
            Self::Permission(_)
            | Self::External
            | Self::ExternalOnWalk(_)
            | Self::Alignment
            | Self::TlbConflict
            | Self::Other(_) => false,
        }
    }
}
