// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part's view of what boot verified: blob, hand-over, statistics, windows.
//!
//! Boot hashed the blob and checked every index of it before any core came here, and all roots map it
//! read-only. Implements: BH-BOOT-014.
#![allow(unsafe_code)]

use bulkhead_abi::stats::CORE_STATS_SIZE;
use bulkhead_abi::steal::StolenTime;
use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_arch::words::SharedBlock;
use bulkhead_types::image::Handoff;
use bulkhead_types::system::System;
use bulkhead_types::tables::{Channel, Partition, Vcpu};

use crate::shared::MAX_CORES;

/// Bytes of a stage-2 root page.
const ROOT_BYTES: usize = 4096;
/// Bytes of a lock.
const LOCK_BYTES: usize = 4096;
/// Bytes of a stream table entry.
const STREAM_BYTES: usize = 64;

unsafe extern "C" {
    static __handoff_start: Handoff;
    static __stats_start: u8;
    static __blob_base: u8;
}

/// What boot hands over.
pub fn handoff() -> &'static Handoff {
    // SAFETY: (1) boot filled the page before any core entered the run-time part; (2) every run-time root maps
    // it read-only, so nothing changes it.
    unsafe { &__handoff_start }
}

/// The tables of the blob; `None` if they do not parse, which boot has excluded.
pub fn system() -> Option<System<'static>> {
    let size = usize::try_from(handoff().blob_size).ok()?;
    // SAFETY: (1) boot verified `blob_size` bytes at this address; (2) every root maps them read-only.
    let bytes = unsafe { core::slice::from_raw_parts(&raw const __blob_base, size) };
    System::parse(bytes).ok()
}

/// Statistics block of core `index`; empty when there is no such core.
pub fn core_stats(index: u32) -> SharedBlock {
    match usize::try_from(index) {
        Ok(index) if index < MAX_CORES => {
            let base = &raw const __stats_start as usize + index * CORE_STATS_SIZE;
            // SAFETY: (1) the range is mapped in every root, writable in that of its own core, which alone
            // writes it; (2) no Rust object lives there; (3) it is page-aligned.
            unsafe { SharedBlock::new(base, CORE_STATS_SIZE) }
        }
        _ => SharedBlock::EMPTY,
    }
}

/// The live stage-2 root page of a partition.
pub fn live_root(partition: &Partition) -> SharedBlock {
    match usize::try_from(partition.live_root) {
        // SAFETY: (1) boot copied the page there and every run-time root maps it writable, which the checker proved;
        // (2) no Rust object lives there; (3) it is page-aligned.
        Ok(base) => unsafe { SharedBlock::new(base, ROOT_BYTES) },
        Err(_) => SharedBlock::EMPTY,
    }
}

/// The pristine copy of that page in the blob; empty if it lay outside, which the checker has excluded.
pub fn pristine_root(partition: &Partition) -> &'static [u64] {
    pristine(partition.pristine_root, ROOT_BYTES)
}

/// `length` bytes of the blob as words; empty if they are not in it.
fn pristine(offset: u64, length: usize) -> &'static [u64] {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let size = usize::try_from(handoff().blob_size).unwrap_or(0);
    let inside = offset.checked_add(length).is_some_and(|end| end <= size);
    if !inside || !offset.is_multiple_of(size_of::<u64>()) {
        return &[];
    }
    // SAFETY: (1) the words lie in the blob, whose base is page-aligned and which every root maps read-only;
    // (2) `offset` is a multiple of their size; (3) every bit pattern is a word.
    unsafe {
        core::slice::from_raw_parts(
            (&raw const __blob_base).add(offset).cast(),
            length / size_of::<u64>(),
        )
    }
}

/// The page of a lock. Only the cores of its participants map it.
pub fn lock(entry: &Channel) -> SharedBlock {
    match usize::try_from(entry.base) {
        // SAFETY: (1) the compiler placed the lock there and maps it in the roots of its participants' cores,
        // which alone come here and which the checker proved; (2) no Rust object lies there; (3) it is
        // page-aligned.
        Ok(base) if base != 0 => unsafe { SharedBlock::new(base, LOCK_BYTES) },
        _ => SharedBlock::EMPTY,
    }
}

/// The stolen time of a vCPU of this core; empty when it has none.
pub fn stolen_time(entry: &Vcpu) -> SharedBlock {
    match usize::try_from(entry.stolen_time) {
        // SAFETY: (1) the compiler placed it there and maps its page writable in the roots of the cores of its
        // partition, which alone come here and which the checker proved; (2) no Rust object lives there; (3) it is
        // aligned to its size.
        Ok(base) if base != 0 => unsafe { SharedBlock::new(base, size_of::<StolenTime>()) },
        _ => SharedBlock::EMPTY,
    }
}

/// Offset of a stream table entry in the live image; `None` when the table has no such entry, or the board has no SMMU
/// and so no table.
fn stream_offset(system: &System<'_>, stream: u32) -> Option<u64> {
    if system.board.smmu == 0 {
        return None;
    }
    let fits = stream.checked_shr(system.board.stream_bits) == Some(0);
    let entry = u64::from(stream).wrapping_mul(64);
    fits.then(|| system.board.stream_table.wrapping_add(entry))
}

/// The live stream table entry of a bus master whose partition has a vCPU on this core.
pub fn live_stream(system: &System<'_>, stream: u32) -> SharedBlock {
    let offset = stream_offset(system, stream).map(|o| system.header.live_base.wrapping_add(o));
    match offset.map(usize::try_from) {
        // SAFETY: (1) boot copied the table there and the roots of the cores that call this map it writable, which the
        // checker proved; (2) no Rust object lives there; (3) entries have 64 bytes and the table is aligned.
        Some(Ok(base)) => unsafe { SharedBlock::new(base, STREAM_BYTES) },
        Some(Err(_)) | None => SharedBlock::EMPTY,
    }
}

/// The pristine copy of that entry in the blob.
pub fn pristine_stream(system: &System<'_>, stream: u32) -> &'static [u64] {
    let offset = stream_offset(system, stream).map(|o| system.header.live_image.wrapping_add(o));
    offset.map_or(&[], |offset| pristine(offset, STREAM_BYTES))
}

/// The window of a partition. Only the cores that do the housekeeping, or may have to, and those of a partition with an emulated UART map it.
pub fn window(partition: &Partition) -> SharedBlock {
    match usize::try_from(partition.window) {
        // SAFETY: (1) the compiler placed a window there and maps it in the roots of the cores that call this
        // (the drainer's, and those of an emulated UART), which the checker proved; (2) no Rust object lives
        // there; (3) it is page-aligned.
        Ok(base) if base != 0 => unsafe { SharedBlock::new(base, WINDOW_SIZE) },
        _ => SharedBlock::EMPTY,
    }
}
