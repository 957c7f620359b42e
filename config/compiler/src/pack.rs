// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes `hypervisor.bin` out of its three linked parts. Implements: BH-CFG-017.
//!
//! Boot and run-time part lie at their link addresses; the loader, which is linked at an IPA, lies behind
//! the run-time part. Ranges come from linker symbols, so the linker scripts alone decide the memory map.

use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{INFO_OFFSET, ImageInfo, MAGIC, Range, VERSION};
use bulkhead_types::load::LOADER_IPA;
use object::{Object, ObjectSymbol};
use zerocopy::IntoBytes;

use crate::hypervisor::{BUILD_ID_OFFSET, BUILD_ID_SIZE, HypervisorError, build_id, check_ranges, ranges};
use crate::image::set_size;
use crate::layout::{LayoutError, MemoryMap};
use crate::payload::PayloadError;
use crate::payload::elf::{self, Executable};
use crate::payload::linux::ImageHeader;
use crate::units::{index, length, page_up};

/// Largest loader, bytes.
const LOADER_SIZE: u64 = 0x1_0000;
/// Alignment of the loader.
const LOADER_ALIGN: u64 = 0x1_0000;

/// Why the parts make no `hypervisor.bin`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PackError {
    /// A part is not a usable executable.
    #[error("{part}.elf: {error}")]
    Elf {
        /// `boot`, `runtime` or `loader`.
        part: &'static str,
        /// Why.
        error: PayloadError,
    },
    /// A linker symbol is missing.
    #[error("{part}.elf: no symbol `{symbol}`")]
    Symbol {
        /// `boot` or `runtime`.
        part: &'static str,
        /// Symbol.
        symbol: &'static str,
    },
    /// The ranges that the symbols name cannot be.
    #[error(transparent)]
    Ranges(#[from] HypervisorError),
    /// Ranges overlap.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A load segment lies outside the ranges of its part, or is more writable or executable than they are.
    #[error("{part}.elf: segment {start:#x}-{end:#x} does not fit into a range of its kind")]
    Segment {
        /// `boot` or `runtime`.
        part: &'static str,
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
    },
    /// The first bytes are no arm64 `Image` header.
    #[error("boot.elf: its first 64 bytes are not an arm64 Image header")]
    Header,
    /// The header and what follows it do not leave room for [`ImageInfo`].
    #[error(
        "boot.elf: bytes {start:#x}-{end:#x}, where the image's description goes, are not zero or not in `boot_rodata`"
    )]
    Info {
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
    },
    /// The loader is not what EL2 can map read-only and executable.
    #[error("loader.elf: {0}")]
    Loader(&'static str),
    /// The parts do not fit below the blob.
    #[error("the image ends at {end:#x}, behind the blob's address {blob_base:#x}")]
    TooLong {
        /// End of the image.
        end: u64,
        /// Blob.
        blob_base: u64,
    },
}

/// A linked part.
struct Part<'a> {
    name: &'static str,
    executable: Executable<'a>,
    symbols: object::File<'a>,
}

impl<'a> Part<'a> {
    fn parse(name: &'static str, data: &'a [u8]) -> Result<Self, PackError> {
        let blame = |error| PackError::Elf { part: name, error };
        let executable = elf::parse(data).map_err(blame)?;
        let symbols = object::File::parse(data).map_err(|e| blame(PayloadError::NotElf(e.to_string())))?;
        Ok(Part {
            name,
            executable,
            symbols,
        })
    }

    fn symbol(&self, symbol: &'static str) -> Result<u64, PackError> {
        let found = self.symbols.symbol_by_name(symbol);
        found.map(|s| s.address()).ok_or(PackError::Symbol {
            part: self.name,
            symbol,
        })
    }

    fn range(&self, start: &'static str, end: &'static str) -> Result<Range, PackError> {
        let (start, end) = (self.symbol(start)?, self.symbol(end)?);
        Ok(Range { start, end })
    }
}

/// Makes `hypervisor.bin`.
///
/// # Errors
/// See [`PackError`].
pub fn pack(
    boot_elf: &[u8],
    runtime_elf: &[u8],
    loader_elf: &[u8],
    board_id: u32,
    blob_base: u64,
) -> Result<Vec<u8>, PackError> {
    let boot = Part::parse("boot", boot_elf)?;
    let runtime = Part::parse("runtime", runtime_elf)?;
    let loader = flatten_loader(&Part::parse("loader", loader_elf)?)?;
    let mut info = describe(&boot, &runtime, board_id, blob_base)?;
    info.loader.start = info.end.next_multiple_of(LOADER_ALIGN);
    info.loader.end = info.loader.start + length(&loader);
    info.end = info.loader.end;
    check_ranges(&info)?;
    let mut map = MemoryMap::default();
    for (name, range) in ranges(&info) {
        if range.start < range.end {
            map.claim("el2", name, range.start, range.end - range.start)?;
        }
    }
    if info.end > blob_base || !blob_base.is_multiple_of(PAGE) {
        return Err(PackError::TooLong {
            end: info.end,
            blob_base,
        });
    }
    let mut file = vec![0; index(info.end - info.base)];
    let boot_ranges = PartRanges {
        text: info.boot_text,
        constants: info.boot_rodata,
        data: vec![info.boot_data],
    };
    let runtime_ranges = PartRanges {
        text: info.text,
        constants: info.rodata,
        data: vec![info.shared, info.handoff, info.stats, info.per_core],
    };
    place(&mut file, info.base, &boot, &boot_ranges)?;
    place(&mut file, info.base, &runtime, &runtime_ranges)?;
    file[index(info.loader.start - info.base)..].copy_from_slice(&loader);
    finish(file, &info)
}

