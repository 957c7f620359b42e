// SPDX-License-Identifier: Apache-2.0 OR MIT
//! References to memory outside the image: window, channels, device registers, device tree.
//!
//! All of it is mapped by [`super::mmu`] from the same device tree that names it here.

use core::sync::atomic::{AtomicU8, AtomicU64};

use bulkhead_abi::window::{
    METRICS, RX_CONTROL, RX_DATA, RX_SIZE, TX_CONTROL, TX_DATA, TX_SIZE, WINDOW_SIZE,
};
use bulkhead_devices::block::Mmio;
use fdt::Fdt;

use crate::machine::Range;
use crate::metrics;
use crate::ring::Control;

/// The window's layout, from [`bulkhead_abi::window`].
#[repr(C, align(4096))]
pub(super) struct Window {
    pub(super) transmit: Control,
    reserved0: [u8; RX_CONTROL - size_of::<Control>()],
    pub(super) receive: Control,
    reserved1: [u8; TX_DATA - RX_CONTROL - size_of::<Control>()],
    pub(super) transmit_data: [AtomicU8; 0x4000],
    pub(super) receive_data: [AtomicU8; 0x1000],
    pub(super) metrics: metrics::Memory,
}
const _: () = assert!(core::mem::offset_of!(Window, transmit) == TX_CONTROL);
const _: () = assert!(core::mem::offset_of!(Window, receive) == RX_CONTROL);
const _: () = assert!(core::mem::offset_of!(Window, transmit_data) == TX_DATA && TX_SIZE == 0x4000);
const _: () = assert!(core::mem::offset_of!(Window, receive_data) == RX_DATA && RX_SIZE == 0x1000);
const _: () = assert!(core::mem::offset_of!(Window, metrics) == METRICS);
const _: () = assert!(size_of::<Window>() <= WINDOW_SIZE);

fn address(range: Range, least: usize, align: usize) -> Option<usize> {
    let size = usize::try_from(range.size).ok()?;
    let start = usize::try_from(range.start).ok()?;
    (size >= least && start != 0 && start.is_multiple_of(align)).then_some(start)
}

/// The window at `range`, if that is large enough.
pub(super) fn window(range: Range) -> Option<&'static Window> {
    let start = address(range, WINDOW_SIZE, align_of::<Window>())?;
    // SAFETY: 1. `start` is aligned, not null, and `size_of::<Window>()` bytes follow in the range that the
    // device tree gives to this partition for its window and the MMU maps for ever. 2. Everything in it that
    // is accessed is an atomic, valid for any bit pattern, so that EL2 may write it at any time.
    Some(unsafe { &*core::ptr::with_exposed_provenance::<Window>(start) })
}

/// The memory of a channel; empty when the range is not usable.
pub(super) fn words(range: Range) -> &'static [AtomicU64] {
    let Some(start) = address(range, 8, 8) else {
        return &[];
    };
    let length = usize::try_from(range.size / 8).unwrap_or(0);
    // SAFETY: 1. `start` is aligned and not null, and `length` words lie in the range that the device tree
    // gives to this partition as a channel and the MMU maps for ever. 2. Atomics are valid for any bit
    // pattern and for concurrent writes of another partition. A map that is read-only is stored to by none of the
    // protocols: they are given a writer's memory for the writer's role, and the reader's own one for the reader's.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(start), length) }
}

/// The registers of a device that has `WORDS` of them.
pub(super) fn registers<const WORDS: usize>(range: Range) -> Option<Mmio<WORDS>> {
    let start = address(range, WORDS * 4, 4)?;
    // SAFETY: 1. `start` is aligned, not null, and the block lies in the range that the device tree gives to
    // this partition as a device, mapped as Device memory for ever. 2. Registers are accessed by volatile
    // loads and stores of their own size only.
    Some(Mmio::new(unsafe { &*core::ptr::with_exposed_provenance(start) }))
}

/// The device tree at the address that the partition was started with.
pub(super) fn device_tree(start: usize) -> Option<Fdt<'static>> {
    if start == 0 || !start.is_multiple_of(8) {
        return None;
    }
    // SAFETY: the boot protocol of the partition promises a device tree at this address, which lies in RAM
    // that nothing else uses; the parser checks its magic and stays within the size that it states.
    unsafe { Fdt::from_ptr(core::ptr::with_exposed_provenance(start)) }.ok()
}
