// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The header of `hypervisor.bin`.
//!
//! `hypervisor.bin` is one file per board, the same for every system. It begins with the 64-byte arm64
//! `Image` header, followed at [`INFO_OFFSET`] by [`ImageInfo`]. It consists of three parts linked apart:
//! **boot** (runs once, then unmapped), **run time** (handles every trap; contains no panic path), and the
//! **loader** (an EL1 program that EL2 maps, read-only and executable, into each partition).
//!
//! A bootable image is `hypervisor.bin` padded to [`ImageInfo::blob_base`] − [`ImageInfo::base`], then the
//! blob with its certificate, then payloads; `image_size` of the arm64 header is set to the whole length.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Offset of [`ImageInfo`] in the file.
pub const INFO_OFFSET: usize = 64;
/// Value of [`ImageInfo::magic`], `BULKHEAD`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"BULKHEAD");
/// Version of [`ImageInfo`].
pub const VERSION: u32 = 1;

/// A physical address range, end exclusive, page-aligned unless said otherwise.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

/// Where everything of EL2 lies. VA = PA.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct ImageInfo {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Board number, the `id` of the board file.
    pub board_id: u32,
    /// First 16 bytes of the SHA-256 of the file with this field zero.
    pub build_id: [u8; 16],
    /// Link address of the file's first byte.
    pub base: u64,
    /// End of all memory that the hypervisor image occupies, including what is not in the file.
    pub end: u64,
    /// Boot part, code: read-only and executable, mapped by the boot root only.
    pub boot_text: Range,
    /// Boot part, constants: read-only, boot root only. Includes this header.
    pub boot_rodata: Range,
    /// Boot part, data, zeroed data and boot stacks: writable, boot root only.
    pub boot_data: Range,
    /// Run-time code: read-only and executable in every root.
    pub text: Range,
    /// Run-time constants: read-only in every root.
    pub rodata: Range,
    /// Run-time data shared by all cores: writable in every root.
    pub shared: Range,
    /// What boot hands over ([`Handoff`]): writable in the boot root, read-only in the run-time roots.
    pub handoff: Range,
    /// Statistics, `CORE_STATS_SIZE` bytes per core: a core's own block is writable, the others' are read-only.
    pub stats: Range,
    /// Per-core blocks, one of [`ImageInfo::per_core_stride`] bytes per core: in a block the first page is
    /// never mapped (guard), the rest is writable for its own core only. The stack grows down from the end.
    pub per_core: Range,
    /// Bytes from block to block.
    pub per_core_stride: u64,
    /// The loader: EL2 never executes it; read-only in the boot root; mapped read-only and executable into each partition at [`crate::load::LOADER_IPA`].
    pub loader: Range,
    /// Cores for which there is room.
    pub max_cores: u64,
    /// Run-time entry: `x0` = core index, called with the boot root active.
    pub runtime_entry: u64,
    /// Where the blob must lie.
    pub blob_base: u64,
}
const _: () = assert!(size_of::<ImageInfo>().is_multiple_of(8));

/// Seeds per partition in [`Handoff`].
pub const MAX_PARTITIONS: usize = 32;

/// What boot tells the run-time part, at [`ImageInfo::handoff`].
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Handoff {
    /// Size of the verified blob in bytes.
    pub blob_size: u64,
    /// Counter frequency in Hz.
    pub frequency: u64,
    /// Counter value at EL2's first instruction.
    pub entry_time: u64,
    /// Counter value at which major frame 0 begins on every core.
    pub epoch: u64,
    /// SHA-256 of the blob, as verified.
    pub blob_hash: [u8; 32],
    /// A secret for each partition, derived from the board's entropy.
    pub seeds: [[u64; 4]; MAX_PARTITIONS],
}
const _: () = assert!(size_of::<Handoff>() <= 4096);
