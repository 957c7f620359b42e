// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The crash record of a vCPU ([`bulkhead_abi::crash`]): written when it is taken off because of an error.
//!
//! Implements: BH-HEALTH-034.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use bulkhead_abi::crash::{CRASH_OFFSET, CRASH_SIZE, CrashRecord};
use bulkhead_abi::health::Error;
use bulkhead_arch::barrier::{counter, dmb_ish};

use crate::core_state::LocalVcpu;
use crate::shared::PARTITIONS;
use crate::view;

/// Notes which error ends the life of partition `index`; the first one stays.
pub fn note(index: u32, error: Error) {
    let state = usize::try_from(index).ok().and_then(|p| PARTITIONS.get(p));
    if let Some(state) = state {
        let cause = u32::from(error.code()).wrapping_add(1);
        let _ = state
            .crash
            .compare_exchange(0, cause, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Writes the record of a vCPU whose registers are saved, at `place` on core `core`, when an error ends its life.
/// Implements: BH-HEALTH-060.
///
/// # Timing
/// About 120 stores.
pub fn record(core: u32, place: usize, vcpu: &LocalVcpu) {
    let Some(error) = vcpu.shared.crash.load(Ordering::SeqCst).checked_sub(1) else {
        return;
    };
    let at = CRASH_OFFSET.wrapping_add(place.wrapping_mul(CRASH_SIZE));
    let record = view::core_stats(core).part(at, size_of::<CrashRecord>());
    let number = record.read64(offset_of!(CrashRecord, number)).wrapping_add(1);
    record.write64(offset_of!(CrashRecord, number), 0);
    dmb_ish();
    let now = counter().saturating_sub(view::handoff().epoch);
    record.write64(offset_of!(CrashRecord, time), now);
    record.write64(offset_of!(CrashRecord, error), u64::from(error));
    let starts = vcpu.shared.starts.load(Ordering::SeqCst);
    record.write64(offset_of!(CrashRecord, start), u64::from(starts).wrapping_sub(1));
    let context = &vcpu.context;
    let el1 = &context.el1;
    let registers = [
        el1.sp_el0,
        el1.sp_el1,
        el1.elr,
        el1.spsr,
        el1.esr,
        el1.far,
        el1.sctlr,
        el1.tcr,
        el1.ttbr0,
        el1.ttbr1,
        el1.mair,
        el1.vbar,
        el1.tpidr_el0,
        el1.tpidr_el1,
    ];
    let from = |offset: usize| record.words().get(offset / 8..).unwrap_or_default();
    let copy = |words: &[u64], offset| {
        for (word, place) in words.iter().zip(from(offset)) {
            place.store(*word, Ordering::Relaxed);
        }
    };
    copy(&context.x, offset_of!(CrashRecord, x));
    record.write64(offset_of!(CrashRecord, pc), context.pc);
    record.write64(offset_of!(CrashRecord, pstate), context.pstate);
    copy(&registers, offset_of!(CrashRecord, el1));
    let fp = &context.fp;
    // Two registers a turn, since this is on the longest path of a fault.
    let (places, _) = from(offset_of!(CrashRecord, fp)).as_chunks::<4>();
    let (pairs, _) = fp.q.as_chunks::<2>();
    let half = |q: u128| u64::try_from(q & u128::from(u64::MAX)).unwrap_or(0);
    for ([one, two], [a, b, c, d]) in pairs.iter().zip(places) {
        a.store(half(*one), Ordering::Relaxed);
        b.store(half(*one >> 64), Ordering::Relaxed);
        c.store(half(*two), Ordering::Relaxed);
        d.store(half(*two >> 64), Ordering::Relaxed);
    }
    let control = offset_of!(CrashRecord, fp).wrapping_add(size_of_val(&fp.q));
    record.write64(control, fp.fpcr);
    record.write64(control.wrapping_add(8), fp.fpsr);
    dmb_ish();
    record.write64(offset_of!(CrashRecord, number), number);
}
