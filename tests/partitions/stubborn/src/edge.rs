// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything of this partition that is not safe Rust.

use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use bulkhead_abi::window::{RX_CONTROL, RX_DATA, RX_SIZE, RingControl, WINDOW_SIZE};
use bulkhead_partition::machine::Range;

/// What the second vCPU counts in, on a page of its own: it writes it with its MMU off, past the caches of the
/// first, which on hardware would have to invalidate before it reads.
#[repr(align(4096))]
pub(crate) struct Counter(pub(crate) AtomicU64);

#[unsafe(export_name = "stubborn_counter")]
pub(crate) static COUNTER: Counter = Counter(AtomicU64::new(0));

/// Whether the second vCPU lets EL2's kicks reach its core.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Kicks {
    /// It does.
    Taken = 0,
    /// Its running priority is the highest, so that nothing preempts it.
    KeptOut = 1,
}

global_asm!(
    ".section .text.stubborn, \"ax\"",
    ".global stubborn_second",
    "stubborn_second:",
    "msr daifset, #0xf",
    "cbz x0, 1f",
    "mov w1, #-1",
    // ICC_AP1R0_EL1: every priority active.
    "msr S3_0_C12_C9_0, x1",
    "isb",
    "1: ldr x2, =stubborn_counter",
    "2: ldr x1, [x2]",
    "add x1, x1, #1",
    "str x1, [x2]",
    "b 2b",
    ".ltorg",
);

unsafe extern "C" {
    safe static stubborn_second: u8;
}

/// Where the second vCPU begins.
pub(crate) fn second() -> u64 {
    // Lossless: both are 64 bits wide on this target.
    core::ptr::from_ref(&stubborn_second).addr() as u64
}

/// Loads from an IPA where the partition has nothing, past its own translation.
pub(crate) fn load_from_nothing() -> ! {
    // SAFETY: 1. The code is mapped at its own address, so that it continues with the MMU off. 2. It does not
    // come back, so that nothing is lost in the caches.
    unsafe {
        asm!(
            "msr daifset, #0xf",
            "mrs x0, sctlr_el1",
            "bic x0, x0, #1",
            "msr sctlr_el1, x0",
            "isb",
            "mov x1, #0x10000000",
            "ldr x0, [x1]",
            "2: b 2b",
            options(noreturn)
        )
    }
}

/// The ring from the host, in the window.
pub(crate) struct Input {
    head: &'static AtomicU32,
    tail: &'static AtomicU32,
    data: &'static [AtomicU8; RX_SIZE as usize],
}

impl Input {
    /// Takes the window's ring.
    pub(crate) fn open(window: Range) -> Option<Self> {
        let start = usize::try_from(window.start).ok()?;
        if start == 0 || !start.is_multiple_of(4096) || window.size < WINDOW_SIZE as u64 {
            return None;
        }
        let control = start + RX_CONTROL;
        // SAFETY: 1. All three lie in the window that the device tree gives to this partition, aligned, and mapped
        // for ever. 2. They are atomics, valid for any bit pattern, so that EL2 may write at any time.
        unsafe {
            Some(Self {
                head: &*core::ptr::with_exposed_provenance(control + offset_of!(RingControl, head)),
                tail: &*core::ptr::with_exposed_provenance(control + offset_of!(RingControl, tail)),
                data: &*core::ptr::with_exposed_provenance(start + RX_DATA),
            })
        }
    }

    /// The next byte that the host typed.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if self.head.load(Ordering::Acquire) == tail {
            return None;
        }
        let byte = self.data.get(usize::try_from(tail % RX_SIZE).ok()?)?;
        let byte = byte.load(Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Some(byte)
    }
}
