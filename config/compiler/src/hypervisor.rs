// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `hypervisor.bin` as an input: its header, checked.

use bulkhead_model::board::Board;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{INFO_OFFSET, ImageInfo, MAGIC, Range, VERSION};
use sha2::{Digest, Sha256};
use zerocopy::FromBytes;

use crate::units::length;

/// Offset of [`ImageInfo::build_id`] in the file.
pub const BUILD_ID_OFFSET: usize = INFO_OFFSET + core::mem::offset_of!(ImageInfo, build_id);
/// Bytes of a build ID.
pub const BUILD_ID_SIZE: usize = 16;

/// Why a file is not a usable `hypervisor.bin`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HypervisorError {
    /// Too short, or without the magic number.
    #[error("hypervisor.bin: not a Bulkhead hypervisor image")]
    NotAnImage,
    /// Another version of the header.
    #[error("hypervisor.bin: header version {0}; this compiler knows version {VERSION}")]
    Version(u32),
    /// Made for another board.
    #[error("hypervisor.bin: made for board number {image}, the spec's board has number {board}")]
    Board {
        /// Number in the image.
        image: u32,
        /// Number in the board file.
        board: u32,
    },
    /// Linked for another address.
    #[error("hypervisor.bin: linked for {image:#x}, the board file says `hypervisor: {board:#x}`")]
    Base {
        /// Address in the image.
        image: u64,
        /// Address in the board file.
        board: u64,
    },
    /// The build ID does not fit the content.
    #[error("hypervisor.bin: damaged (its build ID does not fit its content)")]
    BuildId,
    /// A range is not made of whole pages, or lies outside the image.
    #[error("hypervisor.bin: range {name} ({start:#x}-{end:#x}) is not made of whole pages inside the image")]
    Range {
        /// Its name.
        name: &'static str,
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
    },
    /// The board has more cores than the image has room for.
    #[error("hypervisor.bin: room for {room} cores, the board has {cores}")]
    Cores {
        /// Cores in the image.
        room: u64,
        /// Cores of the board.
        cores: u64,
    },
}

/// All ranges of an image, with their names.
pub fn ranges(info: &ImageInfo) -> [(&'static str, Range); 10] {
    [
        ("boot-text", info.boot_text),
        ("boot-rodata", info.boot_rodata),
        ("boot-data", info.boot_data),
        ("text", info.text),
        ("rodata", info.rodata),
        ("shared", info.shared),
        ("handoff", info.handoff),
        ("stats", info.stats),
        ("per-core", info.per_core),
        ("loader", info.loader),
    ]
}

/// The build ID that a file should have: the first bytes of its SHA-256 with the field itself zero.
pub fn build_id(file: &[u8]) -> [u8; BUILD_ID_SIZE] {
    let field = BUILD_ID_OFFSET..BUILD_ID_OFFSET + BUILD_ID_SIZE;
    let mut hash = Sha256::new();
    hash.update(file.get(..field.start).unwrap_or(file));
    hash.update([0; BUILD_ID_SIZE]);
    hash.update(file.get(field.end..).unwrap_or_default());
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; BUILD_ID_SIZE];
    id.copy_from_slice(&digest[..BUILD_ID_SIZE]);
    id
}

/// Reads and checks the header for a board.
///
/// # Errors
/// See [`HypervisorError`].
pub fn read(file: &[u8], board: &Board) -> Result<ImageInfo, HypervisorError> {
    let header = file.get(INFO_OFFSET..).unwrap_or_default();
    let (info, _) = ImageInfo::read_from_prefix(header).map_err(|_| HypervisorError::NotAnImage)?;
    if info.magic != MAGIC {
        return Err(HypervisorError::NotAnImage);
    }
    if info.version != VERSION {
        return Err(HypervisorError::Version(info.version));
    }
    if info.board_id != board.id.value {
        let (image, board) = (info.board_id, board.id.value);
        return Err(HypervisorError::Board { image, board });
    }
    if info.base != board.hypervisor.value {
        let (image, board) = (info.base, board.hypervisor.value);
        return Err(HypervisorError::Base { image, board });
    }
    if info.build_id != build_id(file) {
        return Err(HypervisorError::BuildId);
    }
    check_ranges(&info)?;
    let whole = Range {
        start: info.base,
        end: info.blob_base,
    };
    let in_file = info
        .base
        .checked_add(length(file))
        .is_some_and(|end| end <= info.end);
    if !in_file
        || info.end > info.blob_base
        || !whole.start.is_multiple_of(PAGE)
        || !whole.end.is_multiple_of(PAGE)
    {
        let (name, Range { start, end }) = ("file", whole);
        return Err(HypervisorError::Range { name, start, end });
    }
    if info.max_cores < length(&board.cores) {
        let (room, cores) = (info.max_cores, length(&board.cores));
        return Err(HypervisorError::Cores { room, cores });
    }
    Ok(info)
}

/// Checks that all ranges are whole pages in ascending order of their own ends, inside the image, and that
/// the per-core and statistics ranges hold what they must.
///
/// # Errors
/// [`HypervisorError::Range`] names the first bad one.
pub fn check_ranges(info: &ImageInfo) -> Result<(), HypervisorError> {
    let bad = |name, range: Range| HypervisorError::Range {
        name,
        start: range.start,
        end: range.end,
    };
    for (name, range) in ranges(info) {
        let pages = range.start % PAGE == 0 && range.end % PAGE == 0 && range.start <= range.end;
        if !pages || range.start < info.base || range.end > info.end {
            return Err(bad(name, range));
        }
    }
    let size = |range: Range| range.end - range.start;
    let stats = info
        .max_cores
        .checked_mul(bulkhead_abi::stats::CORE_STATS_SIZE as u64);
    if stats.is_none_or(|needed| size(info.stats) < needed) {
        return Err(bad("stats", info.stats));
    }
    let stride = info.per_core_stride;
    let blocks = info.max_cores.checked_mul(stride);
    if stride < 2 * PAGE || !stride.is_multiple_of(PAGE) || blocks != Some(size(info.per_core)) {
        return Err(bad("per-core", info.per_core));
    }
    Ok(())
}
