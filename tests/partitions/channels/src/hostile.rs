// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that does with its channels what it should not.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_partition::el1::{Partition, console, stop, time};
use bulkhead_partition::machine::{ChannelKind, Range};

/// Word of its own memory of `log` that counts its attempts: a restart leaves it as it is.
const ATTEMPTS: usize = 32;
/// From one lie to the next.
const PAUSE_NS: u64 = 50_000;
const REPORT_EVERY: u64 = 2000;

/// Stores with the MMU off, so that stage 2 alone decides.
fn store_past_translation(address: u64) {
    // SAFETY: 1. Code is mapped at its own address, and only these instructions run with the MMU off: exceptions are
    // masked and no stack is used. 2. The address is not the partition's to write: either stage 2 stops the store, or
    // memory of another partition is overwritten, which is what the test looks for.
    unsafe {
        asm!(
            "mrs {daif}, daif",
            "msr daifset, #0xf",
            "mrs {on}, sctlr_el1",
            "bic {off}, {on}, #1",
            "dsb sy",
            "msr sctlr_el1, {off}",
            "isb",
            "str {value}, [{address}]",
            "dsb sy",
            "msr sctlr_el1, {on}",
            "isb",
            "msr daif, {daif}",
            daif = out(reg) _,
            on = out(reg) _,
            off = out(reg) _,
            value = in(reg) u64::MAX,
            address = in(reg) address,
        );
    }
}

/// Memory that the partition may write.
fn words(range: Range) -> &'static [AtomicU64] {
    let start = usize::try_from(range.start).unwrap_or(0);
    let length = usize::try_from(range.size / 8).unwrap_or(0);
    assert!(start != 0 && start.is_multiple_of(8));
    // SAFETY: the device tree gives the range to this partition to write, and the runtime maps it for ever; atomics
    // are valid for any bit pattern.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(start), length) }
}

pub(crate) fn hostile(partition: &Partition, elsewhere: u64) -> ! {
    let range = |label: &str| partition.machine.channels.iter().find(|c| c.label == label);
    let (Some(frame), Some(log), Some(noise)) = (range("frame"), range("log"), range("noise")) else {
        console::line(format_args!("hostile: no channels"));
        stop()
    };
    let ChannelKind::Queuing {
        reader: Some(own), ..
    } = log.kind
    else {
        stop()
    };
    let (own, noise) = (words(own), words(noise.range));
    let Some(kept) = own.get(ATTEMPTS) else { stop() };
    let forbidden = [frame.range.start, log.range.start + 16, elsewhere, elsewhere + 16];
    let attempt = kept.fetch_add(1, Ordering::Relaxed);
    if let Some(address) = usize::try_from(attempt).ok().and_then(|n| forbidden.get(n)) {
        store_past_translation(*address);
        console::line(format_args!("hostile: WROTE {address:#x}"));
        stop()
    }
    // xorshift64: any odd seed, so that runs are alike.
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for lies in 1.. {
        let (place, value) = (next(), next());
        // Small values are indices that could be meant.
        let value = if value & 1 == 0 { value } else { value >> 60 };
        let memory = if place & 1 == 0 { own } else { noise };
        let index = usize::try_from((place >> 8) % 64).unwrap_or(0);
        if let Some(word) = memory.get(index).filter(|_| index != ATTEMPTS) {
            word.store(value, Ordering::Relaxed);
        }
        if lies % REPORT_EVERY == 0 {
            console::line(format_args!("hostile: {attempt} attempts ended, {lies} lies"));
        }
        time::spin(PAUSE_NS);
    }
    stop()
}
