// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trace: typed events in a ring per core, cheap enough to stay on.
//!
//! A core writes its own ring only and EL2 is not preempted on it, so there is nothing to lock; the oldest event
//! is overwritten, and the reader counts what it lost ([`bulkhead_abi::trace`]). Implements: BH-TRACE-001.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use bulkhead_abi::stats::CoreStats;
use bulkhead_abi::trace::{EVENTS, Event, Kind, NO_VCPU, RING_OFFSET};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::words::SharedBlock;

use crate::core_state::Running;

const WORD: usize = size_of::<u64>();

/// The path through EL2 that a core is on.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Counter value at its begin.
    pub begin: u64,
    /// Global index of the vCPU that it came from, or [`NO_VCPU`].
    pub from: u8,
    /// Why it began: `ESR_EL2.EC`, or a `CLASS_` of [`bulkhead_abi::trace`].
    pub class: u8,
}

/// Writes an event into the ring of the core that `block` belongs to: the calling one.
#[inline]
fn record(block: SharedBlock, event: Event) {
    let words = block.words();
    let Some(count) = words.get(offset_of!(CoreStats, traced) / WORD) else {
        return;
    };
    let number = count.load(Ordering::Relaxed);
    let slot = usize::try_from(number).unwrap_or(0) % EVENTS;
    let at = RING_OFFSET / WORD + 2 * slot;
    if let Some([time, word]) = words.get(at..at + 2) {
        time.store(event.time, Ordering::Relaxed);
        word.store(event.word, Ordering::Relaxed);
    }
    count.store(number.wrapping_add(1), Ordering::Release);
}

/// A global vCPU index as an event shows it.
#[inline]
pub fn shown(vcpu: u32) -> u8 {
    u8::try_from(vcpu).unwrap_or(NO_VCPU)
}

impl Running {
    /// Records an event that happens now. `vcpu` is a global index; `detail` and `value` are as [`Kind`] says, cut to
    /// 16 and 32 bits.
    ///
    /// # Timing
    /// About 30 instructions.
    pub fn note(&self, kind: Kind, vcpu: u32, detail: u32, value: u64) {
        let detail = u16::try_from(detail & 0xffff).unwrap_or(0);
        let value = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
        record(
            self.stats,
            Event::new(counter(), kind, shown(vcpu), detail, value),
        );
    }

    /// Records the path that ends now, at `end`: `next` goes on, or nobody.
    #[inline]
    pub fn path_ends(&self, end: u64, next: u8) {
        let Path { begin, from, class } = self.path;
        let length = u32::try_from(end.wrapping_sub(begin)).unwrap_or(u32::MAX);
        let detail = u16::from_le_bytes([class, next]);
        record(self.stats, Event::new(begin, Kind::Path, from, detail, length));
    }
}
