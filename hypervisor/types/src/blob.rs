// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Header of the system blob.
//!
//! ```text
//! 0            BlobHeader (one page)
//!              EL2 stage-1 tables (boot root, one root per core)      } covered by early_digest
//! early_end    sections: tables of `tables`, names
//!              lower stage-2 tables of every partition
//!              pristine live image: stage-2 root pages, SMMU stream table
//! certificate  Certificate (one page), written by the checker
//! ```
//! All offsets are from the blob's first byte. The blob lies at a page-aligned physical address that the
//! hypervisor image fixes; tables inside it hold final physical addresses.
//!
//! After the verification EL2 copies the *live image* to [`BlobHeader::live_base`]; that copy is the only
//! stage-2 and stream-table memory that EL2 ever writes. Everything else stays read-only.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of [`BlobHeader::magic`], `BLKHSYS1`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"BLKHSYS1");
/// Major version: another one is refused.
pub const MAJOR: u16 = 1;
/// Minor version: another one is refused.
pub const MINOR: u16 = 0;
/// First byte that `early_digest` covers.
pub const EARLY_START: usize = 64;
/// Page size of every table.
pub const PAGE: u64 = 4096;

/// Where a table lies: `count` entries from byte `offset`.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Offset in the blob, a multiple of 8.
    pub offset: u32,
    /// Number of entries.
    pub count: u32,
}

/// First page of a blob.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct BlobHeader {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`MAJOR`].
    pub major: u16,
    /// [`MINOR`].
    pub minor: u16,
    /// Size of this struct.
    pub header_size: u32,
    /// SHA-256 of the bytes from [`EARLY_START`] to [`BlobHeader::early_end`].
    pub early_digest: [u8; 32],
    /// Zero.
    pub reserved0: [u64; 2],

    /// Board number; must equal the image's.
    pub board_id: u32,
    /// Number of physical cores that this system uses.
    pub core_count: u32,
    /// Build ID of the hypervisor image that the blob was made for.
    pub hypervisor_id: [u8; 16],
    /// [`crate::tables::LAYOUT_HASH`] of the compiler that made it.
    pub layout_hash: u64,
    /// Physical address of the blob's first byte.
    pub base: u64,
    /// End of the early part.
    pub early_end: u64,
    /// Offset of the certificate page; the blob's own hash covers everything before it.
    pub certificate: u64,
    /// Offset of the pristine live image.
    pub live_image: u64,
    /// Bytes of the live image.
    pub live_size: u64,
    /// Physical address of the live copy.
    pub live_base: u64,
    /// Root of EL2's boot tables (`TTBR0_EL2`).
    pub boot_root: u64,
    /// `TCR_EL2`.
    pub el2_tcr: u64,
    /// `MAIR_EL2`.
    pub el2_mair: u64,
    /// `SCTLR_EL2` with the MMU on.
    pub el2_sctlr: u64,

    /// [`crate::tables::Core`], by core index.
    pub cores: Section,
    /// [`crate::tables::Partition`], by partition index.
    pub partitions: Section,
    /// [`crate::tables::Vcpu`], grouped by partition, in vCPU order.
    pub vcpus: Section,
    /// [`crate::tables::CoreVcpu`]: global vCPU indices, grouped by core.
    pub core_vcpus: Section,
    /// [`crate::tables::Slot`], grouped by core, in time order.
    pub slots: Section,
    /// [`crate::tables::Spi`], by ascending INTID.
    pub spis: Section,
    /// [`crate::tables::PciFunction`].
    pub pci_functions: Section,
    /// [`crate::tables::RamBank`]: RAM that the system relies on.
    pub ram: Section,
    /// [`crate::tables::BoardDevices`]: exactly one.
    pub board: Section,
    /// [`crate::tables::Channel`], by channel index.
    pub channels: Section,
    /// [`crate::tables::PlatformStream`], by ascending StreamID.
    pub streams: Section,
}
const _: () = assert!(size_of::<BlobHeader>() <= 4096);

/// Magic of [`Certificate`], `BLKHCERT`.
pub const CERTIFICATE_MAGIC: u64 = u64::from_le_bytes(*b"BLKHCERT");
/// Version of [`Certificate`].
pub const CERTIFICATE_VERSION: u32 = 1;

/// The checker's statement about a blob, in a page of its own after it.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Certificate {
    /// [`CERTIFICATE_MAGIC`].
    pub magic: u64,
    /// [`CERTIFICATE_VERSION`].
    pub version: u32,
    /// Number of properties that were proved.
    pub properties: u32,
    /// SHA-256 of the blob up to the certificate.
    pub blob_hash: [u8; 32],
    /// Physical pages that were found reachable, summed over all translation roots.
    pub pages: u64,
    /// Translation roots and streams that were walked.
    pub roots: u64,
}
const _: () = assert!(size_of::<Certificate>() == 64);
