// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's own log: defmt frames in a ring per core, moved to the UART by the drainer.
//!
//! A core writes its own ring only, and EL2 is not preempted on it, so a frame is never interleaved. A full
//! ring drops bytes and counts them. Implements: BH-CON-004.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use bulkhead_policy::ring::Ring;

use crate::shared::MAX_CORES;

/// Bytes in a ring, a power of two.
const SIZE: u32 = 1024;

/// One core's ring.
pub struct LogRing {
    head: AtomicU32,
    tail: AtomicU32,
    dropped: AtomicU32,
    data: [AtomicU8; SIZE as usize],
}

impl LogRing {
    const fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            data: [const { AtomicU8::new(0) }; SIZE as usize],
        }
    }

    fn push(&self, byte: u8) {
        let head = self.head.load(Ordering::Relaxed);
        if Ring::<SIZE>::free(head, self.tail.load(Ordering::Acquire)) == 0 {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(cell) = usize::try_from(head % SIZE).ok().and_then(|i| self.data.get(i)) {
            cell.store(byte, Ordering::Relaxed);
        }
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Takes the oldest byte; only the drainer calls this.
    pub fn pop(&self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if Ring::<SIZE>::used(self.head.load(Ordering::Acquire), tail) == 0 {
            return None;
        }
        let byte = usize::try_from(tail % SIZE)
            .ok()
            .and_then(|i| self.data.get(i))
            .map(|c| c.load(Ordering::Relaxed));
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        byte
    }
}

/// The rings, by core.
pub static RINGS: [LogRing; MAX_CORES] = [const { LogRing::new() }; MAX_CORES];

/// Gives defmt the calling core's ring.
#[allow(unsafe_code)]
mod logger {
    use core::cell::UnsafeCell;

    use defmt::Encoder;

    use super::{MAX_CORES, Ordering, RINGS};

    struct Encoders([UnsafeCell<Encoder>; MAX_CORES]);

    // SAFETY: core k uses element k only (`with`), and EL2 is not re-entered on a core.
    unsafe impl Sync for Encoders {}

    static ENCODERS: Encoders = Encoders([const { UnsafeCell::new(Encoder::new()) }; MAX_CORES]);

    #[defmt::global_logger]
    struct Logger;

    fn with(action: impl FnOnce(&mut Encoder, fn(&[u8]))) {
        let core = crate::entry::this_core_index();
        let Some(cell) = ENCODERS.0.get(core) else { return };
        // SAFETY: (1) only core k takes a reference to element k, and it is not interrupted at EL2;
        // (2) the reference ends with this call.
        let encoder = unsafe { &mut *cell.get() };
        action(encoder, push);
    }

    fn push(bytes: &[u8]) {
        if let Some(ring) = RINGS.get(crate::entry::this_core_index()) {
            for byte in bytes {
                ring.push(*byte);
            }
        }
    }

    // SAFETY: acquire, write and release of one frame run on one core without interruption, so frames of one
    // ring never interleave.
    unsafe impl defmt::Logger for Logger {
        fn acquire() {
            with(|encoder, push| encoder.start_frame(push));
        }

        unsafe fn flush() {}

        unsafe fn release() {
            with(|encoder, push| encoder.end_frame(push));
        }

        unsafe fn write(bytes: &[u8]) {
            with(|encoder, push| encoder.write(bytes, push));
        }
    }

    /// Bytes that all rings dropped so far.
    pub fn dropped() -> u32 {
        RINGS.iter().fold(0, |sum, ring| {
            sum.wrapping_add(ring.dropped.load(Ordering::Relaxed))
        })
    }
}

pub use logger::dropped;
