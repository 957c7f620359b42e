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

/// Writes an event into the ring of the core that `block` belongs to: the calling one.
#[inline]
pub fn record(block: SharedBlock, event: Event) {
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

/// Second word of the event that tells the injection of `intid` into a vCPU.
pub fn injection(vcpu: u32, intid: u32) -> u64 {
    let detail = u16::try_from(intid & 0xffff).unwrap_or(0);
    Event::new(0, Kind::Inject, shown(vcpu), detail, 0).word
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
}