/// Reads the ranges of boot and run-time part from their symbols.
fn describe(
    boot: &Part<'_>,
    runtime: &Part<'_>,
    board_id: u32,
    blob_base: u64,
) -> Result<ImageInfo, PackError> {
    let segments = boot
        .executable
        .segments
        .iter()
        .chain(&runtime.executable.segments);
    let base = segments.map(|s| s.address).min().unwrap_or(0);
    let mut info = ImageInfo {
        magic: MAGIC,
        version: VERSION,
        board_id,
        build_id: [0; BUILD_ID_SIZE],
        base,
        end: 0,
        boot_text: boot.range("__boot_text_start", "__boot_text_end")?,
        boot_rodata: boot.range("__boot_rodata_start", "__boot_rodata_end")?,
        boot_data: boot.range("__boot_data_start", "__boot_data_end")?,
        text: runtime.range("__text_start", "__text_end")?,
        rodata: runtime.range("__rodata_start", "__rodata_end")?,
        shared: runtime.range("__shared_start", "__shared_end")?,
        handoff: runtime.range("__handoff_start", "__handoff_end")?,
        stats: runtime.range("__stats_start", "__stats_end")?,
        per_core: runtime.range("__per_core_start", "__per_core_end")?,
        per_core_stride: runtime.symbol("__per_core_stride")?,
        loader: Range::default(),
        max_cores: runtime.symbol("__max_cores")?,
        runtime_entry: runtime.symbol("runtime_entry")?,
        blob_base,
    };
    let ends = ranges(&info).map(|(_, range)| range.end);
    info.end = ends.into_iter().max().unwrap_or(base);
    Ok(info)
}

/// Ranges of a part by kind.
struct PartRanges {
    text: Range,
    constants: Range,
    data: Vec<Range>,
}

/// Copies the load segments of a part to their places: all their bytes into ranges of their kind (text,
/// constants, data), and no memory of theirs in ranges of another kind. Reserved memory such as stacks, which
/// has no bytes in the file, is data whatever its flags say.
fn place(file: &mut [u8], base: u64, part: &Part<'_>, ranges: &PartRanges) -> Result<(), PackError> {
    for segment in &part.executable.segments {
        let start = segment.address;
        let end = start.saturating_add(segment.memory_size);
        let bad = || PackError::Segment {
            part: part.name,
            start,
            end,
        };
        let PartRanges {
            text,
            constants,
            data,
        } = ranges;
        let reserved = segment.bytes.is_empty();
        let (allowed, forbidden) = match (segment.executable, segment.writable || reserved) {
            (true, true) => return Err(bad()),
            (true, false) => (vec![*text], data.clone()),
            (false, true) => (data.clone(), vec![*text, *constants]),
            (false, false) => (vec![*constants], [&[*text], data.as_slice()].concat()),
        };
        let last = start + length(segment.bytes);
        let touches = |r: &Range| r.start < end && start < r.end;
        if start != segment.virtual_address || !covered(start, last, allowed) || forbidden.iter().any(touches)
        {
            return Err(bad());
        }
        let offset = index(start - base);
        file[offset..offset + segment.bytes.len()].copy_from_slice(segment.bytes);
    }
    Ok(())
}

/// Whether ranges cover everything from `start` to `end`.
fn covered(start: u64, end: u64, mut ranges: Vec<Range>) -> bool {
    ranges.sort_by_key(|r| r.start);
    let reached = ranges.iter().fold(
        start,
        |at, r| if r.start <= at && at < r.end { r.end } else { at },
    );
    reached >= end
}

/// The loader's bytes as they lie from `LOADER_IPA`, padded to whole pages.
fn flatten_loader(loader: &Part<'_>) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::new();
    if loader.executable.entry != LOADER_IPA {
        return Err(PackError::Loader(
            "its entry point is not the address at which it is mapped",
        ));
    }
    for segment in &loader.executable.segments {
        let Some(offset) = segment.virtual_address.checked_sub(LOADER_IPA) else {
            return Err(PackError::Loader(
                "a segment lies below the address at which it is mapped",
            ));
        };
        if segment.writable || segment.memory_size != length(segment.bytes) {
            return Err(PackError::Loader(
                "it has writable or zeroed data; nothing of it can be written",
            ));
        }
        let end = offset.saturating_add(segment.memory_size);
        if end > LOADER_SIZE {
            return Err(PackError::Loader("it is longer than 64 KiB"));
        }
        bytes.resize(bytes.len().max(index(page_up(end))), 0);
        bytes[index(offset)..index(end)].copy_from_slice(segment.bytes);
    }
    Ok(bytes)
}

/// Fills header and description.
fn finish(mut file: Vec<u8>, info: &ImageInfo) -> Result<Vec<u8>, PackError> {
    if ImageHeader::read(&file).is_none_or(|h| h.text_offset != 0) {
        return Err(PackError::Header);
    }
    let field = INFO_OFFSET..INFO_OFFSET + size_of::<ImageInfo>();
    let (start, end) = (info.base + field.start as u64, info.base + field.end as u64);
    let inside = info.boot_rodata.start <= start && end <= info.boot_rodata.end;
    if !inside || file[field.clone()].iter().any(|byte| *byte != 0) {
        return Err(PackError::Info { start, end });
    }
    let size = length(&file);
    set_size(&mut file, size);
    file[field].copy_from_slice(info.as_bytes());
    let id = build_id(&file);
    file[BUILD_ID_OFFSET..BUILD_ID_OFFSET + BUILD_ID_SIZE].copy_from_slice(&id);
    Ok(file)
}
